import os

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from core.criterion import Outcome
from core.ledger import CohortSpec, Curves, Ledger
from sweeps.tensorboard import write_all


def commit(ledger: Ledger, seeds: tuple[int, ...], scores: list[float]) -> None:
    spec = CohortSpec("compare", 0, "hash", {"alpha": 0.5}, "named", seeds)
    record = ledger.record(spec)
    record.create(spec)
    values = np.array(scores)[None, :, None]
    record.claim(1).commit(
        Curves([10], values, ["f1"], list(seeds)), [Outcome(s, "never", *[None] * 6) for s in seeds], {}
    )


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
