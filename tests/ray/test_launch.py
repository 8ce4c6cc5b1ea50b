"""The command line, as a user types it, where a launch starts a Ray of its own."""

import re
import stat
from pathlib import Path

import psutil
import pytest

from tests.sweeps import toy
from tests.sweeps.launching import SEEDSWEEP, assert_view_agrees, contents, run, run_inline, start
from tests.waiting import PATIENCE, wait_for


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine")


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """(study file, runs folder, what the launch printed)."""
    folder = tmp_path_factory.mktemp("launched")
    study = toy.write(folder / "mine")
    done = run(study, "--runs", folder / "runs", "--log-to", "tensorboard")
    return study, folder / "runs", done.stdout


def test_a_launch_ends_in_an_answer_and_says_where_everything_is(launched):
    _, runs, printed = launched
    assert f"{toy.COHORTS}/{toy.COHORTS} cohorts, {toy.MEMBERS}/{toy.MEMBERS} members" in printed
    for path in re.findall(r"^(?:report|tables|figures): +(\S+)$", printed, re.M):
        assert Path(path).exists()
    assert f"tensorboard --logdir {runs}/toy/tensorboard" in printed
    assert (runs / "toy/tensorboard").is_dir()
    assert f"optuna-dashboard sqlite:///{runs}/toy/optuna.db" in printed
    assert_view_agrees(runs, "toy")


def test_ray_and_this_process_alone_leave_the_same_ledger_to_the_bit(launched, tmp_path):
    study, runs, _ = launched
    inline, *_ = run_inline(study, tmp_path)
    assert contents(inline.paths.folder) == contents(runs / "toy")


def test_of_two_launches_at_once_the_second_says_who_runs_it(study, tmp_path):
    settings = ["--runs", tmp_path, "--set", "training.steps=2000", "--set", "settings.pause=0.01", "--name", "long"]
    first = start(study, *settings)
    try:
        wait_for(lambda: list(tmp_path.glob("long/cohorts/*/*/checkpoint.*.pt")))
        second = run(study, *settings, check=False)
        assert (second.returncode, second.stderr.count("\n")) == (2, 1)
        assert f"long is being run by process {first.pid} on " in second.stderr
        assert f"running: process {first.pid}" in run("status", "long", "--runs", tmp_path, command=SEEDSWEEP).stdout
        listening_is_local(first.pid)
        token = next(Path("/tmp").glob(f"seedsweep-ray-{first.pid}-*/token"))
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
    finally:
        processes = [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]
        first.send_signal(2)  # Ctrl-C
        assert first.wait(PATIENCE) == 130
    # Interrupted: nothing of it is left, not even after a while.
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    assert not alive
    assert not list(Path("/tmp").glob(f"seedsweep-ray-{first.pid}-*"))


def listening_is_local(pid: int) -> None:
    """No process of a launch listens beyond the loopback."""
    process = psutil.Process(pid)
    listening = [
        connection.laddr.ip
        for each in [process, *process.children(recursive=True)]
        for connection in each.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert all(ip.removeprefix("::ffff:") in ("127.0.0.1", "::1") for ip in listening), listening


def test_more_than_the_machine_has_is_refused_and_not_waited_for(study, tmp_path):
    done = run(study, "--runs", tmp_path, "--set", "resources.cpus=4096", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "resources.cpus: a trial asks for 4096 CPUs and no node has more than" in done.stderr
