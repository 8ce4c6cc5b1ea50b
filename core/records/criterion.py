"""When a member has converged, and what became of it. E evaluations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

OUTCOMES = ("converged", "fell_back", "never", "diverged")


@dataclass(frozen=True)
class Criterion:
    """`metric` on validation at `threshold` or better, held for `hold` evaluations in a row.

    metric: a measure, by the name that the task gives it.  threshold: from which value on an evaluation is good.
    hold: evaluations that are good, up to the last one.  direction: `max`, more is better, or `min`.
    low, high: ends that the metric cannot pass; None where there is none.
    It is part of the study, fixed before it runs.
    """

    metric: str
    threshold: float
    hold: int = 3
    direction: str = "max"
    low: float | None = None
    high: float | None = None

    def met(self, score: float) -> bool:
        """Whether one evaluation is good enough; NaN, after divergence, never is."""
        return bool(score >= self.threshold if self.direction == "max" else score <= self.threshold)

    def best_of(self, scores: np.ndarray) -> int | None:
        """Place of the best finite score, the first of equal ones; None where none is finite."""
        finite = np.isfinite(scores)
        if not finite.any():
            return None
        worst = -np.inf if self.direction == "max" else np.inf
        ordered = np.where(finite, scores, worst)
        return int(ordered.argmax() if self.direction == "max" else ordered.argmin())


@dataclass(frozen=True)
class Outcome:
    """What became of one member. Steps are those of evaluations.

    outcome:      `converged`: the criterion is met at the end.  `fell_back`: it was met once and is not at the end.
                  `never`.  `diverged`: the loss was not finite at some step, whatever was met before.
    first_met:    step at which the criterion was first met: the last of the first `hold` evaluations in a row.
    converged_at: the same for the run of evaluations that lasts to the end; None unless converged.
    lost_at:      step of the evaluation that ended the last run that met it; None if it was never met or is met still.
    diverged_at:  training steps done when the loss was first not finite.
    final, best:  the metric at the last evaluation and at the best one; None where no evaluation is finite.
    stopped_at:   step at which `training.stop` froze the member; None where it trained to the end.
    test:         measures of the test split by name, at the `last` and the `best` validated evaluation; empty where the
                  data have none.
    """

    seed: int
    outcome: str
    first_met: int | None
    converged_at: int | None
    lost_at: int | None
    diverged_at: int | None
    final: float | None
    best: float | None
    stopped_at: int | None = None
    test: dict[str, dict[str, float]] = field(default_factory=dict)

    def score(self, which: str) -> float | None:
        """That of the `last` or the `best` evaluation; None of a member that diverged, which is below every score,
        whatever it had reached before."""
        own = self.best if which == "best" else self.final
        return None if self.outcome == "diverged" else own


def judge(
    seed: int,
    steps: list[int],
    scores: np.ndarray,
    diverged_at: int | None,
    criterion: Criterion,
    stopped_at: int | None = None,
    test: dict[str, dict[str, float]] | None = None,
) -> Outcome:
    """The outcome of a member from its scores [E] at `steps` [E]; those of one that was stopped end there."""
    if stopped_at is not None:
        scores = scores[: sum(step <= stopped_at for step in steps)]
        steps = steps[: len(scores)]
    first_met = converged_at = lost_at = None
    run = 0
    for step, score in zip(steps, scores, strict=True):
        if criterion.met(score):
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
    best = criterion.best_of(scores)
    return Outcome(
        seed,
        outcome,
        first_met,
        converged_at if outcome == "converged" else None,
        lost_at,
        diverged_at,
        float(scores[-1]) if len(scores) and np.isfinite(scores[-1]) else None,
        None if best is None else float(scores[best]),
        stopped_at,
        test or {},
    )
