"""When a member has converged, and what became of it. E evaluations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

OUTCOMES = ("converged", "fell_back", "never", "diverged")


@dataclass(frozen=True)
class Criterion:
    """`metric` on validation at or above `threshold`, held for `hold` evaluations in a row.

    It is part of the study, fixed before it runs.
    """

    metric: str = "f1"
    threshold: float = 0.9
    hold: int = 3


@dataclass(frozen=True)
class Outcome:
    """What became of one member. Steps are those of evaluations.

    outcome:      `converged`: the criterion is met at the end.  `fell_back`: it was met once and is not at the end.
                  `never`.  `diverged`: the loss was not finite at some step, whatever was met before.
    first_met:    step at which the criterion was first met: the last of the first `hold` evaluations in a row.
    converged_at: the same for the run of evaluations that lasts to the end; None unless converged.
    lost_at:      step of the evaluation that ended the last run that met it; None if it was never met or is met still.
    diverged_at:  training steps done when the loss was first not finite.
    final, best:  the metric at the last evaluation and its maximum; None where no evaluation is finite.
    """

    seed: int
    outcome: str
    first_met: int | None
    converged_at: int | None
    lost_at: int | None
    diverged_at: int | None
    final: float | None
    best: float | None


def judge(seed: int, steps: list[int], scores: np.ndarray, diverged_at: int | None, criterion: Criterion) -> Outcome:
    """The outcome of a member from its scores [E] at `steps` [E]; NaN, after divergence, is below any threshold."""
    first_met = converged_at = lost_at = None
    run = 0
    for step, score in zip(steps, scores, strict=True):
        if score >= criterion.threshold:
            run += 1
            if run == criterion.hold:
                first_met = step if first_met is None else first_met
                converged_at, lost_at = step, None
        else:
            if run >= criterion.hold:
                converged_at, lost_at = None, step
            run = 0
    if diverged_at is not None:
        outcome = "diverged"
    elif converged_at is not None:
        outcome = "converged"
    else:
        outcome = "never" if first_met is None else "fell_back"
    finite = scores[np.isfinite(scores)]
    return Outcome(
        seed,
        outcome,
        first_met,
        converged_at if outcome == "converged" else None,
        lost_at,
        diverged_at,
        float(scores[-1]) if len(scores) and np.isfinite(scores[-1]) else None,
        float(finite.max()) if len(finite) else None,
    )
