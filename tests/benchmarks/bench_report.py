"""The report of 10,000 members with 100 evaluations each: seconds, memory, size of the page, and a refresh after one
more cohort while the study runs (aims: 30 s, 1.5 GB, 5 MB, 5 s)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.decision import Claim, SeedCounts
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Dimension, Search, Study, Training

CONFIGURATIONS, SEEDS, EXPLORED, SEARCH_SEEDS, COHORT = 80, 100, 200, 10, 10
STEPS = list(range(10, 1001, 10))
CRITERION = Criterion("f1", 0.6, 3, "max", 0.0, 1.0)
COLUMNS = ["f1", "accuracy", "auc", "loss", "loss_area", "loss_distance"]
#: Runs in the process that is measured, and prints seconds of the report, of each refresh, and its peak memory in MB.
MEASURED = """
import resource, sys, time
from pathlib import Path
start = time.monotonic()
from seedsweep.analysis import tables
from seedsweep.analysis.page import report
folder = Path(sys.argv[1])
if sys.argv[2] == "report":
    report.write(folder)
    print(time.monotonic() - start)
else:
    reader = tables.Reader(folder)
    report.write(folder, reader)
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.monotonic()
        report.write(folder, reader)
        print(time.monotonic() - start, flush=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def make_ledger(folder: Path) -> list[CohortSpec]:
    """80 configurations of 100 seeds to compare and 200 of 10 explored, in cohorts of 10; the last, which is returned,
    is not written."""
    folder.mkdir(parents=True)
    study = Study(
        name="generated",
        question="How long does a report of 10,000 members take?",
        configurations={f"no. {number}": {} for number in range(CONFIGURATIONS)},
        claims=(Claim(best="no. 0"),),
        scale="generated",
        training=Training(steps=STEPS[-1]),
        seeds=SeedCounts(compare=SEEDS, search=SEARCH_SEEDS),
        search=Search(
            explore=EXPLORED,
            space={"alpha": Dimension(low=0.0, high=1.0), "lr": Dimension(low=1e-4, high=1e-1, log=True)},
        ),
        data={"validation": 1000},
        criterion=CRITERION,
    )
    RunPaths(folder).study.write_text(study.to_json())
    rng = np.random.default_rng(0)
    specs = []
    for phase, count, seeds, first in (
        ("compare", CONFIGURATIONS, SEEDS, 0),
        ("explore", EXPLORED, SEARCH_SEEDS, 10**6),
    ):
        for number in range(count):
            alpha = 0.5 if number == 0 else round(float(rng.random()), 4)
            values = {"alpha": alpha, "lr": float(10 ** rng.uniform(-4, -1))}
            name = f"no. {number}" if number < CONFIGURATIONS else ""
            for start in range(first, first + seeds, COHORT):
                block = tuple(range(start, start + COHORT))
                specs.append(CohortSpec(phase, number, f"{phase}{number:04d}", name, values, values, block, STEPS[-1]))
    # So that the last cohort is one of the comparison.
    specs.sort(key=lambda spec: spec.phase == "compare")
    for spec in specs[:-1]:
        finish(folder, spec)
    return specs[-1:]


def finish(folder: Path, spec: CohortSpec) -> None:
    """A cohort's curves and outcomes: members converge by chance, more often around alpha .5."""
    rng = np.random.default_rng([spec.number, spec.seeds[0]])
    met = rng.random(len(spec.seeds)) < 0.9 - spec.values["alpha"] * 0.8
    at = rng.uniform(0.1, 0.9, len(spec.seeds))
    rise = 1 / (1 + np.exp(-20 * (np.array(STEPS)[:, None] / STEPS[-1] - at)))
    f1 = np.clip(0.45 + 0.3 * rise * met + rng.normal(0, 0.02, rise.shape), 0, 1)
    values = np.stack([f1, f1, f1, 1 - f1, 1 - f1, 1 - f1], -1)
    curves = Curves(STEPS, values, COLUMNS, list(spec.seeds))
    outcomes = [judge(seed, STEPS, f1[:, i], None, CRITERION) for i, seed in enumerate(spec.seeds)]
    record = Ledger(RunPaths(folder).cohorts).record(spec)
    record.create(spec)
    run = {"host": "here", "device": "cpu", "engine": "fused", "seconds": 60.0}
    record.claim(1).commit(curves, outcomes, run)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "generated"
        start = time.monotonic()
        (last,) = make_ledger(folder)
        members, seconds = CONFIGURATIONS * SEEDS + EXPLORED * SEARCH_SEEDS, time.monotonic() - start
        print(f"{members} members, {len(STEPS)} evaluations each: written in {seconds:.0f} s", flush=True)
        command = [sys.executable, "-c", MEASURED, str(folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen([*command, "follow"], **pipes) as follower:
            assert follower.stdin is not None and follower.stdout is not None
            assert follower.stdout.readline() == "ready\n"
            finish(folder, last)
            follower.stdin.write("\n")
            follower.stdin.close()
            seconds, memory = map(float, follower.stdout.read().split())
        print(f"a refresh after one more cohort: {seconds:.1f} s (aim 5), peak {memory:.0f} MB", flush=True)
        done = subprocess.run([*command, "report"], check=True, capture_output=True, text=True)
        seconds, memory = map(float, done.stdout.split())
        page = RunPaths(folder).report.page.stat().st_size / 1e6
        print(f"tables and the whole report: {seconds:.1f} s (aim 30), peak {memory:.0f} MB (aim 1500)")
        print(f"its page: {page:.1f} MB (aim 5)")


if __name__ == "__main__":
    main()
