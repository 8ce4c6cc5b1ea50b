"""Several configurations on the same seeds: a test that a seed does alike in all of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from scipy import stats

#: Permutations; they have a fixed seed: the same values give the same p-value.
DRAWS = 9999
#: Values that are permuted at a time, to bound the memory.
MOST_PERMUTED = 2_000_000
#: Results that are cached: a report is written again and again while a study runs.
MOST_CACHED = 4096


def same_within_seeds(groups: Sequence[np.ndarray]) -> float:
    """P-value that what seeds give, [n] of each group, whether they converged or their scores, comes in any order of
    the groups, seed by seed: by permutation within seeds, the observed order counted among them (Phipson & Smyth 2010).

    The statistic is that of aligned ranks (Hodges & Lehmann 1962): the sum over groups of the square of the sum of its
    midranks among all values, less their mean of the seed. Of flags it is Cochran's Q (1950), but for a factor. NaN, a
    diverged member, is below every number. Seeds that only some groups have are left out. 1 with fewer than two groups
    or where no seed's values differ.
    """
    size = min((len(group) for group in groups), default=0)
    if len(groups) < 2 or not size:
        return 1.0
    values = np.stack([np.asarray(group[:size], float) for group in groups], 1)
    ranks = stats.rankdata(np.where(np.isnan(values), -np.inf, values) + 0.0).reshape(values.shape)
    return _by_permutation(np.round(2 * ranks).astype(np.int32).tobytes(), size)


@functools.lru_cache(MOST_CACHED)
def _by_permutation(ranks: bytes, seeds: int) -> float:
    """ranks: doubled, int32 [seeds, groups]."""
    doubled = np.frombuffer(ranks, np.int32).reshape(seeds, -1)
    # Seeds whose values are equal add the same to all groups.
    doubled = doubled[(doubled != doubled[:, :1]).any(1)]
    if not len(doubled):
        return 1.0
    groups = doubled.shape[1]
    # Less the mean of the seed, times the groups: whole numbers.
    aligned = groups * doubled.astype(np.int64) - doubled.sum(1, dtype=np.int64, keepdims=True)
    observed = int((aligned.sum(0) ** 2).sum())
    rng = np.random.default_rng(0)
    hits, rest = 0, DRAWS
    while rest:
        count = min(rest, max(MOST_PERMUTED // aligned.size, 1))
        drawn = rng.permuted(np.broadcast_to(aligned, (count, *aligned.shape)), axis=2).sum(1)
        hits += int(((drawn**2).sum(1) >= observed).sum())
        rest -= count
    return (1 + hits) / (1 + DRAWS)
