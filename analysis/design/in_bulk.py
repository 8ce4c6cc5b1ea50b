"""Many studies decided at once, as `decisions.decide`, `stopping.progress` and `verdicts.verdict` decide one: on the
axis *converging*, of independent seeds, from counts alone.

counts: how many seeds of each group had converged at each look, [studies,groups,looks].  sizes: seeds at each look.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from seedsweep.analysis.design import group_sequential
from seedsweep.analysis.design.stopping import CONTINUATIONS, FUTILE
from seedsweep.analysis.statistics.multiplicity import most_true
from seedsweep.analysis.statistics.proportions import clopper_pearson, lower_beyond, same_share
from seedsweep.core.records.decision import Claim

#: Seeds to which Boschloo's test is computed for all tables; beyond it is the pooled z test, which it comes to.
EXACT_TO = 200
#: Seeds in all to which the omnibus test is by permutation; beyond it is chi-square, which it comes to.
EXACT_OMNIBUS = 250


def told_apart(
    counts: np.ndarray,
    sizes: Sequence[int],
    level: float,
    reached: np.ndarray | None = None,
    *,
    omnibus: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """1 where the first of a pair is significantly better, -1 where the second is, [studies,pairs], pairs as
    `itertools.combinations` has them; and whether the omnibus test has rejected, [studies].

    reached: how many looks each group took part in, [studies,groups]; None: all.  omnibus: whether that test is wanted
    where it would find no pair, too.
    """
    studies, groups, _ = counts.shape
    reached = np.full((studies, groups), len(sizes)) if reached is None else reached
    first, second = np.triu_indices(groups, 1)
    seen = np.minimum(reached[:, first], reached[:, second])
    p_values = np.ones((studies, len(first)))
    last = np.zeros((studies, len(first)))
    for look, size in enumerate(sizes):
        own, other = counts[:, first, look], counts[:, second, look]
        p = overall(boschloo_table(size)[own, other], tuple(sizes))
        # The sign is that of the look that decided.
        decides = (look < seen) & (p < p_values)
        p_values = np.where(decides, p, p_values)
        last = np.where(decides, np.sign(own - other), last)
    found = stepped_down(p_values, groups, level)
    if groups == 2:
        return np.where(found, last, 0).astype(np.int8), found[:, 0]
    rows = np.arange(studies) if omnibus else np.flatnonzero(found.any(1))
    differs = np.zeros(studies, bool)
    for look, size in enumerate(sizes):
        open_ones = rows[~differs[rows] & (look < reached[rows].min(1))]
        differs[open_ones] = _not_all_equal(counts[open_ones, :, look], size, tuple(sizes), level)
    return np.where(found & differs[:, None], last, 0).astype(np.int8), differs


def stepped_down(p_values: np.ndarray, groups: int, level: float) -> np.ndarray:
    """As `multiplicity.adjusted_pairs`, but for the omnibus test: which pairs are rejected, [studies,pairs]."""
    if groups == 2:
        return p_values <= level
    order = np.argsort(p_values, axis=1, kind="stable")
    factors = [most_true(groups, max(rejected, 1)) for rejected in range(p_values.shape[1])]
    adjusted = np.maximum.accumulate(np.take_along_axis(p_values, order, 1) * factors, axis=1)
    found = np.zeros(p_values.shape, bool)
    np.put_along_axis(found, order, adjusted <= level, 1)
    return found


def _not_all_equal(drawn: np.ndarray, seeds: int, sizes: tuple[int, ...], level: float) -> np.ndarray:
    """Whether the omnibus test rejects at a look, of [studies,groups]."""
    groups = drawn.shape[1]
    if groups * seeds <= EXACT_OMNIBUS:
        p_values = np.array([same_share([(int(converged), seeds) for converged in sorted(row)]) for row in drawn])
    else:
        pooled = drawn.mean(1) / seeds
        with np.errstate(invalid="ignore", divide="ignore"):
            statistic = seeds * (drawn / seeds).var(1) * groups / (pooled * (1 - pooled))
        p_values = special.chdtrc(groups - 1, np.nan_to_num(statistic))
    return np.array([group_sequential.overall_of_several(p, sizes, groups - 1) <= level for p in p_values], bool)


def overall(p_values: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """`group_sequential.overall` of many, to about 1 %: between nodes on a logarithmic scale."""
    if len(sizes) < 2:
        return p_values
    nodes, values = _nodes(sizes)
    return np.asarray(np.exp(np.interp(np.log(np.maximum(p_values, 1e-300)), nodes, values)))


@functools.lru_cache(maxsize=64)
def _nodes(sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    nodes = np.concatenate([np.linspace(-30, -8, 23)[:-1], np.linspace(-8, 0, 65)])
    return nodes, np.log([group_sequential.overall(math.exp(node), sizes) for node in nodes])


@functools.lru_cache(maxsize=32)
def boschloo_table(seeds: int) -> np.ndarray:
    """Two-sided p of k of n against l of n, [n+1,n+1], to about 1 %: as `proportions.boschloo`, whose maximum over the
    common P(converge) is here that of a fine grid. Beyond EXACT_TO the pooled z test's."""
    k = np.arange(seeds + 1)
    own, other = np.meshgrid(k, k, indexing="ij")
    if seeds > EXACT_TO:
        pooled = (own + other) / (2 * seeds)
        with np.errstate(invalid="ignore"):
            z = (own - other) / np.sqrt(2 * seeds * pooled * (1 - pooled))
        return np.asarray(2 * special.ndtr(-np.abs(np.nan_to_num(z))))
    # Tables with the same p may differ in the last digits.
    fisher = np.round(np.log(np.maximum(stats.hypergeom.sf(own - 1, 2 * seeds, own + other, seeds), 1e-300)), 9)
    values, place = np.unique(fisher, return_inverse=True)
    place = place.ravel()
    largest = np.zeros(len(values))
    # The probability is the same at 1 - p.
    angles = np.linspace(0, np.pi / 4, 64 + 12 * math.isqrt(seeds))[1:]
    for chances in stats.binom.pmf(k, seeds, np.sin(angles)[:, None] ** 2):
        of_tables = np.bincount(place, np.outer(chances, chances).ravel(), len(values))
        np.maximum(largest, np.cumsum(of_tables), out=largest)
    greater = largest[place].reshape(fisher.shape)
    p_values = np.minimum(2 * np.minimum(greater, greater.T), 1.0)
    np.fill_diagonal(p_values, 1.0)
    return np.asarray(p_values)


@functools.lru_cache(maxsize=256)
def share_ends(seeds: int, error: float) -> tuple[np.ndarray, np.ndarray]:
    """Exact lower and upper bounds of P(converge) for each number that converged, [n+1]."""
    ends = np.array([clopper_pearson(converged, seeds, 1 - error) for converged in range(seeds + 1)])
    return ends[:, 0], ends[:, 1]


@dataclass(frozen=True)
class Claims:
    """Claims on one axis about groups. names: of the groups.  named: places of those that the study names.  level: of
    the axis.  error_below: of the interval of a claim `below`."""

    claims: Sequence[Claim]
    names: Sequence[str]
    named: Sequence[int]
    level: float
    error_below: float = 0.0

    @property
    def error(self) -> float:
        """Of the interval of each pair."""
        return self.level / max(1, math.comb(len(self.names), 2))

    def place(self, claim: Claim) -> int:
        """Of its subject."""
        return list(self.names).index(claim.names[0])

    def pairs(self, claim: Claim) -> list[tuple[int, int]]:
        """Its subject and whom that is compared with, as `verdicts.pairs_of`."""
        if claim.below is not None:
            return []
        place = self.place(claim)
        if claim.best is None:
            return [(place, list(self.names).index(claim.names[1]))]
        return [(place, other) for other in self.named if other != place]

    def holds(self, claim: Claim, truth: Sequence[float]) -> bool:
        """Whether it is so."""
        if claim.below is not None:
            return truth[self.place(claim)] < claim.below[1]
        if claim.alike is not None:
            ((i, j),) = self.pairs(claim)
            return abs(truth[i] - truth[j]) < (claim.margin or 0.0)
        return all(truth[i] > truth[j] for i, j in self.pairs(claim))

    def fails(self, claim: Claim, truth: Sequence[float]) -> bool:
        """Whether it may be refuted: it is not so, or, with a margin, somebody is not ahead by as much."""
        if claim.margin is None or claim.alike is not None:
            return not self.holds(claim, truth)
        return any(truth[i] - truth[j] < claim.margin - 1e-9 for i, j in self.pairs(claim))

    def judged(
        self, claim: Claim, signs: np.ndarray, counts: np.ndarray, sizes: Sequence[int], reached: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Whether it is supported, and whether it is refuted, at the first look that says either, [studies] each."""
        supported, refuted = self._sides(claim, signs, counts, sizes, reached)
        rows = np.flatnonzero(supported & refuted)
        for look in range(1, len(sizes)):
            if not len(rows):
                break
            at = np.minimum(reached[rows], look)
            before, _ = told_apart(counts[rows], sizes, self.level, at)
            yes, no = self._sides(claim, before, counts[rows], sizes, at)
            said = yes | no
            supported[rows[said]], refuted[rows[said]] = yes[said], (no & ~yes)[said]
            rows = rows[~said]
        return supported, refuted & ~supported

    def _sides(
        self, claim: Claim, signs: np.ndarray, counts: np.ndarray, sizes: Sequence[int], reached: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Whether the looks so far support it, and whether they refute it, [studies] each."""
        if claim.below is not None:
            return self._below(claim.below[1], counts[:, self.place(claim)], sizes, reached[:, self.place(claim)])
        pairs = self.pairs(claim)
        found = np.stack([sign(signs, counts.shape[1], i, j) for i, j in pairs])
        seen = [np.minimum(reached[:, i], reached[:, j]) for i, j in pairs]
        if claim.alike is not None and claim.margin is not None:
            ((i, j),) = pairs
            below, above = self._margins(counts, pairs, sizes, seen, claim.margin)
            other_below, other_above = self._margins(counts, [(j, i)], sizes, seen, claim.margin)
            return below[0] & other_below[0], above[0] | other_above[0]
        refuted = np.any(found < 0, axis=0)
        if claim.margin is not None:
            refuted |= self._margins(counts, pairs, sizes, seen, claim.margin)[0].any(0)
        return np.all(found > 0, axis=0), refuted

    def _below(
        self, share: float, counts: np.ndarray, sizes: Sequence[int], reached: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        if not self.error_below:
            return np.zeros(len(counts), bool), np.zeros(len(counts), bool)
        error = group_sequential.nominal(self.error_below, sizes)
        low, high = np.zeros(len(counts)), np.ones(len(counts))
        for look, size in enumerate(sizes):
            lows, highs = share_ends(size, error)
            seen, own = look < reached, counts[:, look]
            # As `decisions.narrowed`.
            ends = np.minimum(np.maximum(low, lows[own]), high), np.maximum(np.minimum(high, highs[own]), low)
            low, high = np.where(seen, ends[0], low), np.where(seen, ends[1], high)
        return high < share, low >= share

    def _margins(
        self,
        counts: np.ndarray,
        pairs: Sequence[tuple[int, int]],
        sizes: Sequence[int],
        seen: Sequence[np.ndarray],
        margin: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of each pair, whether the upper bound of its difference is below the margin, and whether the lower one is
        above it, at any look that it took part in, [pairs,studies] each."""
        each = group_sequential.nominal(self.error, sizes)
        below, above = np.zeros((2, len(pairs), len(counts)), bool)
        for number, ((i, j), own) in enumerate(zip(pairs, seen, strict=True)):
            for look, size in enumerate(sizes):
                one, other = counts[:, i, look], counts[:, j, look]
                # The upper bound is the lower one of the other less the one.
                below[number] |= (look < own) & lower_beyond(size, -margin, each)[other, one]
                above[number] |= (look < own) & lower_beyond(size, margin, each)[one, other]
        return below, above

    def open_ones(
        self, signs: np.ndarray, counts: np.ndarray, sizes: Sequence[int], reached: np.ndarray
    ) -> tuple[np.ndarray, list[tuple[int, ...]]]:
        """What is not decided, [studies,wishes], and of each wish the places that it takes: of undecided claims the
        pairs that are open; without claims every pair."""
        groups = counts.shape[1]
        if not self.claims:
            return signs == 0, list(itertools.combinations(range(groups), 2))
        columns, places = [], list[tuple[int, ...]]()
        for claim in self.claims:
            supported, refuted = self.judged(claim, signs, counts, sizes, reached)
            undecided = ~(supported | refuted)
            if claim.below is not None:
                columns.append(undecided)
                places.append((self.place(claim),))
            for i, j in self.pairs(claim):
                columns.append(undecided & ((sign(signs, groups, i, j) == 0) | (claim.alike is not None)))
                places.append((i, j))
        return np.stack(columns, axis=1), places


def sign(signs: np.ndarray, groups: int, i: int, j: int) -> np.ndarray:
    """Of a pair, as seen from i, [studies]."""
    if i > j:
        return -sign(signs, groups, j, i)
    return signs[:, i * groups - i * (i + 1) // 2 + j - i - 1]


def stopped(counts: np.ndarray, sizes: Sequence[int], level: float, claims: Claims) -> tuple[np.ndarray, np.ndarray]:
    """As `stopping.progress` of `until: decided`: how many looks each group took part in, and how many seeds it was
    given, [studies,groups] each."""
    studies, groups, _ = counts.shape
    going, seeds = np.ones((studies, groups), bool), np.array(sizes)
    reached, wanted = np.zeros((studies, groups), int), np.full((studies, groups), sizes[0])
    rng = np.random.default_rng(0)
    for number in range(len(sizes)):
        reached[going] = number + 1
        live = np.flatnonzero(going.any(1))
        if number + 1 == len(sizes) or not len(live):
            break
        known, at = counts[live], reached[live]
        signs, differs = told_apart(known, sizes, level, at, omnibus=True)
        open_ones, places = claims.open_ones(signs, known, sizes, at)
        shut = np.zeros(open_ones.shape)
        for _ in range(CONTINUATIONS):
            ahead = _continued(known, at, seeds, rng)
            ends = np.full_like(at, len(sizes))
            shut += ~claims.open_ones(told_apart(ahead, sizes, level)[0], ahead, sizes, ends)[0]
        hopeful = open_ones & (shut >= FUTILE * CONTINUATIONS)
        needed = np.zeros(at.shape, bool)
        for column, taken in zip(hopeful.T, places, strict=True):
            needed[:, list(taken)] |= column[:, None]
        # The omnibus test is of all groups: none leaves before it has rejected.
        of_pairs = hopeful[:, [len(taken) > 1 for taken in places]].any(1)
        needed |= (of_pairs & ~differs)[:, None]
        going[live] &= needed
        wanted[going] = sizes[number + 1]
    return reached, wanted


def _continued(counts: np.ndarray, reached: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With the looks to come, P(converge) drawn from its posterior with Jeffreys' prior."""
    last = (reached - 1)[:, :, None]
    known, of = np.take_along_axis(counts, last, 2)[:, :, 0], sizes[reached - 1]
    shares = rng.beta(known + 0.5, of - known + 0.5)
    ahead, so_far = counts.copy(), known
    for look in range(1, len(sizes)):
        more = rng.binomial(sizes[look] - sizes[look - 1], shares)
        so_far = np.where(look >= reached, so_far + more, so_far)
        ahead[:, :, look] = np.where(look >= reached, so_far, counts[:, :, look])
    return ahead
