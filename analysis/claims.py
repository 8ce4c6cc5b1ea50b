"""What became of a study's claims. A verdict is one of VERDICTS, or, of a claim that was added after results, none:
`exploratory`.

best, better: of convergence, by the pair's adjusted p; of scores, by the interval of the probability that one is better
than the other, at Bonferroni's level where there are several others.
alike: supported where the 95 % interval of the difference lies within the margin of 0, refuted where it lies beyond.
below: by Wilson's 95 % interval of P(converge).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis.comparison import Comparison
from seedsweep.analysis.results import Results
from seedsweep.analysis.statistics.proportions import SIGNIFICANCE
from seedsweep.analysis.statistics.scores import superiority
from seedsweep.core.records.study import Claim

VERDICTS = ("supported", "refuted", "undecided")
EXPLORATORY = "exploratory"
#: A difference that matters, of P(converge) or of a probability, where a claim does not say its own.
MARGIN = 0.25


@dataclass(frozen=True)
class Judged:
    """A claim and what became of it. reason: why it cannot be judged at all; empty where it can."""

    claim: Claim
    verdict: str
    reason: str = ""


def judge(results: Results, comparison: Comparison) -> list[Judged]:
    """Every claim of the study, the registered ones first."""
    why = "what was registered is lost" if results.lost else "added after results"
    late = [Judged(claim, EXPLORATORY, why) for claim in results.late_claims]
    return [_judged(results, comparison, claim) for claim in results.claims] + late


def verdict(*, supported: bool, refuted: bool) -> str:
    """One of VERDICTS."""
    return "supported" if supported else "refuted" if refuted else "undecided"


def higher(found: list[tuple[float, float, float]]) -> str:
    """Verdict that scores are better than each of others', from `superiority` over each."""
    return verdict(supported=all(low > 0.5 for _, low, _ in found), refuted=any(high < 0.5 for *_, high in found))


def is_real(pairs: pd.DataFrame) -> pd.Series:
    """Which pairs differ in P(converge), the adjustment for their number included."""
    return pairs.adjusted < SIGNIFICANCE


def of_pair(pairs: pd.DataFrame, first: str, second: str) -> dict[str, Any] | None:
    """The row of `Comparison.pairs` of two labels, as seen from the first; None where there is none."""
    for one, other in ((first, second), (second, first)):
        found = pairs[(pairs["first"] == one) & (pairs["second"] == other)]
        if len(found):
            row = {str(name): value for name, value in found.iloc[0].items()}
            return row if one == first else _turned(row)
    return None


def _judged(results: Results, comparison: Comparison, claim: Claim) -> Judged:
    about, table = _about(claim), comparison.decided
    named = table[table.origin == "named"] if len(table) else pd.DataFrame({"name": []})
    if missing := [name for name in about if name not in set(named["name"])]:
        return Judged(claim, "undecided", f"no member of {missing[0]} has finished")
    if claim.below is not None:
        row = named[named["name"] == about[0]].iloc[0]
        share = claim.below[1]
        return Judged(claim, verdict(supported=row.high < share, refuted=row.low >= share))
    others = [str(name) for name in named["name"] if name != about[0]] if claim.best else about[1:]
    if not others:
        return Judged(claim, "undecided", "there is no other")
    if claim.axis == "score":
        return _of_scores(results, claim, about[0], others)
    found = [of_pair(comparison.pairs, about[0], other) for other in others]
    pairs = [pair for pair in found if pair is not None]
    if claim.alike is not None:
        margin = MARGIN if claim.margin is None else claim.margin
        return Judged(claim, _alike(pairs[0]["low"], pairs[0]["high"], margin))
    better = [np.sign(pair["difference"]) * (pair["adjusted"] < SIGNIFICANCE) for pair in pairs]
    return Judged(claim, verdict(supported=min(better) > 0, refuted=min(better) < 0))


def _of_scores(results: Results, claim: Claim, own: str, others: list[str]) -> Judged:
    measure = claim.measure or results.metric
    sign = results.sign_of(measure)
    if sign is None:
        return Judged(claim, "undecided", f"the record does not say whether more or less {measure} is better")
    if measure != results.metric and not np.isfinite(results.evaluations.get(measure, np.nan)).any():
        return Judged(claim, "undecided", f"nothing measures {measure}")
    groups = {group["name"].iloc[0]: group for group in results.configurations}

    def scores(name: str) -> np.ndarray:
        own = groups[name]
        return sign * (results.scores(own) if measure == results.metric else results.last(own, measure))

    confidence = 1 - SIGNIFICANCE / len(others)
    found = [superiority(scores(own), scores(other), confidence) for other in others]
    if claim.alike is not None:
        _, low, high = found[0]
        return Judged(claim, _alike(low - 0.5, high - 0.5, MARGIN if claim.margin is None else claim.margin))
    return Judged(claim, higher(found))


def _alike(low: float, high: float, margin: float) -> str:
    return verdict(supported=-margin < low and high < margin, refuted=low > margin or high < -margin)


def _about(claim: Claim) -> list[str]:
    """Names of the configurations that a claim is about, its subject first."""
    if claim.best is not None:
        return [claim.best]
    return [claim.below[0]] if claim.below is not None else list(claim.better or claim.alike or ())


def _turned(row: dict[str, Any]) -> dict[str, Any]:
    """A pair seen from its second."""
    turned = {"first": row["second"], "second": row["first"], "difference": -row["difference"]}
    turned |= {"low": -row["high"], "high": -row["low"], "greater": 1 - row["greater"]}
    turned |= {"better": 1 - row["better"], "better_low": 1 - row["better_high"], "better_high": 1 - row["better_low"]}
    return {**row, **turned}
