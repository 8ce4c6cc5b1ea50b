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
from tests.sweeps.launching import contents, run, run_inline
from tests.waiting import wait_for

SMALL = ["--set", "search.explore=0"]


@pytest.fixture(scope="module")
def cluster():
    """(environment of those who may use it, address of its head, address for Ray Client)."""
    folder = tempfile.mkdtemp(prefix="seedsweep-test-", dir="/tmp")
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    alone = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    port, client = node.free_port(), node.free_port()
    options = ["--head", f"--port={port}", f"--ray-client-server-port={client}", "--node-ip-address=127.0.0.1"]
    options += ["--num-cpus=2", "--include-dashboard=false", f"--temp-dir={folder}", "--object-store-memory=100000000"]
    head = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", *options, "--block"],
        env={**os.environ, **token, **alone},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for each in (port, client):
            wait_for(lambda each=each: node.listens("127.0.0.1", each))
        yield {**token, **alone}, f"127.0.0.1:{port}", f"ray://127.0.0.1:{client}"
    finally:
        everything = [psutil.Process(head.pid), *psutil.Process(head.pid).children(recursive=True)]
        for process in everything:
            process.kill()
        head.wait()
        shutil.rmtree(folder, ignore_errors=True)


def test_it_leaves_the_same_ledger_and_the_cluster_stays(cluster, tmp_path):
    environ, address, client = cluster
    study = toy.write(tmp_path / "mine")
    inline, *_ = run_inline(study, tmp_path / "inline", *SMALL[1::2])
    for on in (address, client):
        runs = tmp_path / on.partition(":")[0]
        done = run(study, "--runs", runs, "--on", on, *SMALL, environ=environ)
        assert "4/4 cohorts, 8/8 members" in done.stdout
        assert contents(runs / "toy") == contents(inline.paths.folder)


def test_an_address_where_nothing_is_is_one_line(tmp_path):
    address = f"127.0.0.1:{node.free_port()}"
    study = toy.write(tmp_path / "mine")
    done = run(study, "--runs", tmp_path / "runs", "--on", address, *SMALL, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"error: --on {address}: no Ray cluster can be joined there")
