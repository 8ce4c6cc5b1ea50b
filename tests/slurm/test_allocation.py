"""What is asked of SLURM, and what it says when it refuses."""

import json
import re
from pathlib import Path

import pytest

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.resources import Allocation, Resources
from seedsweep.slurm import node
from seedsweep.slurm.allocation import executor, script
from seedsweep.slurm.settings import SlurmError, argument, asked, minutes
from tests.slurm.launched import TWO_NODES, Launched
from tests.sweeps.launching import SEEDSWEEP, run

SETTINGS = Allocation(
    nodes=4, cpus=16, gpus=2, memory=62.5, time="1-02:30:00", partition="gpu", account="lab", qos="low",
    constraint="a100", sbatch=("--exclusive", "--mail-type=END"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30", 30), (5, 5), ("1:30", 2), ("01:00:00", 60), ("08:00:01", 481), ("2-0", 2880), ("1-02:30:00", 1590)],
)
def test_time_limits_are_read_as_sbatch_reads_them(text, expected):
    assert minutes(text) == expected


@pytest.mark.parametrize(
    ("resources", "cpus", "gpus"),
    [
        (Resources(), 1, 0),
        (Resources(cpus=4, gpus=0.25), 4, 1),
        (Resources(cpus=2, gpus=2), 2, 2),
        (Resources(cpus=2, gpus=0.5, allocation=Allocation(cpus=16, gpus=4)), 16, 4),
    ],
)
def test_what_is_not_said_of_a_node_follows_from_what_a_trial_needs(resources, cpus, gpus):
    wanted = asked(resources)
    assert (wanted.cpus, wanted.gpus) == (cpus, gpus)
    assert wanted.model_copy(update={"cpus": None, "gpus": None}) == resources.allocation.model_copy(
        update={"cpus": None, "gpus": None}
    )


def test_a_slurm_error_is_one_of_this_package():
    assert issubclass(SlurmError, SeedsweepError)


@pytest.mark.parametrize("text", ["soon", "", "1:2:3:4", "-5"])
def test_a_time_limit_that_is_none(text):
    with pytest.raises(ValueError, match="is no time limit: write minutes, H:M:S or D-H:M:S"):
        minutes(text)


@pytest.mark.parametrize("text", ["exclusive", "--wrap x; rm", "-N2", "--a\nb=1"])
def test_an_argument_that_is_none(text):
    with pytest.raises(ValueError, match="is no sbatch argument"):
        argument(text)


def test_the_batch_script_is_the_stored_one(tmp_path, monkeypatch):
    # submitit looks for srun.
    (tmp_path / "srun").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("sys.executable", "/opt/python/bin/python")
    made = executor(SETTINGS, "alpha", Path("/runs/alpha/cluster"), Path("/runs/alpha's/source"))
    assert script(made) == (Path(__file__).parent / "batch_script.sh").read_text()


def test_a_value_is_no_shell(tmp_path, monkeypatch):
    (tmp_path / "srun").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    evil = Allocation(cpus=1, gpus=0, partition="$(touch /tmp/evil)", sbatch=("--comment=a; rm -rf b",))
    text = script(executor(evil, "name", tmp_path, tmp_path))
    assert "#SBATCH --partition='$(touch /tmp/evil)'" in text
    assert "#SBATCH --comment='a; rm -rf b'" in text


def test_the_users_file_lies_between_the_study_and_the_command_line(study_file, tmp_path):
    settings = tmp_path / "seedsweep" / "cluster.yaml"
    settings.parent.mkdir()
    settings.write_text("{partition: mine, time: 02:00:00, account: lab}\n")
    more = ["--set", "resources.allocation.account=other", "--set", "resources.allocation.nodes=3"]
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    code = (
        "import sys; from seedsweep.sweeps.study.loading import load\n"
        "print(load(sys.argv[1], None, sys.argv[2:], on='slurm').resources.allocation.model_dump_json())"
    )
    python = [SEEDSWEEP[0], "-c", code]
    shown = json.loads(run(study_file, *more[1::2], command=python, environ=environ).stdout)
    assert (shown["partition"], shown["time"], shown["account"], shown["nodes"]) == ("mine", "02:00:00", "other", 3)
    settings.write_text("{partitoin: mine}\n")
    done = run("plan", study_file, "--on", "slurm", command=SEEDSWEEP, environ=environ, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{settings}: partitoin: there is no such field; did you mean partition" in done.stderr


@pytest.mark.parametrize(
    ("setting", "said", "advice"),
    [
        ("partition=nosuch", "invalid partition specified: nosuch", "to one of: main, spare, urgent"),
        ("nodes=9", "More processors requested than permitted", "resources.allocation.nodes and cpus to what"),
        ("gpus=5", "Requested node configuration is not available", "cpus, gpus and memory to what a node has"),
        ("memory=900", "Memory specification can not be satisfied", "resources.allocation.memory to what a node has"),
        ("constraint=none_such", "Invalid feature specification", "resources.allocation.constraint"),
    ],
)
def test_slurms_words_then_what_to_change(cluster, study, tmp_path, setting, said, advice):
    launched = Launched(cluster, study, tmp_path)
    done = launched.launch("--set", f"resources.allocation.{setting}", check=False)
    assert done.returncode == 2
    assert f"SLURM refused: {said}" in done.stderr
    assert advice in done.stderr
    assert "cluster.yaml" in done.stderr
    assert done.stderr.count("\n") == 2
    assert not launched.queue()


def test_a_dry_run_shows_the_script_and_submits_nothing(cluster, study, tmp_path):
    launched = Launched(cluster, study, tmp_path)
    shown = launched.launch(*TWO_NODES, "--dry-run").stdout
    assert "#SBATCH --nodes=2" in shown
    assert "sweeps/launch.py" in shown
    assert not launched.queue()


def test_what_waits_in_the_queue_is_said_and_not_submitted_twice(cluster, study, tmp_path):
    launched = Launched(cluster, study, tmp_path)
    later = ["--set", "resources.allocation.sbatch=[--begin=now+1hour]"]
    number = re.search(r"submitted job (\d+)", launched.launch(*later).stdout)[1]
    assert f"job {number} is in the queue already: pending" in launched.launch(*later).stdout
    assert f"job {number} pending (BeginTime)" in launched.seedsweep("status").stdout
    done = launched.launch(*later, "--set", "seeds.compare=9", check=False)
    assert f"runs as job {number} with other settings" in done.stderr
    assert f"cancelled job {number}" in launched.seedsweep("cancel").stdout
    assert "no job of this run is in the queue" in launched.seedsweep("cancel").stdout


def test_no_option_of_a_cluster_on_one_machine(study_file, tmp_path):
    done = run(study_file, "--on", "here", "--runs", tmp_path, "--wait", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--wait" in done.stderr
    assert "--on slurm" in done.stderr


def test_ports_are_none_that_the_system_gives_out():
    """What it gives to a connection is taken again before Ray's agents want it."""
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = [node.free_port() for _ in range(50)]
    assert len(set(ports)) > 40
    assert not any(10002 <= port <= 19999 for port in ports)
    if high - low < 40000:
        assert not any(low <= port <= high for port in ports)
