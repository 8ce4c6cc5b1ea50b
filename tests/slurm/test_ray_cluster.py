"""A Ray over the nodes of an allocation, with a driver that is no study."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedsweep.core.records.resources import Allocation, Resources
from seedsweep.slurm import allocation
from seedsweep.slurm.ray_cluster import RayAllocation, exited
from seedsweep.slurm.settings import asked
from tests.slurm.copies import copy_package, spoil
from tests.waiting import wait_for

JOIN = """
import json, os, pathlib, socket, sys, time
import psutil, ray
out = pathlib.Path(sys.argv[1])
with open(out / "starts", "a") as file:
    file.write("started\\n")
head = json.loads(os.environ["SEEDSWEEP_HEAD"])
ray.init(address=head["address"], _node_ip_address=head["ip"], log_to_driver=False)
def hosts():
    return {node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
while len(hosts()) < 2:
    time.sleep(0.2)
"""
WHERE = """
def where():
    import seedsweep.core.errors
    return [socket.gethostname(), seedsweep.core.errors.__file__, os.getcwd(), sys.path]
workers = ray.get([ray.remote(num_cpus=2)(where).remote() for _ in range(2)])
(out / "found").write_text(json.dumps([where(), *workers]))
"""
UNTIL_TOLD = """
(out / "joined").touch()
while not (out / "end").exists():
    time.sleep(0.2)
"""
FIRST_FAILS = """
if len((out / "starts").read_text().splitlines()) == 1:
    [raylet] = [each for each in psutil.process_iter() if each.name() == "raylet"]
    raylet.kill()
    sys.exit(1)
"""


class Driven:
    """An allocation of two nodes whose driver is a few lines, run in a copy of the package."""

    def __init__(self, cluster, folder: Path):
        self.cluster, self.folder, self.source = cluster, folder, folder / "source"
        self.out = folder / "out"
        self.out.mkdir()
        copy_package(self.source)

    def submit(self, driver: str, *sbatch: str) -> str:
        (self.source / "driver.py").write_text(driver)
        wanted = asked(Resources(cpus=2, allocation=Allocation(nodes=2, memory=3, sbatch=sbatch)))
        made = allocation.executor(wanted, "driven", self.folder / "cluster", self.source)
        command = (sys.executable, "-u", str(self.source / "driver.py"), str(self.out))
        return allocation.submit(made, RayAllocation(self.folder / "cluster", self.folder / "leases", "run", command))

    def queue(self) -> list[str]:
        return subprocess.run(["squeue", "-h"], capture_output=True, text=True).stdout.splitlines()

    def output(self) -> str:
        return "\n".join(log.read_text() for log in sorted((self.folder / "cluster").glob("*/*_log.out")))

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        return wait_for(condition, lambda: f"{self.queue()}\n{self.output()}", every=0.2)

    def end(self) -> None:
        assert self.wait_for(lambda: exited(self.folder / "cluster"))[1] == 0, self.output()
        self.wait_for(lambda: not self.queue())

    def starts(self) -> int:
        """How often the driver was started."""
        file = self.out / "starts"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def kill(self, node: str, name: str) -> None:
        """A process of Ray's on a node."""
        (line,) = self.wait_for(lambda: [line for line in self.cluster.processes(node) if name in line.split()[1]])
        subprocess.run(self.cluster.command(node, "kill", "-9", line.split()[0]), check=True)


@pytest.fixture
def driven(cluster, tmp_path, monkeypatch):
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield Driven(cluster, tmp_path)
    subprocess.run(["scancel", "-u", "root"], check=True)
    cluster.wait_idle()


def test_only_the_copy_of_the_source_runs(driven, tmp_path, monkeypatch):
    """Submitted from a checkout, which is edited while the job waits."""
    checkout = tmp_path / "checkout"
    copy_package(checkout)
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("PYTHONPATH", str(checkout))
    number = driven.submit(JOIN + WHERE, "--hold")
    spoil(checkout)
    subprocess.run(["scontrol", "release", number], check=True)
    driven.end()
    driver, *workers = json.loads((driven.out / "found").read_text())
    assert {host for host, *_ in workers} == {"n1", "n2"}
    for _, file, _, path in (driver, *workers):
        assert file == str(driven.source / "seedsweep" / "core" / "errors.py")
        # PYTHONPATH brings the checkout, too, but after the copy.
        assert path.index(str(driven.source)) < path.index(str(checkout))
    assert driver[2] == str(driven.source)


def test_a_ray_whose_daemons_die_is_started_again(driven):
    """An agent takes its raylet with it, which Ray's own watch takes for one that was asked to end."""
    driven.submit(JOIN + UNTIL_TOLD)
    joined = driven.out / "joined"
    driven.wait_for(joined.exists)
    driven.kill("n2", "::DashboardAgent")
    driven.wait_for(lambda: "n2: this node's Ray has died: joining again" in driven.output())
    assert driven.starts() == 1
    for number, daemon in enumerate(("::DashboardAgent", "::RuntimeEnvAgent", "/raylet"), 1):
        driven.wait_for(joined.exists)
        joined.unlink()
        driven.kill("n1", daemon)
        driven.wait_for(lambda number=number: driven.output().count("Ray's head has died") == number)
    driven.wait_for(joined.exists)
    assert driven.starts() == 4
    (driven.out / "end").touch()
    driven.end()
    for node in driven.cluster.nodes:
        assert driven.cluster.processes(node) == []


def test_a_driver_that_fails_because_its_ray_died_is_started_again(driven):
    driven.submit(JOIN + FIRST_FAILS)
    driven.end()
    assert driven.starts() == 2
    assert "Ray's head has died" in driven.output()
