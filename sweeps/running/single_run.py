"""A member that trains by itself, a user's function or command, as the worker sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import Claim, CohortRecord, CohortSpec, Curves
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study


class OwnCodeError(UserError):
    """What a user's function or command did wrong, or died of.

    detail: the user's own lines of the traceback, or the last lines that a command wrote; may be empty.
    """

    def __init__(self, line: str, detail: str = ""):
        super().__init__(line)
        self.detail = detail


class SingleRun(Protocol):
    """One member, which trains while the worker waits in `advance`.

    The worker owns the cohort (`record.claim`) and has put the user's files in place (`user_code.use`). It opens the
    run, calls `advance` until that says true, judges and commits:

        run = function_task.open(spec, study, record, claim, run_paths)      # or command_task.open
        try:
            while not run.advance(REPORT_SECONDS):
                ...                                                          # progress: run.step, run.curves()
            curves = run.curves()
            scores = curves.column(criterion.metric)[:, 0]
            outcome = judge(spec.seeds[0], curves.steps, scores, run.diverged_at, criterion)
            claim.commit(curves, [outcome], {**run.facts, ...})
        finally:
            run.close()

    A run goes on from what the last owner left, and keeps its own evaluations on record while it trains.
    facts: of where and how it runs, for the record: `engine` (`function` or `command`), `device`, `resumed_at`.
    """

    facts: dict[str, Any]

    @property
    def step(self) -> int:
        """The last step that was reported; 0 before the first."""

    @property
    def diverged_at(self) -> int | None:
        """The first step at which the criterion's metric was not finite."""

    def advance(self, seconds: float) -> bool:
        """Let it train for about so long; whether it has finished.

        `math.inf`: to its end; a function is then called in this thread, so that a debugger stops in it.
        Errors: OwnCodeError; FencedError where another worker has taken the cohort.
        """

    def curves(self) -> Curves:
        """The evaluations so far: the steps at which the criterion's metric was reported. What a step lacks of the
        other metrics is NaN."""

    def close(self) -> None:
        """End it if it runs still. Nothing that it leaves is lost: the next owner goes on from there."""


#: `open` of `function_task` and `command_task`.
Open = Callable[[CohortSpec, Study, CohortRecord, Claim, RunPaths], SingleRun]
