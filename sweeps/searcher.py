"""The agenda as a Ray Tune searcher: a suggestion is a cohort."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ray.tune.search import Searcher

from core.ledger import CohortSpec
from shards.samples import DataSettings
from sweeps.agenda import Agenda
from sweeps.run_directory import RunDirectory


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
        watchers: Sequence[Watcher],
        living_hosts: Callable[[], list[str]],
    ):
        super().__init__(metric="done", mode="max")
        self._agenda, self._run, self._data = agenda, run, data
        self._watchers, self._living_hosts = watchers, living_hosts
        self._places: dict[str, Any] = {"runs": str(run.folder.parent), "study": run.folder.name, "launch": launch}
        self._specs: dict[str, CohortSpec] = {}
        self._error: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune's snapshots of an experiment are never read, the ledger holds the state."""
        return {}

    def suggest(self, trial_id: str) -> Any:
        """A trial's config; None while what is next depends on a running cohort; FINISHED at the end.

        Errors: whatever went wrong since the last call: Tune would take an error of the methods below for the trial's
        failure, and try it again.
        """
        if self._error:
            raise self._error
        if self._run.retry_asked():
            self._agenda.retry()
        spec = self._agenda.next()
        if spec is None:
            return Searcher.FINISHED if self._agenda.done else None
        self._specs[trial_id] = spec
        for watcher in self._watchers:
            watcher.began(spec)
        folder, data = self._agenda.ledger.record(spec).folder, self._data[self._agenda.data(spec)]
        return {"folder": str(folder), "data": str(data), **self._places}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Progress of a cohort."""
        with self._kept():
            for watcher in self._watchers:
                watcher.went_on(self._specs[trial_id], result["steps_done"], result["outcomes"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The ledger, not the message, says whether the cohort is finished."""
        with self._kept():
            spec = self._specs.pop(trial_id)
            given_up = False
            if self._agenda.ledger.record(spec).finished:
                self._agenda.finish(spec)
            elif not (given_up := self._agenda.fail(spec, lost=self._lost(spec))):
                return
            for watcher in self._watchers:
                watcher.ended(spec, failed=given_up)

    def _lost(self, spec: CohortSpec) -> bool:
        """Whether a cohort ended because the node that it ran on is gone."""
        host = self._agenda.ledger.record(spec).owner().get("host")
        return host is not None and host not in self._living_hosts()

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Keep an error for the next `suggest`."""
        try:
            yield
        except Exception as error:
            self._error = error
