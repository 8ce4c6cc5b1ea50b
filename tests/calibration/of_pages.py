"""Whole pages: whether anything is called different that is not, on any axis and at any look, and whether all intervals
of a page hold together."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from seedsweep.analysis.decisions import INDEPENDENT, Decisions, Group, Rules, decide
from seedsweep.analysis.design.group_sequential import nominal
from seedsweep.analysis.design.in_bulk import Claims
from seedsweep.analysis.design.stopping import Aims, Progress, progress
from seedsweep.analysis.pair_tests import AfterEverySeed, Method, SeedBySeed
from seedsweep.analysis.statistics.proportions import boschloo
from seedsweep.analysis.verdicts import REFUTED, SUPPORTED, Compared, needs_intervals, share_interval, verdict
from seedsweep.core.records.decision import CONVERGING, SCORE, Claim, Decision, SeedCounts
from tests.calibration.row import Measure, Row, Seen

LEVEL, SHARES = 0.05, {CONVERGING: 0.5, SCORE: 0.5}
LOOKS = (5, 10, 20, 40)
FAILED, WIDTH = 0.3, 0.04


@dataclass(frozen=True)
class Config:
    """A configuration. share: P(converge).  good: the lowest score of a seed that converged; those of one kind lie
    within WIDTH.  apart: whether scores have nothing to do with who converged."""

    share: float
    good: float = 0.95
    apart: bool = False

    def group(self, uniform: np.ndarray, noise: np.ndarray, grid: float = 0.0) -> Group:
        """uniform, noise: [n] from 0 to 1: who converges, and the score.  grid: of scores; 0: no two are equal."""
        converged = uniform < self.share
        scores = np.where(converged | self.apart, self.good, FAILED) + WIDTH * noise
        return Group(converged, {SCORE: np.round(scores / grid) * grid if grid else scores})

    @property
    def scores(self) -> tuple[float, ...]:
        """What two of equal scores have in common."""
        return (self.good,) if self.apart or self.share == 1 else (self.good, self.share)


@dataclass(frozen=True)
class World:
    """Configurations that are compared, and how their seeds are drawn.

    together: of equal seeds, how: 1: all are alike but for what differs in truth; -1: as unlike as can be; 0: not.
    """

    name: str
    configs: tuple[Config, ...]
    grid: float = 0.0
    together: int = 0

    def draw(self, seeds: int, rng: np.random.Generator) -> list[Group]:
        """So many seeds of each."""
        shape, count = (len(self.configs), seeds), len(self.configs)
        if self.together > 0:
            # Four of five seeds are alike in all.
            alike = rng.random(seeds) < 0.8
            uniform, noise = (np.where(alike, rng.random(seeds), rng.random(shape)) for _ in range(2))
        elif self.together < 0:
            turns = (rng.permuted(np.tile(np.arange(count), (seeds, 1)), axis=1).T + rng.random(seeds)) / count
            uniform, noise = turns, 1 - turns
        else:
            uniform, noise = rng.random(shape), rng.random(shape)
        return [own.group(*drawn, self.grid) for own, *drawn in zip(self.configs, uniform, noise, strict=True)]

    def sign(self, axis: str, first: int, second: int) -> int:
        """1 where the first is better in truth, -1 where the second is, 0 where they are equal."""
        one, other = self.configs[first], self.configs[second]
        if axis == CONVERGING:
            return int(np.sign(one.share - other.share))
        if one.scores == other.scores:
            return 0
        return int(np.sign(self.superiority(first, second) - 0.5))

    def superiority(self, first: int, second: int) -> float:
        """P(a score of the first is above one of the second), ties by half; without a grid."""
        one, other = self.configs[first], self.configs[second]
        own, theirs = (1.0 if config.apart else config.share for config in (one, other))
        apart = min(max((one.good - other.good) / WIDTH, -1.0), 1.0)
        above = 1 - (1 - apart) ** 2 / 2 if apart >= 0 else (1 + apart) ** 2 / 2
        return own * theirs * above + own * (1 - theirs) + (1 - own) * (1 - theirs) / 2


def equal(count: int, share: float, **own: float) -> tuple[Config, ...]:
    return (Config(share, **own),) * count


EQUAL = [
    *[World(f"{count} of p = {share}", equal(count, share)) for count in (2, 4) for share in (0.1, 0.5, 1.0)],
    World("6 of p = 0.8", equal(6, 0.8)),
]
SOME = [
    World("two of .5, one of .95", (*equal(2, 0.5), Config(0.95))),
    World("two that all converge, one never", (*equal(2, 1.0), Config(0.0))),
    World("two of .3, two of .9", (*equal(2, 0.3), *equal(2, 0.9))),
    World("four of .6, one of .1, one of 1", (*equal(4, 0.6), Config(0.1), Config(1.0))),
]
ONE_AXIS = [
    World("all converge, scores of one are higher", (*equal(2, 1.0), Config(1.0, 0.98))),
    World("as many converge, scores of one are higher", (*equal(2, 0.7), Config(0.7, 0.99))),
    World("two converge, their scores are equal", (*equal(2, 0.9, apart=True), *equal(2, 0.2, apart=True))),
    World("two of three scores are equal, none converges", (*equal(2, 0.0), Config(0.0, apart=True))),
]
TIES = [
    World("4 of p = 0.5, scores of 1/16", equal(4, 0.5), 1 / 16),
    World("4 that all converge, scores of .02", equal(4, 1.0), 0.02),
    World("two of .5, one of .95, scores of 1/16", (*equal(2, 0.5), Config(0.95)), 1 / 16),
]
ALIKE = [
    World(f"{name}, seeds {how}", configs, together=together)
    for how, together in (("alike", 1), ("unlike", -1))
    for name, configs in (
        ("3 of p = 1/3", equal(3, 1 / 3)),
        ("4 of p = 0.5", equal(4, 0.5)),
        ("two of .5, one of 1", (*equal(2, 0.5), Config(1.0))),
    )
]
LOOKED = [EQUAL[0], EQUAL[1], EQUAL[4], SOME[0], SOME[1], SOME[2], ONE_AXIS[0]]


def claims_falsely(world: World, decisions: Decisions) -> bool:
    """Whether anything is called different that is not, or better that is worse."""
    for axis in decisions.axes.values():
        true = [world.sign(axis.name, *pair) for pair in itertools.combinations(range(len(world.configs)), 2)]
        if axis.differs and not any(true):
            return True
        if any(pair.differs not in (0, sign) for pair, sign in zip(axis.pairs, true, strict=True)):
            return True
    return False


def pages(
    worlds: Sequence[World],
    sizes: tuple[int, ...],
    method: Method,
    seeds: int,
    rounds: int,
    rng: np.random.Generator,
) -> Iterator[Seen]:
    """sizes: looks; empty: one, at all seeds."""
    rules = Rules(LEVEL, SHARES, sizes or (seeds,), method)
    for world in worlds:
        found = [claims_falsely(world, decide(world.draw(seeds, rng), rules, estimates=False)) for _ in range(rounds)]
        yield Seen(world.name, float(np.mean(found)), rounds)


def fixed(worlds: Sequence[World], sizes: tuple[int, ...] = (), method: Method = INDEPENDENT) -> Measure:
    """Of a fixed number of seeds. A partial function can be sent to another process."""
    return functools.partial(pages, worlds, sizes, method)


def stopped_study(world: World, most: int, rng: np.random.Generator, *claims: Claim) -> tuple[list[Group], Progress]:
    """One that goes on until it is decided, and what it looked at."""
    counts, rules = until_decided(most, *claims)
    names = [str(place) for place in range(len(world.configs))]
    groups = world.draw(most, rng)
    return groups, progress(groups, rules, counts, Aims(claims, names, range(len(names)), "f1"))


def until_decided(most: int, *claims: Claim) -> tuple[SeedCounts, Rules]:
    """The design, and its rules."""
    counts = SeedCounts(until="decided", looks=tuple(size for size in LOOKS if size <= most), compare=most)
    return counts, Rules.of(counts, Decision(), claims, "f1")


def at_its_bound(world: World, beyond: float) -> Claim:
    """That the first converges in less than so much more than it does: false by next to nothing, or true."""
    return Claim(below=("0", min(world.configs[0].share + beyond, 1.0)))


def judged_falsely(world: World, groups: list[Group], rules: Rules, reached: Sequence[int], *claims: Claim) -> bool:
    """As `claims_falsely`, or a claim has a false verdict; those on scores are of worlds in which all converge."""
    decisions = decide(groups, rules, reached, estimates=needs_intervals(claims))
    names = [str(place) for place in range(len(groups))]
    compared = Compared(names, range(len(names)), groups, rules, reached, decisions)
    about = Claims(claims, names, range(len(names)), LEVEL)
    wrong = claims_falsely(world, decisions)
    for claim in claims:
        truth = [config.share if claim.axis == CONVERGING else config.good for config in world.configs]
        possible = {SUPPORTED: about.holds(claim, truth), REFUTED: about.fails(claim, truth)}
        wrong |= not possible.get(verdict(claim, compared, "f1"), True)
    return wrong


#: On an axis the first is ahead of the second by so much.
AHEAD = (
    (World("one of .9, two of .6", (Config(0.9), *equal(2, 0.6))), CONVERGING, 0.3),
    (World("two of .95 and .45", (Config(0.95), Config(0.45))), CONVERGING, 0.5),
    (World("all converge, scores of the first are higher", (Config(1.0, 0.97), Config(1.0))), SCORE, 0.02),
)


def with_margins(sizes: tuple[int, ...], seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    """Pages with two axes and two claims on the same pair, that are alike and that one is ahead, whose margin is by
    next to nothing the difference or a little more. sizes: looks; empty: one, at all seeds."""
    counts = SeedCounts(compare=seeds, looks=sizes)
    for world, axis, ahead in AHEAD:
        for what, margin in (("the difference", ahead - 1e-6), ("more", ahead + 1e-6)):
            claims = (Claim(alike=("0", "1"), margin=margin, axis=axis), Claim(best="0", margin=margin, axis=axis))
            rules = Rules.of(counts, Decision(), claims, "f1")
            reached = [len(counts.sizes)] * len(world.configs)
            found = [judged_falsely(world, world.draw(seeds, rng), rules, reached, *claims) for _ in range(rounds)]
            yield Seen(f"{world.name}, margin {what}", float(np.mean(found)), rounds)


def with_a_share(how: str, seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    """Pages with two axes and claims `below`, which are false by next to nothing, or true. how: `once` or `any`."""
    counts = SeedCounts(compare=seeds, looks="any" if how == "any" else ())
    for world in (EQUAL[0], EQUAL[1], EQUAL[4], SOME[0], SOME[2], ONE_AXIS[1]):
        for what, beyond in (("false", 0.0), ("true", 1e-6)):
            claim = at_its_bound(world, beyond)
            rules = Rules.of(counts, Decision(), (claim,), "f1")
            reached = [1] * len(world.configs)
            found = [judged_falsely(world, world.draw(seeds, rng), rules, reached, claim) for _ in range(rounds)]
            yield Seen(f"{world.name}, claim {what}", float(np.mean(found)), rounds)


def decided(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    for world in (EQUAL[1], EQUAL[4], SOME[0], ONE_AXIS[0]):
        rare = at_its_bound(world, 0.0)
        for what, *claims in (("",), (", claimed the best", Claim(best="0")), (", claimed rare", rare)):
            found = []
            for _ in range(rounds):
                groups, seen = stopped_study(world, seeds, rng, *claims)
                _, rules = until_decided(seeds, *claims)
                found.append(judged_falsely(world, groups, rules, seen.reached, *claims))
            yield Seen(f"{world.name}{what}", float(np.mean(found)), rounds)


def two_over_looks(seeds: int, _rounds: int, _rng: np.random.Generator) -> Iterator[Seen]:
    """Boschloo's test at each look, over all tables there are."""
    sizes = tuple(size for size in LOOKS if size <= seeds)
    for level in (LEVEL, LEVEL / 2):
        each = nominal(level, sizes)
        for share in np.linspace(0.02, 0.5, 13):
            yield Seen(f"level {level}, p = {share:.2f}", crossing(share, sizes, each), 0)


def crossing(share: float, sizes: Sequence[int], level: float) -> float:
    """Probability that any look of two with this P(converge) has a p-value of at most the level."""
    inside, crossed, before = np.ones((1, 1)), 0.0, 0
    for size in sizes:
        step = stats.binom.pmf(np.arange(size - before + 1), size - before, share)
        inside = np.apply_along_axis(np.convolve, 0, np.apply_along_axis(np.convolve, 1, inside, step), step)
        every = range(size + 1)
        rejected = np.array([[boschloo((k, size), (l, size)) <= level for l in every] for k in every])
        crossed += float(inside[rejected].sum())
        inside, before = np.where(rejected, 0.0, inside), size
    return crossed


def intervals(how: str, seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    """how: `fixed`, `looks` or `decided`: whether all intervals of pairs of an axis hold, and each P(converge)."""
    rules = until_decided(seeds)[1] if how != "fixed" else Rules(LEVEL, SHARES, (seeds,))
    for world in (EQUAL[1], SOME[0], SOME[2], ONE_AXIS[0], ONE_AXIS[1]):
        held: dict[str, list[bool]] = {CONVERGING: [], SCORE: [], "shift": [], "all pairs": [], "P(converge)": []}
        names = [str(place) for place in range(len(world.configs))]
        for _ in range(rounds):
            groups, seen = stopped_study(world, seeds, rng) if how == "decided" else (world.draw(seeds, rng), None)
            reached = seen.reached if seen else (len(rules.sizes),) * len(groups)
            made = decide(groups, rules, reached)
            for name, own in _held(world, made).items():
                held[name].append(own)
            compared = Compared(names, range(len(names)), groups, rules, reached, made)
            for place, config in enumerate(world.configs):
                low, high = share_interval(compared, place, LEVEL)
                held["P(converge)"].append(low <= config.share <= high)
        for name, found in held.items():
            if found:
                yield Seen(f"{name}: {world.name}", float(np.mean(found)), rounds)


def _held(world: World, decisions: Decisions) -> dict[str, bool]:
    """Of each kind, whether all intervals of pairs hold; by how much scores differ where it is the same of all."""
    found = {CONVERGING: True, SCORE: True}
    moved = all(config.share == 1 for config in world.configs)
    for axis in decisions.axes.values():
        for pair in axis.pairs:
            one, other = world.configs[pair.first], world.configs[pair.second]
            below = axis.name == CONVERGING
            true = one.share - other.share if below else world.superiority(pair.first, pair.second)
            found[axis.name] &= pair.low - 1e-9 <= true <= pair.high + 1e-9
            if moved and not below:
                by = one.good - other.good
                found["shift"] = found.get("shift", True) and pair.shift_low - 1e-9 <= by <= pair.shift_high + 1e-9
    return {**found, "all pairs": all(found.values())}


ROWS = [
    Row("page, all equal", fixed(EQUAL), 600, 20, size=True, heavy=(20, 40)),
    Row("page, some equal and others not", fixed(SOME), 600, 20, size=True, heavy=(20, 40)),
    Row("page, equal on one axis", fixed(ONE_AXIS), 600, 20, size=True, heavy=(20, 40)),
    Row("page, equal scores", fixed(TIES), 500, 20, size=True, heavy=(12, 20, 40)),
    Row("page, by equal seeds", fixed(ALIKE, method=SeedBySeed()), 1000, 20, size=True, heavy=(20, 40)),
    Row("two equal P(converge), looks 5 to 40", two_over_looks, size=True, seeds=(10, 20, 40), heavy=(20, 40)),
    Row("page, looks 5 to 40", fixed(LOOKED, LOOKS), 600, 20, size=True, seeds=(40,), heavy=(40,)),
    Row("page, until decided at 5 to 40", decided, 400, 20, size=True, seeds=(40,), heavy=(40,)),
    Row("page, with a claim below", functools.partial(with_a_share, "once"), 600, 20, size=True, heavy=(20, 40)),
    Row(
        "page, with a claim below, looks any",
        functools.partial(with_a_share, "any"),
        *(300, 20),
        size=True,
        seeds=(40,),
        heavy=(40,),
    ),
    Row("page, with margins", functools.partial(with_margins, ()), 600, 20, size=True, heavy=(20, 40)),
    Row(
        "page, with margins, looks 5 to 40",
        functools.partial(with_margins, LOOKS),
        *(300, 20),
        size=True,
        seeds=(40,),
        heavy=(40,),
    ),
    Row("page, looks any", fixed(LOOKED, (40,), AfterEverySeed()), 500, 20, size=True, seeds=(40,), heavy=(40,)),
    Row("page, all intervals of pairs", functools.partial(intervals, "fixed"), 200, 20, heavy=(12, 20, 40)),
    *[
        Row(f"page, all intervals{what} 5 to 40", functools.partial(intervals, how), 150, 20, seeds=(40,), heavy=(40,))
        for how, what in (("looks", " of pairs, looks"), ("decided", ", until decided at"))
    ],
]
