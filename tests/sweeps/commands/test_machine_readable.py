"""`--json`, and that docs/commands.md has every command, option and key."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer

from seedsweep.analysis.as_json import as_json
from seedsweep.sweeps import cli
from seedsweep.sweeps.cli import reference
from tests.sweeps import toy
from tests.sweeps.launching import SEEDSWEEP, run, run_here

PAGE = reference.PAGE
#: The command line, and its commands by name.
GROUP = typer.main.get_command(cli.app)
COMMANDS = GROUP.commands
#: What the page names beside the keys: commands.
OTHERS = {"list", "logs"}


def section(name):
    """Of the page, of a command."""
    found = re.search(rf"^## `{name}`\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S)
    assert found, f"docs/commands.md has no section {name}"
    return found[1]


def said(*words):
    """The object that a command prints, which is all that it prints."""
    return json.loads(run_here(*words, "--json").stdout)


def keys(value):
    """Of an object and of all objects in it that are no lists by name."""
    if isinstance(value, list):
        return {key for each in value for key in keys(each)}
    return set(value) | {key for each in value.values() for key in keys(each)} if isinstance(value, dict) else set()


@dataclasses.dataclass(frozen=True)
class Made:
    place: Path
    values: tuple[float, ...]


def test_what_is_no_number_is_null():
    made = Made(Path("/tmp"), (1.0, math.nan, math.inf, np.float64("nan"), np.int64(3), np.bool_(True)))
    assert json.loads(as_json(made)) == {"place": "/tmp", "values": [1.0, None, None, None, 3, True]}


def test_the_page_has_every_command_and_option():
    """If not: python -m seedsweep.sweeps.cli.reference."""
    assert reference.text(PAGE.read_text()) == PAGE.read_text()
    for name, command in {"seedsweep": GROUP, **COMMANDS}.items():
        called = section(name).split("`")[1]
        for option in command.params:
            if option.param_type_name == "option" and not option.hidden and option.name != "help":
                assert f"`{option.opts[0]}`" in section(name)
                assert (option.opts[0] in called) == option.required


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("rm", "Missing argument 'RUN'. (seedsweep rm -h says more)"),
        ("statu", "No such command 'statu'. Did you mean 'status'? (seedsweep -h says more)"),
        ("launch --sett x", "No such option: --sett"),
        ("launch toy --max-jobs many", "Invalid value for '--max-jobs': "),
        ("plan --scale", "Option '--scale' requires an argument."),
        ("status kept more", "(seedsweep status -h says more)"),
    ],
)
def test_a_mistake_in_a_word_is_one_line(words, said):
    done = run_here(*words.split(), check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("error: ")
    assert said in done.stderr


def test_the_page_has_the_options_of_the_whole():
    for option in ("--help`, `-h", "--version", "--install-completion", "--show-completion"):
        assert f"| `{option}` |" in section("seedsweep")


@pytest.mark.parametrize(
    "folders", [["NAME-report", "RUNS/replication"], ["RUNS/compare-RUN-RUN"], ["RUNS/RUN/export"]]
)
def test_where_a_command_writes_is_said(folders):
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith("| `--to` |") and folders[0] in line]
    assert all(folder in line for folder in folders)


def test_what_is_written_by_hand_stays():
    page = PAGE.read_text().replace("`--watch`", "`--wotch`").replace("# Commands", "# Every command")
    found = reference.text(page.replace("\n## `rm`", "\nBy hand.\n\n## `rm`"))
    assert found.startswith("# Every command\n")
    assert "wotch" not in found
    assert "\n\nBy hand.\n\n## `rm`\n" in found


@pytest.fixture(params=["list", "status", "report", "compare", "plan"])
def answered(request, runs, trained):
    """A command, and what it says as JSON; of a run with a failed and an open cohort."""
    name, more = request.param, []
    if name in ("report", "compare"):
        more = ["kept"]
    if name == "compare":
        shutil.copytree(runs / "kept", runs / "other", symlinks=True)
        study = runs / "other" / "study.json"
        study.write_text(study.read_text().replace('"name": "kept"', '"name": "other"'))
        more += ["other"]
    if name == "plan":
        more = [toy.write(runs.parent / "mine"), "--on", "inline", "--power", "0.99,0.1,0.99"]
    if name == "status":
        failed, left = sorted((runs / "kept" / "cohorts").glob("*/*"))
        (failed / "outcome.json").unlink()
        (failed / "error.txt").write_text("ValueError: no\n")
        (left / "outcome.json").unlink()
    return name, said(name, *more, "--runs", runs)


@pytest.mark.slow
def test_it_is_one_object_and_the_page_names_its_keys(answered):
    name, found = answered
    # Names of configurations, of axes and of searched fields are no keys.
    known = {"plain", "shrunk", "shrink", "lr", "converging", "score"}
    table = section("report" if name == "compare" else name).partition("| key of `--json` |")[2]
    named = set(re.findall(r"`(\w+)`", table)) - OTHERS
    assert keys(found) - known - named == set()
    # Runs side by side have no claims.
    assert named - keys(found) == ({"sentence"} if name == "compare" else set())


def test_status_says_what_logs_takes(runs):
    (cohort, *_) = sorted((runs / "kept" / "cohorts").glob("*/*"))
    (cohort / "outcome.json").unlink()
    (cohort / "error.txt").write_text("Traceback\nValueError: no\n")
    found = said("status", "kept", "--runs", runs)
    assert (found["state"], found["done"], found["members"]) == ("stopped", 3, 6)
    (failed,) = found["failed"]
    assert failed["error"] == "ValueError: no"
    assert "ValueError: no" in run_here("logs", "kept", failed["cohort"], "--runs", runs).stdout
    words = run_here("status", "kept", "--runs", runs).stdout
    assert f"look:   seedsweep logs kept {failed['cohort']}" in words
    assert f"report: {found['report']}" in words
    assert Path(found["report"]).exists()
    (most,) = found["most_converged"]
    assert f"most converged so far: {most['configuration']} 3 of 3 (a count, no verdict)" in words


@pytest.mark.parametrize("run", [["kept"], []])
def test_logs_takes_the_beginning_of_a_cohort_and_the_only_run_may_be_left_out(runs, run):
    (cohort, other) = sorted(str(path.relative_to(runs / "kept" / "cohorts")) for path in runs.glob("kept/cohorts/*/*"))

    def refused(word):
        done = run_here("logs", *run, word, "--runs", runs, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr.removeprefix("error: ")

    shown = run_here("logs", *run, cohort, "--runs", runs).stdout
    assert f"{cohort}: finished\n" in shown
    assert ", seeds 0 to 2, " in shown
    assert ", job " not in shown
    assert refused("/") == f"2 cohorts of kept begin with '/'; write more of one: {cohort}, {other}\n"
    assert refused("zzz") == f"no cohort of kept begins with 'zzz'; there are: {cohort}, {other}\n"


def test_without_a_cohort_logs_names_them_and_status_says_so(runs):
    names = sorted(str(path.relative_to(runs / "kept" / "cohorts")) for path in runs.glob("kept/cohorts/*/*"))
    lines = run_here("logs", "kept", "--runs", runs).stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[1:-1]] == names
    assert all(line.endswith("seeds 0 to 2, finished") for line in lines[1:-1])
    assert lines[-1] == f"more of one cohort: seedsweep logs kept {names[0]}"
    assert "look:   seedsweep logs kept (names the cohorts)" in run_here("status", "kept", "--runs", runs).stdout


def completed(typed, runs):
    """What a shell offers after these words."""
    word = {"COMP_WORDS": f"seedsweep {typed}", "COMP_CWORD": str(len(typed.split())), "SEEDSWEEP_RUNS": str(runs)}
    return run(command=SEEDSWEEP, environ={**word, "_SEEDSWEEP_COMPLETE": "complete_bash"}, check=False).stdout.split()


@pytest.mark.slow
def test_a_shell_completes_runs_cohorts_studies_and_places(runs):
    names = sorted(str(path.relative_to(runs / "kept" / "cohorts")) for path in runs.glob("kept/cohorts/*/*"))
    assert completed("logs k", runs) == ["kept"]
    assert completed(f"logs kept {names[0][:6]}", runs) == names[:1]
    assert completed("launch alpha_s", runs) == ["alpha_seed_study"]
    assert completed("launch alpha_seed_study --on s", runs) == ["slurm"]


def test_of_several_runs_the_first_word_of_logs_is_a_run(runs):
    shutil.copytree(runs / "kept", runs / "other", symlinks=True)
    assert "has no run of 'zzz'" in run_here("logs", "zzz", "--runs", runs, check=False).stderr


def test_what_a_run_used_is_what_is_in_its_folder(runs):
    files = [path for path in (runs / "kept").rglob("*") if path.is_file() and not path.is_symlink()]
    used = said("status", "--runs", runs)["used"]
    assert used["files"] == len(files)
    assert used["bytes"] == sum(path.stat().st_size for path in files)
    assert used["core_hours"] > 0
    assert used["gpu_hours"] == 0


@pytest.mark.slow
def test_the_record_of_a_report_is_what_it_says(runs):
    words, found = run_here("report", "--runs", runs).stdout, said("report", "--runs", runs)
    assert found["answer"][0] in words
    assert found["claims"][0]["sentence"] in words
    assert {row["label"]: (row["converged"], row["members"]) for row in found["configurations"]} == {
        "plain": (3, 3),
        "shrunk": (3, 3),
    }
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"], pair["differs"]) == ("plain", "shrunk", 0)
    for name in ("page", "tables", "figures"):
        assert Path(found[name]).exists()


def test_a_run_may_be_named_by_its_studys_file(runs):
    done = run_here("report", "kept.yaml", "--json", "--runs", runs)
    assert json.loads(done.stdout) == json.loads(run_here("report", "kept", "--json", "--runs", runs).stdout)


def test_a_mistake_leaves_standard_output_empty(runs):
    done = run_here("report", "other", "--json", "--runs", runs, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no run of 'other'" in done.stderr
    # What was quiet is so no more.
    assert "report:" in run_here("report", "--runs", runs).stdout


def test_retry_says_where_nothing_has_failed(runs):
    said = run_here("retry", "--runs", runs).stdout
    assert said == "no cohort of kept has failed: there is nothing to try again\n"
    next((runs / "kept" / "cohorts").glob("*/*/outcome.json")).unlink()
    said = run_here("retry", "--runs", runs).stdout
    assert "nothing to try again; 1 are not finished: `seedsweep launch` goes on" in said
