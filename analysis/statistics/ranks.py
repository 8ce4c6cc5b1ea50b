"""Scores of seeds compared by their ranks: tests of one distribution, how often one wins, and by how much.

More is better: where less is, scores are given with their signs turned. A score that is not finite is that of a member
that diverged: below every number, and equal to another's that diverged.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Sequence

import numpy as np
from scipy import special

#: Results cached of each function: a report is written again and again while a study runs.
MOST_CACHED = 20_000
#: Additions up to which the rank sum's distribution is counted out: about 70 against 70, or 5 against 1500.
MOST_ADDITIONS = 60_000_000
#: Permutations of `same_scores`. They have a fixed seed: the same scores give the same p-value.
DRAWS = 9999
#: Values that are permuted at a time, to bound the memory.
MOST_PERMUTED = 1_000_000
#: Of `superiority`: for how many seeds the largest variance that is possible counts, beside the one that was seen.
PRIOR_SEEDS = 3.0


def rank_sum(first: np.ndarray, second: np.ndarray) -> float:
    """P-value that scores [m] and [n] are of one distribution: Wilcoxon's and Mann & Whitney's test by its exact
    permutation distribution, with midranks where scores are equal (Lehmann 1975, section 1.4).

    Two-sided: twice the smaller side, at most 1; 1 where either is empty. Beyond MOST_ADDITIONS by the normal
    approximation with the variance of tied ranks and a continuity correction.
    """
    if not len(first) or not len(second):
        return 1.0
    return _rank_sum(_content(first), _content(second))


def _content(scores: np.ndarray) -> bytes:
    """Sorted scores, -inf where they diverged: equal samples have equal bytes."""
    values = np.asarray(scores, float)
    # Adding 0 makes -0 and 0 one.
    return np.sort(np.where(np.isfinite(values), values, -np.inf) + 0.0).tobytes()


@functools.lru_cache(MOST_CACHED)
def _rank_sum(first: bytes, second: bytes) -> float:
    x, y = np.frombuffer(first), np.frombuffer(second)
    ties, wins = _ties(x, y), int(_doubled_wins(x, y).sum())
    sides = _at_most(wins, len(x), ties), _at_most(2 * len(x) * len(y) - wins, len(y), ties)
    return min(1.0, 2 * min(sides))


def _ties(x: np.ndarray, y: np.ndarray) -> tuple[int, ...]:
    """How many scores of both are equal to each distinct one, from the lowest up."""
    return tuple(int(count) for count in np.unique(np.concatenate([x, y]), return_counts=True)[1])


def _doubled_wins(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of each of x [m], twice the number of sorted y [n] that it is above, equal ones by half: [m]."""
    return np.searchsorted(y, x, "left") + np.searchsorted(y, x, "right")


def _at_most(wins: int, size: int, ties: tuple[int, ...]) -> float:
    """Probability that `size` of the scores, drawn by lot, have at most so many doubled wins over the others."""
    if _is_counted(size, sum(ties)):
        return float(_distribution(size, ties)[wins])
    return float(_normal(np.array(wins), size, ties))


def _is_counted(size: int, total: int) -> bool:
    return min(size, total - size) * size * (total - size) * total <= MOST_ADDITIONS


def _normal(wins: np.ndarray, size: int, ties: tuple[int, ...]) -> np.ndarray:
    """As `_at_most`, of many seeds, of any shape."""
    total = sum(ties)
    pairs = size * (total - size)
    tied = sum(count**3 - count for count in ties) / (total * (total - 1))
    variance = pairs / 12 * (total + 1 - tied)
    found: np.ndarray = special.ndtr((wins - pairs + 1) / 2 / math.sqrt(variance)) if variance > 0 else np.ones(())
    return found


@functools.lru_cache(64)
def chances_of_wins(size: int) -> np.ndarray:
    """Probability that one of two groups of so many seeds each, all scores different and of one distribution, has at
    most w wins over the other, w = 0 .. size^2: [size^2+1]. `rank_sum` is twice the smaller of those of w and of
    size^2 - w, at most 1."""
    ties = (1,) * (2 * size)
    if _is_counted(size, 2 * size):
        return _distribution(size, ties)[::2]
    return _normal(2 * np.arange(size**2 + 1), size, ties)


@functools.lru_cache(512)
def _distribution(size: int, ties: tuple[int, ...]) -> np.ndarray:
    """Probability of at most w doubled wins, w = 0 .. 2 size (total - size): [2 size (total - size) + 1].

    Subsets are counted by their size and rank sum, score by score. Counts are whole numbers, exact in 64 bits up to
    2^53 and to 15 digits beyond.
    """
    others = sum(ties) - size
    # The wins of the one group are what the other's leave.
    counts = _counts(size, ties) if size <= others else _counts(others, ties)[::-1]
    found: np.ndarray = np.cumsum(counts) / counts.sum()
    return found


def _counts(size: int, ties: tuple[int, ...]) -> np.ndarray:
    """How many subsets of so many scores have w doubled wins over the others: [2 size (total - size) + 1]."""
    total = sum(ties)
    # Doubled midranks, above the lowest one, in their largest common unit.
    ends = np.cumsum(ties)
    levels = (2 * ends - ties) - ties[0]
    unit = max(int(np.gcd.reduce(levels)), 1)
    steps = [int(step) for step in np.repeat(levels // unit, ties)]
    counts = np.zeros((size + 1, sum(steps[total - size :]) + 1))
    counts[0, 0] = 1
    for index, step in enumerate(steps):
        # Subsets that can still grow to the size, and sums that so many of the scores so far can have.
        least, largest = max(1, size - (total - 1 - index)), min(index + 1, size)
        reach = sum(steps[index + 1 - largest : index + 1]) + 1
        counts[least : largest + 1, step:reach] += counts[least - 1 : largest, : reach - step]
    wins = unit * np.arange(counts.shape[1]) - size * (size - ties[0])
    found = np.zeros(2 * size * (total - size) + 1)
    possible = (wins >= 0) & (wins < len(found))
    found[wins[possible]] = counts[size, possible]
    return found


def same_scores(groups: Sequence[np.ndarray]) -> float:
    """P-value that scores [n] of all groups are of one distribution: Kruskal & Wallis' test (1952) with midranks, by
    DRAWS permutations, the observed one counted among them (Phipson & Smyth 2010).

    Whatever the order of groups and scores. 1 with fewer than two groups that have scores, or where all are equal.
    """
    present = sorted((_content(group) for group in groups if len(group)), key=lambda content: (len(content), content))
    return _same_scores(tuple(present)) if len(present) > 1 else 1.0


@functools.lru_cache(MOST_CACHED)
def _same_scores(groups: tuple[bytes, ...]) -> float:
    scores = [np.frombuffer(group) for group in groups]
    sizes = np.array([len(group) for group in scores])
    starts = np.cumsum(sizes) - sizes
    _, places, ties = np.unique(np.concatenate(scores), return_inverse=True, return_counts=True)
    if len(ties) == 1:
        return 1.0
    ranks = (2 * np.cumsum(ties) - ties)[places].astype(np.int32)
    sums = np.add.reduceat(ranks, starts, dtype=np.int64).astype(float)
    return share_of_permutations((sums**2 / sizes).sum(), tuple(sizes.tolist()), tuple(ties.tolist()))


def share_of_permutations(observed: float, sizes: tuple[int, ...], ties: tuple[int, ...]) -> float:
    """P-value of `same_scores`, from the sum of the squared sums of doubled ranks over the sizes of groups.

    sizes: growing.  ties: how many scores are equal to each distinct one.
    """
    every = _permuted(sizes, ties)
    # Permutations with the same statistic may differ in the last digits.
    hits = len(every) - int(np.searchsorted(every, observed * (1 - 1e-12)))
    return (1 + hits) / (1 + DRAWS)


@functools.lru_cache(256)
def _permuted(sizes: tuple[int, ...], ties: tuple[int, ...]) -> np.ndarray:
    """The statistic of DRAWS permutations, growing: where no scores are equal the same for all of these sizes."""
    counts = np.array(ties)
    pooled = np.repeat(2 * np.cumsum(counts) - counts, counts).astype(np.int32)
    starts = np.cumsum(sizes, dtype=np.int64) - np.array(sizes)
    rng, found, rest = np.random.default_rng(0), list[np.ndarray](), DRAWS
    while rest:
        count = min(rest, max(MOST_PERMUTED // len(pooled), 1))
        drawn = rng.permuted(np.broadcast_to(pooled, (count, len(pooled))), axis=1)
        sums = np.add.reduceat(drawn, starts, axis=-1, dtype=np.int64).astype(float)
        found.append((sums**2 / np.array(sizes)).sum(-1))
        rest -= count
    return np.sort(np.concatenate(found))


def superiority(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Probability that a score of `first` [m] is above one of `second` [n], equal ones by half (of improvement,
    Agarwal 2021): (estimate, low, high); NaN and 0 to 1 where either is empty.

    Clopper & Pearson's interval with an effective number of seeds, as Korn & Graubard's (1998) of proportions in
    surveys: the number of independent pairs with which a proportion has DeLong's variance (1988). It is the smaller of
    m and n or more, whatever the distributions (van Dantzig 1951); that least one counts for PRIOR_SEEDS, since few
    seeds, or some of which nearly all win, may show next to no variance where there is some. In simulations of 5 to 40
    seeds it holds in 94 % at least: with ties, two clumps, unequal spreads and diverged members, where Newcombe's
    (2006, method 5) falls to 65 %.

    It holds 1/2 wherever `rank_sum` does not reject at 1 - confidence.
    """
    if not len(first) or not len(second):
        return float("nan"), 0.0, 1.0
    return _superiority(_content(first), _content(second), confidence)


@functools.lru_cache(MOST_CACHED)
def _superiority(first: bytes, second: bytes, confidence: float) -> tuple[float, float, float]:
    x, y = np.frombuffer(first), np.frombuffer(second)
    won, lost = _doubled_wins(x, y), _doubled_wins(y, x)
    m, n, fewer = len(x), len(y), min(len(x), len(y))
    wins, variance = float(won.sum() / (2 * m * n)), 0.0
    if fewer > 1:
        variance = float(np.var(won / (2 * n), ddof=1) / m + np.var(lost / (2 * m), ddof=1) / n)
    low, high = (float(end) for end in superiority_ends(np.array(wins), np.array(variance), fewer, confidence))
    if _rank_sum(first, second) >= _level(confidence):
        low, high = min(low, 0.5), max(high, 0.5)
    return wins, low, high


def superiority_ends(
    wins: np.ndarray, variance: np.ndarray, fewer: int, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of `superiority`, but for what the rank sum says, of any shape. wins: its estimate.  variance: DeLong's.
    fewer: the smaller of the two numbers of seeds."""
    # One over the effective number of seeds.
    inverse, spread, side = np.full(np.shape(wins), 1 / fewer), wins * (1 - wins), (1 - confidence) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        if fewer > 1:
            # The nearer to 0 or 1, the fewer seeds show a variance.
            showing = 4 * spread * fewer
            shown = (showing * variance / spread + PRIOR_SEEDS / fewer) / (showing + PRIOR_SEEDS)
            inverse = np.where(spread > 0, np.minimum(shown, inverse), inverse)
        above, below = wins / inverse, (1 - wins) / inverse
        low = np.where(wins > 0, special.betaincinv(above, below + 1, side), 0.0)
        high = np.where(wins < 1, special.betaincinv(above + 1, below, 1 - side), 1.0)
    return low, high


def _level(confidence: float) -> float:
    """Level below which a test rejects; a p-value that is equal to it but for the last digits does not."""
    return (1 - confidence) * (1 - 1e-9)


def shift(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """By how much scores [m] of `first` are above those [n] of `second`, in units of the score: the median of all
    differences (Hodges & Lehmann 1963), and between which of them the difference of two distributions of one shape is,
    whatever the shape: (estimate, low, high).

    Without equal scores the interval is the inverse of `rank_sum` (Lehmann 1975, section 2.6): it leaves out 0 exactly
    where the test rejects at 1 - confidence. Equal ones make it wider, and it may hold 0 where the test rejects; it
    never leaves out 0 where the test does not. An end is infinite where so few scores have no bound, or where members
    that diverged decide. The estimate is NaN where either is empty, where all diverged, or where it would lie between
    -inf and inf.
    """
    if not len(first) or not len(second):
        return float("nan"), -math.inf, math.inf
    return _shift(_content(first), _content(second), confidence)


@functools.lru_cache(MOST_CACHED)
def _shift(first: bytes, second: bytes, confidence: float) -> tuple[float, float, float]:
    x, y = np.frombuffer(first), np.frombuffer(second)
    with np.errstate(invalid="ignore"):
        differences = np.subtract.outer(x, y).ravel()
    # Two that diverged are equal whatever the shift: half a win each way.
    differences = np.sort(differences[~np.isnan(differences)])
    count = len(differences)
    if not count:
        return float("nan"), -math.inf, math.inf
    equal = len(x) * len(y) - count
    ties = _ties(x, y)
    # A shift is rejected where the group that it leaves behind has fewer doubled wins than these.
    low = -((equal - _least(len(y), ties, confidence)) // 2)
    high = -((equal - _least(len(x), ties, confidence)) // 2)
    estimate = float(differences[(count - 1) // 2]) / 2 + float(differences[count // 2]) / 2
    return (
        estimate,
        float(differences[low - 1]) if low > 0 else -math.inf,
        float(differences[count - high]) if high > 0 else math.inf,
    )


def _least(size: int, ties: tuple[int, ...], confidence: float) -> int:
    """Least doubled wins of a group of this size with which the test does not reject on this side: neither with these
    ties nor with none, which other shifts have."""

    def least(ties: tuple[int, ...]) -> int:
        every = range(2 * size * (sum(ties) - size) + 1)
        return bisect.bisect_left(every, _level(confidence), key=lambda wins: 2 * _at_most(wins, size, ties))

    return min(least(ties), least((1,) * sum(ties)))
