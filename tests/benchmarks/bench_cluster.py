"""Seconds from sbatch to training, from a killed node to training elsewhere, and from the end to a free allocation, on
the development cluster; and what checkpoints cost and save (aims: 30, 30, 60 and 10 s; one checkpoint interval)."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.paths import ClusterPaths
from seedsweep.core.records.resources import Resources
from seedsweep.core.training import checkpoint
from seedsweep.core.training.cohort import Cohort
from seedsweep.shards.data_set import make
from seedsweep.shards.pack import pack
from seedsweep.slurm.ray_cluster import exited
from seedsweep.sweeps.running.prepared_task import load_task, resolved_training
from seedsweep.sweeps.study.components import make_optimizer
from seedsweep.sweeps.study.configuration import members, named
from seedsweep.sweeps.study.loading import load
from tests.devcluster import DevCluster, missing
from tests.slurm.copies import ROOT
from tests.slurm.launched import TWO_NODES, Launched
from tests.small_study import SMALL_STUDY

#: Cohorts of about a minute, fewer than there is room for, with checkpoints at their default interval.
LONG = [
    *("--set", "search.explore=2", "--set", "seeds.search=1", "--set", "seeds.compare=2"),
    *("--set", "training.steps=3000", "--set", "training.evaluate_every=50"),
    *("--set", f"resources.checkpoint_seconds={Resources().checkpoint_seconds}"),
]


def submitted_at(launched: Launched) -> float:
    """When sbatch had returned: submitit then names the script after the job."""
    return max(path.lstat().st_ctime for path in launched.paths.cluster.glob("*/*_submission.sh"))


def first_step(launched: Launched) -> float:
    """When the first evaluation of the study was on disk."""
    paths = launched.wait_for(lambda: list(launched.paths.cohorts.glob("*/*/curves.*.npz")))
    return min(path.stat().st_mtime for path in paths)


def going_on(launched: Launched, record: CohortRecord, owner: dict, killed: float) -> float:
    """When a cohort was taken up by another owner."""

    def again() -> float | None:
        if record.owner() == owner:
            return None
        new = [p.stat().st_mtime for p in record.folder.glob("owner.*")]
        return max(new) if new and max(new) > killed else None

    found = launched.wait_for(again)
    return float(found)


def killed(cluster: DevCluster, launched: Launched, who: str, wait: float) -> tuple[float, float]:
    """Kill the node of the head, or another, so many seconds after a checkpoint; seconds until a cohort of it trains
    elsewhere, and of training lost."""
    # Of three nodes two must be left for the allocation to start again.
    launched.launch(*LONG, "--set", f"resources.allocation.nodes={2 if who == 'head' else 3}")
    launched.wait_for(lambda: len({r.owner()["host"] for r in launched.training()}) > 1)
    head = launched.head_host()
    victim = head if who == "head" else next(iter({r.owner()["host"] for r in launched.training()} - {head}))
    record = launched.training(victim)[0]
    owner = record.owner()
    time.sleep(wait)
    cluster.kill(victim)
    at = time.time()
    last = max(path.stat().st_mtime for path in record.folder.glob("checkpoint.*.pt"))
    seconds = going_on(launched, record, owner, at) - at
    launched.seedsweep("cancel")
    launched.wait_for(lambda: not launched.queue())
    cluster.start(victim)
    cluster.wait_idle()
    return seconds, at - last


def checkpoint_cost(folder: Path) -> tuple[float, float, float]:
    """Seconds of a checkpoint of the laptop study's comparison cohort, its MB, and its share of the interval."""
    study = load("alpha_seed_study", "laptop")
    one, seeds = named(study)[0], tuple(range(study.seeds.compare))
    settings = {field: value for field, value in study.data.items() if field != "name"}
    data = pack(study.data["name"], make(study.data), settings, folder / "data", "", lambda done, of: None)
    task = load_task(study, str(data), "cpu")
    training = resolved_training(study, task)
    cohort = Cohort(task, members(one, seeds), training, make_optimizer(study), len(seeds))
    cohort.advance()
    record = CohortRecord(folder / "cohort")
    record.create(CohortSpec("compare", 0, "bench", one.name, one.overrides, one.values, seeds, training.steps))
    claim = record.claim(1)
    times = []
    for _ in range(9):
        start = time.monotonic()
        claim.write_curves(
            Curves(list(cohort.evaluated), np.array(cohort.evaluations), list(cohort.columns), list(seeds))
        )
        checkpoint.save(claim.checkpoint, cohort.state())
        times.append(time.monotonic() - start)
    seconds = statistics.median(times)
    return seconds, claim.checkpoint.stat().st_size / 1e6, seconds / study.resources.checkpoint_seconds


def main() -> None:
    if reason := missing():
        sys.exit(reason)
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        study = folder / "small.yaml"
        study.write_text(SMALL_STUDY)
        starts, releases = [], []
        with DevCluster(shared=[ROOT, Path(sys.prefix), Path(sys.base_prefix), folder]) as cluster:
            for turn in range(3):
                launched = Launched(cluster, study, folder / f"start-{turn}")
                launched.launch(*TWO_NODES)
                starts.append(first_step(launched) - submitted_at(launched))
                launched.wait_for(lambda at=launched: exited(at.paths.cluster))
                over = ClusterPaths(launched.paths.cluster).head.stat().st_mtime
                launched.wait_for(lambda at=launched: not at.queue())
                releases.append(time.time() - over)
            print(f"sbatch to the first training step, two nodes: {shown(starts)} (aim 30)", flush=True)
            print(f"end of the study to a released allocation: {shown(releases)} (aim 10)", flush=True)
            for who, aim in (("worker", 30), ("head", 60)):
                waits = (2.0, 5.0, 8.0)
                pairs = [killed(cluster, Launched(cluster, study, folder / f"{who}-{w:g}"), who, w) for w in waits]
                print(f"killed {who} node to its cohort elsewhere: {shown([p[0] for p in pairs])} (aim {aim})")
                interval = Resources().checkpoint_seconds
                print(f"training lost with it: {shown([p[1] for p in pairs])} (at most {interval:g} s)", flush=True)
        seconds, size, share = checkpoint_cost(folder)
        print(f"a checkpoint of 12 members: {seconds * 1e3:.0f} ms, {size:.1f} MB, {share:.2%} of the run")
    print(subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout)


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} s (" + ", ".join(f"{value:.1f}" for value in sorted(values)) + ")"


if __name__ == "__main__":
    main()
