"""What the decisions say of a claim. One rule for all claims, of a study or of the report of 2019:

best, better   supported where significantly better; refuted where significantly worse, or, with a margin, where a
               difference of that size is ruled out.
alike          supported where the interval of the difference lies within the margin, refuted where it lies outside; of
               scores, where the difference of two seeds' scores has its median, and undecided where they differ, but
               not by a shift.
below          supported where the upper bound of P(converge) is below the share, refuted where the lower one is not
               (`bounds_below`, at the part of the level that such claims have).
All else is undecided. What has been said at a look stays so: of two verdicts that the looks so far would give, it is
the first one's, and where one look gives both, it is *supported*.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace

from seedsweep.analysis.decisions import Decisions, Group, Pair, Rules, decide, narrowed
from seedsweep.analysis.design import group_sequential
from seedsweep.analysis.pair_tests import counts
from seedsweep.analysis.statistics.anytime import betting_interval
from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.core.records.decision import CONVERGING, SCORE, Claim

SUPPORTED, REFUTED, UNDECIDED = VERDICTS = ("supported", "refuted", "undecided")


@dataclass(frozen=True)
class Compared:
    """Configurations by name with what was decided. named: places of those that the study names."""

    names: Sequence[str]
    named: Sequence[int]
    groups: Sequence[Group]
    rules: Rules
    reached: Sequence[int]
    decisions: Decisions


def axis_of(claim: Claim, metric: str) -> str:
    """The axis that decides a claim."""
    if claim.axis == CONVERGING:
        return CONVERGING
    return SCORE if claim.measure in (None, metric) else str(claim.measure)


def needs_intervals(claims: Sequence[Claim]) -> bool:
    """Whether a verdict on some claim asks for intervals, and not for tests alone."""
    return any(claim.margin is not None or claim.axis == SCORE for claim in claims)


def pairs_of(claim: Claim, compared: Compared, metric: str) -> list[Pair]:
    """The pairs that a claim is about, as seen from its subject; none of `below`. Errors: KeyError for a name that is
    not compared."""
    if claim.below is not None:
        return []
    place = {name: number for number, name in enumerate(compared.names)}
    subject = place[claim.names[0]]
    if claim.best is not None:
        others = [number for number in compared.named if number != subject]
    else:
        others = [place[claim.names[1]]]
    axis = compared.decisions.axes[axis_of(claim, metric)]
    return [axis.pair(subject, other) for other in others]


def verdict(claim: Claim, compared: Compared, metric: str) -> str:
    """One of VERDICTS, which more looks do not change but from undecided. Errors: KeyError for a name that is not
    compared."""
    if claim.below is not None:
        low, high = bounds_below(claim, compared)
        return _one(supported=high < claim.below[1], refuted=low >= claim.below[1])
    supported, refuted = _sides(claim, compared, metric)
    if (supported and refuted) or (supported and _differ_otherwise(claim, compared, metric)):
        # Rarely so. What a look says of margins and tests is never taken back: the first that says anything decides.
        pairs = pairs_of(claim, compared, metric)
        earlier = range(1, _looks(compared))
        first = bisect.bisect_left(
            earlier, 1, key=lambda look: int(any(_sides(claim, _at(look, compared, pairs), metric)))
        )
        compared = _at(earlier[first], compared, pairs) if first < len(earlier) else compared
        supported, refuted = _sides(claim, compared, metric)
        supported &= not _differ_otherwise(claim, compared, metric)
    return _one(supported=supported, refuted=refuted)


def _sides(claim: Claim, compared: Compared, metric: str) -> tuple[bool, bool]:
    """Whether the seeds so far support a claim about pairs, and whether they refute it: each stays so."""
    pairs = pairs_of(claim, compared, metric)
    converging, margin = axis_of(claim, metric) == CONVERGING, claim.margin
    ends = [(pair.low, pair.high) if converging else (pair.shift_low, pair.shift_high) for pair in pairs]
    if claim.alike is not None:
        assert margin is not None
        ((low, high),) = ends
        return -margin < low and high < margin, low > margin or high < -margin
    refuted = any(pair.better < 0 for pair in pairs)
    if margin is not None:
        refuted |= any(high < margin for _, high in ends)
    return bool(pairs) and all(pair.better > 0 for pair in pairs), refuted


def _differ_otherwise(claim: Claim, compared: Compared, metric: str) -> bool:
    """Whether scores of a claim of likeness differ, and not by a shift: some fail of the one, and none of the other."""
    if claim.alike is None or axis_of(claim, metric) == CONVERGING:
        return False
    (pair,) = pairs_of(claim, compared, metric)
    return bool(pair.differs) and pair.shift_low <= 0 <= pair.shift_high


def _looks(compared: Compared) -> int:
    """How many there were; each seed is one where the level holds at any time."""
    if compared.rules.method.anytime:
        return max(len(group.converged) for group in compared.groups)
    return max(compared.reached)


def _at(look: int, compared: Compared, pairs: Sequence[Pair]) -> Compared:
    """What was known at a look, with intervals of some pairs."""
    groups, reached = compared.groups, compared.reached
    if compared.rules.method.anytime:
        groups = [group.first(look) for group in groups]
    else:
        reached = [min(own, look) for own in reached]
    wanted = [(min(pair.first, pair.second), max(pair.first, pair.second)) for pair in pairs]
    decisions = decide(groups, compared.rules, reached, estimates=wanted, only=tuple(compared.decisions.axes))
    return replace(compared, groups=groups, reached=reached, decisions=decisions)


def bounds_below(claim: Claim, compared: Compared) -> tuple[float, float]:
    """The interval of P(converge) that decides a claim `below`. Errors: KeyError for a name that is not compared."""
    place = {name: number for number, name in enumerate(compared.names)}[claim.names[0]]
    error = compared.rules.error_below(len(compared.groups))
    return share_interval(compared, place, error) if error else (0.0, 1.0)


def share_interval(compared: Compared, place: int, error: float) -> tuple[float, float]:
    """Interval of a configuration's P(converge) at an error that all looks share: exact, or, where each seed is a look,
    by betting."""
    group, rules = compared.groups[place], compared.rules
    if not compared.reached[place]:
        return 0.0, 1.0
    if rules.method.anytime:
        return betting_interval(group.converged, 1 - error)
    sizes = [None] if not rules.looked else list(rules.looked[: compared.reached[place]])
    confidence = 1 - group_sequential.nominal(error, rules.looked)
    found = [clopper_pearson(*counts(group.on(CONVERGING, size)), confidence) for size in sizes]
    return narrowed(found)


def _one(*, supported: bool, refuted: bool) -> str:
    return SUPPORTED if supported else REFUTED if refuted else UNDECIDED
