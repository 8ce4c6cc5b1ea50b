"""Launches in this process, without Ray."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import RecordError
from seedsweep.sweeps.places import INLINE
from seedsweep.sweeps.running import driver
from seedsweep.sweeps.running.driver import launch
from seedsweep.sweeps.running.launch_code import UserFiles
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.study.loading import load
from tests.sweeps import toy
from tests.sweeps.launching import assert_view_agrees, contents, environment, run_inline


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine")


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """(study file, runs folder, the run, what was printed)."""
    folder = tmp_path_factory.mktemp("launched")
    study = toy.write(folder / "mine")
    run, failed, printed = run_inline(study, folder / "runs")
    assert failed == []
    return study, folder / "runs", run, printed


@pytest.mark.slow
def test_a_launch_runs_all_and_says_which_engine_and_how_far_it_is(launched):
    *_, printed = launched
    assert "engine: fused: the study says so" in printed
    assert f"toy: {toy.COHORTS} cohorts, {toy.MEMBERS} members of 24 steps" in printed
    assert f"{toy.COHORTS}/{toy.COHORTS} cohorts, {toy.MEMBERS}/{toy.MEMBERS} members" in printed


@pytest.mark.parametrize(("programs", "said"), [(0, False), (2, True)])
def test_what_compiles_says_so_as_nothing_else_is_seen(study, tmp_path, monkeypatch, programs, said):
    monkeypatch.setattr(driver, "compiling_ahead", lambda *_: contextlib.nullcontext(programs))
    *_, printed = run_inline(study, tmp_path, "search.explore=0", "seeds.compare=1")
    assert ("compiling the training steps: a minute or two the first time" in printed) is said


def test_the_run_directory_holds_what_it_should(launched):
    _, runs, run, _ = launched
    provenance = json.loads(run.paths.provenance.read_text())["launches"][0]
    assert {"time", "command", "on", "commit", "copy", "host", "versions", "data_fingerprints"} <= set(provenance)
    assert provenance["on"] == "inline"
    assert (run.paths.code / provenance["copy"] / "toy.py").exists()
    assert len(contents(run.paths.folder)) == toy.COHORTS
    assert all(outcome is not None for *_, outcome in contents(run.paths.folder).values())
    assert_view_agrees(runs, "toy")
    assert not list(run.paths.folder.rglob("checkpoint.*.pt"))
    assert not list(run.paths.folder.rglob(".*.npz*"))


def test_tensorboard_has_a_run_a_configuration_with_what_varies_if_it_is_asked_for(launched, tmp_path, monkeypatch):
    study, runs, run, _ = launched
    assert not run.paths.tensorboard.exists()
    shutil.copytree(runs, tmp_path / "runs", symlinks=True)
    monkeypatch.setenv("SEEDSWEEP_LOG_TO", "tensorboard")
    run, *_ = run_inline(study, tmp_path / "runs")
    folders = sorted(run.paths.tensorboard.iterdir())
    assert {folder.name for folder in folders} >= {"compare-000-plain", "compare-001-shrunk"}
    # Two named and two found are explored; the named and the best found are compared.
    assert len(folders) == 4 + 3
    events = EventAccumulator(str(folders[0])).Reload()
    assert {"error/median", "error/quartile_1", "train_loss/median", "P(converge)"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("error/median")] == [4, 8, 12, 16, 20, 24]
    hparams = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"shrink" in hparams
    assert b"width" not in hparams


@pytest.mark.slow
def test_the_same_launch_again_runs_nothing_and_more_seeds_only_the_new_ones(launched, tmp_path):
    study, runs, run, _ = launched
    before = contents(run.paths.folder)
    _, _, again = run_inline(study, runs)
    assert f"{toy.COHORTS} cohorts were finished before" in again
    assert contents(run.paths.folder) == before
    as_begun = run.paths.study.read_text()
    # Whatever the size of the new cohorts, which is measured this time.
    measured = ("resources.cohort=auto", "resources.engine=auto")
    _, failed, more = run_inline(study, runs, "seeds.compare=6", *measured)
    assert failed == []
    assert "26/26 members" in more
    after = contents(run.paths.folder)
    assert sum(len(outcomes) for *_, (outcomes, _) in after.values()) == 26
    assert all(after[key] == value for key, value in before.items())
    # What was measured is kept beside the study, never in it.
    (kept,) = run.paths.probe.iterdir()
    assert {"engine", "reason", "rates"} == set(json.loads(kept.read_text()))
    assert run.study().resources.cohort == "auto"
    assert as_begun != run.paths.study.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["training.batch=4"], ["training.batch: 8 -> 4. Either give this one a name"]),
        (
            ["training.steps=12", "training.evaluate_every=2", "configurations.plain.shrink=0.1"],
            [
                "training.steps: 24 -> 12; training.evaluate_every: 4 -> 2",
                "Go on with what it has (--set training.steps=24 --set training.evaluate_every=4 --set "
                "configurations.plain.shrink=0.0), ",
            ],
        ),
    ],
)
def test_a_changed_study_is_refused_with_what_differs_and_the_ways_out(study, tmp_path, settings, words):
    run, *_ = run_inline(study, tmp_path, "search.explore=0")
    before = contents(run.paths.folder)
    with pytest.raises(UserError) as refused:
        run_inline(study, tmp_path, "search.explore=0", *settings)
    for part in (*words, "--name", "--fresh"):
        assert part in str(refused.value)
    assert "\n" not in str(refused.value)
    assert contents(run.paths.folder) == before


def test_a_lost_or_damaged_record_is_one_line(study, tmp_path):
    small = ("search.explore=0", "seeds.compare=1")
    run, *_ = run_inline(study, tmp_path, *small)
    run.paths.provenance.write_text(run.paths.provenance.read_text()[:-20])
    with pytest.raises(RecordError, match=r"provenance\.json is damaged"):
        run_inline(study, tmp_path, *small)
    run.paths.study.unlink()
    with pytest.raises(UserError, match=r"study\.json, which names their study, is missing.*--fresh"):
        run_inline(study, tmp_path, *small, "training.batch=4")
    assert run_inline(study, tmp_path, *small, "training.batch=4", fresh=True)[1] == []


@pytest.mark.parametrize(
    ("on", "settings", "words"),
    [
        ("127.0.0.1:9", (), "no Ray cluster can be joined there from this machine: nothing answers"),
        (INLINE, ("resources.gpus=1",), "resources.gpus: 1, but this machine has none"),
    ],
)
def test_a_place_that_cannot_train_is_refused_before_anything_is_packed(study, tmp_path, on, settings, words):
    run = RunDirectory(RunPaths(tmp_path / "runs" / "toy"))
    with pytest.raises(UserError, match=words):
        launch(load(str(study), None, settings), run, UserFiles(study.parent), Console(quiet=True), on=on)
    assert not run.exists
    assert not run.paths.data.exists()


def test_a_study_that_failed_before_any_cohort_may_be_mended(study, tmp_path):
    small = ("search.explore=0", "seeds.compare=1")
    with pytest.raises(UserError, match=r"training.batch: 64 is larger than the training split, 48 samples"):
        run_inline(study, tmp_path, *small, "training.batch=64")
    run, failed, _ = run_inline(study, tmp_path, *small, "training.batch=4")
    assert failed == []
    assert run.study().training.batch == 4


def test_what_can_never_hold_is_refused_once_the_data_are_known(study, tmp_path):
    epochs = "training={epochs: 2, batch: 8, evaluate_every: 0}"
    with pytest.raises(UserError, match=r"plain.criterion.hold: 2 evaluations can never hold for 3") as refused:
        run_inline(study, tmp_path, "search.explore=0", epochs, "criterion.hold=3")
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_a_study_may_grow_in_steps(study, tmp_path):
    small = ("search.explore=0", "seeds.compare=2")
    run, *_ = run_inline(study, tmp_path / "grown", *small)
    assert run_inline(study, tmp_path / "grown", *small, "training.steps=48")[1] == []
    anew, *_ = run_inline(study, tmp_path / "anew", *small, "training.steps=48")
    grown, whole = contents(run.paths.folder), contents(anew.paths.folder)
    assert {key: results for key, (_, *results) in grown.items()} == {key: r for key, (_, *r) in whole.items()}


def test_a_fresh_start_sets_the_old_run_aside(study, tmp_path):
    small = ("search.explore=0", "seeds.compare=1")
    run_inline(study, tmp_path / "runs", *small)
    run_inline(study, tmp_path / "runs", *small, "training.batch=4", fresh=True)
    (aside,) = [p for p in (tmp_path / "runs").iterdir() if p.name.startswith(".toy.2")]
    assert len(contents(aside)) == len(contents(tmp_path / "runs" / "toy")) == 2


@pytest.mark.slow
def test_what_trains_comes_from_the_copy_alone_and_changed_code_is_refused_or_accepted(study, tmp_path):
    small = ("search.explore=0", "seeds.compare=1")
    run, *_ = run_inline(study, tmp_path, *small)
    (study.parent / "toy.py").write_text(toy.MODULE.replace("nn.Tanh()", "nn.ReLU()"))
    with pytest.raises(UserError, match=r"2 members made with other code: toy.py changed.*--accept-code"):
        run_inline(study, tmp_path, *small, "seeds.compare=2")
    _, failed, printed = run_inline(study, tmp_path, *small, "seeds.compare=2", accept=True)
    assert failed == []
    assert "4/4 members" in printed
    (entry,) = json.loads(run.paths.provenance.read_text())["accepted_code"]
    assert (entry["files"], entry["members"]) == (["toy.py"], 2)
    assert {record.spec().code for record in run.ledger.records()} == {entry["old"], entry["new"]}
    # It is on record: the next launch asks no more.
    assert run_inline(study, tmp_path, *small, "seeds.compare=2")[1] == []


def test_a_cohort_that_fails_is_named_with_its_reason_and_tried_again_by_the_next_launch(study, tmp_path):
    """A folder in the place of a cohort's checkpoint: the worker cannot read it."""
    small = ("search.explore=0", "seeds.compare=1")
    run, *_ = run_inline(study, tmp_path, *small)
    victim = run.ledger.records()[0].folder
    (victim / "outcome.json").unlink()
    (victim / "checkpoint.9.pt").mkdir()
    _, (line,), printed = run_inline(study, tmp_path, *small)
    name = run.ledger.records()[0].spec().name
    assert line.startswith(f"compare {name}, seed 0: ")
    assert "[Errno 21] Is a directory" in line
    assert f"failed: compare {name}" in printed
    (victim / "checkpoint.9.pt").rmdir()
    assert "2/2 cohorts" in run_inline(study, tmp_path, *small)[2]


def test_what_a_task_does_wrong_is_one_line_of_the_cohorts_record(study, tmp_path):
    (study.parent / "toy.py").write_text(toy.MODULE.replace(".mean(1)}", ".mean(1) / self.wrong}"))
    _, failed, _ = run_inline(study, tmp_path, "search.explore=0", "seeds.compare=1", "resources.retries=0")
    assert len(failed) == 2
    assert "wrong" in failed[0]
    assert "\n" not in failed[0]


def test_epochs_count_in_steps_once_the_data_are_known(study, tmp_path):
    settings = ("search.explore=0", "seeds.compare=1", "training={epochs: 2, batch: 8, evaluate_every: 0}")
    run, failed, _ = run_inline(study, tmp_path, *settings)
    assert failed == []
    record = run.ledger.records()[0]
    # 48 samples in batches of 8.
    assert record.spec().steps == 12
    assert record.verified_curves().steps == [6, 12]


def test_a_data_set_with_a_test_split_is_measured_once_at_the_end(study, tmp_path):
    (study.parent / "toy.py").write_text(toy.MODULE.replace('split == "test"', "False"))
    run, _, _ = run_inline(study, tmp_path, "search.explore=0", "seeds.compare=2")
    outcomes = [outcome for record in run.ledger.records() for outcome in record.outcomes()]
    assert all(set(outcome.test) == {"last", "best"} for outcome in outcomes)
    assert all(outcome.test["last"]["error"] > 0 for outcome in outcomes)


@pytest.mark.slow
def test_two_launches_leave_the_same_ledger_to_the_bit(launched, tmp_path):
    study, *_ = launched
    first, *_ = run_inline(study, tmp_path / "one")
    second, *_ = run_inline(study, tmp_path / "two")
    assert contents(first.paths.folder) == contents(second.paths.folder)


@pytest.mark.slow
def test_a_launch_without_ray_does_not_import_it(study, tmp_path):
    code = (
        "import sys, pathlib; from tests.sweeps.launching import run_inline; "
        "run_inline(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), 'search.explore=0', 'seeds.compare=1'); "
        "print('ray' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, study, tmp_path / "runs"], capture_output=True, text=True, env=environment()
    )
    assert done.stdout == "False\n", done.stderr


def test_the_process_is_left_as_it_was(study, tmp_path):
    before, folder = torch.get_num_threads(), os.getcwd()
    # Not what a launch itself asks for.
    torch.set_num_threads(2)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run_inline(study, tmp_path, "search.explore=0", "seeds.compare=1")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
    assert os.getcwd() == folder
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


@pytest.mark.slow
def test_claims_that_are_edited_after_results_start_nothing(study, tmp_path):
    settings = ("search.explore=0", "seeds.until=decided", "seeds.least=2", "seeds.most=8", "criterion.threshold=0.001")
    few, many = "claims=[{below: [plain, 0.95]}]", "claims=[{better: [plain, shrunk], axis: score}]"
    registered, *_ = run_inline(study, tmp_path / "runs", few, *settings)
    before = contents(registered.paths.folder)
    other, *_ = run_inline(study, tmp_path / "others", many, *settings)
    assert len(contents(other.paths.folder)) > len(before)
    run_inline(study, tmp_path / "runs", many, *settings)
    assert contents(registered.paths.folder) == before
