"""What the types of a study's decisions cannot say: that axes, measures and criteria are there. One line each."""

from __future__ import annotations

from collections.abc import Iterable

from seedsweep.core.component import choose
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.decision import BELOW, CONVERGING, SCORE, Claim, SeedCounts, axes_of, parts_of
from seedsweep.core.records.study import Measure, Study
from seedsweep.sweeps.study.slips import choose_measure

TESTED = ("test_last_", "test_best_")


def problems(study: Study) -> Iterable[str]:
    """Of a resolved study."""
    axes = axes_of(study.claims, study.criterion.metric)
    parts = parts_of(study.claims, study.criterion.metric)
    for part in study.decision.shares:
        if part not in parts:
            yield f"decision.shares: nothing is called {part!r}; {choose(part, parts)}"
    shares = study.decision.shares_of(parts)
    for part in dict.fromkeys(part_of(claim, study.criterion.metric) for claim in study.claims):
        if not shares[part]:
            which = {BELOW: BELOW, CONVERGING: "on converging"}.get(part, f"by {part}")
            yield (
                f"decision.shares: claims {which} have no share, and would never be decided; give {part} a number "
                "above 0"
            )
    for place, measure in enumerate(study.secondary):
        plain = next((measure.removeprefix(start) for start in TESTED if measure.startswith(start)), measure)
        if plain not in study.measures:
            yield f"secondary.{place}: there is no {plain!r}; {choose_measure(plain, study.measures)}"
    for value in study.sensitivity.threshold:
        yield from beyond("sensitivity.threshold", value, study.criterion)
    for hold in study.sensitivity.hold:
        if hold < 1:
            yield f"sensitivity.hold: {hold} is out of range; it must be at least 1"
    if study.seeds.until == "all" and study.seeds.least != SeedCounts().least:
        yield "seeds.least: applies only with until: decided; add that, or remove seeds.least"
    if study.seeds.until == "decided" and len(axes) > 2:
        yield (
            f"seeds.until: decided asks the criterion's metric alone, and a claim is of {axes[2]}; give seeds.compare, "
            "or a claim of the metric"
        )
    if study.seeds.until == "decided" and study.compared < 2 and not any(claim.below for claim in study.claims):
        yield "seeds.until: decided compares nothing: there is one configuration; name another, or search"


def beyond(where: str, value: float, criterion: Criterion) -> Iterable[str]:
    """What is wrong with a threshold that the criterion's metric cannot have. where: it stands."""
    ends = Measure(low=criterion.low, high=criterion.high)
    if ends.is_beyond(value):
        meant = "" if ends.is_beyond(value / 100) else f"; did you mean {value / 100:g}?"
        yield f"{where}: {value:g} can never be: {criterion.metric} is {ends.ends}{meant}"


def part_of(claim: Claim, metric: str) -> str:
    """Of `parts_of`, what has the level of a claim. metric: of the study's scores."""
    if claim.below is not None:
        return BELOW
    if claim.axis == CONVERGING:
        return CONVERGING
    return SCORE if claim.measure in (None, metric) else str(claim.measure)
