"""A launch on a Ray cluster that is there: on a node of it, and from outside through Ray Client."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile

import psutil
import pytest

from seedsweep.slurm import node
from tests.sweeps import toy
from tests.sweeps.launching import contents, run, run_inline, start
from tests.waiting import PATIENCE, wait_for

SMALL = ["--set", "search.explore=0"]


class Cluster:
    """A Ray cluster of one node. environ: of those who may use it.  address: of its head.  client: for Ray Client."""

    def __init__(self):
        self._folder = tempfile.mkdtemp(prefix="seedsweep-test-", dir="/tmp")
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.environ = {**token, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
        port, client = node.free_port(), node.free_port()
        self.address, self.client = f"127.0.0.1:{port}", f"ray://127.0.0.1:{client}"
        options = ["--head", f"--port={port}", f"--ray-client-server-port={client}", "--node-ip-address=127.0.0.1"]
        options += ["--num-cpus=2", "--include-dashboard=false", f"--temp-dir={self._folder}"]
        self._head = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ray.scripts.scripts",
                "start",
                *options,
                "--object-store-memory=100000000",
                "--block",
            ],
            env={**os.environ, **self.environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for each in (port, client):
            wait_for(lambda each=each: node.listens("127.0.0.1", each))

    def kill(self) -> None:
        """All of its processes."""
        if self._head.poll() is None:
            for process in [psutil.Process(self._head.pid), *psutil.Process(self._head.pid).children(recursive=True)]:
                process.kill()
        self._head.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster():
    made = Cluster()
    yield made
    made.kill()


def test_it_leaves_the_same_ledger_and_the_cluster_stays(cluster, tmp_path):
    study = toy.write(tmp_path / "mine")
    inline, *_ = run_inline(study, tmp_path / "inline", *SMALL[1::2])
    for on in (cluster.address, cluster.client):
        runs = tmp_path / on.partition(":")[0]
        done = run(study, "--runs", runs, "--on", on, *SMALL, environ=cluster.environ)
        assert "4/4 cohorts, 8/8 members" in done.stdout
        assert contents(runs / "toy") == contents(inline.paths.folder)


def test_an_address_where_nothing_is_is_one_line(tmp_path):
    address = f"127.0.0.1:{node.free_port()}"
    study = toy.write(tmp_path / "mine")
    done = run(study, "--runs", tmp_path / "runs", "--on", address, *SMALL, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"error: --on {address}: no Ray cluster can be joined there")


@pytest.mark.parametrize("kind", ["address", "client"])
def test_a_cluster_that_is_lost_is_one_line_and_the_same_command_resumes(tmp_path, kind):
    cluster = Cluster()
    try:
        study, on = toy.write(tmp_path / "mine"), getattr(cluster, kind)
        long = ["--set", "training.steps=400", "--set", "settings.pause=0.05"]
        with open(tmp_path / "said.txt", "w") as said:
            arguments = ["--runs", tmp_path / "runs", "--on", on, *SMALL, *long]
            process = start(study, *arguments, output=said, environ=cluster.environ)
            wait_for(lambda: list(tmp_path.glob("runs/toy/cohorts/*/*/checkpoint.*.pt")))
            cluster.kill()
            assert process.wait(PATIENCE) == 1
    finally:
        cluster.kill()
    said = (tmp_path / "said.txt").read_text()
    assert "Traceback" not in said
    if kind == "address" and "Failed to connect to GCS" in said:
        # Ray ends a member of the cluster itself after a minute, where that was faster.
        return
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    # A member of the cluster may find no way out of Ray, and ends itself.
    lost = f"error: --on {on}: the Ray cluster is lost"
    assert line.startswith((lost, "error: Ray has died") if kind == "address" else lost)
    assert line.endswith("the same command resumes from the last checkpoints")
