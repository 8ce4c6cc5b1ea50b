"""The agenda as a Ray Tune searcher: a suggestion is a cohort."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from seedsweep.core.records.ledger import CohortRecord, CohortSpec
from seedsweep.shards.samples import DataSettings
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.start_weights import Start
from seedsweep.sweeps.search.agenda import Agenda
from seedsweep.sweeps.study.schema import InitFrom

#: A worker that dies before it has taken its cohort says nothing about the cohort, but something about its node, which
#: Ray may not know yet: the cohort waits so many seconds, at most so many times.
START_PAUSE, MOST_STARTS = 1.0, 60


class Watcher(Protocol):
    """What is told of a launch as it goes."""

    def began(self, spec: CohortSpec) -> None:
        """A cohort runs."""

    def went_on(self, spec: CohortSpec, steps_done: int, outcomes: list[str]) -> None:
        """It trained some steps; its members' outcomes as of now."""

    def ended(self, spec: CohortSpec, failed: bool) -> None:
        """It finished, or is given up."""


class CohortSearcher(Searcher):
    """Hands Ray Tune the agenda's cohorts one by one, and the agenda what became of them."""

    def __init__(
        self,
        agenda: Agenda,
        run: RunDirectory,
        launch: int,
        data: Mapping[DataSettings, Path],
        starts: Mapping[InitFrom, Start],
        watchers: Sequence[Watcher],
        living_hosts: Callable[[], list[str]],
        stop: threading.Event,
    ):
        super().__init__(metric="done", mode="max")
        self._agenda, self._run, self._data, self._starts = agenda, run, data, starts
        self._watchers, self._living_hosts, self._stop = watchers, living_hosts, stop
        self._places: dict[str, Any] = {"runs": str(run.folder.parent), "study": run.folder.name, "launch": launch}
        self._specs: dict[str, CohortSpec] = {}
        self._before: dict[str, tuple[dict[str, Any], float]] = {}
        self._unstarted: Counter[tuple[str, str]] = Counter()
        self._paused_until = 0.0
        self._error: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune's snapshots of an experiment are never read, the ledger holds the state."""
        return {}

    def suggest(self, trial_id: str) -> Any:
        """A trial's config; None while what is next depends on a running cohort; FINISHED at the end.

        Errors: KeyboardInterrupt once the launch is to stop; whatever went wrong since the last call: Tune would take
        an error of the methods below for the trial's failure, and try it again.
        """
        self._check()
        if self._error:
            raise self._error
        if self._run.retry_asked():
            self._agenda.retry()
        if time.monotonic() < self._paused_until:
            return None
        spec = self._agenda.next()
        if spec is None:
            return Searcher.FINISHED if self._agenda.done else None
        record = self._agenda.ledger.record(spec)
        self._specs[trial_id], self._before[trial_id] = spec, (record.owner(), record.failed_at)
        for watcher in self._watchers:
            watcher.began(spec)
        study = self._agenda.studied(spec)
        start = self._starts[study.init_from].path if study.init_from else ""
        data = self._data[study.data]
        return {"folder": str(record.folder), "data": str(data), "start": str(start), **self._places}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Progress of a cohort."""
        self._check()
        with self.kept():
            for watcher in self._watchers:
                watcher.went_on(self._specs[trial_id], result["steps_done"], result["outcomes"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The ledger, not the message, says whether the cohort is finished."""
        with self.kept():
            spec, before = self._specs.pop(trial_id), self._before.pop(trial_id)
            given_up = False
            if self._agenda.ledger.record(spec).finished:
                self._agenda.finish(spec)
            elif not (given_up := self._agenda.fail(spec, lost=self._lost(spec, before))):
                return
            for watcher in self._watchers:
                watcher.ended(spec, failed=given_up)

    def _check(self) -> None:
        """Errors: KeyboardInterrupt if the launch is to stop."""
        if self._stop.is_set():
            raise KeyboardInterrupt

    def _lost(self, spec: CohortSpec, before: tuple[dict[str, Any], float]) -> bool:
        """Whether a cohort ended with the node that it ran on, or its worker before it had begun."""
        record = self._agenda.ledger.record(spec)
        owner = record.owner()
        if (owner, record.failed_at) == before:
            self._unstarted[spec.key] += 1
            self._paused_until = time.monotonic() + START_PAUSE
            return self._unstarted[spec.key] < MOST_STARTS
        return owner.get("host") is not None and owner["host"] not in self._living_hosts()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keep an error for the next `suggest`: raised in a callback, Tune would take it for the trial's."""
        try:
            yield
        except Exception as error:
            self._error = error


class Reasons(tune.Callback):
    """Leaves in a cohort's folder why its worker died, where the worker could not say it itself."""

    def __init__(self, searcher: CohortSearcher):
        self._searcher = searcher

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Tune calls this after the searcher."""
        with self._searcher.kept():
            record = CohortRecord(Path(trial.config["folder"]))
            if trial.error_file and not record.finished and record.error() is None:
                # Ray's text of several lines has the reason first and hints after it.
                words = Path(trial.error_file).read_text().split()
                record.fail(" ".join(words) + "\n")
