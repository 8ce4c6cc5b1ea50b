"""Seconds a trial of the driver, Ray Tune, Optuna and the ledger, with 200 trials that do nothing (aim: 0.1)."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from seedsweep.core.records.criterion import judge
from seedsweep.core.records.ledger import CohortRecord, Curves
from seedsweep.sweeps.running import driver
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.search.agenda import Agenda
from seedsweep.sweeps.study.schema import load

TRIALS = 200


def idle() -> type:
    """A trainable whose cohort has its result at once."""
    from seedsweep.sweeps.running.trainable import CohortTrial

    class Idle(CohortTrial):
        """A cohort that has its result at once."""

        def _open(self, config):
            self._spec = self._record.spec()
            self._claim = self._record.claim(config["launch"])
            self._study = RunDirectory(Path(config["runs"]), config["study"]).study()

        def _advance(self):
            curves = Curves([1], np.zeros((1, len(self._spec.seeds), 1)), ["f1"], list(self._spec.seeds))
            outcomes = [judge(seed, [1], np.zeros(1), None, self._study.criterion) for seed in self._spec.seeds]
            self._claim.commit(curves, outcomes, {"host": "", "device": "", "engine": "", "seconds": 0.0})

        def _progress(self):
            return {"steps_done": 1, "outcomes": []}

    return Idle


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder), "idle")
        study = load(
            "alpha_seed_study",
            "laptop",
            [
                f"search.explore={TRIALS}",
                "search.window=8",
                "seeds.compare=1",
                "search.first=[]",
                "resources.cohort=12",
            ],
        )
        run.begin(study, fresh=False)
        agenda = Agenda(study, run.ledger, {study.data: "idle"})
        start = time.monotonic()
        driver.train(study, run, 1, {study.data: Path(folder)}, agenda, Console(quiet=True), trainable=idle)
        total = time.monotonic() - start
        outcomes = sorted(Path(folder).glob("idle/cohorts/*/*/outcome.json"), key=lambda p: p.stat().st_mtime)
        times = [path.stat().st_mtime for path in outcomes]
        assert all(json.loads(path.read_text())["members"] for path in outcomes)
        assert len({CohortRecord(path.parent).spec().key for path in outcomes}) == TRIALS + 1
        each = (times[-1] - times[0]) / (len(times) - 1)
        print(f"orchestration: {each:.3f} s a trial over {len(times)} trials (aim 0.1)")
        print(f"with the start and the end of Ray: {total:.0f} s")


if __name__ == "__main__":
    main()
