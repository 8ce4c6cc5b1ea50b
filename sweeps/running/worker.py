"""The cohorts of a trial in the process that trains them, with or without Ray. The folder of each says what it is, and
holds its results."""

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
from typing import Any

import torch

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.claim import Claim, FencedError
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Outcome, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.record_files import LedgerError
from seedsweep.core.training import memory
from seedsweep.sweeps.running import user_code
from seedsweep.sweeps.running.cohort_run import CohortRun, Share
from seedsweep.sweeps.running.command_task import CommandRun
from seedsweep.sweeps.running.environment import ALONE, Environment, environment, expected
from seedsweep.sweeps.running.evaluations import OwnCodeError, warnings_of
from seedsweep.sweeps.running.failures import record_failure
from seedsweep.sweeps.running.function_task import FunctionRun
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.taken_members import OtherRuns
from seedsweep.sweeps.study.configuration import Configuration, configuration, kind

#: A report at least this often, so that progress shows and a lost worker costs little.
REPORT_SECONDS = 2.0

#: What trains the members of a trial, and what is of one cohort's.
Run = CohortRun | FunctionRun | CommandRun
OneCohort = Share | FunctionRun | CommandRun


@dataclass(frozen=True)
class Assignment:
    """What a worker is told of a trial. Strings and numbers alone, so that it may be sent to another host.

    folders: of the cohorts, which are one program.  run: of the run directory.  launch: number of the run's lease.
    code: name of the copy of the user's files, or empty.  data: folder of the packed data set, or empty.  start: file
    that names the weights that members start from, or empty.
    """

    folders: tuple[str, ...]
    run: str
    launch: int
    code: str
    data: str
    start: str


@dataclass(frozen=True)
class Report:
    """How far a trial is: steps done, and of each cohort its members' outcomes as of now."""

    done: bool
    steps_done: int
    outcomes: Sequence[Sequence[str]] = ()


class CohortWorker:
    """Trains the cohorts of a trial. It claims them in the first `advance`: a worker that starts slowly may have lost
    them to a faster one, and would fence it."""

    def __init__(self, assignment: Assignment, *, same_thread: bool = False):
        """same_thread: see `FunctionRun`."""
        self.assignment, self._same_thread = assignment, same_thread
        self._paths = RunPaths(Path(assignment.run))
        #: Of the cohorts that are not finished when the first `advance` looks.
        self.records = [CohortRecord(Path(folder)) for folder in assignment.folders]
        self.specs: list[CohortSpec] = []
        self._own: list[Configuration] = []
        self._run: Run | None = None
        self._claims: list[Claim] = []
        #: Of a function's or a command's member; a Task's says it itself.
        self._environments: list[Environment] = []
        self._outcomes: dict[str, list[str]] = {}
        self._warning, self._warned = "", set[str]()
        #: What was not taken from other runs, by the cohort's folder.
        self._doubts: dict[str, list[str]] = {}
        self._started_at = time.monotonic()

    def advance(self, seconds: float = REPORT_SECONDS) -> Report:
        """Train for about so long, from the last checkpoint on in the first call; the last call commits the outcomes.
        What other runs of the folder have trained is taken from there in the first.

        Errors: whatever went wrong, after it was put on record in the cohorts' folders.
        """
        try:
            if self._run is None:
                steps = self.records[0].spec().steps
                self.records = [record for record in self.records if not record.finished]
                if not self.records:
                    return Report(done=True, steps_done=steps)
                self._enter()
                if self.study.resources.reuse:
                    self._take()
                if not self.records:
                    return self._report(done=True, step=steps)
                self._run = self.open()
            report = self._advance(self._run, seconds)
        except BaseException as error:
            records = _still_held(self._run) if self._run else self.records
            self.close()
            if isinstance(error, Exception):
                _record(records, error)
            raise
        if report.done:
            self.close()
        return report

    def close(self) -> None:
        """Stop training. What is on record stays, and the next owner resumes from it."""
        run, self._run = self._run, None
        if run is not None:
            run.close()
        for claim in self._claims:
            claim.touch()
        self._claims = []

    def open(self) -> Run:
        """Claim the cohorts, and resume from what their last owner left. Errors: FencedError, UserError and others."""
        given, paths = self.assignment, self._paths
        members = sum(len(spec.seeds) for spec in self.specs)
        claims = self._claims = [
            record.claim(given.launch, len(spec.seeds) / members)
            for record, spec in zip(self.records, self.specs, strict=True)
        ]
        self._started_at = time.monotonic()
        what = kind(self.study)
        if what == "task":
            run = CohortRun(claims, self.specs, self._own, paths, data=given.data, start=given.start)
            self._warning = run.warning
            return run
        # Of one that had an owner before, nobody knows where it began.
        self._environments = [environment(self.study, self.specs, what, 1)] if claims[0].number == 1 else []
        member = claims[0], self.specs[0], self.study, user_code.folder_in_use(paths)
        return FunctionRun(*member, same_thread=self._same_thread) if what == "function" else CommandRun(*member)

    def _enter(self) -> None:
        """Turn to the study, its code, and the cohorts that are not finished."""
        self._started_at = time.monotonic()
        user_code.use(self._paths, self.assignment.code)
        study = RunDirectory(self._paths).study()
        self.specs = [record.spec() for record in self.records]
        self._own = [configuration(study, spec.name, spec.overrides) for spec in self.specs]
        # Of several all that is read here is the same.
        self.study = self._own[0].study
        memory.keep_freed()
        torch.set_num_threads(self.study.resources.cpus)

    def _take(self) -> None:
        """Take the cohorts from other runs that have all of their members; the rest are left to train: all of them, if
        their results depend on who trains together. Errors: FencedError, OSError."""
        where = expected(self._paths, self.study, self.specs)
        if where is None:
            return
        found = []
        for record, spec, own in zip(self.records, self.specs, self._own, strict=True):
            others = OtherRuns(self._paths)
            found.append(others.find(spec, own.study, where))
            self._doubts[str(record.folder)] = others.doubts
        if where["engine"] not in ALONE and None in found:
            return
        left = []
        for place, (record, copy) in enumerate(zip(self.records, found, strict=True)):
            if copy is None:
                left.append(place)
                continue
            here = {name: fact for name, fact in self._facts().items() if name != "environments"}
            copy.commit(record.claim(self.assignment.launch), here)
            self._outcomes[str(record.folder)] = [outcome.outcome for outcome in copy.outcomes]
        self.records = [self.records[place] for place in left]
        self.specs = [self.specs[place] for place in left]
        self._own = [self._own[place] for place in left]

    def _advance(self, run: Run, seconds: float) -> Report:
        done, lost = run.advance(seconds), list[FencedError]()
        for one in run.shares:
            one.claim.touch()
            curves = one.curves()
            outcomes = self._judged(one, curves, one.finish() if done else [{} for _ in curves.seeds])
            self._outcomes[str(one.claim.record.folder)] = [outcome.outcome for outcome in outcomes]
            try:
                if done:
                    one.claim.commit(curves, outcomes, {**self._facts(), **one.facts})
            except FencedError as error:
                lost.append(error)
        if lost and len(lost) == len(run.shares):
            raise lost[0]
        return self._report(done=done, step=run.step)

    def _report(self, *, done: bool, step: int) -> Report:
        return Report(done, step, [self._outcomes.get(folder, []) for folder in self.assignment.folders])

    def _facts(self) -> dict[str, Any]:
        return {
            "host": socket.gethostname(),
            "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
            "threads": torch.get_num_threads(),
            "seconds": round(time.monotonic() - self._started_at, 3),
            "environments": self._environments,
        }

    def _judged(self, one: OneCohort, curves: Curves, tests: list[dict[str, dict[str, float]]]) -> list[Outcome]:
        """The outcomes as of these evaluations. tests: of each member."""
        if not curves.steps:
            return []
        criterion, diverged, record = self.study.criterion, one.diverged_at, one.claim.record
        scores = curves.column(criterion.metric)
        if str(record.folder) not in self._warned:
            trained = [at is None or at >= curves.steps[0] for at in diverged]
            first = {name: curves.column(name)[0, trained].tolist() for name in curves.columns}
            warnings = [*self._doubts.get(str(record.folder), ()), *([self._warning] if self._warning else [])]
            warnings += warnings_of(self.study, first, f"at the first evaluation, at step {curves.steps[0]}")
            if warnings:
                record.warn("; ".join(warnings))
                self._warned.add(str(record.folder))
        members = zip(curves.seeds, scores.T, diverged, one.stopped_at, tests, strict=True)
        return [
            judge(seed, curves.steps, own, at, criterion, stopped, test) for seed, own, at, stopped, test in members
        ]


def _still_held(run: Run) -> list[CohortRecord]:
    """Of a trial's cohorts, those that no other worker has taken."""
    held = []
    for one in run.shares:
        with suppress(FencedError, OSError):
            one.claim.check()
            held.append(one.claim.record)
    return held


def _record(records: Sequence[CohortRecord], error: Exception) -> None:
    """Leave the reason in the cohorts' folders, as far as the disk allows. A fenced worker writes nothing."""
    unfinished = [record for record in records if not record.finished]
    if isinstance(error, FencedError) or not unfinished:
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
        text = f"no space left on the device of {unfinished[0].folder}\n{text}"
    with suppress(OSError, LedgerError):
        record_failure(unfinished, text)
