"""The command line on a real Ray, as a user types it."""

import json
import os
import re
import stat
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.conftest import SMALL_STUDY
from tests.sweeps.launching import SEEDSWEEP, assert_view_agrees, contents, run, start


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """(study file, runs folder, what the launch printed)."""
    folder = tmp_path_factory.mktemp("launched")
    study = folder / "small.yaml"
    study.write_text(SMALL_STUDY)
    done = run(study, "--runs", folder / "runs")
    return study, folder / "runs", done.stdout


def test_a_launch_ends_in_an_answer_and_says_where_everything_is(launched):
    _, runs, printed = launched
    assert "scale: laptop (no SLURM cluster found" in printed
    assert "10/10 cohorts, 20/20 members" in printed
    for path in re.findall(r"^(?:report|tables|figures): +(\S+)$", printed, re.M):
        assert Path(path).exists()
    assert f"tensorboard --logdir {runs}/small/tensorboard" in printed
    assert f"optuna-dashboard sqlite:///{runs}/small/optuna.db" in printed
    assert "would name alpha 0.5" not in printed  # the claimed configuration is none of the named ones here
    assert (runs / "small" / "report" / "index.html").stat().st_size > 50_000


def test_the_run_directory_holds_what_it_should(launched):
    _, runs, _ = launched
    folder = runs / "small"
    provenance = json.loads((folder / "provenance.json").read_text())["launches"][0]
    assert {"time", "command", "commit", "host", "versions", "data_fingerprints"} <= set(provenance)
    assert provenance["command"][:2] == ["seedsweep", "launch"]
    assert len(contents(folder)) == 10
    assert all(outcome is not None for *_, outcome in contents(folder).values())
    assert_view_agrees(runs, "small")
    assert not list(folder.rglob("checkpoint.*.pt"))
    assert not list(folder.rglob(".*.npz*"))


def test_tensorboard_has_a_run_a_configuration_with_hyperparameters(launched):
    _, runs, _ = launched
    folders = sorted(p for p in (runs / "small" / "tensorboard").iterdir())
    assert len(folders) == 4 + 3
    events = EventAccumulator(str(folders[0])).Reload()
    assert {"f1/median", "f1/quartile_1", "P(converge)"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("f1/median")] == [4, 8, 12, 16, 20, 24]
    assert "_hparams_/session_start_info" in events.summary_metadata


def test_the_same_command_again_runs_nothing_and_more_seeds_only_the_new_ones(launched):
    study, runs, _ = launched
    before = contents(runs / "small")
    again = run(study, "--runs", runs)
    assert "10 cohorts were finished before" in again.stdout
    assert contents(runs / "small") == before
    # Whatever the size of the new cohorts, which is measured this time.
    measured = ("--set", "resources.cohort=auto", "--set", "resources.engine=auto")
    more = run(study, "--runs", runs, "--set", "seeds.compare=6", *measured).stdout
    assert "26/26 members" in more
    after = contents(runs / "small")
    assert sum(len(outcomes) for *_, (outcomes, _) in after.values()) == 26
    assert list((runs / "small" / "probe").iterdir())
    assert re.search(r"^  cohort: \d+$", (runs / "small" / "study.yaml").read_text(), re.M)
    assert all(after[key] == value for key, value in before.items())


def test_a_changed_study_is_refused_with_what_differs_and_the_ways_out(launched):
    study, runs, _ = launched
    before = contents(runs / "small")
    done = run(study, "--runs", runs, "--set", "training.steps=30", check=False)
    assert done.returncode == 2
    assert "training.steps: 24 -> 30" in done.stderr
    assert "--name" in done.stderr
    assert "--fresh" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(runs / "small") == before


def test_status_report_and_plan(launched):
    study, runs, _ = launched
    status = run("status", "small", "--runs", runs, command=SEEDSWEEP).stdout
    assert "not running" in status
    assert re.search(r"\d+ cohorts finished; members: \d+ converged", status)
    (runs / "small" / "report" / "index.html").unlink()
    report = run("report", "--runs", runs, command=SEEDSWEEP).stdout
    assert (runs / "small" / "report" / "index.html").exists()
    assert "report:" in report
    plan = run("plan", study, "--runs", runs, "--scale", "laptop", command=SEEDSWEEP).stdout
    for words in ("explore", "compare", "2 named, 2 by tpe", "estimated time:", "finished already"):
        assert words in plan


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["alpha_sed_study"], "did you mean alpha_seed_study?"),
        (["alpha_seed_study", "--scale", "galaxy"], "known are cluster, laptop"),
        (["alpha_seed_study", "--set", "training.steps=-1"], "training.steps: -1 is out of range"),
        # What looks like the markup of the terminal library is text.
        (["[red]study"], "there is no study '[red]study'"),
        (["alpha_seed_study", "--set", "seeds=[/x]"], "--set.seeds: expected a mapping of fields, not ['/x']"),
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


def test_a_damaged_shard_stops_the_launch_before_anything_starts(launched, tmp_path):
    study, _, _ = launched
    overrides = ["--set", "data.seed=3"]
    run(study, "--runs", tmp_path, *overrides)
    (shard,) = tmp_path.glob("_data/*/validation-000000.tar")
    shard.write_bytes(shard.read_bytes()[:-5000])
    subprocess.run(["rm", "-r", os.environ["SEEDSWEEP_CACHE"]], check=True)
    done = run(study, "--runs", tmp_path, *overrides, "--set", "seeds.compare=9", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "validation-000000.tar does not match its checksum" in done.stderr


def test_a_runs_folder_that_cannot_be_written(study_file, tmp_path):
    (tmp_path / "file").write_text("")
    done = run(study_file, "--runs", tmp_path / "file", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "choose another folder with --runs" in done.stderr


def test_a_runs_folder_that_is_read_only(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o555)
    if os.getuid() == 0:  # whom permissions do not stop
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk], check=True)
    try:
        done = run("alpha_seed_study", "--runs", disk / "runs", check=False)
    finally:
        if os.getuid() == 0:
            subprocess.run(["umount", disk], check=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "choose another folder with --runs" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a file system of a given size")
def test_no_space_left_is_said_and_nothing_is_lost(study_file, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", disk], check=True)
    try:
        done = run(study_file, "--runs", disk, "--set", "resources.retries=0", check=False)
        assert done.returncode in (1, 2)
        assert "no space left on the device" in (done.stdout + done.stderr).replace("\n", " ")
        assert "Traceback" not in done.stdout + done.stderr
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        assert "10/10 cohorts, 20/20 members" in run(study_file, "--runs", disk).stdout
    finally:
        subprocess.run(["umount", disk], check=True)


def test_of_two_launches_at_once_the_second_says_who_runs_it(study_file, tmp_path):
    first = start(study_file, "--runs", tmp_path, "--set", "training.steps=2000", "--name", "long")
    try:
        wait_for(lambda: list(tmp_path.glob("long/cohorts/*/*/checkpoint.*.pt")))
        second = run(study_file, "--runs", tmp_path, "--set", "training.steps=2000", "--name", "long", check=False)
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


def wait_for(condition, seconds=90.0):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return result


def test_a_fresh_start_sets_the_old_run_aside(study_file, tmp_path):
    small = ["--set", "search.explore=2", "--set", "seeds.compare=1", "--set", "seeds.search=1"]
    run(study_file, "--runs", tmp_path, *small)
    run(study_file, "--runs", tmp_path, *small, "--set", "training.steps=8", "--fresh")
    aside = [p for p in tmp_path.iterdir() if p.name.startswith(".small.2")]
    assert len(aside) == 1
    assert len(contents(aside[0])) == len(contents(tmp_path / "small")) == 4


def test_more_than_the_machine_has_is_refused_and_not_waited_for(study_file, tmp_path):
    done = run(study_file, "--runs", tmp_path, "--set", "resources.cpus=4096", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "resources.cpus: a trial asks for 4096 CPUs and no node has more than" in done.stderr


def test_a_cohort_that_fails_is_named_with_its_reason_and_tried_again_by_the_same_command(study_file, tmp_path):
    """A folder in the place of a cohort's checkpoint: the worker cannot read it."""
    small = ["--set", "search.explore=2", "--set", "seeds.compare=1", "--set", "seeds.search=1"]
    run(study_file, "--runs", tmp_path, *small)
    (victim, *_) = sorted((tmp_path / "small" / "cohorts").glob("*/compare-*"))
    (victim / "outcome.json").unlink()
    (victim / "checkpoint.9.pt").mkdir()
    failed = run(study_file, "--runs", tmp_path, *small, check=False)
    assert failed.returncode == 1
    assert "failed: compare" in failed.stdout
    assert "[Errno 21] Is a directory" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr
    assert "[Errno 21] Is a directory" in run("status", "--runs", tmp_path, command=SEEDSWEEP).stdout
    (victim / "checkpoint.9.pt").rmdir()
    assert "4/4 cohorts" in run("retry", "--runs", tmp_path, command=SEEDSWEEP).stdout


def test_help_is_there():
    assert "launch" in run("--help", command=SEEDSWEEP).stdout
    assert "--set" in run("--help").stdout
