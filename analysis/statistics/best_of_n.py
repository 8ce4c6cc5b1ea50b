"""What single runs are worth: which configuration they would name, and how good the best of n is by luck alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from seedsweep.analysis.statistics.proportions import quadrature
from seedsweep.analysis.statistics.scores import central, gaps, ordered, quantile_interval

#: Most probabilities that are held at once.
MOST_AT_ONCE = 2_000_000


def named_best(scores: Sequence[np.ndarray]) -> np.ndarray:
    """How often a comparison of one seed each names each configuration the best, [configurations]; exact.

    scores: one array a configuration, a score a seed; NaN, a member that diverged, is below every number. Every seed is
    as likely; ties are broken evenly. Errors: ValueError for a configuration without scores.
    """
    field = _Field(scores)
    alike = np.repeat(1 / np.array(field.sizes), field.sizes)[None]
    return np.asarray(field.named(alike, alike, np.zeros((1, len(scores))))[0])


@dataclass(frozen=True)
class Replication:
    """Of a comparison with one seed each: how often it names each configuration the best, with an interval for the
    finite number of seeds that were run; each [configurations]."""

    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


def replication(scores: Sequence[np.ndarray], confidence: float = 0.95, rounds: int = 200) -> Replication:
    """`named_best` with an interval that holds on any scale, with ties too. Errors: ValueError for a configuration
    without scores.

    Drawn as that of `scores.interquartile_mean`: for the lower bound what lies between two scores of a configuration is
    put on the lower one, and what lies between two scores of the others on the upper one; beyond the extremes a score
    is worse, or better, than all that were seen. It is wide where configurations are many and seeds few.
    """
    share = named_best(scores)
    if len(scores) == 1:
        return Replication(share, share, share)
    field = _Field(scores)
    drawn = [gaps(size, rounds, (1, place)) for place, size in enumerate(field.sizes)]
    down, up = np.hstack([shares[:, 1:] for shares in drawn]), np.hstack([shares[:, :-1] for shares in drawn])
    # Beyond the extremes: worse than all that was seen, and better, which is the best whatever the others are.
    worst, best = (np.stack([shares[:, end] for shares in drawn], axis=1) for end in (0, -1))
    low, high = field.named(down, up, np.zeros_like(worst)), field.named(up, down, worst) + best
    return Replication(share, *central(low, high, confidence))


class _Field:
    """The scores of all configurations C, [N], from the worst to the best of each."""

    def __init__(self, scores: Sequence[np.ndarray]) -> None:
        if any(len(values) == 0 for values in scores):
            raise ValueError("a configuration without scores cannot be compared")
        each = [ordered(values) for values in scores]
        every = np.concatenate(each)
        self.sizes = [len(values) for values in scores]
        self._starts = np.cumsum([0, *self.sizes])[:-1]
        self._owns = np.repeat(range(len(scores)), self.sizes) == np.arange(len(scores))[:, None]
        # How many of each configuration are below each score, and not above it, [C,N].
        self._below = np.stack([np.searchsorted(values, every, "left") for values in each])
        self._up_to = np.stack([np.searchsorted(values, every, "right") for values in each])
        # The product's degree is the number of others that have an equal score: Gauss-Legendre of these nodes is exact.
        equal = int((self._up_to > self._below).sum(0).max()) - 1
        self._nodes, self._weights = quadrature(equal // 2 + 1)

    def named(self, own: np.ndarray, others: np.ndarray, worse: np.ndarray) -> np.ndarray:
        """How often each is named, [R,C], where its scores have the shares `own` [R,N], and those of the others the
        shares `others` [R,N] of their distributions, with `worse` [R,C] below all scores.

        With u in [0,1] the place of i's tie-breaker, i is above all j with probability
        prod_j P(x_j < x_i) + u P(x_j = x_i), integrated over u.
        """
        # Rounds are done in parts, to bound memory.
        size = max(1, MOST_AT_ONCE // (len(self._nodes) * sum(self.sizes)))
        parts = [slice(i, i + size) for i in range(0, len(own), size)]
        wins = np.concatenate([self._wins(others[part], worse[part]) for part in parts])
        # A sum of shares may be above 1 by rounding.
        return np.minimum(np.add.reduceat(wins * own, self._starts, axis=1), 1.0)

    def _wins(self, others: np.ndarray, worse: np.ndarray) -> np.ndarray:
        """How often each score is above those of all other configurations, [R,N]."""
        products = np.ones((len(self._nodes), others.shape[1], len(others)))
        for place, (start, size) in enumerate(zip(self._starts, self.sizes, strict=True)):
            own = slice(start, start + size)
            # A row a share: whole rows are taken, which is many times faster than columns.
            reached = np.ascontiguousarray(np.cumsum(np.column_stack([worse[:, place], others[:, own]]), axis=1).T)
            below, up_to = self._below[place], self._up_to[place]
            above = reached[below]
            above[own] = 1.0
            tied = np.flatnonzero(below != up_to)
            tied = tied[(tied < own.start) | (tied >= own.stop)]
            lower, equal = reached[below[tied]], reached[up_to[tied]] - reached[below[tied]]
            above[tied] = 1.0
            products *= above
            for number, node in enumerate(self._nodes):
                products[number, tied] *= lower + node * equal
        found: np.ndarray = np.tensordot(self._weights, products, 1).T
        return found


def median_best(
    scores: np.ndarray, most: int = 50, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The score that the best of 1, 2, ... of the n seeds reaches in half of all tries, up to `most`, each [k]: the
    median over all choices of so many different seeds, with `quantile_interval` of the distribution's quantile at
    2^(-1/k).

    Not the mean of the best (Dodge 2019, Tang 2020): no interval of a mean holds without bounds of the scores (Bahadur
    & Savage 1956): seeds that fail once in ten times are not seen in a quarter of studies of 12. An upper bound is NaN
    where so few seeds have none: 12 have one of the best of two, 40 of the best of seven. Errors: ValueError without
    scores.
    """
    n = len(scores)
    if not n:
        raise ValueError("the best of no scores")
    runs = np.arange(1, min(n, most) + 1)
    # The best of k chosen ones is among the i smallest of n with probability C(i, k) / C(n, k).
    reached = np.cumsum(_largest(n, runs), axis=1)
    # Rounding is no reason to take a neighbour: at one half it is the middle of two.
    first, second = ((reached < 0.5 + margin).sum(1) for margin in (-1e-9, 1e-9))
    values = ordered(scores)
    return (values[first] + values[second]) / 2, *quantile_interval(scores, 0.5 ** (1 / runs), confidence)


def _largest(n: int, runs: np.ndarray) -> np.ndarray:
    """Probability that the i-th smallest of n values is the largest of k chosen ones: C(i-1, k-1) / C(n, k), [k,i]."""
    k, i = runs[:, None], np.arange(1, n + 1)[None, :]
    logs = _log_choose(np.maximum(i, k) - 1, k - 1) - _log_choose(np.full_like(k, n), k)
    return np.where(i >= k, np.exp(logs), 0.0)


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
