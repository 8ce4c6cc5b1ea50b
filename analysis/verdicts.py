"""What the decisions say of a claim. One rule for all claims, of a study or of the report of 2019:

best, better   supported where better beyond doubt; refuted where worse beyond doubt, or, with a margin, where a
               difference of that size is ruled out.
alike          supported where the interval of the difference lies within the margin, refuted where it lies outside; of
               scores, where the difference of two seeds' scores has its median.
below          supported where the upper bound of P(converge) is below the share, refuted where the lower one is not
               (`bounds_below`, at the part of the level that such claims have).
All else is undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedsweep.analysis.decisions import Decisions, Group, Pair, Rules
from seedsweep.analysis.design import looks
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
    """One of VERDICTS. Errors: KeyError for a name that is not compared."""
    if claim.below is not None:
        low, high = bounds_below(claim, compared)
        return _one(supported=high < claim.below[1], refuted=low >= claim.below[1])
    pairs = pairs_of(claim, compared, metric)
    ends = [
        (pair.low, pair.high) if axis_of(claim, metric) == CONVERGING else (pair.shift_low, pair.shift_high)
        for pair in pairs
    ]
    margin = claim.margin
    if claim.alike is not None:
        assert margin is not None
        ((low, high),) = ends
        if pairs[0].differs and low <= 0 <= high:
            # They differ, and not by a shift: some fail of the one, and none of the other.
            return UNDECIDED
        return _one(supported=-margin < low and high < margin, refuted=low > margin or high < -margin)
    refuted = any(pair.better < 0 for pair in pairs)
    if margin is not None:
        refuted |= any(high < margin for _, high in ends)
    return _one(supported=bool(pairs) and all(pair.better > 0 for pair in pairs), refuted=refuted)


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
    confidence = 1 - looks.nominal(error, rules.looked)
    found = [clopper_pearson(*counts(group.on(CONVERGING, size)), confidence) for size in sizes]
    low, high = max(low for low, _ in found), min(high for _, high in found)
    return min(low, high), max(low, high)


def _one(*, supported: bool, refuted: bool) -> str:
    return SUPPORTED if supported else REFUTED if refuted else UNDECIDED
