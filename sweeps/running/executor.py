"""Runs the agenda's cohorts in this process, on a Ray of its own, or on a Ray that is there. All leave the same ledger.

Each of them asks a Dispatcher for the next trial, and tells it when the trial's worker has exited.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from rich.console import Console

from seedsweep.core.errors import UserError
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.study import Study
from seedsweep.slurm import detect
from seedsweep.sweeps.places import HERE, INLINE
from seedsweep.sweeps.running import ray_session, ray_watch
from seedsweep.sweeps.running.budget import Budget
from seedsweep.sweeps.running.inputs import Inputs
from seedsweep.sweeps.running.live_report import LiveReport
from seedsweep.sweeps.running.progress import Progress, Watcher, doing
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.source_copy import copy_source
from seedsweep.sweeps.running.worker import Assignment, CohortWorker
from seedsweep.sweeps.search.agenda import Agenda

#: Seconds between two looks, inline, where a cohort is to be tried again later.
LOOK = 0.1
#: A worker that dies before it has claimed its cohort says nothing about the cohort, but something about its node,
#: which Ray may not know yet: the cohort waits so many seconds, at most so many times.
START_PAUSE, MOST_STARTS = 1.0, 60


@dataclass(frozen=True)
class Job:
    """A launch's cohorts. number: of the launch.  code: name of the copy of the user's files.  agenda: the one that the
    ledger gives now.  stop: set when the launch is to end.  trainable: another than Ray's `CohortTrial`.  budget: what
    may be spent.  verbose: say of each cohort that it has finished."""

    study: Study
    run: RunDirectory
    number: int
    code: str
    inputs: Inputs
    agenda: Callable[[], Agenda]
    console: Console
    stop: threading.Event = field(default_factory=threading.Event)
    trainable: Callable[[], type] | None = None
    budget: Budget | None = None
    verbose: bool = False
    watchers: Sequence[Watcher] = ()

    def may_begin(self, agenda: Agenda) -> bool:
        """Whether its next trial may begin beside what runs."""
        return self.budget is None or self.budget.allows(agenda)


def execute(job: Job, on: str) -> Agenda:
    """Run all that is left. Returns the agenda as it is then.

    on: `here`, `inline`, or the address of a Ray cluster; inside an allocation whose Ray waits for this launch, that.
    Errors: UserError; KeyboardInterrupt once the launch is to stop; RayDiedError.
    """
    agenda = job.agenda()
    if not agenda.waiting or not job.may_begin(agenda):
        return agenda
    if on == INLINE:
        with _watchers(job, agenda) as watchers:
            run_inline(Dispatcher(job, agenda, watchers, lambda: [socket.gethostname()]))
        return agenda
    try:
        return _on_ray(job, agenda, on)
    except ray_watch.RayLostError as lost:
        job.console.print(f"[yellow]{lost}; resuming from the last checkpoints with another[/]", highlight=False)
        if job.budget:
            job.budget.end_all()
    try:
        return _on_ray(job, job.agenda(), on)
    except ray_watch.RayLostError as lost:
        raise ray_watch.RayDiedError(f"{lost}, for the second time; {ray_watch.RESUMES}") from None
    except UserError:
        if on == HERE:
            raise
        raise ray_watch.cluster_lost(on) from None


def run_inline(dispatcher: Dispatcher) -> None:
    """Run the trials one after another in this process. The failure of one is on its record, as with Ray.

    Errors: KeyboardInterrupt.
    """
    threads = torch.get_num_threads()
    try:
        while (assignment := dispatcher.take()) or not dispatcher.done:
            if assignment is None:
                time.sleep(LOOK)
                continue
            worker = CohortWorker(assignment, same_thread=True)
            try:
                while not (report := worker.advance()).done:
                    dispatcher.progressed(assignment.folders, report.steps_done, report.outcomes)
            except Exception:
                # The worker has put the reason on record.
                dispatcher.check()
            finally:
                worker.close()
            dispatcher.worker_exited(assignment.folders)
    finally:
        # A worker sets the study's number.
        torch.set_num_threads(threads)


def _on_ray(job: Job, agenda: Agenda, on: str) -> Agenda:
    if on != HERE:
        session = ray_session.existing_ray(on, copy_source(job.run.paths))
    elif head := detect.head():
        session = ray_session.joined_ray(head, job.study.resources.allocation.min_nodes)
    else:
        session = ray_session.local_ray(copy_source(job.run.paths))
    with contextlib.ExitStack() as ray:
        with doing(job.console, "starting Ray" if on == HERE else "reaching Ray"):
            there = ray.enter_context(session)
        watchers = ray.enter_context(_watchers(job, agenda))
        # Ray is imported only where it is needed, and reads the settings that the session has made.
        from seedsweep.sweeps.running.ray_trials import run_trials

        dispatcher = Dispatcher(job, agenda, watchers, ray_session.living_hosts)
        with ray_watch.watched(there.alive) if there.alive else contextlib.nullcontext():
            run_trials(dispatcher, there.scratch)
    return agenda


@contextlib.contextmanager
def _watchers(job: Job, agenda: Agenda) -> Iterator[list[Watcher]]:
    with (
        contextlib.closing(LiveReport(job.run.paths.folder)) as live_report,
        Progress(job.console, agenda, verbose=job.verbose) as progress,
    ):
        yield [progress, live_report, *job.watchers]


class Dispatcher:
    """Gives out the agenda's cohorts, trial by trial, and tells it what became of each.

    living_hosts: names of the hosts that can run cohorts now.
    """

    def __init__(
        self, job: Job, agenda: Agenda, watchers: Sequence[Watcher], living_hosts: Callable[[], Sequence[str]]
    ):
        self.job, self.agenda = job, agenda
        self._watchers, self._living_hosts = watchers, living_hosts
        self._running: dict[str, tuple[CohortSpec, dict[str, Any], float]] = {}
        self._unstarted: Counter[tuple[str, str]] = Counter()
        self._paused_until = 0.0

    @property
    def done(self) -> bool:
        """Whether, after `take` gave None, nothing is left to run; else something may come later."""
        return time.monotonic() >= self._paused_until and self.agenda.done

    def take(self) -> Assignment | None:
        """What to run now; None where nothing can be said now (see `done`).

        Errors: KeyboardInterrupt once the launch is to stop.
        """
        self.check()
        if self.job.run.retry_asked():
            self.agenda.retry()
        if time.monotonic() < self._paused_until or not self.job.may_begin(self.agenda):
            return None
        if not (trial := self.agenda.next()):
            return None
        records = [self.agenda.ledger.record(spec) for spec in trial]
        folders = tuple(str(record.folder) for record in records)
        for folder, spec, record in zip(folders, trial, records, strict=True):
            self._running[folder] = spec, record.owner(), record.failed_at
            for watcher in self._watchers:
                watcher.started(spec)
        if self.job.budget:
            self.job.budget.begin(records, trial)
        # Of several cohorts both are the same.
        job, study = self.job, self.agenda.studied(trial[0])
        data, start = job.inputs.data_of(study), job.inputs.start_of(study)
        return Assignment(folders, str(job.run.paths.folder), job.number, job.code, data, start)

    def progressed(self, folders: Sequence[str], steps_done: int, outcomes: Sequence[Sequence[str]]) -> None:
        """The cohorts of these folders trained some steps. outcomes: of each.

        Errors: KeyboardInterrupt if the launch is to stop, or has used up its budget.
        """
        self.check()
        if self.job.budget and self.job.budget.used_up:
            raise KeyboardInterrupt
        for folder, own in zip(folders, outcomes, strict=True):
            if self.job.budget:
                self.job.budget.progressed(folder, steps_done)
            for watcher in self._watchers:
                watcher.progressed(self._running[folder][0], steps_done, own)

    def worker_exited(self, folders: Sequence[str]) -> None:
        """The worker of these folders' cohorts is done with them, or dead. The ledger says which of them finished."""
        apart = 0
        for folder in folders:
            spec, owner, failed_at = self._running.pop(folder)
            given_up, record = False, self.agenda.ledger.record(spec)
            if record.owner() != owner:
                # It may have been killed before it wrote anything.
                record.touch()
            if self.job.budget:
                self.job.budget.end(folder)
            if record.finished:
                self.agenda.finish(spec)
            else:
                lost = self._lost(spec, owner, failed_at)
                shared = len(folders) > 1
                given_up = self.agenda.fail(spec, lost=lost, shared=shared)
                apart += shared and not lost
                if not given_up:
                    continue
            for watcher in self._watchers:
                watcher.finished(spec, failed=given_up)
        if apart:
            line = f"{apart} of {len(folders)} cohorts did not finish in one trial: each is trained alone"
            self.job.console.print(f"[yellow]{line}[/]", highlight=False, soft_wrap=True)

    def check(self) -> None:
        """Errors: KeyboardInterrupt if the launch is to stop."""
        if self.job.stop.is_set():
            raise KeyboardInterrupt

    def _lost(self, spec: CohortSpec, owner_before: dict[str, Any], failed_before: float) -> bool:
        """Whether the node that a cohort ran on is lost, or its worker died before it had claimed the cohort."""
        record = self.agenda.ledger.record(spec)
        owner = record.owner()
        if (owner, record.failed_at) == (owner_before, failed_before):
            self._unstarted[spec.key] += 1
            self._paused_until = time.monotonic() + START_PAUSE
            return self._unstarted[spec.key] < MOST_STARTS
        return owner.get("host") is not None and owner["host"] not in self._living_hosts()
