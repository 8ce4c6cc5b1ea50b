"""A cohort in the process that trains it, with or without Ray. Its folder says what it is, and holds its results."""

from __future__ import annotations

import errno
import os
import socket
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.criterion import Outcome, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Claim, CohortRecord, FencedError
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.training import memory
from seedsweep.sweeps.running import user_code
from seedsweep.sweeps.running.cohort_run import CohortRun
from seedsweep.sweeps.running.command_task import CommandRun
from seedsweep.sweeps.running.evaluations import OwnCodeError, warnings_of
from seedsweep.sweeps.running.function_task import FunctionRun
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.study.configuration import configuration, kind

#: A report at least this often, so that progress shows and a lost worker costs little.
REPORT_SECONDS = 2.0

#: What trains a cohort's members.
Run = CohortRun | FunctionRun | CommandRun


@dataclass(frozen=True)
class Assignment:
    """What a worker is told of a cohort. Strings and numbers alone, so that it may be sent to another host.

    folder: of the cohort.  run: of the run directory.  launch: number of the run's lease.  code: name of the copy of
    the user's files, or empty.  data: folder of the packed data set, or empty.  start: file of the weights that members
    start from, or empty.
    """

    folder: str
    run: str
    launch: int
    code: str
    data: str
    start: str


@dataclass(frozen=True)
class Report:
    """How far a cohort is: steps done, and its members' outcomes as of now."""

    done: bool
    steps_done: int
    outcomes: Sequence[str] = ()


class CohortWorker:
    """Trains one cohort. It claims the cohort in the first `advance`: a worker that starts slowly may have lost its
    cohort to a faster one, and would fence it."""

    def __init__(self, assignment: Assignment, *, same_thread: bool = False):
        """same_thread: see `FunctionRun`."""
        self.assignment, self.record = assignment, CohortRecord(Path(assignment.folder))
        self._same_thread, self._warned = same_thread, False
        self._run: Run | None = None
        self._started_at = time.monotonic()

    def advance(self, seconds: float = REPORT_SECONDS) -> Report:
        """Train for about so long, from the last checkpoint on in the first call; the last call commits the outcome.

        Errors: whatever went wrong, after it was put on record in the cohort's folder.
        """
        try:
            if self._run is None:
                self.spec = self.record.spec()
                if self.record.finished:
                    return Report(done=True, steps_done=self.spec.steps)
                self._run = self.open()
            report = self._advance(self._run, seconds)
        except BaseException as error:
            self.close()
            if isinstance(error, Exception):
                self._record_failure(error)
            raise
        if report.done:
            self.close()
        return report

    def close(self) -> None:
        """Stop training. What is on record stays, and the next owner resumes from it."""
        run, self._run = self._run, None
        if run is not None:
            run.close()

    def open(self) -> Run:
        """Claim the cohort, and resume from what its last owner left. Errors: FencedError, UserError and others."""
        given, paths = self.assignment, RunPaths(Path(self.assignment.run))
        user_code.use(paths, given.code)
        own = configuration(RunDirectory(paths).study(), self.spec.name, self.spec.overrides)
        self.study = own.study
        memory.keep_freed()
        torch.set_num_threads(self.study.resources.cpus)
        what = kind(self.study)
        self.claim: Claim = self.record.claim(given.launch)
        self._started_at = time.monotonic()
        if what == "task":
            return CohortRun(self.claim, self.spec, own, paths, data=given.data, start=given.start)
        member = self.claim, self.spec, self.study, user_code.folder_in_use(paths)
        return FunctionRun(*member, same_thread=self._same_thread) if what == "function" else CommandRun(*member)

    def _advance(self, run: Run, seconds: float) -> Report:
        done = run.advance(seconds)
        curves = run.curves()
        outcomes = self._judged(run, curves, run.finish() if done else [{} for _ in curves.seeds])
        if done:
            facts = {
                "host": socket.gethostname(),
                "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
                "threads": torch.get_num_threads(),
                "seconds": round(time.monotonic() - self._started_at, 3),
            }
            self.claim.commit(curves, outcomes, {**facts, **run.facts})
        return Report(done, run.step, [outcome.outcome for outcome in outcomes])

    def _judged(self, run: Run, curves: Curves, tests: list[dict[str, dict[str, float]]]) -> list[Outcome]:
        """The outcomes as of these evaluations. tests: of each member."""
        if not curves.steps:
            return []
        criterion, diverged = self.study.criterion, run.diverged_at
        scores = curves.column(criterion.metric)
        if not self._warned:
            trained = [at is None or at >= curves.steps[0] for at in diverged]
            first = {name: curves.column(name)[0, trained].tolist() for name in curves.columns}
            if warnings := warnings_of(self.study, first, f"at the first evaluation, at step {curves.steps[0]}"):
                self.record.warn("; ".join(warnings))
                self._warned = True
        members = zip(curves.seeds, scores.T, diverged, run.stopped_at, tests, strict=True)
        return [
            judge(seed, curves.steps, own, at, criterion, stopped, test) for seed, own, at, stopped, test in members
        ]

    def _record_failure(self, error: Exception) -> None:
        """Leave the reason in the cohort's folder, as far as the disk allows. A fenced worker writes nothing."""
        if isinstance(error, FencedError):
            return
        if isinstance(error, OwnCodeError):
            # The line that says what it was is the last one.
            text = f"{error.detail}\n{error}"
        elif isinstance(error, SeedsweepError):
            text = str(error)
        else:
            text = "".join(traceback.format_exception(error))
        cause = error.__cause__ or error
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            text = f"no space left on the device of {self.record.folder}\n{text}"
        with suppress(OSError):
            self.record.fail(f"{text.strip()}\n")
