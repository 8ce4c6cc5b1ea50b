"""Many studies decided at once on an axis of scores, as `decisions.decide` and `verdicts.verdict` decide one: of
independent seeds whose scores are all different.

scores: [studies,groups,seeds], more being better.  sizes: seeds at each look; all groups take part in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from seedsweep.analysis.design import group_sequential
from seedsweep.analysis.design.in_bulk import Claims
from seedsweep.analysis.statistics.ranks import chances_of_wins, share_of_permutations, superiority_ends
from seedsweep.core.records.decision import Claim

#: Seeds in all to which the omnibus test is by permutation; beyond it is chi-square, which it comes to.
EXACT_OMNIBUS = 500


def told_apart(
    scores: np.ndarray,
    sizes: Sequence[int],
    level: float,
    pairs: Sequence[tuple[int, int]],
    reached: int | None = None,
) -> np.ndarray:
    """Of some pairs 1 where the first is significantly better and -1 where the second is (`decisions.Pair.better`),
    [studies,pairs]. level: of the axis.  reached: how many looks there were so far; None: all.

    That needs the interval of the probability that one is better to leave out one half, at the part of the level that
    each of all pairs has: where it does, the step-down test rejects, too, once the omnibus test has.
    """
    studies, groups, _ = scores.shape
    each = group_sequential.nominal(level / max(1, groups * (groups - 1) // 2), sizes)
    better = np.zeros((studies, len(pairs)), np.int8)
    for size in sizes[:reached]:
        for number, (i, j) in enumerate(pairs):
            found = _better(scores[:, i, :size], scores[:, j, :size], each)
            better[:, number] = np.where(better[:, number] == 0, found, better[:, number])
    some = np.flatnonzero(better.any(1))
    if groups > 2 and len(some):
        better[some] *= _not_all_equal(scores[some], sizes, level, reached)[:, None]
    return better


def judged(claims: Claims, claim: Claim, scores: np.ndarray, sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Whether a claim is supported, and whether it is refuted, at the first look that says either, [studies] each. Its
    margin is in units of the scores.

    Of `alike` without what a step-down test would find beyond the intervals.
    """
    supported, refuted = _sides(claims, claim, scores, sizes, None)
    rows = np.flatnonzero(supported & refuted)
    for look in range(1, len(sizes)):
        if not len(rows):
            break
        yes, no = _sides(claims, claim, scores[rows], sizes, look)
        said = yes | no
        supported[rows[said]], refuted[rows[said]] = yes[said], (no & ~yes)[said]
        rows = rows[~said]
    return supported, refuted & ~supported


def _sides(
    claims: Claims, claim: Claim, scores: np.ndarray, sizes: Sequence[int], reached: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the looks so far support it, and whether they refute it, [studies] each."""
    pairs, margin = claims.pairs(claim), claim.margin
    shifts = [_shifts(scores, pair, sizes, claims.error, margin, reached) for pair in pairs if margin is not None]
    if claim.alike is not None:
        ((below, above),) = shifts
        other_below, other_above = _shifts(scores, pairs[0][::-1], sizes, claims.error, margin or 0.0, reached)
        return below & other_below, above | other_above
    better = told_apart(scores, sizes, claims.level, pairs, reached)
    supported, refuted = np.all(better > 0, axis=1), np.any(better < 0, axis=1)
    for below, _ in shifts:
        refuted |= below
    return supported, refuted


def _shifts(
    scores: np.ndarray,
    pair: tuple[int, int],
    sizes: Sequence[int],
    error: float,
    margin: float,
    reached: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the upper bound of a pair's shift is below the margin, and whether the lower one is above it, at any
    look, [studies] each. error: of the pair's interval."""
    below, above = np.zeros(len(scores), bool), np.zeros(len(scores), bool)
    each = group_sequential.nominal(error, sizes)
    for size in sizes[:reached]:
        chances = chances_of_wins(size)
        wins, _ = _wins(scores[:, pair[0], :size] - margin, scores[:, pair[1], :size])
        below |= 2 * chances[wins] < each
        above |= 2 * chances[size**2 - wins] < each
    return below, above


def _better(first: np.ndarray, second: np.ndarray, level: float) -> np.ndarray:
    """1 or -1 where the interval of the probability that one of [studies,n] is better leaves out one half."""
    seeds = first.shape[1]
    wins, variance = _wins(first, second)
    chances = chances_of_wins(seeds)
    rows = np.flatnonzero(2 * np.minimum(chances[wins], chances[seeds**2 - wins]) < level * (1 - 1e-9))
    low, high = superiority_ends(wins[rows] / seeds**2, variance[rows], seeds, 1 - level)
    found = np.zeros(len(wins), np.int8)
    found[rows] = (low > 0.5).astype(np.int8) - (high < 0.5)
    return found


def _wins(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of two groups [studies,n]: in how many pairs of seeds the first is higher, and DeLong's variance of that share,
    [studies] each."""
    seeds = first.shape[1]
    own = np.argsort(np.concatenate([first, second], axis=1), axis=1) < seeds
    before = np.cumsum(own, axis=1)
    # How many of the other group each seed is above.
    above = np.where(own, np.arange(1, 2 * seeds + 1) - before, before)
    wins = np.where(own, above, 0).sum(1)
    spread = [_sum_of_squares(above, mine, seeds) for mine in (own, ~own)]
    return wins, sum(spread) / max(seeds - 1, 1) / seeds**3


def _sum_of_squares(values: np.ndarray, mine: np.ndarray, seeds: int) -> np.ndarray:
    """About their mean, of so many in each row, [studies]."""
    kept = np.where(mine, values, 0).astype(float)
    found: np.ndarray = (kept**2).sum(1) - kept.sum(1) ** 2 / seeds
    return found


def _not_all_equal(scores: np.ndarray, sizes: Sequence[int], level: float, reached: int | None) -> np.ndarray:
    """Whether the omnibus test has rejected at any look so far, [studies]."""
    studies, groups, _ = scores.shape
    smallest = np.ones(studies)
    for size in sizes[:reached]:
        total = groups * size
        order = np.argsort(scores[:, :, :size].reshape(studies, total), axis=1)
        ranks = np.empty((studies, total), int)
        np.put_along_axis(ranks, order, np.arange(1, total + 1)[None], axis=1)
        sums = ranks.reshape(studies, groups, size).sum(2)
        if total <= EXACT_OMNIBUS:
            # Of doubled ranks, less 1, as the test has them.
            doubled = ((2.0 * sums - size) ** 2 / size).sum(1)
            p = np.array([share_of_permutations(own, (size,) * groups, (1,) * total) for own in doubled])
        else:
            statistic = 12 / (total * (total + 1)) * (sums**2 / size).sum(1) - 3 * (total + 1)
            p = special.chdtrc(groups - 1, statistic)
        smallest = np.minimum(smallest, p)
    return np.array([group_sequential.overall_of_several(p, sizes, groups - 1) <= level for p in smallest], bool)
