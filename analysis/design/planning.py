"""How many seeds: studies are simulated and decided as the real one will be, on the axis *converging* alone.

P(converge) of each configuration is given, seeds are independent, and convergence has the level that the study gives
it: scores decide nothing here, so that what they could show, or would pass on, is left out.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from seedsweep.analysis.decisions import Group, Rules, decide
from seedsweep.analysis.design.in_bulk import Claims, share_ends, sign, stopped, told_apart
from seedsweep.analysis.design.stopping import Aims, progress
from seedsweep.analysis.verdicts import VERDICTS, Compared, absolute_claims, verdict
from seedsweep.core.records.decision import AXES, CONVERGING, Claim, Decision, SeedCounts

#: In so many studies a difference is to be found.
POWER = 0.8
#: Above so many seeds of each configuration no number is given.
MOST_SEEDS = 1000
#: Studies that are simulated, and how many pairs are tested for that at most.
STUDIES, MOST_TESTS = 2000, 4_000_000
#: Studies that are simulated where each look asks whether to go on.
STOPPED_STUDIES = 200


@dataclass(frozen=True)
class Truth:
    """What is taken to be so. shares: P(converge) of each configuration.  names: of them.  named: places of those that
    the study names; None: all.  claims: what is claimed of them, as `judged_here` gives it."""

    shares: tuple[float, ...]
    names: tuple[str, ...] = ()
    named: tuple[int, ...] | None = None
    claims: tuple[Claim, ...] = ()

    def claims_at(self, level: float) -> Claims:
        """As they are judged on a page of this level."""
        count = len(self.shares)
        names = self.names or tuple(map(str, range(count)))
        return Claims(self.claims, names, tuple(range(count)) if self.named is None else self.named, level)


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


def level_of(decision: Decision, axes: tuple[str, ...] = AXES) -> float:
    """What convergence has of a study's level."""
    return decision.level * decision.shares_of(axes)[CONVERGING]


def judged_here(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """The claims that are simulated: of convergence, but for `alike`; without margins, which could refute them too."""
    kept = (claim for claim in claims if claim.axis == CONVERGING and claim.alike is None)
    return tuple(claim.model_copy(update={"margin": None}) for claim in kept)


def simulate(
    truth: Truth,
    seeds: SeedCounts,
    decision: Decision,
    *,
    axes: tuple[str, ...] = AXES,
    studies: int | None = None,
) -> Simulated:
    """Studies of a design, the same at each call: all at once from counts of independent seeds, which is `one_by_one`
    but for about 1 % of a p-value. `paired` studies and `looks: any` are simulated one by one."""
    whole = Rules.of(seeds, decision, axes)
    if seeds.paired or whole.method.anytime:
        return one_by_one(truth, seeds, decision, axes=axes, studies=studies or STOPPED_STUDIES)
    studies = studies or min(_studies(len(truth.shares)), STUDIES if seeds.until == "all" else STOPPED_STUDIES)
    sizes, level = whole.sizes, level_of(decision, axes)
    claims, counts = truth.claims_at(decision.level), _drawn(truth.shares, sizes, studies)
    reached = np.full(counts.shape[:2], len(sizes))
    wanted = np.full(counts.shape[:2], sizes[-1])
    if seeds.until == "decided":
        reached, wanted = stopped(counts, sizes, level, claims)
    signs, _ = told_apart(counts, sizes, level, reached)
    judged = [claims.judged(claim, signs, counts, sizes, reached) for claim in truth.claims]
    supported, refuted = (np.array([each[side] for each in judged]).reshape(-1, studies) for side in (0, 1))
    return _summary(truth, claims, _Outcome(signs, supported, refuted, wanted.sum(1)))


def one_by_one(
    truth: Truth,
    seeds: SeedCounts,
    decision: Decision,
    *,
    axes: tuple[str, ...] = AXES,
    studies: int = STOPPED_STUDIES,
) -> Simulated:
    """As `simulate`, each study by the functions that decide the real one."""
    whole, claims = Rules.of(seeds, decision, axes), truth.claims_at(decision.level)
    own = Rules(level_of(decision, axes), {CONVERGING: 1.0}, whole.sizes, whole.method)
    aims = Aims(truth.claims, tuple(claims.names), tuple(claims.named), "")
    absolute = absolute_claims(truth.claims)
    rng, shares = np.random.default_rng(0), np.array(truth.shares)
    signs, said, spent = [], [], []
    for _ in range(studies):
        drawn = rng.random((len(shares), seeds.sizes[-1])) < shares[:, None]
        found = progress([Group(row, {}) for row in drawn], own, seeds, aims)
        groups = [Group(row[:wanted], {}) for row, wanted in zip(drawn, found.wanted, strict=True)]
        reached = [1] * len(groups) if own.method.anytime else list(found.reached)
        decisions = decide(groups, own, reached, estimates=False, only=(CONVERGING,))
        compared = Compared(claims.names, claims.named, groups, whole, reached, decisions)
        signs.append([pair.differs for pair in decisions.axes[CONVERGING].pairs])
        said.append([VERDICTS.index(verdict(claim, compared, "", absolute=absolute)) for claim in truth.claims])
        spent.append(sum(found.wanted))
    verdicts = np.array(said, int).reshape(studies, -1).T
    return _summary(truth, claims, _Outcome(np.array(signs), verdicts == 0, verdicts == 1, np.array(spent)))


def _summary(truth: Truth, claims: Claims, outcome: _Outcome) -> Simulated:
    shares, studies = truth.shares, len(outcome.seeds)
    told, false = np.zeros((len(shares), len(shares))), np.zeros(studies, bool)
    for (i, j), signs in zip(itertools.combinations(range(len(shares)), 2), outcome.signs.T, strict=True):
        told[i, j], told[j, i] = (signs > 0).mean(), (signs < 0).mean()
        false |= (signs != 0) & (signs * np.sign(shares[i] - shares[j]) <= 0)
    verdicts = []
    for claim, supported, refuted in zip(truth.claims, outcome.supported, outcome.refuted, strict=True):
        yes, no = float(supported.mean()), float((refuted & ~supported).mean())
        verdicts.append(dict(zip(VERDICTS, (yes, no, 1 - yes - no), strict=True)))
        false |= refuted & ~supported if claims.holds(claim, shares) else supported
    return Simulated(studies, told, tuple(verdicts), float(false.mean()), float(outcome.seeds.mean()))


def seeds_needed(
    shares: Sequence[float], pairs: Sequence[tuple[int, int]], level: float, power: float = POWER
) -> int | None:
    """Least seeds of each configuration, with one look, with which in so many studies every one of these pairs is told
    apart, the first being the better; None beyond MOST_SEEDS.

    shares: P(converge) of each.  level: of convergence. By bisection on simulated studies: the power of 2000 is right
    to 2 points.
    """
    return _least(tuple(map(float, shares)), tuple(pairs), (), level, power)


def seeds_to_decide(compared: Compared, claim: Claim, metric: str, *, absolute: int = 1) -> int | None:
    """Least seeds of each configuration with which a new study would decide a claim of convergence, either way, in 80 %
    of studies, if P(converge) were as seen; None where that is beyond MOST_SEEDS, for other claims, and where nothing
    was seen.

    For one look and independent seeds, and without what a margin would decide.  metric: of the study's scores.
    absolute: claims `below` that share a level.  Errors: ValueError for a name that is not compared. Cached; about a
    second where it is not.
    """
    axis = compared.decisions.axes.get(CONVERGING)
    sizes = [len(group.converged) for group in compared.groups]
    if claim.axis != CONVERGING or claim.alike is not None or axis is None or not min(sizes, default=0):
        return None
    if claim.measure not in (None, metric):
        return None
    seen = tuple(float(group.converged.mean()) for group in compared.groups)
    about = Claims((claim,), compared.names, compared.named, compared.rules.level)
    if claim.below is not None:
        return _least_below(seen[about.place(claim)], claim.below[1], compared.rules.level / absolute)
    pairs = about.pairs(claim)
    if not pairs or not axis.level:
        return None
    return _least(seen, tuple(pairs), tuple((j, i) for i, j in pairs), axis.level)


def seeds_that_show(groups: int, decision: Decision, axes: tuple[str, ...] = AXES, most: int = 64) -> int | None:
    """Least seeds of each configuration with which, at one look, some result could tell a pair apart by convergence, as
    `decisions.attainable` tries it; None beyond `most`."""
    if groups < 2:
        return None
    # A part of the groups is as good as can be and the rest as bad.
    good = np.array([np.arange(groups) < number for number in {1, groups // 2, groups - 1}], int)[:, :, None]
    level = level_of(decision, axes)
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
def _least(
    shares: tuple[float, ...],
    all_of: tuple[tuple[int, int], ...],
    any_of: tuple[tuple[int, int], ...],
    level: float,
    power: float = POWER,
) -> int | None:
    """Seeds with which every pair of the first is told apart, or any of the second."""
    if any(shares[i] <= shares[j] for i, j in all_of) and not any(shares[i] > shares[j] for i, j in any_of):
        return None
    studies, groups = _studies(len(shares)), len(shares)

    def enough(seeds: int) -> bool:
        signs, _ = told_apart(_drawn(shares, (seeds,), studies), (seeds,), level)
        found = np.stack([sign(signs, groups, i, j) > 0 for i, j in all_of]).all(0)
        for i, j in any_of:
            found |= sign(signs, groups, i, j) > 0
        return bool(found.mean() >= power)

    return _bisect(enough, MOST_SEEDS)


@functools.lru_cache(maxsize=256)
def _least_below(share: float, bound: float, error: float) -> int | None:
    """Seeds with which it is decided whether P(converge) is below a bound; exact."""

    def enough(seeds: int) -> bool:
        low, high = share_ends(seeds, error)
        chances = stats.binom.pmf(np.arange(seeds + 1), seeds, share)
        return bool(chances[(high < bound) | (low >= bound)].sum() >= POWER)

    return _bisect(enough, MOST_SEEDS)


def _studies(groups: int) -> int:
    return max(100, min(STUDIES, 2 * MOST_TESTS // max(1, groups * (groups - 1))))


def _drawn(shares: tuple[float, ...], sizes: Sequence[int], studies: int) -> np.ndarray:
    """How many seeds of each have converged at each look, [studies,G,looks]."""
    rng = np.random.default_rng(sizes[-1])
    more = [rng.binomial(size, shares, size=(studies, len(shares))) for size in np.diff(sizes, prepend=0)]
    return np.cumsum(np.stack(more, axis=2), axis=2)
