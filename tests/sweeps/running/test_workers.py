"""Workers that die, on a real Ray, with cohorts that have their result at once."""

import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from rich.console import Console

from seedsweep.core.records import lease
from seedsweep.core.records.criterion import judge
from seedsweep.core.records.ledger import Curves
from seedsweep.sweeps.running import driver
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.search.agenda import Agenda
from seedsweep.sweeps.study.schema import load
from tests.conftest import SMALL_STUDY

DEATHS = 2
TWO_VARIANTS = [
    *("search.explore=0", "search.first=[]", "variants={before: {}, after: {losses: {rank: 0.5}}}"),
    "claimed_best={variant: before}",
]


def dying() -> type:
    """A trainable whose worker dies so often before or after it has taken its cohort, as the variant's name says."""
    from seedsweep.sweeps.running.trainable import CohortTrial

    class Dying(CohortTrial):
        def _open(self, config):
            runs = Path(config["runs"])
            self._spec = self._record.spec()
            self._study = RunDirectory(runs, config["study"]).study()
            self._die(runs, "before")
            self._claim = self._record.claim(config["launch"])
            self._die(runs, "after")

        def _die(self, runs, moment):
            for life in sorted(runs.glob(f"{moment}.*")) if self._spec.variant == moment else ():
                life.unlink()
                os._exit(1)

        def _advance(self):
            curves = Curves([1], np.zeros((1, len(self._spec.seeds), 1)), ["f1"], list(self._spec.seeds))
            outcomes = [judge(seed, [1], np.zeros(1), None, self._study.criterion) for seed in self._spec.seeds]
            self._claim.commit(curves, outcomes, {"host": "", "device": "", "engine": "", "seconds": 0.0})

    return Dying


def slow() -> type:
    """A trainable whose workers but the first start slowly: by then Tune has given their cohorts to the first."""

    class Slow(dying()):
        def setup(self, config):
            try:
                (Path(config["runs"]) / "first").touch(exist_ok=False)
            except FileExistsError:
                time.sleep(3)
            super().setup(config)

        def reset_config(self, config):
            super().setup(config)
            return True

        def _advance(self):
            time.sleep(0.5)
            super()._advance()

    return Slow


def launch_slow(folder: Path) -> list[int]:
    """How many workers took each cohort."""
    path = folder / "small.yaml"
    path.write_text(SMALL_STUDY)
    study = load(str(path), "laptop", [*TWO_VARIANTS, "seeds.compare=24"])
    run = RunDirectory(folder, "small")
    run.begin(study, fresh=False)
    agenda = Agenda(study, run.ledger, {study.data: "none"})
    driver.train(study, run, 1, {study.data: folder}, agenda, Console(quiet=True), trainable=slow)
    assert agenda.failed == []
    return [lease.newest(record.folder, "owner")[0] for record in run.ledger.records()]


def launch(folder: Path) -> tuple[list[str], list[str], str]:
    """Variants that finished and that failed, and why the failed one did."""
    path = folder / "small.yaml"
    path.write_text(SMALL_STUDY)
    study = load(str(path), "laptop", [*TWO_VARIANTS, "seeds.compare=2", f"resources.retries={DEATHS - 1}"])
    run = RunDirectory(folder, "small")
    run.begin(study, fresh=False)
    for moment in study.variants:
        for number in range(DEATHS):
            (folder / f"{moment}.{number}").touch()
    agenda = Agenda(study, run.ledger, {study.data: "none"})
    driver.train(study, run, 1, {study.data: folder}, agenda, Console(quiet=True), trainable=dying)
    (failed,) = agenda.failed
    error = run.ledger.record(failed).error() or ""
    return [spec.variant for spec in agenda.finished], [failed.variant], error


def test_a_worker_that_dies_before_it_has_its_cohort_is_no_failure_of_the_cohort(tmp_path):
    """A node's Ray that has died takes no workers for some seconds, in which it is not known to be dead."""
    # A process of its own: Ray keeps the token that it was told first.
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        finished, failed, error = alone.submit(launch, tmp_path).result()
    assert (finished, failed) == (["before"], ["after"])
    assert "actor died" in error


def test_a_worker_that_tune_has_no_use_for_any_more_takes_no_cohort(tmp_path):
    """It would fence the worker that the cohort was given to in its place."""
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        taken = alone.submit(launch_slow, tmp_path).result()
    assert len(taken) == 16
    assert set(taken) == {1}


def test_an_interrupt_that_python_dropped_still_ends_a_launch(tmp_path):
    """As it does while an object is finalised: then the event alone is left of it."""
    from seedsweep.sweeps.running.searcher import CohortSearcher

    study, agenda, run, stop = Mock(), Mock(), Mock(), threading.Event()
    agenda.next.return_value = None
    agenda.done = True
    run.retry_asked.return_value = False
    searcher = CohortSearcher(agenda, run, 1, {study.data: tmp_path}, {}, [], list, stop)
    assert searcher.suggest("a") == searcher.FINISHED
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        searcher.suggest("b")
    with pytest.raises(KeyboardInterrupt):
        searcher.on_trial_result("a", {})
