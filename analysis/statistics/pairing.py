"""Equal seeds of two configurations: how far they agree, and tests of their differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special, stats

#: Up to so many differences that are not 0, all signs are counted.
EXACT_TO = 300

Values = Sequence[float] | Sequence[bool] | np.ndarray


def compared(first: Values, second: Values) -> np.ndarray:
    """For each pair 1 where the first is greater, 1/2 where both are equal, 0 where the second is greater, [n]: of
    scores [n], or of whether members converged [n], for which it is (1 + first - second) / 2.

    NaN, a diverged member, is below every number. Raises ValueError where the lengths differ.
    """
    a, b = _pairs(first, second)
    return ((a > b).astype(float) + (a >= b)) / 2


def correlation(first: Values, second: Values) -> float:
    """Spearman's correlation of the scores [n] of equal seeds, with midranks (Spearman 1904); of whether they
    converged [n] it is phi, the correlation of two flags.

    NaN where one is constant, or with fewer than two seeds. A score of NaN, a diverged member, is below every number.
    Raises ValueError where the lengths differ.
    """
    ranks = [stats.rankdata(values) for values in _pairs(first, second)]
    if any(len(np.unique(values)) < 2 for values in ranks):
        return np.nan
    return float(np.corrcoef(*ranks)[0, 1])


def mcnemar(first: Values, second: Values) -> float:
    """P-value, two-sided, that of pairs that differ in whether they converged [n] either is as often the one that did
    (McNemar 1947), exact: twice the smaller tail of a fair coin. 1 where no pair differs.

    Raises ValueError where the lengths differ.
    """
    a, b = _pairs(first, second)
    more, less = int(np.sum(a > b)), int(np.sum(a < b))
    return min(1.0, 2 * float(special.bdtr(min(more, less), more + less, 0.5)))


def signed_rank(first: Values, second: Values) -> float:
    """P-value, two-sided, that the differences of the scores [n] of equal seeds are as likely with either sign:
    Wilcoxon's signed ranks (1945), with midranks, differences of 0 left out; twice the smaller tail.

    All signs of the ranks at hand are counted, ties or not; beyond `EXACT_TO` differences it is the normal
    approximation with ties and a correction for continuity. 1 where no pair differs. NaN, a diverged member, is below
    every number: its difference is the largest, and of two diverged 0. Raises ValueError where the lengths differ.
    """
    a, b = _pairs(first, second)
    differs = a != b
    differences = a[differs] - b[differs]
    # .3 - .2 and .2 - .1 tie, though their last digits differ.
    sizes = [float(f"{size:.9g}") for size in np.abs(differences)]
    doubled = np.round(2 * stats.rankdata(sizes)).astype(int)
    total, positive = int(doubled.sum()), int(doubled[differences > 0].sum())
    # The distribution is symmetric.
    smaller = min(positive, total - positive)
    if len(doubled) > EXACT_TO:
        deviation = np.sqrt(np.sum(doubled.astype(float) ** 2)) / 2
        return min(1.0, 2 * float(special.ndtr((smaller + 1 - total / 2) / deviation)))
    # Probability of each sum of ranks up to the smaller, rank by rank.
    chance = np.zeros(smaller + 1)
    chance[0] = 1.0
    for rank in doubled:
        further = chance / 2
        further[rank:] += chance[:-rank] / 2
        chance = further
    return min(1.0, 2 * float(chance.sum()))


def _pairs(first: Values, second: Values) -> tuple[np.ndarray, np.ndarray]:
    """Both as floats [n], NaN as -inf."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape:
        raise ValueError(f"pairs need as many seeds of each configuration: {a.size} and {b.size}")
    return np.where(np.isnan(a), -np.inf, a), np.where(np.isnan(b), -np.inf, b)
