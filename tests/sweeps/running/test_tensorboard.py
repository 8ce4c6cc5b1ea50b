import os
from dataclasses import replace

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.ledger import CohortSpec, Curves, Ledger
from seedsweep.sweeps.running import tensorboard
from seedsweep.sweeps.running.tensorboard import write_all


def commit(ledger: Ledger, seeds: tuple[int, ...], scores: list[float]) -> None:
    commit_spec(ledger, CohortSpec("compare", 0, "hash", {"alpha": 0.5}, "named", seeds), scores)


def commit_spec(ledger: Ledger, spec: CohortSpec, scores=(0.5,)) -> None:
    record = ledger.record(spec)
    record.create(spec)
    curves = Curves([10], np.array(scores)[None, :, None], ["f1"], list(spec.seeds))
    record.claim(1).commit(curves, [Outcome(seed, "never", *[None] * 6) for seed in spec.seeds], {})


def median(folder) -> float:
    (run,) = folder.iterdir()
    (event,) = EventAccumulator(str(run)).Reload().Scalars("f1/median")
    return event.value


def test_a_run_is_written_anew_when_its_configuration_has_a_newer_cohort(tmp_path):
    ledger, folder = Ledger(tmp_path), tmp_path / "tensorboard"
    commit(ledger, (0, 1, 2), [0.1, 0.2, 0.9])
    write_all(ledger, folder)
    assert round(median(folder), 6) == 0.2
    (run,) = folder.iterdir()
    os.utime(run, (1, 1))
    commit(ledger, (3, 4), [0.8, 0.7])
    write_all(ledger, folder)
    assert round(median(folder), 6) == 0.7


def test_what_is_not_finite_is_left_out_and_the_rest_shown(tmp_path):
    ledger = Ledger(tmp_path)
    commit(ledger, (0, 1), [np.nan, 0.4])
    write_all(ledger, tmp_path / "tensorboard")
    assert round(median(tmp_path / "tensorboard"), 6) == 0.4


def test_while_a_study_runs_a_run_that_takes_long_waits_and_is_written_in_its_turn(tmp_path, monkeypatch):
    ledger, written = Ledger(tmp_path), []
    now = [100.0]

    def write(folder, spec, records):
        written.append((spec.number, len(records)))
        now[0] += 1

    monkeypatch.setattr(tensorboard, "write", write)
    monkeypatch.setattr(tensorboard.time, "monotonic", lambda: now[0])
    watcher = tensorboard.TensorBoard(ledger, tmp_path / "tensorboard")
    specs = [CohortSpec("compare", n, f"hash{n}", {"alpha": n / 9}, "named", (n,)) for n in (0, 1, 1, 2)]
    for seed, spec in enumerate(specs):
        one = replace(spec, seeds=(seed,))
        commit_spec(ledger, one)
        watcher.ended(one, failed=False)
    # The first took a second: the next twenty are the driver's.
    assert written == [(0, 1)]
    now[0] += 20
    watcher.ended(specs[0], failed=True)
    assert written == [(0, 1), (1, 2)]
    now[0] += 20
    watcher.ended(specs[0], failed=True)
    assert written[2:] == [(2, 1)]
