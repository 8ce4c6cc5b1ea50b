"""What runs next, and what became of it: the agenda as its executors see it. Nothing here knows Ray."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from seedsweep.core.records.ledger import CohortSpec
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running.assignment import Assignment
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.search.agenda import Agenda

#: A worker that dies before it has taken its cohort says nothing about the cohort, but something about its node, which
#: Ray may not know yet: the cohort waits so many seconds, at most so many times.
START_PAUSE, MOST_STARTS = 1.0, 60


class Watcher(Protocol):
    """What is told of a launch as it goes."""

    def started(self, spec: CohortSpec) -> None:
        """A cohort runs."""

    def progressed(self, spec: CohortSpec, steps_done: int, outcomes: Sequence[str]) -> None:
        """It trained some steps; its members' outcomes as of now."""

    def finished(self, spec: CohortSpec, *, failed: bool) -> None:
        """It finished, or is given up."""


class Inputs(Protocol):
    """What a launch has on disk for each of its configurations."""

    def data_of(self, study: Study) -> str:
        """Folder of the packed data set; empty where there is none."""

    def start_of(self, study: Study) -> str:
        """File of the weights that members start from; empty where they start from their seeds."""


class Dispatcher:
    """Gives out the agenda's cohorts one by one, and tells it what became of each.

    living_hosts: names of the hosts that can run cohorts now.  stop: set when the launch is to end.
    """

    def __init__(
        self,
        agenda: Agenda,
        run: RunDirectory,
        launch: int,
        code: str,
        inputs: Inputs,
        watchers: Sequence[Watcher],
        living_hosts: Callable[[], Sequence[str]],
        stop: threading.Event,
    ):
        self.agenda = agenda
        self._run, self._launch, self._code, self._inputs = run, launch, code, inputs
        self._watchers, self._living_hosts, self._stop = watchers, living_hosts, stop
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
        if self._run.retry_asked():
            self.agenda.retry()
        if time.monotonic() < self._paused_until:
            return None
        spec = self.agenda.next()
        if spec is None:
            return None
        record = self.agenda.ledger.record(spec)
        folder = str(record.folder)
        self._running[folder] = spec, record.owner(), record.failed_at
        for watcher in self._watchers:
            watcher.started(spec)
        study = self.agenda.studied(spec)
        return Assignment(
            folder,
            str(self._run.paths.folder),
            self._launch,
            self._code,
            self._inputs.data_of(study),
            self._inputs.start_of(study),
        )

    def progressed(self, folder: str, steps_done: int, outcomes: Sequence[str]) -> None:
        """The cohort of this folder trained some steps. Errors: KeyboardInterrupt."""
        self.check()
        for watcher in self._watchers:
            watcher.progressed(self._running[folder][0], steps_done, outcomes)

    def ended(self, folder: str) -> None:
        """Its worker has ended: the ledger, and no message, says whether the cohort is finished."""
        spec, owner, failed_at = self._running.pop(folder)
        given_up = False
        if self.agenda.ledger.record(spec).finished:
            self.agenda.finish(spec)
        elif not (given_up := self.agenda.fail(spec, lost=self._lost(spec, owner, failed_at))):
            return
        for watcher in self._watchers:
            watcher.finished(spec, failed=given_up)

    def check(self) -> None:
        """Errors: KeyboardInterrupt if the launch is to stop."""
        if self._stop.is_set():
            raise KeyboardInterrupt

    def _lost(self, spec: CohortSpec, owner_before: dict[str, Any], failed_before: float) -> bool:
        """Whether a cohort ended with the node that it ran on, or its worker before it had begun."""
        record = self.agenda.ledger.record(spec)
        owner = record.owner()
        if (owner, record.failed_at) == (owner_before, failed_before):
            self._unstarted[spec.key] += 1
            self._paused_until = time.monotonic() + START_PAUSE
            return self._unstarted[spec.key] < MOST_STARTS
        return owner.get("host") is not None and owner["host"] not in self._living_hosts()
