"""A study on the development cluster, looked at from outside."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seedsweep.core.records import lease
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.slurm.ray_cluster import exited
from tests.devcluster import DevCluster
from tests.sweeps.launching import SEEDSWEEP, run, start
from tests.waiting import wait_for

#: What a node gives.
ALLOCATION = ["--set", "resources.allocation.cpus=2", "--set", "resources.allocation.memory=3"]
TWO_NODES = ["--set", "resources.allocation.nodes=2"]


#: The variable with a folder: a step of these tests' study rests for the seconds in its file `all`, or in that with the
#: host's name. A fault then hits a cohort in the middle, on a machine of any speed, and the results are those of a run
#: without rests.
RESTS = "SEEDSWEEP_TEST_RESTS"
#: Seconds: a study of ten cohorts on two nodes then lasts for more than a minute.
REST = 0.3


class Launched:
    """One study, and what a user on a login node does with it. Its steps rest until `end`."""

    def __init__(self, cluster: DevCluster, study: Path, runs: Path, name: str = "small"):
        self.cluster, self.study, self.runs, self.name = cluster, study, runs, name
        self.paths = RunPaths(runs / name)
        self.folder = self.paths.folder
        self.rests = runs.parent / f"rests-{name}"
        #: Launches that are not waited for.
        self.started: list[subprocess.Popen] = []
        self.rest(REST)

    def rest(self, seconds: float, host: str = "all") -> None:
        """How long each step rests from now on, there or anywhere."""
        self.rests.mkdir(exist_ok=True)
        new = self.rests / f".{host}"
        new.write_text(str(seconds))
        new.rename(self.rests / host)

    def hurry(self) -> None:
        """No step rests any more."""
        for file in self.rests.iterdir():
            file.unlink()

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        """What the condition gives as soon as it holds."""
        return wait_for(condition, lambda: f"{self.queue()}\n{self.output()}", every=0.2)

    def launch(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """`seedsweep launch` as typed on a login node."""
        return run(*self._words(arguments), environ=self.environment, check=check)

    def start(self, *arguments: str) -> subprocess.Popen:
        """The same, not waited for."""
        self.started.append(start(*self._words(arguments), output=subprocess.PIPE, environ=self.environment))
        return self.started[-1]

    def beside(self, name: str) -> Launched:
        """The same study in a run of another name."""
        other = Launched(self.cluster, self.study, self.runs, name)
        other.started = self.started
        return other

    def _words(self, arguments: Sequence[str]) -> list[str | Path]:
        return [self.study, "--on", "slurm", "--runs", self.runs, "--name", self.name, *ALLOCATION, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**self.cluster.environment, RESTS: str(self.rests)}

    def seedsweep(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        verb, *rest = arguments
        options = [verb, self.name, "--runs", self.runs, *rest]
        return run(*options, command=SEEDSWEEP, environ=self.cluster.environment, check=check)

    def records(self) -> list[CohortRecord]:
        return Ledger(self.paths.cohorts).records()

    def finished(self) -> list[CohortRecord]:
        return [record for record in self.records() if record.finished]

    def training(self, host: str | None = None) -> list[CohortRecord]:
        """Cohorts in the middle of their training, there or anywhere."""
        found = [record for record in self.records() if not record.finished and record.checkpoints()]
        return [record for record in found if host in (None, record.owner().get("host"))]

    def training_hosts(self) -> set[str]:
        """Where cohorts are in the middle of their training."""
        return {host for record in self.training() if (host := record.owner().get("host"))}

    def hosts(self) -> set[str]:
        """Where the finished cohorts ran."""
        return {record.run()["host"] for record in self.finished()}

    def head_host(self) -> str:
        return lease.newest(self.paths.leases, "launch")[1]["host"]

    def end(self) -> None:
        """Wait until the study has ended well, and its job has left the queue with nothing left behind."""
        self.hurry()
        self.wait_for(lambda: exited(self.paths.cluster))
        assert exited(self.paths.cluster)[1] == 0, self.output()
        self.wait_for(lambda: not self.queue())

    def queue(self) -> list[str]:
        """Jobs that wait or run, by name."""
        command = ["squeue", "-h", "-n", f"seedsweep-{self.name}", "-o", "%i %T %r", "-S", "-i"]
        environ = {**os.environ, **self.cluster.environment}
        return subprocess.run(command, capture_output=True, text=True, env=environ).stdout.splitlines()

    def output(self) -> str:
        """What the jobs printed."""
        return "\n".join(log.read_text() for log in sorted(self.paths.cluster.glob("*/*_log.out")))
