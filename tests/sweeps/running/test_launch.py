"""The command line, as a user types it, where a launch runs without Ray."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from seedsweep.slurm import detect
from tests.sweeps import toy
from tests.sweeps.launching import LAUNCH, SEEDSWEEP, environment, run, run_here, run_inline
from tests.waiting import PATIENCE, wait_for

#: Two cohorts of one member each.
SMALL = ["--set", "search.explore=0", "--set", "seeds.compare=1"]


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine")


@pytest.mark.slow
def test_status_report_and_plan(study, tmp_path):
    runs = tmp_path / "runs"
    run_inline(study, runs, "search.explore=0")
    status = run_here("status", "toy", "--runs", runs).stdout
    assert "not running" in status
    assert re.search(r"compare +0 +plain +4/4 ", status)
    assert re.search(r"\d+ cohorts finished; members: \d+ converged", status)
    report = run_here("report", "--runs", runs).stdout
    assert (runs / "toy" / "report" / "index.html").exists()
    assert "report:" in report
    plan = run_here("plan", study, "--runs", runs).stdout
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
        (["alpha_sed_study"], "did you mean alpha_seed_study"),
        (["alpha_seed_study", "--scale", "galaxy"], "known are cluster, laptop"),
        (["alpha_seed_study", "--on", "moon"], "--on moon: write here, inline, slurm, or the address"),
        (["alpha_seed_study", "--on", "here", "--wait"], "go with --on slurm"),
        (["alpha_seed_study", "--set", "training.steps=-1"], "--set training.steps=-1: input should be"),
        (["alpha_seed_study", "--notify", "tell 'me"], "--notify tell 'me: no closing quotation"),
        # What looks like the markup of the terminal library is text.
        (["[red]study"], "there is no study '[red]study'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(tmp_path, arguments, words):
    done = run_here("launch", *arguments, "--runs", tmp_path, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_that_is_not_there(tmp_path):
    done = run_here("status", "nothing", "--runs", tmp_path, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "has no run of 'nothing', nor any other study" in done.stderr


@pytest.mark.slow
def test_a_damaged_shard_stops_the_launch_before_anything_starts(study, tmp_path):
    inline = ["--on", "inline", "--runs", tmp_path / "runs", *SMALL]
    run_here("launch", study, *inline)
    (shard,) = (tmp_path / "runs").glob("_data/*/validation-000000.tar")
    shard.write_bytes(shard.read_bytes()[:-500])
    shutil.rmtree(os.environ["SEEDSWEEP_CACHE"])
    done = run_here("launch", study, *inline, "--set", "seeds.compare=9", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "validation-000000.tar does not match its checksum" in done.stderr


def test_a_runs_folder_that_cannot_be_written(study, tmp_path):
    (tmp_path / "file").write_text("")
    done = run_here("launch", study, "--on", "inline", "--runs", tmp_path / "file", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "choose another folder with --runs" in done.stderr


def test_a_runs_folder_that_is_read_only(study, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o555)
    if os.getuid() == 0:  # whom permissions do not stop
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk], check=True)
    try:
        done = run_here("launch", study, "--on", "inline", "--runs", disk / "runs", check=False)
    finally:
        if os.getuid() == 0:
            subprocess.run(["umount", disk], check=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "choose another folder with --runs" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a file system of a given size")
def test_no_space_left_is_said_and_nothing_is_lost(study, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", disk], check=True)
    inline = ["--on", "inline", "--runs", disk]
    try:
        done = run_here("launch", study, *inline, "--set", "resources.retries=0", check=False)
        assert done.returncode in (1, 2)
        assert "no space left on the device" in (done.stdout + done.stderr).replace("\n", " ")
        assert "Traceback" not in done.stdout + done.stderr
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        assert f"{toy.COHORTS}/{toy.COHORTS} cohorts, 20/20 members" in run_here("launch", study, *inline).stdout
    finally:
        # A file there may be mapped by this process still.
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.slow
def test_failed_cohorts_are_tried_again_by_retry(study, tmp_path):
    inline = ["--on", "inline", "--runs", tmp_path, *SMALL]
    run_here("launch", study, *inline)
    victim = next(iter(sorted((tmp_path / "toy" / "cohorts").glob("*/compare-*"))))
    (victim / "outcome.json").unlink()
    (victim / "checkpoint.9.pt").mkdir()
    failed = run_here("launch", study, *inline, check=False)
    assert failed.returncode == 1
    # Once, when it happened.
    assert failed.stdout.count("failed: compare") == 1
    assert failed.stdout.splitlines()[-1].startswith("1 cohort failed (see above, or `seedsweep status toy`); the same")
    assert "Traceback" not in failed.stdout + failed.stderr
    quiet = run_here("launch", study, *inline, "--quiet", check=False)
    assert quiet.returncode == 1
    assert quiet.stdout.count("failed: compare") == 1
    assert "[Errno 21] Is a directory" in run_here("status", "--runs", tmp_path).stdout
    (victim / "checkpoint.9.pt").rmdir()
    assert "2/2 cohorts" in run_here("retry", "--runs", tmp_path).stdout


def test_a_launch_says_at_once_where_everything_will_be(study, tmp_path):
    said = run_here("launch", study, "--on", "inline", "--runs", tmp_path, *SMALL).stdout.splitlines()
    assert said[0] == f"results: {tmp_path / 'toy'}"
    assert said[1].startswith(f"page:    {tmp_path / 'toy' / 'report' / 'index.html'} (")


@pytest.mark.slow
def test_a_quiet_launch_says_its_answer_alone(study, tmp_path):
    inline = ["launch", study, "--on", "inline", "--runs", tmp_path, *SMALL]
    loud = run_here(*inline).stdout.splitlines()
    quiet = run_here(*inline, "-q").stdout.splitlines()
    assert quiet == [line for line in loud[loud.index("") + 1 :] if not re.match("(tables|figures|curves): ", line)]
    assert run_here(*inline).stdout.splitlines()[0].startswith("results: ")


@pytest.mark.slow
def test_a_launch_that_is_stopped_says_that_nothing_is_lost(study, tmp_path):
    process = subprocess.Popen(
        [*LAUNCH, study, "--on", "inline", "--runs", tmp_path, "--set", "settings.pause=0.2"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    wait_for(lambda: list((tmp_path / "toy" / "cohorts").glob("*/*/owner*")))
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said.endswith("stopped; nothing finished is lost, and the same command goes on from the last checkpoints\n")


def test_the_batch_script_is_shown_where_no_slurm_is(study, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    said = run_here(
        "launch", study, "--dry-run", "--runs", tmp_path / "runs", "--set", "resources.allocation.nodes=3"
    ).stdout
    assert said.startswith("#!/bin/bash\n")
    assert "#SBATCH --nodes=3" in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("words", [["-h"], ["launch", "-h"], ["export", "--help"]])
def test_help_fits_80_columns_and_keeps_its_defaults(words):
    said = run(*words, command=SEEDSWEEP, environ={"COLUMNS": "80"}).stdout
    assert all(len(line) <= 80 for line in said.splitlines())
    if words != ["-h"]:
        plain = " ".join(re.sub("[│╭╰╮╯─]", " ", said).split())
        assert "[default: $SEEDSWEEP_RUNS or runs]" in plain
        assert "[default: its own]" in plain or words[0] == "export"
    else:
        assert "Exit codes: 0" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["launch", "alpha_s"], ["alpha_seed_study"]),
        (["launch", "to"], ["toy.yaml"]),
        (["status", "--runs", "runs", "a"], ["another"]),
    ],
)
def test_a_shell_completes_names_of_studies_and_runs(study, words, expected):
    begun = study.parent / "runs" / "another" / "study.json"
    begun.parent.mkdir(parents=True)
    begun.write_text("{}")
    asked = {"COMP_WORDS": f"seedsweep {' '.join(words)}", "COMP_CWORD": str(len(words))}
    done = run(command=SEEDSWEEP, cwd=study.parent, environ={"_SEEDSWEEP_COMPLETE": "complete_bash", **asked})
    assert done.stdout.split() == expected


def test_a_machine_without_slurm_is_said_to_run_studies(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    detect.can_submit.cache_clear()
    said = run_here("doctor", "--runs", tmp_path).stdout
    detect.can_submit.cache_clear()
    assert (
        said.splitlines()[-1]
        == "nothing was found that keeps a study from running on this machine: seedsweep launch STUDY"
    )


@pytest.mark.slow
def test_help_and_version_are_there():
    assert "launch" in run("--help", command=SEEDSWEEP).stdout
    assert "--set" in run("--help").stdout
    assert re.fullmatch(r"seedsweep \d+\.\d+\.\d+\n", run("--version", command=SEEDSWEEP).stdout)
