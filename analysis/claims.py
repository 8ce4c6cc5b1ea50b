"""What became of a study's claims, the registered ones first. One that was added after results is exploratory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedsweep.analysis.comparison import Comparison
from seedsweep.analysis.results import Results
from seedsweep.analysis.verdicts import UNDECIDED, bounds_below, verdict
from seedsweep.core.records.decision import Claim

EXPLORATORY = "exploratory"


@dataclass(frozen=True)
class Judged:
    """A claim and what became of it: one of `verdicts.VERDICTS`, or `exploratory`.

    reason: why it cannot be judged at all; empty where it can.  bounds: of P(converge), by which a claim `below` was
    judged, and their confidence.
    """

    claim: Claim
    verdict: str
    reason: str = ""
    bounds: tuple[float, float, float] | None = None


def judge(results: Results, comparison: Comparison) -> list[Judged]:
    """Every claim of the study."""
    why = "what was registered is lost" if results.lost else "added after results"
    late = [Judged(claim, EXPLORATORY, why) for claim in results.late_claims]
    return [_judged(results, comparison, claim) for claim in results.claims] + late


def _judged(results: Results, comparison: Comparison, claim: Claim) -> Judged:
    compared = comparison.compared
    if missing := [name for name in claim.names if name not in compared.names]:
        return Judged(claim, UNDECIDED, f"no member of {missing[0]} has finished")
    place = list(compared.names).index(claim.names[0])
    if claim.best is not None and set(compared.named) <= {place}:
        return Judged(claim, UNDECIDED, "there is no other")
    if claim.measure not in (None, results.metric):
        measure = str(claim.measure)
        if results.sign_of(measure) is None:
            return Judged(claim, UNDECIDED, f"the record does not say whether more or less {measure} is better")
        if not np.isfinite(results.evaluations.get(measure, np.nan)).any():
            return Judged(claim, UNDECIDED, f"nothing measures {measure}")
    if not min(compared.reached, default=0):
        return Judged(claim, UNDECIDED, "seeds are missing")
    bounds = None
    if claim.below is not None:
        bounds = (*bounds_below(claim, compared), 1 - compared.rules.error_below(len(compared.groups)))
    return Judged(claim, verdict(claim, compared, results.metric), bounds=bounds)
