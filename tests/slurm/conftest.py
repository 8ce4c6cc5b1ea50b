"""The development cluster, and a study on it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from seedsweep.core.records.ledger import CohortRecord, Ledger
from seedsweep.slurm.devcluster import DevCluster, missing
from seedsweep.slurm.ray_cluster import ended
from tests.conftest import SMALL_STUDY
from tests.sweeps.launching import ROOT, contents, run

#: Long enough that a fault hits it in the middle.
STUDY = [
    *("--set", "training.steps=480", "--set", "training.evaluate_every=24"),
    *("--set", "resources.allocation.cpus=2", "--set", "resources.allocation.memory=3"),
]
TWO_NODES = ["--set", "resources.allocation.nodes=2"]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    if reason := missing():
        pytest.skip(reason)
    shared = [ROOT, Path(sys.prefix), Path(sys.base_prefix), tmp_path_factory.getbasetemp()]
    with DevCluster(shared=shared) as up:
        yield up


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "small.yaml"
    path.write_text(SMALL_STUDY)
    return path


@pytest.fixture(scope="session")
def undisturbed(study: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The ledger of the same study on one machine."""
    runs = tmp_path_factory.mktemp("undisturbed")
    run(study, "--scale", "laptop", "--runs", runs, *STUDY)
    return contents(runs / "small")


class Launched:
    """A study on the cluster, looked at from outside."""

    def __init__(self, cluster: DevCluster, study: Path, runs: Path, name: str = "small"):
        self.cluster, self.study, self.runs, self.name = cluster, study, runs, name
        self.folder = runs / name

    def launch(self, *arguments: str, check: bool = True):
        """`seedsweep launch` as typed on a login node."""
        options = ["--scale", "cluster", "--runs", self.runs, "--name", self.name, *STUDY, *arguments]
        return run(self.study, *options, environ=self.cluster.environment, check=check)

    def seedsweep(self, *arguments: str, check: bool = True):
        from tests.sweeps.launching import SEEDSWEEP

        verb, *rest = arguments
        options = [verb, self.name, "--runs", self.runs, *rest]
        return run(*options, command=SEEDSWEEP, environ=self.cluster.environment, check=check)

    def records(self) -> list[CohortRecord]:
        return Ledger(self.folder).records()

    def finished(self) -> list[CohortRecord]:
        return [record for record in self.records() if record.finished]

    def training(self, host: str | None = None) -> list[CohortRecord]:
        """Cohorts in the middle of their training, there or anywhere."""
        found = [record for record in self.records() if not record.finished and record.checkpoints()]
        return [record for record in found if host in (None, record.owner().get("host"))]

    def hosts(self) -> set[str]:
        """Where the finished cohorts ran."""
        return {record.run()["host"] for record in self.finished()}

    def head_host(self) -> str:
        from seedsweep.core.records import lease

        return lease.newest(self.runs / ".leases" / self.name, "launch")[1]["host"]

    def end(self, seconds: float = 200.0) -> None:
        """Wait until the study has ended well, and its job has left the queue with nothing left behind."""
        wait_for(lambda: ended(self.folder / "cluster"), seconds, self)
        assert ended(self.folder / "cluster")[1] == 0, self.output()
        wait_for(lambda: not self.queue(), 30, self)

    def queue(self) -> list[str]:
        """Jobs that wait or run, by name."""
        import subprocess

        command = ["squeue", "-h", "-n", f"seedsweep-{self.name}", "-o", "%i %T %r", "-S", "-i"]
        environ = {**os.environ, **self.cluster.environment}
        return subprocess.run(command, capture_output=True, text=True, env=environ).stdout.splitlines()

    def output(self) -> str:
        """What the jobs printed."""
        return "\n".join(log.read_text() for log in sorted(self.folder.glob("cluster/*/*_log.out")))


def wait_for(condition, seconds: float, launched: Launched):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited in vain\n{launched.queue()}\n{launched.output()}"
        time.sleep(0.1)
    return result
