"""Studies on a real SLURM of three nodes, and everything that may befall them there: the ledger in the end equals an
undisturbed one-machine run's to the bit."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.slurm.copies import copy_package, spoil
from tests.slurm.launched import ALLOCATION, REST, TWO_NODES, Launched
from tests.small_study import SMALL_STUDY
from tests.sweeps.launching import LAUNCH, ROOT, assert_view_agrees, contents, environment, run_inline
from tests.waiting import PATIENCE


@pytest.fixture
def launched(cluster, study, tmp_path):
    one = Launched(cluster, study, tmp_path / "runs")
    yield one
    # One that is left of a test that failed would submit again.
    for each in one.started:
        each.kill()
    for node in cluster.nodes:
        cluster.heal(node)
        cluster.start(node)
    cluster.start_accounting()
    subprocess.run(["scancel", "-u", "root"], env={**os.environ, **cluster.environment}, check=True)
    cluster.wait_idle()


def assert_undisturbed(launched, undisturbed):
    assert contents(launched.folder) == undisturbed
    assert_view_agrees(launched.runs, launched.name)
    assert launched.paths.report.page.exists()


def test_two_nodes(launched, undisturbed, cluster):
    waiting = launched.start(*TWO_NODES, "--wait")
    launched.wait_for(lambda: launched.training("n1") and launched.training("n2"))
    launched.hurry()
    said = waiting.communicate(timeout=PATIENCE)[0]
    assert "submitted job" in said
    assert "report:" in said
    launched.end()
    assert_undisturbed(launched, undisturbed)
    assert launched.hosts() == {"n1", "n2"}
    assert "n2: joining the Ray at " in launched.output()
    for node in cluster.nodes:
        assert cluster.processes(node) == []
        left = {path.name for path in (cluster.layout.node(node) / "tmp").iterdir()}
        assert not any(name.startswith("seedsweep-ray") or name.startswith("seedsweep-h") for name in left)


def test_a_worker_node_dies(launched, undisturbed, cluster):
    launched.launch(*TWO_NODES)
    launched.wait_for(lambda: launched.training("n2") and launched.head_host() == "n1")
    cluster.kill("n2")
    launched.end()
    assert_undisturbed(launched, undisturbed)
    provenance = json.loads(launched.paths.provenance.read_text())
    # The job went on: it was not started again.
    assert len(provenance["launches"]) == 1


def test_the_heads_node_dies(launched, undisturbed, cluster):
    launched.launch(*TWO_NODES)
    head = launched.wait_for(lambda: launched.training() and launched.head_host())
    cluster.kill(head)
    launched.end()
    assert_undisturbed(launched, undisturbed)


def test_a_node_is_cut_off_and_comes_back(launched, undisturbed, cluster):
    launched.rest(2 * REST, "n2")
    launched.launch(*TWO_NODES)
    launched.wait_for(lambda: launched.training("n2"))
    cut_off = launched.training("n2")[0]
    cluster.cut("n2")
    # Its cohort is taken over while it still trains there.
    launched.wait_for(lambda: cut_off.finished or cut_off.owner()["host"] == "n1")
    cluster.heal("n2")
    launched.end()
    assert_undisturbed(launched, undisturbed)


def test_an_agent_of_the_heads_ray_dies(launched, undisturbed, cluster):
    """With it goes its raylet, and what waits for that would wait for ever."""
    launched.launch(*TWO_NODES)
    head = launched.wait_for(lambda: launched.training() and launched.head_host())
    (agent,) = [line for line in cluster.processes(head) if "::DashboardAgent" in line]
    subprocess.run(cluster.command(head, "kill", "-9", agent.split()[0]), check=True)
    launched.end()
    assert "Ray's head has died: starting it again" in launched.output()
    assert_undisturbed(launched, undisturbed)


#: A function of the user's, and a study of it.
TRAIN = """
from levels import LEVEL

def train(run):
    for step in range(1, 5):
        run.report(step, score=LEVEL + run.hp.lr)
"""
OWN_STUDY = """
question: Whose copy runs?
task: train.py:train
metrics: {score: max}
training: {steps: 4}
hyperparameters: {lr: 0.1}
configurations: {low: {lr: 0.1}, high: {lr: 0.2}}
seeds: {compare: 2}
criterion: {metric: score, threshold: 1.15}
"""


def test_what_is_edited_while_a_job_waits_does_not_change_it(launched, cluster, tmp_path):
    """Neither the checkout that it was submitted from, the working directory, nor the user's own files."""
    checkout, own = tmp_path / "checkout", tmp_path / "own"
    copy_package(checkout)
    own.mkdir()
    (own / "study.yaml").write_text(OWN_STUDY)
    (own / "train.py").write_text(TRAIN)
    (own / "levels.py").write_text("LEVEL = 1.0\n")
    launcher = [sys.executable, checkout / "seedsweep" / "sweeps" / "launch.py", own / "study.yaml", "--on", "slurm"]
    held = ["--set", "resources.allocation.sbatch=[--hold]", "--set", "resources.allocation.memory=3"]
    command = [*launcher, "--runs", launched.runs, "--name", "small", *TWO_NODES, *held]
    environ = {**environment(), **cluster.environment, "PYTHONPATH": f"{checkout}:{own}"}
    for folder in (checkout, own):
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=folder, env=environ)
        assert done.returncode == 0, done.stderr
        number = re.search(r"job (\d+)", done.stdout)[1]
    for folder in (checkout, own):
        spoil(folder)
    slurm = {**os.environ, **cluster.environment}
    subprocess.run(["scontrol", "release", number], check=True, env=slurm)
    launched.end()
    scores = [outcome.final for record in launched.finished() for outcome in record.outcomes()]
    assert sorted(scores) == pytest.approx([1.1, 1.1, 1.2, 1.2])


def test_cancelled_and_launched_again(launched, undisturbed):
    launched.launch(*TWO_NODES)
    launched.wait_for(launched.training)
    assert "cancelled job" in launched.seedsweep("cancel").stdout
    launched.wait_for(lambda: not launched.queue())
    assert len(contents(launched.folder)) < len(undisturbed) or launched.training()
    launched.launch(*TWO_NODES)
    launched.end()
    assert_undisturbed(launched, undisturbed)


def test_the_driver_is_killed(launched, undisturbed, cluster):
    launched.launch()
    launched.wait_for(launched.training)
    (driver,) = [line for line in cluster.processes("n1") if "sweeps/launch.py" in line]
    subprocess.run(cluster.command("n1", "kill", "-9", driver.split()[0]), check=True)
    launched.end()
    assert_undisturbed(launched, undisturbed)
    assert "the driver was killed by SIGKILL" in launched.output()


def test_a_time_limit_shorter_than_the_study(launched, undisturbed):
    """SLURM looks every 30 s, and warns between 40 and 10 s before the end."""
    limit = ["--set", "resources.allocation.time=2", "--set", "resources.allocation.warning_seconds=10"]
    launched.launch(*limit, "--set", "resources.allocation.cpus=1")
    launched.wait_for(lambda: "the time limit is near" in launched.output())
    assert launched.records()
    launched.end()
    assert_undisturbed(launched, undisturbed)


def test_two_studies_on_the_same_nodes_make_room_for_an_urgent_job(launched, undisturbed, cluster):
    """One in a partition that requeues, one in a partition that cancels, where `--wait` submits again."""
    other = launched.beside("other")
    waiting = other.start(*TWO_NODES, "--set", "resources.allocation.partition=spare", "--wait")
    launched.launch(*TWO_NODES)
    other.wait_for(lambda: launched.training_hosts() & other.training_hosts())
    urgent = ["sbatch", "-p", "urgent", "-N", "3", "--exclusive", "-o", "/dev/null", "--wait", "--wrap", "sleep 1"]
    subprocess.run(urgent, env={**os.environ, **cluster.environment}, check=True)
    other.hurry()
    launched.end()
    assert "preempted by another job: submitting again" in waiting.communicate(timeout=PATIENCE)[0]
    assert waiting.returncode == 0
    other.end()
    assert len(list(other.paths.cluster.glob("*/*_submitted.pkl"))) == 2
    assert_undisturbed(launched, undisturbed)
    assert_undisturbed(other, undisturbed)


def test_a_second_allocation_joins_while_accounting_is_down_and_takes_over(launched, undisturbed, cluster):
    launched.rest(2 * REST)
    launched.launch("--set", "resources.allocation.cpus=1")
    (head,) = launched.wait_for(launched.training_hosts)
    cluster.stop_accounting()
    added = launched.launch("--set", "resources.allocation.cpus=4", "--max-jobs", "2").stdout
    assert "is in the queue already" in added
    assert "submitted job" in added
    (joined,) = launched.wait_for(lambda: launched.training_hosts() - {head})
    assert launched.head_host() == head
    first = launched.queue()[-1].split()[0]
    subprocess.run(["scancel", first], env={**os.environ, **cluster.environment}, check=True)
    launched.end()
    provenance = json.loads(launched.paths.provenance.read_text())
    assert [launch["host"] for launch in provenance["launches"]] == [head, joined]
    assert_undisturbed(launched, undisturbed)


def test_another_user_than_root_with_a_share_of_a_gpu(cluster, tmp_path):
    """From a node, as the only place where that user sees a Python that root's home hides. A model of the project's."""
    runs = cluster.layout.shared / "runs"
    file = cluster.layout.shared / "small.yaml"
    file.write_text(SMALL_STUDY)
    gpus = ["--set", "resources.gpus=0.5"]
    variables = [f"{name}={value}" for name, value in {**cluster.environment, "PYTHONPATH": str(ROOT)}.items()]
    python = ["env", "-u", "SEEDSWEEP_CACHE", "HOME=/nonexistent", *variables, *LAUNCH]
    command = [*python, str(file), "--on", "slurm", "--runs", str(runs), *ALLOCATION, *gpus, "--wait"]
    done = subprocess.run(
        cluster.command("n3", *command, user="nobody"), capture_output=True, text=True, cwd="/", timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    undisturbed, *_ = run_inline(file, tmp_path)
    assert contents(runs / "small") == contents(undisturbed.paths.folder)
    assert {path.stat().st_uid for path in runs.rglob("*")} == {runs.stat().st_uid} != {0}
    seen = {record.run()["visible_devices"] for record in Launched(cluster, file, runs).finished()}
    # What is asked of a node follows from a trial's half: one.
    assert len(seen) == 1 and seen <= {"0", "1"}
    (token,) = runs.glob("small/cluster/token.*")
    assert token.stat().st_mode & 0o777 == 0o600
