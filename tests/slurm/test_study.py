"""Studies on a real SLURM of three nodes, and everything that may befall them there: the ledger in the end equals an
undisturbed one-machine run's to the bit."""

import json
import os
import signal
import subprocess

import pytest

from tests.slurm.conftest import TWO_NODES, Launched, wait_for
from tests.sweeps.launching import assert_view_agrees, contents


@pytest.fixture
def launched(cluster, study, tmp_path):
    yield Launched(cluster, study, tmp_path / "runs")
    for node in cluster.nodes:
        cluster.heal(node)
        cluster.start(node)
    cluster.start_accounting()
    subprocess.run(["scancel", "-u", "root"], env={**os.environ, **cluster.environment}, check=True)
    cluster.wait_idle()


def assert_undisturbed(launched, undisturbed):
    assert contents(launched.folder) == undisturbed
    assert_view_agrees(launched.runs, launched.name)
    assert (launched.folder / "report" / "index.html").exists()


def test_two_nodes(launched, undisturbed, cluster):
    done = launched.launch(*TWO_NODES, "--wait")
    assert "submitted job" in done.stdout
    assert "report:" in done.stdout
    wait_for(lambda: not launched.queue(), 20, launched)
    assert_undisturbed(launched, undisturbed)
    assert launched.hosts() == {"n1", "n2"}
    for node in cluster.nodes:
        assert cluster.processes(node) == []
        left = {path.name for path in (cluster.layout.node(node) / "tmp").iterdir()}
        assert not any(name.startswith("seedsweep-ray") or name.startswith("seedsweep-h") for name in left)


def test_a_worker_node_dies(launched, undisturbed, cluster):
    launched.launch(*TWO_NODES)
    wait_for(lambda: launched.training("n2") and launched.head_host() == "n1", 90, launched)
    cluster.kill("n2")
    launched.end()
    assert_undisturbed(launched, undisturbed)
    provenance = json.loads((launched.folder / "provenance.json").read_text())
    # The job went on: it was not started again.
    assert len(provenance["launches"]) == 1


def test_the_heads_node_dies(launched, undisturbed, cluster):
    launched.launch(*TWO_NODES)
    head = wait_for(lambda: launched.training() and launched.head_host(), 90, launched)
    cluster.kill(head)
    launched.end()
    assert_undisturbed(launched, undisturbed)


def test_a_node_is_cut_off_and_comes_back(launched, undisturbed, cluster):
    launched.launch(*TWO_NODES)
    wait_for(lambda: launched.training("n2"), 90, launched)
    cut_off = launched.training("n2")[0]
    cluster.cut("n2")
    # Its cohort is taken over while it still trains there.
    wait_for(lambda: cut_off.finished or cut_off.owner()["host"] == "n1", 90, launched)
    cluster.heal("n2")
    launched.end()
    assert_undisturbed(launched, undisturbed)


def test_cancelled_and_launched_again(launched, undisturbed):
    launched.launch(*TWO_NODES)
    wait_for(launched.training, 90, launched)
    assert "cancelled job" in launched.seedsweep("cancel").stdout
    wait_for(lambda: not launched.queue(), 60, launched)
    assert len(contents(launched.folder)) < len(undisturbed) or launched.training()
    launched.launch(*TWO_NODES)
    launched.end()
    assert_undisturbed(launched, undisturbed)


def test_the_driver_is_killed(launched, undisturbed, cluster):
    launched.launch()
    wait_for(launched.training, 90, launched)
    (driver,) = [line for line in cluster.processes("n1") if "sweeps/launch.py" in line]
    subprocess.run(cluster.command("n1", "kill", "-9", driver.split()[0]), check=True)
    launched.end()
    assert_undisturbed(launched, undisturbed)
    assert "the driver was killed by SIGKILL" in launched.output()
