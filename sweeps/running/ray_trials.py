"""The dispatcher's cohorts as trials of Ray Tune."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from seedsweep.core.errors import UserError
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.resources import Resources
from seedsweep.slurm import node
from seedsweep.sweeps.running.engines import any_compiled
from seedsweep.sweeps.running.executor import Dispatcher, Job
from seedsweep.sweeps.running.failures import failed_in_company, record_failure
from seedsweep.sweeps.running.ray_session import largest_node
from seedsweep.sweeps.running.worker import Assignment, CohortWorker

#: How Ray begins what it says of a trial's end.
_NUMBERED = re.compile(r"^Failure # \d+ \(occurred at [^)]*\) ")


def run_trials(dispatcher: Dispatcher, scratch: Path) -> None:
    """Run what the dispatcher gives until nothing is left. scratch: folder of Tune's files.

    Errors: UserError for what no node has; KeyboardInterrupt.
    """
    job = dispatcher.job
    resources = job.study.resources
    _check_nodes(resources)
    searcher = CohortSearcher(dispatcher)
    trainable = job.trainable() if job.trainable else CohortTrial
    tune.Tuner(
        tune.with_resources(trainable, {"cpu": resources.cpus, "gpu": resources.gpus, **_compiler(job)}),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(scratch),
            verbose=0,
            callbacks=[Reasons(searcher)],
            # The agenda tries again: Tune's own retries do not cover a worker that dies between two cohorts.
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()


def _check_nodes(resources: Resources) -> None:
    """Refuse what no node has: Ray would wait for it for ever."""
    for name, field, asked in (("CPU", "cpus", resources.cpus), ("GPU", "gpus", resources.gpus)):
        if asked > (there := largest_node(name)):
            raise UserError(
                f"resources.{field}: a trial asks for {asked:g} {name}s and no node has more than {there:g}: "
                f"--set resources.{field}={there:g}"
            )


def _compiler(job: Job) -> dict[str, float]:
    """What a trial of a compiled program asks for: nodes without a C++ compiler leave it to others. A Ray that nobody
    told of compilers has none of it, and is not asked."""
    needed = job.study.resources.engine == "compiled" or any_compiled(job.run.paths)
    return {node.COMPILER: node.ITS_SHARE} if needed and largest_node(node.COMPILER) else {}


class CohortTrial(tune.Trainable):
    """One cohort or several as a trial, in a worker of Ray's. config: the fields of an Assignment."""

    #: What trains the cohorts.
    worker = CohortWorker

    def setup(self, config: dict[str, Any]) -> None:
        """Get ready for the cohorts, without claiming them."""
        self._worker = self.worker(Assignment(**config))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Turn to others in the same process."""
        self._worker.close()
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train for a while."""
        return asdict(self._worker.advance())

    def cleanup(self) -> None:
        """Stop training."""
        self._worker.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the checkpoints are in the cohorts' folders."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: see `save_checkpoint`."""


class CohortSearcher(Searcher):
    """The dispatcher as a searcher of Ray Tune: a suggestion is a trial's cohorts."""

    def __init__(self, dispatcher: Dispatcher):
        super().__init__(metric="done", mode="max")
        self._dispatcher = dispatcher
        self._folders: dict[str, tuple[str, ...]] = {}
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
        self._folders[trial_id] = assignment.folders
        return asdict(assignment)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Progress of its cohorts."""
        with self.errors_deferred():
            self._dispatcher.progressed(self._folders[trial_id], result["steps_done"], result["outcomes"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Its end, good or bad."""
        with self.errors_deferred():
            self._dispatcher.worker_exited(self._folders.pop(trial_id))

    @contextlib.contextmanager
    def errors_deferred(self) -> Iterator[None]:
        """Keep an error for the next `suggest`: Tune would take one of a callback for the trial's, and try it again."""
        try:
            yield
        except Exception as error:
            self._error = error


class Reasons(tune.Callback):
    """Puts on record why a worker died, where the worker could not do so itself."""

    def __init__(self, searcher: CohortSearcher):
        self._searcher = searcher

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Tune calls this after the searcher."""
        with self._searcher.errors_deferred():
            open_ones = [r for r in map(CohortRecord, map(Path, trial.config["folders"])) if not r.finished]
            shared = len(trial.config["folders"]) > 1
            # What the worker itself has said stays; what was said of a cohort in company is nothing of one alone.
            said = [r for r in open_ones if r.error() is not None and failed_in_company(r) == shared]
            if trial.error_file and open_ones and not said:
                # Ray's text of several lines has the reason first, after a number and a date, and hints after it.
                text = " ".join(Path(trial.error_file).read_text().split())
                host = open_ones[0].owner().get("host")
                where = f" on {host}" if host else ""
                record_failure(open_ones, f"the worker{where} died: {_NUMBERED.sub('', text)}")
