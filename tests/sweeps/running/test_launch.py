"""The command line on a real Ray, as a user types it."""

import os
import re
import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.sweeps import toy
from tests.sweeps.launching import SEEDSWEEP, assert_view_agrees, contents, run, run_inline, start, wait_for

#: Two cohorts of one member each.
SMALL = ["--set", "search.explore=0", "--set", "seeds.compare=1"]


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine")


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """(study file, runs folder, what the launch printed)."""
    folder = tmp_path_factory.mktemp("launched")
    study = toy.write(folder / "mine")
    done = run(study, "--runs", folder / "runs")
    return study, folder / "runs", done.stdout


def test_a_launch_ends_in_an_answer_and_says_where_everything_is(launched):
    _, runs, printed = launched
    assert f"{toy.COHORTS}/{toy.COHORTS} cohorts, {toy.MEMBERS}/{toy.MEMBERS} members" in printed
    for path in re.findall(r"^(?:report|tables|figures): +(\S+)$", printed, re.M):
        assert Path(path).exists()
    assert f"tensorboard --logdir {runs}/toy/tensorboard" in printed
    assert f"optuna-dashboard sqlite:///{runs}/toy/optuna.db" in printed
    assert_view_agrees(runs, "toy")


def test_ray_and_this_process_alone_leave_the_same_ledger_to_the_bit(launched, tmp_path):
    study, runs, _ = launched
    inline, *_ = run_inline(study, tmp_path)
    assert contents(inline.paths.folder) == contents(runs / "toy")


def test_status_report_and_plan(launched):
    study, runs, _ = launched
    status = run("status", "toy", "--runs", runs, command=SEEDSWEEP).stdout
    assert "not running" in status
    assert re.search(r"compare +0 +plain +4 ", status)
    assert re.search(r"\d+ cohorts finished; members: \d+ converged", status)
    (runs / "toy" / "report" / "index.html").unlink()
    report = run("report", "--runs", runs, command=SEEDSWEEP).stdout
    assert (runs / "toy" / "report" / "index.html").exists()
    assert "report:" in report
    plan = run("plan", study, "--runs", runs, command=SEEDSWEEP).stdout
    for words in (
        "explore",
        "compare",
        "2 named and the best found",
        "4 by tpe",
        "estimated time:",
        "finished already",
    ):
        assert words in plan


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["alpha_sed_study"], "did you mean alpha_seed_study?"),
        (["alpha_seed_study", "--scale", "galaxy"], "known are cluster, laptop"),
        (["alpha_seed_study", "--on", "moon"], "--on moon: write here, inline, slurm, or the address"),
        (["alpha_seed_study", "--on", "here", "--wait"], "go with --on slurm"),
        (["alpha_seed_study", "--set", "training.steps=-1"], "training.steps"),
        # What looks like the markup of the terminal library is text.
        (["[red]study"], "there is no study '[red]study'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(tmp_path, arguments, words):
    done = run(*arguments, "--runs", tmp_path, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_that_is_not_there(tmp_path):
    done = run("status", "nothing", "--runs", tmp_path, command=SEEDSWEEP, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "has no run of 'nothing', nor any other study" in done.stderr


def test_a_damaged_shard_stops_the_launch_before_anything_starts(study, tmp_path):
    inline = ["--on", "inline", "--runs", tmp_path / "runs", *SMALL]
    run(study, *inline)
    (shard,) = (tmp_path / "runs").glob("_data/*/validation-000000.tar")
    shard.write_bytes(shard.read_bytes()[:-500])
    subprocess.run(["rm", "-r", os.environ["SEEDSWEEP_CACHE"]], check=True)
    done = run(study, *inline, "--set", "seeds.compare=9", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "validation-000000.tar does not match its checksum" in done.stderr


def test_a_runs_folder_that_cannot_be_written(study, tmp_path):
    (tmp_path / "file").write_text("")
    done = run(study, "--runs", tmp_path / "file", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "choose another folder with --runs" in done.stderr


def test_a_runs_folder_that_is_read_only(study, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o555)
    if os.getuid() == 0:  # whom permissions do not stop
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk], check=True)
    try:
        done = run(study, "--runs", disk / "runs", check=False)
    finally:
        if os.getuid() == 0:
            subprocess.run(["umount", disk], check=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "choose another folder with --runs" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a file system of a given size")
def test_no_space_left_is_said_and_nothing_is_lost(study, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", disk], check=True)
    inline = ["--on", "inline", "--runs", disk]
    try:
        done = run(study, *inline, "--set", "resources.retries=0", check=False)
        assert done.returncode in (1, 2)
        assert "no space left on the device" in (done.stdout + done.stderr).replace("\n", " ")
        assert "Traceback" not in done.stdout + done.stderr
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        assert f"{toy.COHORTS}/{toy.COHORTS} cohorts, 20/20 members" in run(study, *inline).stdout
    finally:
        subprocess.run(["umount", disk], check=True)


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
        assert first.wait(60) == 130
    # Interrupted: nothing of it is left, not even after a while.
    _, alive = psutil.wait_procs(processes, timeout=20)
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


def test_failed_cohorts_are_tried_again_by_retry(study, tmp_path):
    inline = ["--on", "inline", "--runs", tmp_path, *SMALL]
    run(study, *inline)
    victim = next(iter(sorted((tmp_path / "toy" / "cohorts").glob("*/compare-*"))))
    (victim / "outcome.json").unlink()
    (victim / "checkpoint.9.pt").mkdir()
    failed = run(study, *inline, check=False)
    assert failed.returncode == 1
    assert "failed: compare" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr
    assert "[Errno 21] Is a directory" in run("status", "--runs", tmp_path, command=SEEDSWEEP).stdout
    (victim / "checkpoint.9.pt").rmdir()
    assert "2/2 cohorts" in run("retry", "--runs", tmp_path, command=SEEDSWEEP).stdout


def test_help_and_version_are_there():
    assert "launch" in run("--help", command=SEEDSWEEP).stdout
    assert "--set" in run("--help").stdout
    assert re.fullmatch(r"seedsweep \d+\.\d+\.\d+\n", run("--version", command=SEEDSWEEP).stdout)
