import os
from dataclasses import replace

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion, Outcome
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running import tensorboard
from seedsweep.sweeps.running.tensorboard import TensorBoard

STUDY = Study(name="small", criterion=Criterion("f1", 0.6))
COLUMNS = ["f1", "recall", "other", "loss", "train_loss", "loss_place", "lr"]
SPEC = CohortSpec("compare", 0, "hash", "mine", {"lr": 0.1}, {"lr": 0.1, "batch": 8}, (0, 1, 2), 10)


def commit(ledger: Ledger, spec: CohortSpec, scores=(0.5,), steps=(10,)) -> None:
    record = ledger.record(spec)
    record.create(spec)
    values = np.array(scores)[None, :, None].repeat(len(COLUMNS), 2).repeat(len(steps), 0)
    curves = Curves(list(steps), values, COLUMNS, list(spec.seeds))
    record.claim(1).commit(curves, [Outcome(seed, "never", *[None] * 6) for seed in spec.seeds], {})


def board(ledger: Ledger, folder) -> TensorBoard:
    return TensorBoard(STUDY, ["f1", "recall"], ledger, folder)


def events(folder) -> EventAccumulator:
    (run,) = folder.iterdir()
    return EventAccumulator(str(run)).Reload()


def median(folder) -> float:
    (event,) = events(folder).Scalars("f1/median")
    return event.value


def test_a_run_shows_the_criterions_metric_the_tasks_and_the_losses(tmp_path):
    ledger = Ledger(tmp_path / "cohorts")
    commit(ledger, SPEC, (0.1, 0.2, 0.9))
    board(ledger, tmp_path / "tensorboard").write_all()
    shown = {tag.partition("/")[0] for tag in events(tmp_path / "tensorboard").Tags()["scalars"]}
    assert shown == {"f1", "recall", "loss", "train_loss", "loss_place", "P(converge)"}


def test_hparams_are_what_varies_between_configurations(tmp_path):
    ledger, folder = Ledger(tmp_path / "cohorts"), tmp_path / "tensorboard"
    other = replace(SPEC, number=1, configuration="hash1", name="other", values={"lr": 0.2, "batch": 8})
    for spec in (SPEC, other):
        commit(ledger, spec, (0.5, 0.5, 0.5))
    board(ledger, folder).write_all()
    assert {run.name for run in folder.iterdir()} == {"compare-000-mine", "compare-001-other"}
    one = EventAccumulator(str(folder / "compare-000-mine")).Reload()
    content = one.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"lr" in content
    assert b"batch" not in content


def test_a_run_is_written_anew_when_its_configuration_has_a_newer_cohort(tmp_path):
    ledger, folder = Ledger(tmp_path / "cohorts"), tmp_path / "tensorboard"
    commit(ledger, SPEC, (0.1, 0.2, 0.9))
    board(ledger, folder).write_all()
    assert round(median(folder), 6) == 0.2
    (run,) = folder.iterdir()
    os.utime(run, (1, 1))
    commit(ledger, replace(SPEC, seeds=(3, 4)), (0.8, 0.7))
    board(ledger, folder).write_all()
    assert round(median(folder), 6) == 0.7


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_what_is_not_finite_is_left_out_and_the_rest_shown(tmp_path, lost):
    ledger = Ledger(tmp_path / "cohorts")
    commit(ledger, replace(SPEC, seeds=(0, 1)), (lost, 0.4))
    board(ledger, tmp_path / "tensorboard").write_all()
    assert round(median(tmp_path / "tensorboard"), 6) == 0.4


def test_members_that_are_evaluated_at_different_steps_are_one_run(tmp_path):
    """As those of a function are."""
    ledger, folder = Ledger(tmp_path / "cohorts"), tmp_path / "tensorboard"
    commit(ledger, replace(SPEC, seeds=(0,)), (0.2,), (5, 10))
    commit(ledger, replace(SPEC, seeds=(1,)), (0.4,), (10, 15))
    board(ledger, folder).write_all()
    shown = {event.step: round(event.value, 6) for event in events(folder).Scalars("f1/median")}
    assert shown == {5: 0.2, 10: 0.3, 15: 0.4}


def test_while_a_study_runs_a_run_that_takes_long_waits_and_is_written_in_its_turn(tmp_path, monkeypatch):
    ledger, written = Ledger(tmp_path / "cohorts"), []
    now = [100.0]

    class Slow(TensorBoard):
        def write(self, spec, records):
            written.append((spec.number, len(records)))
            now[0] += 1

    monkeypatch.setattr(tensorboard.time, "monotonic", lambda: now[0])
    watcher = Slow(STUDY, [], ledger, tmp_path / "tensorboard")
    specs = [replace(SPEC, number=n, configuration=f"hash{n}", seeds=(seed,)) for seed, n in enumerate((0, 1, 1, 2))]
    for spec in specs:
        commit(ledger, spec)
        watcher.finished(spec, failed=False)
    # The first took a second: the next twenty are the driver's.
    assert written == [(0, 1)]
    now[0] += 20
    watcher.finished(specs[0], failed=True)
    assert written == [(0, 1), (1, 2)]
    now[0] += 20
    watcher.finished(specs[0], failed=True)
    assert written[2:] == [(2, 1)]
