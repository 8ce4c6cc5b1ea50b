"""Members that start from another run's member."""

import numpy as np
import pytest
import torch

from seedsweep.core.errors import UserError
from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.ledger import CohortSpec, Curves
from seedsweep.core.training import checkpoint
from seedsweep.core.training.cohort import Cohort, TrainingSettings
from seedsweep.core.training.schedules import Hyperparameters, Member
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.start_weights import read_start, take
from seedsweep.sweeps.study.schema import InitFrom, load

MEMBERS = [Member(seed, Hyperparameters()) for seed in (0, 1, 2)]
FINAL = {0: ("converged", 0.91), 1: ("converged", 0.95), 2: ("never", 0.99)}


@pytest.fixture
def source(task, study_file, tmp_path) -> tuple[RunDirectory, Cohort]:
    """A run `first` whose three members have trained two steps."""
    run = RunDirectory(tmp_path / "runs", "first")
    run.begin(load(str(study_file), "laptop"), fresh=False)
    cohort = Cohort(task, MEMBERS, TrainingSettings(2, 8, 2), len(MEMBERS))
    cohort.advance()
    spec = CohortSpec("compare", 0, "c" * 16, {"alpha": 0.5}, "named", (0, 1, 2))
    record = run.ledger.record(spec)
    record.create(spec)
    checkpoint.save(record.weights, cohort.weights())
    outcomes = [Outcome(seed, what, None, None, None, None, final, final) for seed, (what, final) in FINAL.items()]
    record.claim(1).commit(Curves([2], np.zeros((1, 3, 1)), ["f1"], [0, 1, 2]), outcomes, {})
    return RunDirectory(tmp_path / "runs", "second"), cohort


@pytest.mark.parametrize(("init", "row"), [(InitFrom(run="first"), 1), (InitFrom(run="first", seed=2), 2)])
def test_starts_from_the_named_member_or_the_best_that_converged(source, task, init, row):
    run, trained = source
    weights = read_start(take(init, run).path)
    again = Cohort(task, MEMBERS[:2], TrainingSettings(1, 8, 1), 1, weights)
    for name, values in trained.weights()["tensors"].items():
        for member in again.weights()["tensors"][name]:
            assert torch.equal(member, values[row])


def test_the_weights_are_part_of_the_configurations_identity(source, study_file):
    run, _ = source
    study = load(str(study_file), "laptop")
    hashes = {
        study.configuration_hash(Hyperparameters(), "data", start)
        for start in ("", *(take(InitFrom(run="first", seed=seed), run).fingerprint for seed in (0, 1)))
    }
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("init", "words"),
    [
        ({"run": "zeroth"}, "there is no run 'zeroth'"),
        ({"run": "first", "seed": 7}, "first has no seed 7"),
        ({"run": "first", "where": {"alpha": 0.1}}, "no converged member where {'alpha': 0.1} in its comparison"),
    ],
)
def test_what_is_not_there_is_said(source, init, words):
    with pytest.raises(UserError, match=words):
        take(InitFrom(**init), source[0])


def test_weights_that_were_not_kept_are_said(source):
    run, _ = source
    (record,) = RunDirectory(run.folder.parent, "first").ledger.records()
    record.weights.unlink()
    with pytest.raises(UserError, match="keeps no weights"):
        take(InitFrom(run="first"), run)


def test_another_models_weights_are_refused(task):
    with pytest.raises(ValueError, match="these weights are another model's"):
        Cohort(task, MEMBERS, TrainingSettings(1, 8, 1), 1, {"what.weight": torch.zeros(1)})
