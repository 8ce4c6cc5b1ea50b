"""Time to convergence, in training steps, with failures censored at the end of their observation.

A member that diverged cannot converge any more: it stays at risk to the budget. So what is estimated is the cumulative
incidence of convergence with divergence as the competing outcome (Gray 1988), and a curve ends at P(converge); the
incidence of divergence is the same of the steps at which members diverged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedsweep.analysis.statistics.proportions import exact_of


@dataclass(frozen=True)
class Incidence:
    """Share of members with an event by a step, Kaplan-Meier (1958): all [E], from step 0 to the budget.

    low, high: pointwise 95 % band.  at_risk: members that are observed still, without the event before the step.
    members:   all.
    """

    steps: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    at_risk: np.ndarray
    members: int

    def median(self) -> tuple[float, float, float]:
        """First step by which half have the event, and its interval: where the band holds one half (Brookmeyer &
        Crowley 1982); NaN where a curve does not reach it."""
        return _first(self.steps, self.share), _first(self.steps, self.high), _first(self.steps, self.low)


def incidence(event_at: np.ndarray, budget: float, observed: np.ndarray | None = None) -> Incidence:
    """The share with an event by each step.

    event_at: [n], NaN for a member without the event.  observed: [n], the step to which each was observed, if not to
    the budget. The band is Clopper and Pearson's with the effective number of members by Greenwood's variance
    (Rothman 1978): without early censoring, the exact interval of the share itself. Without members it is 0 to 1.
    """
    members = len(event_at)
    until = np.full(members, float(budget)) if observed is None else np.asarray(observed, float)
    happened = np.isfinite(event_at)
    end = np.where(happened, event_at, until)
    times = np.unique(event_at[happened])
    # A member censored at the step of an event is at risk there: the event comes first.
    at_risk = (end[None, :] >= times[:, None]).sum(1)
    events = (end[None, happened] == times[:, None]).sum(1)
    left = np.cumprod(1 - events / np.maximum(at_risk, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = left**2 * np.cumsum(events / (at_risk * (at_risk - events)))
        effective = np.where((left > 0) & (left < 1), left * (1 - left) / variance, members)
    low, high = exact_of(1 - left, effective)
    nothing_low, nothing_high = exact_of(np.zeros(1), np.full(1, float(members)))

    def around(start: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.concatenate([start, values, values[-1:] if len(values) else start])

    return Incidence(
        np.concatenate([[0], times, [budget]]),
        around(np.zeros(1), 1 - left),
        around(nothing_low, low),
        around(nothing_high, high),
        np.concatenate([[members], at_risk, [(end >= budget).sum()]]),
        members,
    )


def _first(steps: np.ndarray, share: np.ndarray) -> float:
    reached = np.flatnonzero(share >= 0.5)
    return float(steps[reached[0]]) if len(reached) else float("nan")
