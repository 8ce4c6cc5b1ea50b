"""A cohort in a process that trains it, with or without Ray: its folder says what it is, and holds all it leaves."""

from __future__ import annotations

import errno
import math
import os
import socket
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.criterion import Outcome, judge
from seedsweep.core.records.ledger import Claim, CohortRecord, Curves, FencedError
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.training import memory
from seedsweep.sweeps.running import command_task, function_task, user_code
from seedsweep.sweeps.running.assignment import Assignment
from seedsweep.sweeps.running.cohort_run import CohortRun, Tests
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.single_run import OwnCodeError, SingleRun
from seedsweep.sweeps.study.configuration import configuration, kind

#: A report at least this often, so that progress shows and a lost worker costs little.
REPORT_SECONDS = 2.0


@dataclass(frozen=True)
class Report:
    """How far a cohort is: steps done, and what its members are so far."""

    done: bool
    steps_done: int
    outcomes: Sequence[str] = ()


class Run(Protocol):
    """The training of a cohort's members."""

    @property
    def step(self) -> int:
        """Steps done."""

    @property
    def facts(self) -> dict[str, Any]:
        """Of where and how it runs."""

    @property
    def diverged_at(self) -> list[int | None]:
        """Of each member, the steps done when its loss was no longer finite."""

    @property
    def stopped_at(self) -> list[int | None]:
        """Of each member, the step at which it was frozen."""

    def advance(self, seconds: float) -> bool:
        """Train for about so long; whether all is trained."""

    def curves(self) -> Curves:
        """The evaluations so far."""

    def finish(self) -> Tests:
        """Once all is trained: of each member the measures of the test split. What is to be kept is kept."""

    def close(self) -> None:
        """End what runs. Nothing that it leaves is lost."""


class Alone:
    """A function's or a command's one member as a Run."""

    stopped_at: list[int | None]

    def __init__(self, run: SingleRun, *, same_thread: bool):
        """same_thread: call a user's function in this thread and to its end, so that a debugger stops in it."""
        self._run, self._same_thread = run, same_thread
        self.stopped_at = [None]

    @property
    def step(self) -> int:
        """The last step that was reported."""
        return self._run.step

    @property
    def facts(self) -> dict[str, Any]:
        """Of where and how it runs."""
        return self._run.facts

    @property
    def diverged_at(self) -> list[int | None]:
        """When the criterion's metric was first not finite."""
        return [self._run.diverged_at]

    def advance(self, seconds: float) -> bool:
        """Errors: OwnCodeError, FencedError."""
        return self._run.advance(math.inf if self._same_thread else seconds)

    def curves(self) -> Curves:
        """The evaluations so far."""
        return self._run.curves()

    def finish(self) -> Tests:
        """Neither has a test split."""
        return [{}]

    def close(self) -> None:
        """End it if it runs still."""
        self._run.close()


class CohortWorker:
    """Trains one cohort. Takes nothing before the first `advance`: a worker that starts slowly may have lost its cohort
    to one that was free before, and would fence it."""

    def __init__(self, assignment: Assignment, *, same_thread: bool = False):
        """same_thread: see Alone."""
        self.assignment, self.record = assignment, CohortRecord(Path(assignment.folder))
        self._same_thread = same_thread
        self._run: Run | None = None
        self._begun = time.monotonic()

    def advance(self, seconds: float = REPORT_SECONDS) -> Report:
        """Train for about so long, from the last checkpoint on in the first call; the last commits the outcome.

        Errors: whatever went wrong, after it was put on record in the cohort's folder.
        """
        try:
            if self._run is None:
                self.spec = self.record.spec()
                if self.record.finished:
                    return Report(True, self.spec.steps)
                self._run = self.open()
            report = self._advance(self._run, seconds)
        except BaseException as error:
            self.close()
            if isinstance(error, Exception):
                self._fail(error)
            raise
        if report.done:
            self.close()
        return report

    def close(self) -> None:
        """End what runs. Nothing that it leaves is lost."""
        run, self._run = self._run, None
        if run is not None:
            run.close()

    def open(self) -> Run:
        """Take the cohort, and go on where its last owner left it. Errors: FencedError, UserError and others."""
        given = self.assignment
        directory = RunDirectory(RunPaths(Path(given.run)))
        user_code.use(directory.paths, given.code)
        self.study = configuration(directory.study(), self.spec.name, self.spec.overrides).study
        memory.keep_freed()
        torch.set_num_threads(self.study.resources.cpus)
        what = kind(self.study)
        self.claim: Claim = self.record.claim(given.launch)
        self._begun = time.monotonic()
        if what == "task":
            return CohortRun(directory, self.spec, self.record, self.claim, given.data, given.start)
        opened = function_task.open if what == "function" else command_task.open
        run = opened(self.spec, self.study, self.record, self.claim, directory.paths)
        return Alone(run, same_thread=self._same_thread)

    def _advance(self, run: Run, seconds: float) -> Report:
        if not run.advance(seconds):
            return Report(False, run.step, [outcome.outcome for outcome in self._judged(run, run.curves())])
        curves = run.curves()
        outcomes = self._judged(run, curves, run.finish())
        facts = {
            "host": socket.gethostname(),
            "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
            "threads": torch.get_num_threads(),
            "seconds": round(time.monotonic() - self._begun, 3),
        }
        self.claim.commit(curves, outcomes, {**facts, **run.facts})
        return Report(True, run.step, [outcome.outcome for outcome in outcomes])

    def _judged(self, run: Run, curves: Curves, tests: Tests | None = None) -> list[Outcome]:
        """The outcomes as of these evaluations."""
        if not curves.steps:
            return []
        criterion = self.study.criterion
        scores = curves.column(criterion.metric)
        ends = zip(run.diverged_at, run.stopped_at, tests or [{} for _ in curves.seeds], strict=True)
        return [
            judge(seed, curves.steps, scores[:, m], diverged, criterion, stopped, test)
            for m, (seed, (diverged, stopped, test)) in enumerate(zip(curves.seeds, ends, strict=True))
        ]

    def _fail(self, error: Exception) -> None:
        """Leave the reason in the cohort's folder, as far as the disk allows; nothing where it is another worker's."""
        if isinstance(error, FencedError):
            return
        if isinstance(error, OwnCodeError):
            # The line that says what it was is the last one.
            text = f"{error.detail}\n{error}"
        elif isinstance(error, SeedsweepError):
            text = str(error)
        else:
            text = "".join(traceback.format_exception(error))
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            text = f"no space left on the device of {self.record.folder}\n{text}"
        with suppress(OSError):
            self.record.fail(f"{text.strip()}\n")
