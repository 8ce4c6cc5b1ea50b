"""The runs of a folder, a line each."""

import io
import json
import shutil

import pytest
from rich.console import Console

from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps.commands import listing
from seedsweep.sweeps.running.run_directory import RunDirectory
from tests.sweeps.launching import run_here


def one(runs, queued=False):
    (found,) = listing.find(runs, lambda run: queued)
    return found


def reopened(run):
    """Without the outcome of one of its two cohorts."""
    record = run.ledger.records()[0]
    (record.folder / "outcome.json").unlink()
    return record


def test_a_run_is_finished_stopped_waiting_or_running(runs, kept):
    assert (one(runs).state, one(runs).done, one(runs).members, one(runs).failed) == ("finished", 6, 6, 0)
    # Of a finished run nobody asks the queue.
    assert one(runs, queued=True).state == "finished"
    record = reopened(kept)
    assert (one(runs).state, one(runs).done) == ("stopped", 3)
    assert one(runs, queued=True).state == "waiting"
    record.fail("Traceback\nValueError: no")
    assert one(runs).failed == 1
    with kept.hold():
        assert one(runs).state == "running"
    assert one(runs).state == "stopped"


def test_the_verdict_is_of_the_last_report_and_its_members(runs, kept):
    verdict = json.loads((kept.paths.report.folder / "answer.json").read_text())["verdict"]
    assert verdict.startswith("every seed met the criterion")
    assert (one(runs).verdict, one(runs).current) == (verdict, True)
    reopened(kept)
    assert (one(runs).verdict, one(runs).current) == (verdict, False)
    console = Console(file=io.StringIO(), width=80)
    listing.show(runs, console)
    assert f"so far: {verdict}" in console.file.getvalue()
    shutil.rmtree(kept.paths.report.folder)
    assert (one(runs).verdict, one(runs).current) == (None, None)
    console = Console(file=io.StringIO(), width=80)
    listing.show(runs, console)
    assert "None" not in console.file.getvalue()


@pytest.mark.parametrize("finished", [True, False])
def test_a_study_that_is_decided_early_is_finished_with_fewer_members(runs, kept, finished):
    study = kept.study()
    seeds = study.seeds.model_copy(update={"until": "decided", "compare": 30, "most": 30})
    kept.paths.study.write_text(study.model_copy(update={"seeds": seeds}).to_json())
    answer = {"verdict": "all is said.", "members": 6, "finished": finished}
    (kept.paths.report.folder / "answer.json").write_text(json.dumps(answer))
    assert one(runs).state == ("finished" if finished else "stopped")
    assert (one(runs).done, one(runs).members) == (6, 60)


def edited(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


DAMAGES = {
    "another version": lambda paths: edited(paths.study, '"format": ', '"format": 9'),
    "study.json, which names its study, is missing": lambda paths: paths.study.unlink(),
    "registered.json was edited": lambda paths: edited(paths.registered, '"hold": 2', '"hold": 1'),
    "changed after it was written": lambda paths: edited(
        next(paths.cohorts.glob("*/*/outcome.json")), '"converged"', '"never"'
    ),
    "cannot be read": lambda paths: next(paths.cohorts.glob("*/*/cohort.json")).write_text("{"),
}


@pytest.mark.parametrize("words", DAMAGES)
def test_of_an_old_or_damaged_run_nothing_but_that_is_said(runs, kept, words):
    DAMAGES[words](kept.paths)
    found = one(runs)
    assert (found.state, found.done, found.members, found.verdict) == ("unreadable", None, None, None)
    assert words in found.problem
    said = run_here("list", "--runs", runs).stdout
    assert words in said
    assert "converge" not in said.replace("kept", "").split("unreadable")[1].split(words)[0]


def test_what_is_no_run_is_not_listed(runs, kept):
    for name in ("compare-a-b", "replication", ".kept.20260101-000000"):
        (runs / name / "report").mkdir(parents=True)
    shutil.copy(kept.paths.study, runs / ".kept.20260101-000000" / "study.json")
    assert [each.name for each in listing.find(runs, lambda run: False)] == ["kept"]


def test_status_without_a_name_lists_several(runs):
    assert "phase" in run_here("status", "--runs", runs).stdout
    shutil.copytree(runs / "kept", runs / "other", symlinks=True)
    said = run_here("status", "--runs", runs).stdout
    assert "phase" not in said
    assert [line.split()[:3] for line in said.splitlines()[1:]] == [
        [name, "finished", "6/6"] for name in ("kept", "other")
    ]


def test_an_empty_folder_says_what_makes_a_run(tmp_path):
    assert "has no runs: `seedsweep launch STUDY`" in run_here("list", "--runs", tmp_path).stdout


def test_the_list_is_whole_where_it_is_no_terminal(runs, kept):
    verdict = one(runs).verdict
    name = "a_name_that_is_as_long_as_names_of_runs_may_well_be_in_the_end"
    kept.paths.folder.rename(runs / name)
    console = Console(file=io.StringIO(), width=40)
    listing.show(runs, console)
    assert name in console.file.getvalue()
    assert verdict in console.file.getvalue()
    assert RunDirectory(RunPaths.of(runs, name)).exists
