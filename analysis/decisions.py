"""What the seeds decide: on each axis whether configurations differ at all, which pairs do, and by how much.

One level holds for all of it: the chance that anything is called different that is not, on any axis and at any look, is
at most `Rules.level`. Pure functions of outcomes: the page, the claims, the plan and the run, which goes on until its
claims are decided, ask the same ones.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from seedsweep.analysis.design import group_sequential
from seedsweep.analysis.pair_tests import AfterEverySeed, Estimate, Independent, Method, SeedBySeed
from seedsweep.analysis.statistics.multiplicity import adjusted_pairs, most_true, passed_on
from seedsweep.core.records.decision import BELOW, CONVERGING, parts_of

if TYPE_CHECKING:
    from seedsweep.core.records.decision import Claim, Decision, SeedCounts

NAN = float("nan")
INDEPENDENT = Independent()


@dataclass(frozen=True)
class Group:
    """A configuration's members in the order of their seeds, from the first on without a gap.

    converged: bool [n].  scores: by axis, [n], more being better, NaN where a member diverged.
    """

    converged: np.ndarray
    scores: Mapping[str, np.ndarray]

    def on(self, axis: str, seeds: int | None = None) -> np.ndarray:
        """What is compared on an axis, of the first so many seeds."""
        return (self.converged if axis == CONVERGING else self.scores[axis])[:seeds]

    def first(self, seeds: int) -> Group:
        """Of the first so many seeds alone."""
        return Group(self.converged[:seeds], {axis: values[:seeds] for axis, values in self.scores.items()})


@dataclass(frozen=True)
class Rules:
    """level: of everything.  shares: of what the axes have of it, by axis.  sizes: seeds at each look; empty: one look
    at all there is.  method: how a pair is compared.  below: what claims `below` have of the level, together, and how
    many there are: the axes have the rest."""

    level: float
    shares: Mapping[str, float]
    sizes: tuple[int, ...] = ()
    method: Method = INDEPENDENT
    below: float = 0.0
    claims_below: int = 1

    @classmethod
    def of(cls, seeds: SeedCounts, decision: Decision, claims: Sequence[Claim], metric: str) -> Rules:
        """As a study registers them. metric: of its scores."""
        method: Method = AfterEverySeed() if seeds.anytime else SeedBySeed() if seeds.paired else Independent()
        shares = decision.shares_of(parts_of(tuple(claims), metric))
        below = decision.level * shares.pop(BELOW, 0.0)
        count = max(1, sum(claim.below is not None for claim in claims))
        return cls(decision.level, shares, seeds.sizes, method, below, count)

    @property
    def of_axes(self) -> float:
        """What all axes have of the level."""
        return self.level - self.below

    def error_below(self, groups: int) -> float:
        """Of the interval of P(converge) by which each claim `below` is judged, where so many configurations are
        compared: all of the level where there are no pairs.

        Of the two verdicts on a claim only one can be false, so each bound of the interval has the claim's whole part;
        but an interval is never at less than the level of the page. What holds at any time is of both bounds together.
        """
        own = (self.below if groups > 1 else self.level) / self.claims_below
        return own if self.method.anytime else min(2 * own, self.level)

    @property
    def looked(self) -> tuple[int, ...]:
        """Sizes of the looks that share the level; none where it holds at any time."""
        return () if self.method.anytime else self.sizes


@dataclass(frozen=True)
class Pair:
    """Two configurations on one axis. Those whose difference is significant have `adjusted` of at most the level.

    first, second: their places.  p: that they are equal, all looks so far counted.  adjusted: for the other pairs and
    axes, too.  differs: 0 where a difference is open, else 1 or -1, by which of them the test found higher.
    estimate, low, high: of converging the difference of P(converge), of scores the probability that one of the first is
    better; `shift` likewise, of scores: by how much. All intervals of an axis hold together. NaN before the first look.
    The interval is that of all looks (`narrowed`): the estimate, of the last look, may lie outside of it.
    null: the estimate where they are equal.
    """

    first: int
    second: int
    p: float = 1.0
    adjusted: float = 1.0
    differs: int = 0
    estimate: float = NAN
    low: float = NAN
    high: float = NAN
    shift: float = NAN
    shift_low: float = -np.inf
    shift_high: float = np.inf
    null: float = 0.0

    @property
    def better(self) -> int:
        """1 where the first is significantly better, -1 where the second is. Scores may differ, and neither be the
        better one: the test is of equal distributions, this of the interval, which must leave out one half. Without an
        interval neither is."""
        if self.null and not (self.low > self.null or self.high < self.null):
            return 0
        return self.differs

    def turned(self) -> Pair:
        """As seen from the second."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            differs=-self.differs,
            estimate=2 * self.null - self.estimate,
            low=2 * self.null - self.high,
            high=2 * self.null - self.low,
            shift=-self.shift,
            shift_low=-self.shift_high,
            shift_high=-self.shift_low,
        )


@dataclass(frozen=True)
class Axis:
    """level: of this axis in the end, what others passed on to it included.  omnibus: p-value that all are equal, as
    `Pair.adjusted` to be held against the level of everything.  constant: nothing could differ (all seeds converged, or
    none; all scores are equal)."""

    name: str
    level: float
    omnibus: float
    differs: bool
    constant: bool
    pairs: tuple[Pair, ...]

    def pair(self, first: int, second: int) -> Pair:
        """As seen from the first. Errors: KeyError."""
        if (first, second) in self._places:
            return self.pairs[self._places[first, second]]
        return self.pairs[self._places[second, first]].turned()

    @functools.cached_property
    def _places(self) -> dict[tuple[int, int], int]:
        return {(pair.first, pair.second): place for place, pair in enumerate(self.pairs)}


@dataclass(frozen=True)
class Decisions:
    """axes: by name, converging the first.  look: how many looks all configurations were at; 0: no verdict yet.
    looks: how many there are."""

    axes: Mapping[str, Axis]
    look: int
    looks: int


def decide(
    groups: Sequence[Group],
    rules: Rules,
    reached: Sequence[int] | None = None,
    *,
    estimates: bool | Collection[tuple[int, int]] = True,
    only: Collection[str] | None = None,
) -> Decisions:
    """Decide on every axis.

    reached: how many looks each group took part in (`design.stopping`); None: as many as its seeds allow.  estimates:
    whether intervals are wanted, which take most of the time, or of which pairs (i, j), i < j.  only: of some axes,
    without what the others would pass on to them.
    """
    if reached is None:
        reached = [looks_within(len(group.converged), rules) for group in groups]
    last = _is_last(groups, rules, reached)
    wanted = [axis for axis in rules.shares if only is None or axis in only]
    tested = {axis: _tests(groups, axis, rules, reached) for axis in wanted}
    constant = {axis: _is_constant(groups, axis, rules, reached) for axis in wanted}
    exhausted = {axis: last and constant.get(axis, False) for axis in rules.shares}
    # Who has rejected all leaves the level to the others, which may reject all with it, and so on.
    while True:
        levels = passed_on(rules.of_axes, rules.shares, exhausted)
        done = {**exhausted, **{a: exhausted[a] or _all_rejected(tested[a], len(groups), levels[a]) for a in wanted}}
        if done == exhausted:
            break
        exhausted = done
    axes = {
        axis: _axis(
            groups, axis, rules, reached, tested[axis], levels[axis], constant=constant[axis], estimates=estimates
        )
        for axis in wanted
    }
    return Decisions(axes, min(reached, default=0), max(len(rules.looked), 1))


def attainable(rules: Rules, groups: int, seeds: int) -> dict[str, bool]:
    """Whether any result of so many seeds each could show a difference between two of so many groups, by axis: tried on
    results in which a part of the groups is as good as can be and the rest as bad."""
    look = looks_within(seeds, rules)
    if groups < 2 or not look:
        return dict.fromkeys(rules.shares, False)
    whole, found = sum(rules.shares.values()), {}
    for axis, share in rules.shares.items():
        # The made-up scores of two groups never overlap: how many of the groups are good changes nothing.
        parts = {1, groups // 2, groups - 1} if axis == CONVERGING else {1}
        least = min(_least(axis, groups, good, seeds, rules, look) for good in parts)
        # At the last look others may leave their level to this axis: nothing in them could differ.
        is_last = not rules.sizes or seeds >= rules.sizes[-1]
        found[axis] = share > 0 and least <= rules.of_axes * (1 if is_last else share / whole)
    return found


def _least(axis: str, groups: int, good: int, seeds: int, rules: Rules, look: int) -> float:
    """Smallest adjusted p-value where so many of the groups are as good as can be, and the rest as bad."""
    made = []
    for number in range(groups):
        scores = np.arange(seeds) - seeds * float(number)
        made.append(Group(np.full(seeds, number < good), {axis: scores}))
    p = _p_of_pair(made[0], made[-1], axis, rules, look)
    if groups == 2:
        return p
    pairs = groups * (groups - 1) // 2
    omnibus = min(1.0, pairs * p) if rules.method.anytime else _omnibus(made, axis, rules, look)
    return max(omnibus, most_true(groups, 1) * p)


def looks_within(seeds: int, rules: Rules) -> int:
    """How many looks so many seeds are enough for."""
    if not rules.looked:
        return int(seeds > 0)
    return sum(size <= seeds for size in rules.looked)


def _seeds_at(rules: Rules, look: int) -> int | None:
    """Seeds that a look, counted from 1, takes; None: all."""
    return rules.looked[look - 1] if rules.looked else None


def _is_last(groups: Sequence[Group], rules: Rules, reached: Sequence[int]) -> bool:
    """Whether no look follows: what is constant by then stays so."""
    if rules.looked:
        return min(reached, default=0) == len(rules.looked)
    return not rules.sizes or min((len(group.converged) for group in groups), default=0) >= rules.sizes[-1]


def _tests(groups: Sequence[Group], axis: str, rules: Rules, reached: Sequence[int]) -> tuple[list[float], float]:
    """P-values of all pairs, and that all groups are equal, over the looks so far."""
    pairs = list(itertools.combinations(range(len(groups)), 2))
    p_values = [_p_of_pair(groups[i], groups[j], axis, rules, min(reached[i], reached[j])) for i, j in pairs]
    if len(pairs) < 2 or rules.method.anytime:
        return p_values, min([1.0, *(len(pairs) * p for p in p_values)])
    return p_values, _omnibus(groups, axis, rules, min(reached))


def _p_of_pair(first: Group, second: Group, axis: str, rules: Rules, reached: int) -> float:
    return group_sequential.overall(min(_at_looks(first, second, axis, rules, reached), default=1.0), rules.looked)


def _at_looks(first: Group, second: Group, axis: str, rules: Rules, reached: int) -> list[float]:
    """P-value of a pair at each look so far."""
    return [rules.method.p(axis, *_both(first, second, axis, rules, look)) for look in range(1, _last(rules, reached))]


def _both(first: Group, second: Group, axis: str, rules: Rules, look: int) -> tuple[np.ndarray, np.ndarray]:
    return first.on(axis, _seeds_at(rules, look)), second.on(axis, _seeds_at(rules, look))


def _last(rules: Rules, reached: int) -> int:
    """One more than the number of looks that are tested: one, where all seeds are looked at at once."""
    return 1 + (reached if rules.looked else min(reached, 1))


def _omnibus(groups: Sequence[Group], axis: str, rules: Rules, reached: int) -> float:
    """That all groups are equal, over the looks so far; 1 before the first."""
    freedom = max(sum(len(group.converged) > 0 for group in groups) - 1, 1)
    found = [
        rules.method.p_all(axis, [group.on(axis, _seeds_at(rules, look)) for group in groups])
        for look in range(1, _last(rules, reached))
    ]
    return group_sequential.overall_of_several(min(found, default=1.0), rules.looked, freedom)


def _is_constant(groups: Sequence[Group], axis: str, rules: Rules, reached: Sequence[int]) -> bool:
    values = [
        group.on(axis, _seeds_at(rules, look) if look else 0) for group, look in zip(groups, reached, strict=True)
    ]
    every = np.concatenate([np.asarray(own, float) for own in values]) if values else np.zeros(0)
    return len(every) > 0 and len(np.unique(every)) < 2


def _all_rejected(tested: tuple[list[float], float], groups: int, level: float) -> bool:
    p_values, omnibus = tested
    return bool(p_values) and max(adjusted_pairs(p_values, groups, omnibus)) <= level


def _axis(
    groups: Sequence[Group],
    axis: str,
    rules: Rules,
    reached: Sequence[int],
    tested: tuple[list[float], float],
    level: float,
    *,
    constant: bool,
    estimates: bool | Collection[tuple[int, int]],
) -> Axis:
    p_values, omnibus = tested
    adjusted = adjusted_pairs(p_values, len(groups), omnibus) if p_values else []
    # To be held against the level of everything; an axis without a share decides nothing.
    scale = rules.level / level if level else np.inf
    pairs = []
    for (i, j), p, own in zip(itertools.combinations(range(len(groups)), 2), p_values, adjusted, strict=True):
        null = 0.0 if axis == CONVERGING else 0.5
        pair = Pair(i, j, p, min(1.0, own * scale), int(own <= level) if level else 0, null=null)
        seen = min(reached[i], reached[j])
        wanted = estimates if isinstance(estimates, bool) else (i, j) in estimates
        if seen and (wanted or pair.differs):
            error = (level or rules.of_axes) / len(p_values)
            pair = _estimated(pair, groups, axis, rules, seen, error, intervals=wanted)
        pairs.append(pair)
    return Axis(axis, level, min(1.0, omnibus * scale), bool(level) and omnibus <= level, constant, tuple(pairs))


def _estimated(
    pair: Pair,
    groups: Sequence[Group],
    axis: str,
    rules: Rules,
    reached: int,
    error: float,
    *,
    intervals: bool,
) -> Pair:
    """With its estimate, and its intervals at an error shared by all looks, in agreement with the decision."""
    method, first, second = rules.method, groups[pair.first], groups[pair.second]
    if pair.differs:
        # Later looks take nothing back: the sign is that of the look that decided.
        p_values = _at_looks(first, second, axis, rules, reached)
        decided = _both(first, second, axis, rules, 1 + int(np.argmin(p_values)))
        pair = replace(pair, differs=method.direction(axis, *decided))
    if not intervals:
        return pair
    confidence = 1 - group_sequential.nominal(error, rules.looked)

    def over_looks(estimate: Callable[[np.ndarray, np.ndarray, float], Estimate]) -> Estimate:
        found = [
            estimate(*_both(first, second, axis, rules, look), confidence) for look in range(1, _last(rules, reached))
        ]
        return found[-1][0], *narrowed([(low, high) for _, low, high in found])

    # The test that decides is the sharper one: where it does, the bound is no difference (Strassburger & Bretz 2008).
    estimate, *ends = over_looks(lambda *given: method.estimate(axis, *given))
    low, high = _agreeing(pair.differs, pair.null, *ends)
    pair = replace(pair, estimate=estimate, low=low, high=high)
    if axis == CONVERGING:
        return pair
    shift, *ends = over_looks(method.shift)
    low, high = _agreeing(pair.differs, 0.0, *ends)
    return replace(pair, shift=shift, shift_low=low, shift_high=high)


def narrowed(intervals: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The intersection of the intervals of all looks, in their order. One that has nothing in common with those before
    leaves the end that is next to it: what was ruled out stays so."""
    low, high = -np.inf, np.inf
    for own_low, own_high in intervals:
        low, high = min(max(low, own_low), high), max(min(high, own_high), low)
    return low, high


def _agreeing(differs: int, null: float, low: float, high: float) -> tuple[float, float]:
    """An interval that leaves out the null, but for its bound, just where the test decides. Scores may differ though
    neither is the better one: their interval stays as it is."""
    if null and differs:
        return low, high
    if differs > 0:
        return max(low, null), max(high, null)
    if differs < 0:
        return min(low, null), min(high, null)
    return min(low, null), max(high, null)
