"""Workers that die, or that Tune has no use for, with cohorts that have their result at once."""

import os
import socket
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import Mock

import numpy as np
from rich.console import Console

from seedsweep.core.records import lease
from seedsweep.core.records.criterion import judge
from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps.running.executor import Job, execute
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.search.agenda import Agenda
from seedsweep.sweeps.study.loading import load
from tests.sweeps import toy

DEATHS = 2
STUDY = """
question: Does a worker that dies matter?
task: toy.py:Line
data: {name: "toy.py:Points"}
training: {steps: 4}
configurations: {before: {}, after: {lr: 0.1}}
criterion: {metric: error, threshold: 0.5}
"""


def at_once(pause: float = 0.0, late: float = 0.0) -> type:
    """A trainable whose cohorts have their result at once, or after a pause. Its worker dies before or after it has
    taken its cohort, as the configuration's name says. late: seconds that all workers but the first need to start.

    All of it is in here: what Ray's workers cannot import is sent to them.
    """
    from seedsweep.core.records.cohort_record import CohortRecord
    from seedsweep.core.records.curves import Curves
    from seedsweep.sweeps.running.ray_trials import CohortTrial
    from seedsweep.sweeps.running.worker import Report

    class AtOnce:
        def __init__(self, assignment):
            self.assignment, self.record = assignment, CohortRecord(Path(assignment.folders[0]))

        def close(self):
            pass

        def advance(self):
            runs = Path(self.assignment.run).parent
            spec = self.record.spec()
            if self.record.finished:
                return Report(done=True, steps_done=spec.steps)
            self.die(runs, spec.name, "before")
            claim = self.record.claim(self.assignment.launch)
            self.die(runs, spec.name, "after")
            time.sleep(pause)
            criterion = RunDirectory(RunPaths(Path(self.assignment.run))).study().criterion
            curves = Curves([1], np.zeros((1, len(spec.seeds), 1)), ["error"], list(spec.seeds))
            outcomes = [judge(seed, [1], np.zeros(1), None, criterion) for seed in spec.seeds]
            claim.commit(curves, outcomes, {"host": "", "device": "", "engine": "", "seconds": 0.0})
            return Report(done=True, steps_done=spec.steps)

        def die(self, runs, name, moment):
            for life in sorted(runs.glob(f"{moment}.*")) if name == moment else ():
                life.unlink()
                os._exit(1)

    class AtOnceTrial(CohortTrial):
        worker = AtOnce

        def setup(self, config):
            try:
                (Path(config["run"]).parent / "first").touch(exist_ok=False)
            except FileExistsError:
                time.sleep(late)
            super().setup(config)

        def reset_config(self, config):
            super().setup(config)
            return True

    return AtOnceTrial


def launch(folder: Path, trainable, *settings: str) -> Agenda:
    study = load(str(toy.write(folder / "mine", study=STUDY)), None, settings)
    run = RunDirectory(RunPaths(folder / "toy"))
    run.begin(study)
    inputs = Mock()
    inputs.data_of.return_value = inputs.start_of.return_value = ""

    def agenda() -> Agenda:
        return Agenda(study, run.ledger, lambda study: "none", lambda init: "", 3)

    return execute(Job(study, run, 1, "", inputs, agenda, Console(quiet=True), trainable=trainable), "here")


def launch_slow(folder: Path) -> list[int]:
    """How many workers took each cohort. Those that start late find that Tune has given theirs to the first."""
    agenda = launch(folder, lambda: at_once(0.5, 3.0), "seeds.compare=24")
    assert agenda.failed == []
    return [lease.newest(record.folder, "owner")[0] for record in agenda.ledger.records()]


def launch_dying(folder: Path) -> tuple[list[str], list[str], str]:
    """Configurations that finished and that failed, and why the failed one did."""
    for moment in ("before", "after"):
        for number in range(DEATHS):
            (folder / f"{moment}.{number}").touch()
    agenda = launch(folder, at_once, "seeds.compare=2", f"resources.retries={DEATHS - 1}")
    (failed,) = agenda.failed
    return [spec.name for spec in agenda.finished], [failed.name], agenda.ledger.record(failed).error() or ""


def test_a_worker_that_dies_before_it_has_its_cohort_is_no_failure_of_the_cohort(tmp_path):
    """A node's Ray that has died takes no workers for some seconds, in which it is not known to be dead."""
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        finished, failed, error = alone.submit(launch_dying, tmp_path).result()
    assert (finished, failed) == (["before"], ["after"])
    assert error.startswith(f"the worker on {socket.gethostname()} died: The actor died"), error


def test_a_worker_that_tune_has_no_use_for_any_more_takes_no_cohort(tmp_path):
    """It would fence the worker that the cohort was given to in its place."""
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        taken = alone.submit(launch_slow, tmp_path).result()
    assert len(taken) == 16
    assert set(taken) == {1}
