"""Seconds a trial of the driver, Ray Tune, Optuna and the ledger, with 200 trials that do nothing (aim: 0.1)."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from seedsweep.core.records.claim import Claim
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study
from seedsweep.sweeps.places import HERE
from seedsweep.sweeps.running.executor import Job, execute
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.worker import CohortWorker, Run
from seedsweep.sweeps.search.agenda import Agenda
from seedsweep.sweeps.study.loading import load

TRIALS = 200
#: Nothing is compared but what the search finds, with one cohort.
SETTINGS = [
    *("configurations=null", "claims=[]"),
    *(f"search.explore={TRIALS}", "search.window=8", "seeds.compare=1", "resources.cohort=12"),
]


class Nothing:
    """No data, no weights to start from."""

    def data_of(self, study: Study) -> str:
        return ""

    def start_of(self, study: Study) -> str:
        return ""


class Idle:
    """The training of a cohort that has its result at once."""

    step = 1

    def __init__(self, claim: Claim, seeds: tuple[int, ...]):
        self.claim, self.shares, self._seeds = claim, [self], list(seeds)
        self.facts: dict[str, Any] = {"device": "", "engine": ""}
        self.diverged_at: list[int | None] = [None for _ in seeds]
        self.stopped_at: list[int | None] = [None for _ in seeds]

    def advance(self, seconds: float) -> bool:
        return True

    def curves(self) -> Curves:
        return Curves([1], np.zeros((1, len(self._seeds), 1)), ["f1"], self._seeds)

    def finish(self) -> list[dict[str, dict[str, float]]]:
        return [{} for _ in self._seeds]

    def close(self) -> None:
        pass


class IdleWorker(CohortWorker):
    """Takes a cohort as any worker does, and trains nothing."""

    def open(self) -> Run:
        self.study = RunDirectory(RunPaths(Path(self.assignment.run))).study()
        (record,), (spec,) = self.records, self.specs
        return Idle(record.claim(self.assignment.launch), spec.seeds)


def idle() -> type:
    """A trainable whose cohort has its result at once."""
    from seedsweep.sweeps.running.ray_trials import CohortTrial

    class IdleTrial(CohortTrial):
        worker = IdleWorker

    return IdleTrial


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(RunPaths(Path(folder) / "idle"))
        study = load("alpha_seed_study", "laptop", SETTINGS)
        run.begin(study)

        def agenda() -> Agenda:
            return Agenda(study, run.ledger, lambda study: "idle", lambda start: "", int(study.resources.cohort))

        job = Job(study, run, 1, "", Nothing(), agenda, Console(quiet=True), trainable=idle)
        start = time.monotonic()
        execute(job, HERE)
        total = time.monotonic() - start
        outcomes = sorted(run.paths.cohorts.glob("*/*/outcome.json"), key=lambda p: p.stat().st_mtime)
        times = [path.stat().st_mtime for path in outcomes]
        assert all(json.loads(path.read_text())["members"] for path in outcomes)
        assert len({CohortRecord(path.parent).spec().key for path in outcomes}) == TRIALS + 1
        each = (times[-1] - times[0]) / (len(times) - 1)
        print(f"orchestration: {each:.3f} s a trial over {len(times)} trials (aim 0.1)")
        print(f"with the start and the end of Ray: {total:.0f} s")


if __name__ == "__main__":
    main()
