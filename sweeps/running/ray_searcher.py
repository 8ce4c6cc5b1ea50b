"""The dispatcher as a Ray Tune searcher: a suggestion is a cohort."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from seedsweep.core.records.ledger import CohortRecord
from seedsweep.sweeps.running.dispatcher import Dispatcher


class CohortSearcher(Searcher):
    """Hands Ray Tune the cohorts one by one, and the dispatcher what became of them."""

    def __init__(self, dispatcher: Dispatcher):
        super().__init__(metric="done", mode="max")
        self._dispatcher = dispatcher
        self._folders: dict[str, str] = {}
        self._error: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune's snapshots of an experiment are never read, the ledger holds the state."""
        return {}

    def suggest(self, trial_id: str) -> Any:
        """A trial's config; None while what is next depends on a running cohort; FINISHED at the end.

        Errors: KeyboardInterrupt once the launch is to stop; whatever went wrong since the last call.
        """
        if self._error:
            raise self._error
        assignment = self._dispatcher.take()
        if assignment is None:
            return Searcher.FINISHED if self._dispatcher.done else None
        self._folders[trial_id] = assignment.folder
        return asdict(assignment)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Progress of a cohort."""
        with self.errors_deferred():
            self._dispatcher.progressed(self._folders[trial_id], result["steps_done"], result["outcomes"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Its end, good or bad."""
        with self.errors_deferred():
            self._dispatcher.ended(self._folders.pop(trial_id))

    @contextlib.contextmanager
    def errors_deferred(self) -> Iterator[None]:
        """Keep an error for the next `suggest`: Tune would take one of a callback for the trial's, and try it again."""
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
        with self._searcher.errors_deferred():
            record = CohortRecord(Path(trial.config["folder"]))
            if trial.error_file and not record.finished and record.error() is None:
                # Ray's text of several lines has the reason first and hints after it.
                words = Path(trial.error_file).read_text().split()
                record.fail(" ".join(words) + "\n")
