"""A database that Optuna wrote."""

import re

import optuna
import pytest
from optuna.trial import TrialState

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.columns import Columns
from seedsweep.analysis.imported_results.judged import read
from tests.analysis.imported_results.made import LAST, MEMBERS, SCORES, STEPS, THRESHOLD, members
from tests.analysis.imported_results.writers import DISTRIBUTIONS, write_optuna


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return write_optuna(tmp_path_factory.mktemp("optuna") / "optuna.db")


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
def test_reported_values_are_evaluations(database, prefix):
    assert members(read(f"{prefix}{database}", THRESHOLD)) == MEMBERS


def test_values_of_trials_are_final_scores(database, tmp_path):
    assert members(read(database, THRESHOLD, columns=Columns(scores=("value",)))) == LAST
    other = write_optuna(tmp_path / "optuna.db", reported=False)
    assert members(read(other, THRESHOLD)) == LAST


def test_the_database_says_whether_less_is_better(tmp_path):
    results = read(write_optuna(tmp_path / "optuna.db", direction="minimize"), THRESHOLD)
    assert results.sign == -1


def test_studies_of_a_database_are_configurations(tmp_path):
    write_optuna(tmp_path / "optuna.db", names=("plain", "tuned"))
    labels = read(tmp_path / "optuna.db", THRESHOLD).members.label.unique()
    assert sorted(labels) == [f"study {name}, lr {lr}" for name in ("plain", "tuned") for lr in (0.01, 0.1)]
    by_study = read(tmp_path / "optuna.db", THRESHOLD, columns=Columns(configuration=("study",), seed="number"))
    assert by_study.members.groupby("label").size().to_dict() == {"plain": 4, "tuned": 4}


@pytest.mark.parametrize("state", [TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING])
def test_a_trial_that_is_not_complete_is_refused(tmp_path, state):
    path = write_optuna(tmp_path / "optuna.db", state=state)
    with pytest.raises(TableError, match=rf"optuna.db trial 0 is {state.name.lower()}, not complete"):
        read(path, THRESHOLD)
    # The same was tried again.
    study = optuna.load_study(storage=f"sqlite:///{path}", study_name="one")
    (lr, seed), own = next(iter(SCORES.items()))
    again = {"params": {"lr": lr, "opt": "sgd"}, "user_attrs": {"seed": seed, "notes": {"host": "a"}}}
    reported = dict(zip(STEPS, own, strict=True))
    trial = optuna.trial.create_trial(**again, distributions=DISTRIBUTIONS, value=own[-1], intermediate_values=reported)
    study.add_trial(trial)
    assert members(read(path, THRESHOLD)) == MEMBERS


def test_a_trial_that_reported_nothing_is_not_passed_over(tmp_path):
    path = write_optuna(tmp_path / "optuna.db")
    study = optuna.load_study(storage=f"sqlite:///{path}", study_name="one")
    given = {"params": {"lr": 0.1, "opt": "sgd"}, "distributions": DISTRIBUTIONS, "user_attrs": {"seed": 2}}
    study.add_trial(optuna.trial.create_trial(**given, value=0.5))
    with pytest.raises(TableError, match="trial 'one 4' has no 'intermediate_value'"):
        read(path, THRESHOLD)
    assert len(members(read(path, THRESHOLD, columns=Columns(scores=("value",))))) == 5


def test_of_a_search_it_is_said_what_is_missing(tmp_path):
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/search.db")
    study.optimize(lambda trial: trial.suggest_float("lr", 0, 1), n_trials=2)
    with pytest.raises(TableError, match=r"no column 'seed'.*; a search has no second seed: repeat the best ones with"):
        read(tmp_path / "search.db", THRESHOLD)


def test_what_is_no_database_of_optuna_is_refused(tmp_path, database):
    import sqlite3

    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE things (name)").connection.close()
    with pytest.raises(TableError, match=re.escape("other.db is no database of Optuna, or a damaged one")):
        read(tmp_path / "other.db", THRESHOLD)
    (tmp_path / "cut.db").write_bytes(database.read_bytes()[:20000])
    with pytest.raises(TableError, match=re.escape("cut.db is no database of Optuna, or a damaged one")):
        read(tmp_path / "cut.db", THRESHOLD)
    with pytest.raises(TableError, match="no column 'seeed'; did you mean seed"):
        read(database, THRESHOLD, columns=Columns(seed="seeed"))
