"""How many seeds: studies are simulated and decided as the real one will be, on one axis at a time.

Seeds are independent. Of convergence, P(converge) of each configuration is given; of scores, normal ones of equal
spread, the mean of each in standard deviations. An axis has the part of the level that the study gives it: what the
other would pass on is left out.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import special

from seedsweep.analysis.decisions import Group, Rules, decide
from seedsweep.analysis.design import scores_in_bulk
from seedsweep.analysis.design.in_bulk import Claims, sign, stopped, told_apart
from seedsweep.analysis.design.stopping import Aims, progress
from seedsweep.analysis.verdicts import VERDICTS, Compared, axis_of, needs_intervals, verdict
from seedsweep.core.records.decision import CONVERGING, SCORE, Claim, Decision, SeedCounts

#: In so many studies a difference is to be found.
POWER = 0.8
#: Above so many seeds of each configuration no number is given, of convergence and of scores.
MOST_SEEDS, MOST_SEEDS_OF_SCORES = 1000, 200
#: Studies that are simulated, and how many pairs are tested for that at most; of scores so many.
STUDIES, MOST_TESTS, SCORE_STUDIES = 2000, 4_000_000, 500
#: Studies that are simulated where each look asks whether to go on.
STOPPED_STUDIES = 200
#: Beyond so many standard deviations nothing overlaps.
FAR = 6.0


@dataclass(frozen=True)
class Design:
    """What decides a study. claims: all of its claims, between which and the axes the level is shared.  metric: of its
    scores."""

    seeds: SeedCounts
    decision: Decision = field(default_factory=Decision)
    claims: tuple[Claim, ...] = ()
    metric: str = ""

    @property
    def rules(self) -> Rules:
        """By which it is decided."""
        return Rules.of(self.seeds, self.decision, self.claims, self.metric)

    def level(self, axis: str) -> float:
        """What an axis has of the level."""
        return self.rules.level * self.rules.shares[axis]


@dataclass(frozen=True)
class Truth:
    """What is taken to be so.

    values: of each configuration: P(converge), or of the axis `score` the mean, in standard deviations of its seeds.
    names: of them.  named: places of those that the study names; None: all.  claims: what is claimed on this axis, a
    margin on scores in standard deviations.
    """

    values: tuple[float, ...]
    names: tuple[str, ...] = ()
    named: tuple[int, ...] | None = None
    claims: tuple[Claim, ...] = ()
    axis: str = CONVERGING

    def claims_at(self, level: float, error_below: float) -> Claims:
        """As they are judged where the axis has this level."""
        count = len(self.values)
        names = self.names or tuple(map(str, range(count)))
        named = tuple(range(count)) if self.named is None else self.named
        return Claims(self.claims, names, named, level, error_below)


@dataclass(frozen=True)
class Simulated:
    """Of so many studies: told: how often the first is called better than the second, [G,G].  verdicts: of each claim
    how often it is what.  false: how often anything is said that is not so.  seeds: in all configurations, the mean."""

    studies: int
    told: np.ndarray
    verdicts: tuple[dict[str, float], ...]
    false: float
    seeds: float


@dataclass(frozen=True)
class _Outcome:
    """signs: int [studies,pairs].  supported, refuted: bool [claims,studies].  seeds: [studies]."""

    signs: np.ndarray
    supported: np.ndarray
    refuted: np.ndarray
    seeds: np.ndarray


def mean_apart(wins: float) -> float:
    """By how many standard deviations two normal distributions are apart where a seed of the higher is better in so
    many pairs of seeds."""
    return float(np.clip(math.sqrt(2) * special.ndtri(wins), -FAR, FAR))


def simulate(truth: Truth, design: Design, studies: int | None = None) -> Simulated:
    """Studies of a design, the same at each call: all at once, which is `one_by_one` but for about 1 % of a p-value.
    Those that are `paired` or have `looks: any` are simulated one by one, and of scores those that stop when
    decided."""
    seeds, scores = design.seeds, truth.axis == SCORE
    whole = design.rules
    if seeds.paired or whole.method.anytime or (scores and seeds.until == "decided"):
        return one_by_one(truth, design, studies or STOPPED_STUDIES)
    sizes, level = whole.sizes, design.level(truth.axis)
    claims = truth.claims_at(level, whole.error_below(len(truth.values)))
    if scores:
        outcome = _of_scores(truth, claims, sizes, studies or SCORE_STUDIES)
        return _summary(truth, claims, outcome)
    studies = studies or min(_studies(len(truth.values)), STUDIES if seeds.until == "all" else STOPPED_STUDIES)
    counts = _drawn(truth.values, sizes, studies)
    reached = np.full(counts.shape[:2], len(sizes))
    wanted = np.full(counts.shape[:2], sizes[-1])
    if seeds.until == "decided":
        reached, wanted = stopped(counts, sizes, level, claims)
    signs, _ = told_apart(counts, sizes, level, reached)
    judged = [claims.judged(claim, signs, counts, sizes, reached) for claim in truth.claims]
    return _summary(truth, claims, _Outcome(signs, *_sides(judged, studies), wanted.sum(1)))


def one_by_one(truth: Truth, design: Design, studies: int = STOPPED_STUDIES) -> Simulated:
    """As `simulate`, each study by the functions that decide the real one."""
    whole, seeds, level = design.rules, design.seeds, design.level(truth.axis)
    claims = truth.claims_at(level, whole.error_below(len(truth.values)))
    own = replace(whole, level=level + whole.below, shares={truth.axis: 1.0})
    aims = Aims(truth.claims, tuple(claims.names), tuple(claims.named), "")
    rng = np.random.default_rng(0)
    signs, said, spent = [], [], []
    for _ in range(studies):
        drawn = _groups(truth, seeds.sizes[-1], rng)
        found = progress(drawn, own, seeds, aims)
        groups = [group.first(wanted) for group, wanted in zip(drawn, found.wanted, strict=True)]
        reached = [1] * len(groups) if own.method.anytime else list(found.reached)
        wanted = truth.axis == SCORE or needs_intervals(truth.claims)
        decisions = decide(groups, own, reached, estimates=wanted, only=(truth.axis,))
        compared = Compared(claims.names, claims.named, groups, whole, reached, decisions)
        signs.append([pair.better for pair in decisions.axes[truth.axis].pairs])
        said.append([VERDICTS.index(verdict(claim, compared, "")) for claim in truth.claims])
        spent.append(sum(found.wanted))
    verdicts = np.array(said, int).reshape(studies, -1).T
    return _summary(truth, claims, _Outcome(np.array(signs), verdicts == 0, verdicts == 1, np.array(spent)))


def _groups(truth: Truth, seeds: int, rng: np.random.Generator) -> list[Group]:
    """So many seeds of each."""
    values = np.array(truth.values)[:, None]
    if truth.axis == CONVERGING:
        return [Group(row, {}) for row in rng.random((len(values), seeds)) < values]
    return [Group(np.zeros(seeds, bool), {SCORE: row}) for row in rng.standard_normal((len(values), seeds)) + values]


def _of_scores(truth: Truth, claims: Claims, sizes: Sequence[int], studies: int) -> _Outcome:
    groups = len(truth.values)
    drawn = _drawn_scores(truth.values, sizes[-1], studies)
    pairs = list(itertools.combinations(range(groups), 2)) if not truth.claims else []
    signs = scores_in_bulk.told_apart(drawn, sizes, claims.level, pairs)
    judged = [scores_in_bulk.judged(claims, claim, drawn, sizes) for claim in truth.claims]
    return _Outcome(signs, *_sides(judged, studies), np.full(studies, groups * sizes[-1]))


def _sides(judged: Sequence[tuple[np.ndarray, np.ndarray]], studies: int) -> tuple[np.ndarray, np.ndarray]:
    """Of all claims, what is supported and what is refuted."""
    supported, refuted = (np.array([each[side] for each in judged], bool).reshape(-1, studies) for side in (0, 1))
    return supported, refuted


def _summary(truth: Truth, claims: Claims, outcome: _Outcome) -> Simulated:
    values, studies = truth.values, len(outcome.seeds)
    told, false = np.zeros((len(values), len(values))), np.zeros(studies, bool)
    # Of claims on scores, which ask about their own pairs alone, no other is tested.
    for (i, j), signs in zip(itertools.combinations(range(len(values)), 2), outcome.signs.T, strict=False):
        told[i, j], told[j, i] = (signs > 0).mean(), (signs < 0).mean()
        false |= (signs != 0) & (signs * np.sign(values[i] - values[j]) <= 0)
    verdicts = []
    for claim, supported, refuted in zip(truth.claims, outcome.supported, outcome.refuted, strict=True):
        yes, no = float(supported.mean()), float(refuted.mean())
        verdicts.append(dict(zip(VERDICTS, (yes, no, 1 - yes - no), strict=True)))
        # One that is ahead by less than a margin is better, and not by as much: neither verdict is false.
        if not claims.holds(claim, values):
            false |= supported
        if not claims.fails(claim, values):
            false |= refuted
    return Simulated(studies, told, tuple(verdicts), float(false.mean()), float(outcome.seeds.mean()))


def seeds_needed(truth: Truth, pairs: Sequence[tuple[int, int]], level: float, power: float = POWER) -> int | None:
    """Least seeds of each configuration, with one look, with which in so many studies every one of these pairs is told
    apart, the first being the better; None beyond MOST_SEEDS.

    level: of the axis. By bisection on simulated studies: the power of 2000 is right to 2 points, of 500 of scores to
    4.
    """
    values = truth.values
    if any(values[i] <= values[j] for i, j in pairs):
        return None

    def enough(seeds: int) -> bool:
        if truth.axis == SCORE:
            drawn = _drawn_scores(values, seeds, SCORE_STUDIES)
            found = (scores_in_bulk.told_apart(drawn, (seeds,), level, pairs) > 0).all(1)
        else:
            signs, _ = told_apart(_drawn(values, (seeds,), _studies(len(values))), (seeds,), level)
            found = np.stack([sign(signs, len(values), i, j) > 0 for i, j in pairs]).all(0)
        return bool(found.mean() >= power)

    return _bisect(enough, _most_seeds(truth.axis))


def seeds_to_support(truth: Truth, design: Design) -> int | None:
    """Least seeds of each configuration, with one look, with which the truth's first claim is supported in 80 % of
    studies; None beyond MOST_SEEDS."""
    rules = design.rules
    return _least(truth, design.level(truth.axis), rules.error_below(len(truth.values)), either=False)


def seeds_to_decide(compared: Compared, claim: Claim, metric: str) -> int | None:
    """Least seeds of each configuration with which a new study would decide a claim, either way, in 80 % of studies, if
    all were as seen, or, of `alike`, if the two were equal: None where that is beyond MOST_SEEDS, and where nothing was
    seen.

    As seen: P(converge); of scores how often a seed of the claim's subject is better than one of another, and, for a
    margin, their spread. For one look and independent seeds.  metric: of the study's scores. Errors: ValueError for a
    name that is not compared. Cached; seconds where it is not.
    """
    axis = compared.decisions.axes.get(axis_of(claim, metric))
    sizes = [len(group.converged) for group in compared.groups]
    error = compared.rules.error_below(len(sizes))
    if axis is None or not min(sizes, default=0) or not (error if claim.below else axis.level):
        return None
    truth = _as_seen(compared, claim.model_copy(update={"measure": None}), axis.name)
    if truth is None:
        return None
    return _least(truth, axis.level, error, either=True)


def _as_seen(compared: Compared, claim: Claim, axis: str) -> Truth | None:
    """What was seen, as the truth; None where it says nothing of scores."""
    about = Claims((claim,), compared.names, compared.named, 0.0)
    place, pairs, groups = about.place(claim), about.pairs(claim), compared.groups
    if not pairs and claim.below is None:
        return None
    if axis == CONVERGING:
        values = [float(group.converged.mean()) for group in groups]
    else:
        # Only pairs that are shown have an estimate.
        own = compared.decisions.axes[axis]
        wins = [own.pair(place, other).estimate if other != place else 0.5 for other in range(len(groups))]
        if any(math.isnan(share) for share in wins):
            return None
        values = [-mean_apart(share) for share in wins]
        if claim.margin is not None:
            spread = _spread([groups[place].on(axis), *(groups[other].on(axis) for _, other in pairs)])
            if not spread:
                return None
            claim = claim.model_copy(update={"margin": claim.margin / spread})
    if claim.alike is not None:
        ((i, j),) = pairs
        values[i] = values[j] = (values[i] + values[j]) / 2
    kind = CONVERGING if axis == CONVERGING else SCORE
    return Truth(tuple(values), tuple(compared.names), tuple(compared.named), (claim,), kind)


def _spread(scores: Sequence[np.ndarray]) -> float:
    """Standard deviation of seeds of one configuration, over some; 0 where it is not known."""
    finite = [own[np.isfinite(own)] for own in scores]
    freedom = sum(max(len(own) - 1, 0) for own in finite)
    squares = sum(float(((own - own.mean()) ** 2).sum()) for own in finite if len(own))
    return math.sqrt(squares / freedom) if freedom else 0.0


def seeds_that_show(groups: int, level: float, most: int = 64) -> int | None:
    """Least seeds of each configuration with which, at one look, some result could tell a pair apart by convergence, as
    `decisions.attainable` tries it; None beyond `most`. level: of convergence."""
    if groups < 2:
        return None
    # A part of the groups is as good as can be and the rest as bad.
    good = np.array([np.arange(groups) < number for number in {1, groups // 2, groups - 1}], int)[:, :, None]
    return _bisect(lambda seeds: bool(told_apart(good * seeds, (seeds,), level)[0].any()), most)


def _bisect(enough: Callable[[int], bool], most: int) -> int | None:
    """Least number that is enough, of those up to `most`; of large ones to about 1 %."""
    low, high = 1, 2
    while not enough(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


@functools.lru_cache(maxsize=256)
def _least(truth: Truth, level: float, error_below: float, *, either: bool) -> int | None:
    """Seeds with which the truth's claim is supported, or decided either way."""
    (claim,) = truth.claims
    claims, count = truth.claims_at(level, error_below), len(truth.values)
    if claim.below is None and claim.alike is None and claim.margin is None:
        ahead = [truth.values[i] - truth.values[j] for i, j in claims.pairs(claim)]
        if min(ahead) <= 0 and not (either and min(ahead) < 0):
            return None

    def enough(seeds: int) -> bool:
        sizes = (seeds,)
        if truth.axis == SCORE:
            drawn = _drawn_scores(truth.values, seeds, SCORE_STUDIES)
            supported, refuted = scores_in_bulk.judged(claims, claim, drawn, sizes)
        else:
            counts = _drawn(truth.values, sizes, _studies(count))
            signs, _ = told_apart(counts, sizes, level)
            supported, refuted = claims.judged(claim, signs, counts, sizes, np.ones(counts.shape[:2], int))
        return bool((supported | (refuted & either)).mean() >= POWER)

    return _bisect(enough, _most_seeds(truth.axis))


def _studies(groups: int) -> int:
    return max(100, min(STUDIES, 2 * MOST_TESTS // max(1, groups * (groups - 1))))


def _drawn(shares: tuple[float, ...], sizes: Sequence[int], studies: int) -> np.ndarray:
    """How many seeds of each have converged at each look, [studies,G,looks]."""
    rng = np.random.default_rng(sizes[-1])
    more = [rng.binomial(size, shares, size=(studies, len(shares))) for size in np.diff(sizes, prepend=0)]
    return np.cumsum(np.stack(more, axis=2), axis=2)


def _drawn_scores(means: tuple[float, ...], seeds: int, studies: int) -> np.ndarray:
    """[studies,G,seeds]."""
    rng = np.random.default_rng(seeds)
    drawn: np.ndarray = rng.standard_normal((studies, len(means), seeds)) + np.array(means)[:, None]
    return drawn


def _most_seeds(axis: str) -> int:
    return MOST_SEEDS_OF_SCORES if axis == SCORE else MOST_SEEDS
