"""A study of 10,000 cohorts: from launch to the first cohort, `status`, the driver's memory, and how busy a cluster of
1,000 workers is kept (aims: 5 s, 2 s, 1.5 GB, 90 %).

The workers are simulated: their time is a number, the driver's is real. A cohort takes 10 minutes of theirs, give or
take a half; between the end of one and the beginning of the next there is what the agenda, the ledger, the progress and
TensorBoard take, one after another, and for Ray Tune a constant that `bench_orchestration` measures.
"""

from __future__ import annotations

import functools
import heapq
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running.progress import Progress
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.tensorboard import TensorBoard
from seedsweep.sweeps.search.agenda import Agenda
from seedsweep.sweeps.study.components import metrics_of
from seedsweep.sweeps.study.loading import load

T = TypeVar("T")
WORKERS, COHORT_SECONDS, TUNE_SECONDS = 1000, 600.0, 0.04
#: 5,000 explored configurations of one cohort each, and 10 compared ones of 500.
EXPLORED, COMPARED, SEEDS = 5000, 9, 6000
COHORT = 12
#: By which of two evaluations none converges.
CRITERION = Criterion("f1", 0.9)
SETTINGS = [
    *(f"search.explore={EXPLORED}", "search.sampler=random", f"search.window={2 * WORKERS}", f"seeds.compare={SEEDS}"),
    *(f"resources.cohort={COHORT}", "claims=[]", "configurations=null"),
    f"configurations={{{', '.join(f'no. {i}: {{alpha: {i / COMPARED}}}' for i in range(COMPARED))}}}",
]
LAUNCH = """
import resource, sys, time
start = time.monotonic()
from pathlib import Path
from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps.running import driver
from seedsweep.sweeps.search.agenda import Agenda
from seedsweep.sweeps.running.progress import Progress
from seedsweep.sweeps.running.run_directory import RunDirectory
from rich.console import Console
run = RunDirectory(RunPaths(Path(sys.argv[1]) / "scale"))
study = run.study()
agenda = Agenda(study, run.ledger, lambda study: "scale", lambda start: "", int(study.resources.cohort))
progress = Progress(Console(quiet=True), agenda)
spec = agenda.next()
print(time.monotonic() - start, len(agenda.finished), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def finish(ledger: Ledger, spec: CohortSpec) -> None:
    rng = np.random.default_rng([spec.number, spec.seeds[0]])
    met = rng.random(len(spec.seeds)) < 0.5
    scores = np.tile(met.astype(float), (2, 1))
    outcomes = [judge(seed, [5, 10], scores[:, i], None, CRITERION) for i, seed in enumerate(spec.seeds)]
    curves = Curves([5, 10], scores[..., None], ["f1"], list(spec.seeds))
    run = {"host": "here", "device": "cpu", "engine": "fused", "seconds": COHORT_SECONDS}
    ledger.record(spec).claim(1).commit(curves, outcomes, run)


class Clock:
    """A driver that does one thing at a time: real seconds of its work on the workers' imagined time."""

    def __init__(self) -> None:
        self.free_at = self.worked = 0.0

    def do(self, at: float, work: Callable[[], T]) -> T:
        """What comes up at a time, as soon as the driver is free."""
        start = time.perf_counter()
        result = work()
        taken = time.perf_counter() - start
        self.worked += taken
        self.free_at = max(at, self.free_at) + taken
        return result


def simulate(study: Study, run: RunDirectory) -> tuple[float, float, int]:
    """(share of the workers' time in training until the last cohort begins, the driver's seconds a cohort, cohorts)."""
    agenda = Agenda(study, run.ledger, lambda study: "scale", lambda start: "", COHORT)
    tensorboard = TensorBoard(study, list(metrics_of(study)), run.ledger, run.paths.tensorboard)
    watchers = [Progress(Console(quiet=True), agenda), tensorboard]
    rng, clock = np.random.default_rng(0), Clock()
    running: list[tuple[float, int, CohortSpec]] = []
    trained: list[tuple[float, float]] = []

    def begin() -> CohortSpec | None:
        if not (trial := agenda.next()):
            return None
        (spec,) = trial
        for watcher in watchers:
            watcher.started(spec)
        # For its data set and the weights that it starts from.
        agenda.studied(spec)
        return spec

    def end(spec: CohortSpec) -> None:
        agenda.finish(spec)
        for watcher in watchers:
            watcher.finished(spec, failed=False)

    now, idle = 0.0, WORKERS
    while True:
        while idle and (spec := clock.do(now, begin)):
            clock.free_at += TUNE_SECONDS
            seconds = COHORT_SECONDS * rng.uniform(0.5, 1.5)
            trained.append((clock.free_at, clock.free_at + seconds))
            heapq.heappush(running, (clock.free_at + seconds, len(trained), spec))
            idle -= 1
        if not running:
            break
        now, _, spec = heapq.heappop(running)
        finish(run.ledger, spec)
        clock.do(now, functools.partial(end, spec))
        idle += 1
    starts, ends = np.array(trained).T
    until = starts.max()
    return float((np.minimum(ends, until) - starts).sum() / (WORKERS * until)), clock.worked / len(starts), len(starts)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        os.environ["SEEDSWEEP_CACHE"] = name
        run = RunDirectory(RunPaths(Path(name) / "scale"))
        study = load("alpha_seed_study", "laptop", SETTINGS)
        run.begin(study)
        busy, each, count = simulate(study, run)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        minutes, tune = COHORT_SECONDS / 60, f"beside Tune's {1000 * TUNE_SECONDS:.0f}"
        print(f"{WORKERS} workers, {count} cohorts of {minutes:.0f} min: {100 * busy:.1f} % busy (aim 90)", flush=True)
        print(f"the driver: {1000 * each:.1f} ms a cohort, {tune}; {memory:.0f} MB (aim 1500)", flush=True)
        done = subprocess.run([sys.executable, "-c", LAUNCH, name], check=True, capture_output=True, text=True)
        seconds, cohorts, memory = map(float, done.stdout.split())
        print(f"{cohorts:.0f} cohorts in the ledger: to the first cohort {seconds:.1f} s (aim 5), {memory:.0f} MB")
        start = time.monotonic()
        command = [sys.executable, "-c", "from seedsweep.sweeps.cli import main; main()", "status", "scale"]
        command += ["--runs", name]
        subprocess.run(command, check=True, capture_output=True)
        print(f"seedsweep status: {time.monotonic() - start:.1f} s (aim 2)")


if __name__ == "__main__":
    main()
