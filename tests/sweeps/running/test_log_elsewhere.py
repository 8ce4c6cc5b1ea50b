"""Evaluations logged to other places while a study runs."""

import json
from collections import defaultdict

import numpy as np
import pytest

from seedsweep.analysis.tables import read
from seedsweep.core.errors import UserError
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Ledger
from seedsweep.sweeps.running import log_places
from seedsweep.sweeps.running.log_elsewhere import Log
from tests.sweeps import toy
from tests.sweeps.launching import run_inline

#: Stands in for wandb: each call is a line of a file.
WANDB = """
import json, os

class Run:
    def __init__(self, **settings):
        self.id = settings["id"]
        self.summary = {}
        say(self.id, "init", settings["name"])
    def log(self, values, step):
        say(self.id, "log", [step, values])
    def finish(self, exit_code=0):
        say(self.id, "finish", [exit_code, self.summary])

def say(*words):
    with open(os.environ["SAID"], "a") as file:
        file.write(json.dumps(words) + "\\n")

def init(**settings):
    if os.environ.get("AWAY"):
        raise ConnectionError("no way to the server")
    return Run(**settings)
"""
SMALL = ("search.explore=0", "seeds.compare=2")


class Kept:
    """A place that keeps what it is told."""

    def __init__(self):
        self.steps, self.ended, self.names = defaultdict(list), {}, {}

    def log(self, member, rows):
        self.names[member.key] = member.name
        self.steps[member.key] += [step for step, _ in rows]

    def end(self, member, outcome):
        assert member.key not in self.ended
        self.ended[member.key] = outcome.outcome

    def close(self):
        pass


@pytest.fixture
def wandb(tmp_path, monkeypatch):
    """What was said to the stand-in, by its words."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "wandb.py").write_text(WANDB)
    monkeypatch.setenv("SAID", str(tmp_path / "said.jsonl"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.setenv(log_places.VARIABLE, "wandb")

    def said(word):
        path = tmp_path / "said.jsonl"
        lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
        return [(key, what) for key, kind, what in lines if kind == word]

    return said


@pytest.mark.slow
def test_each_evaluation_of_each_member_is_logged_once(tmp_path, wandb):
    study = toy.write(tmp_path / "mine")
    run, _, printed = run_inline(study, tmp_path / "runs", *SMALL)
    assert "warning" not in printed
    expected = read(run.paths.folder)
    assert sorted(name for _, name in wandb("init")) == sorted(
        f"{label} seed {seed}" for label, seed in expected.members[["label", "seed"]].itertuples(index=False)
    )
    logged = [(key, step) for key, (step, _) in wandb("log")]
    assert len(set(logged)) == len(logged) == len(expected.evaluations)
    assert sorted(summary["outcome"] for _, (_, summary) in wandb("finish")) == sorted(expected.members.outcome)
    # Nothing is new for the same launch again; of a longer one the later evaluations are.
    run_inline(study, tmp_path / "runs", *SMALL)
    assert len(wandb("log")) == len(logged)
    run_inline(study, tmp_path / "runs", *SMALL, "training.steps=32")
    assert min(step for _, (step, _) in wandb("log")[len(logged) :]) > 24


@pytest.mark.slow
def test_a_place_that_is_away_ends_no_launch(tmp_path, wandb, monkeypatch):
    monkeypatch.setenv("AWAY", "1")
    study = toy.write(tmp_path / "mine")
    run, failed, printed = run_inline(study, tmp_path / "runs", *SMALL)
    assert not failed
    assert len(read(run.paths.folder).members) == 4
    assert "warning: not all is logged to wandb: ConnectionError: no way to the server" in printed
    monkeypatch.delenv("AWAY")
    run_inline(study, tmp_path / "runs", *SMALL)
    assert len(wandb("finish")) == 4


def test_nothing_is_logged_unless_it_is_asked_for(tmp_path, wandb, monkeypatch):
    monkeypatch.delenv(log_places.VARIABLE)
    run, *_ = run_inline(toy.write(tmp_path / "mine"), tmp_path / "runs", *SMALL)
    assert not wandb("init")
    assert not list(run.paths.folder.glob("**/logged_elsewhere*"))


def test_what_is_not_there_is_told_before_anything_runs(tmp_path, monkeypatch):
    for text, words in (("neptune", "'neptune' is no place to log to; it may be wandb, mlflow or tensorboard"),):
        with pytest.raises(UserError, match=words):
            log_places.ask(text)
    monkeypatch.setitem(log_places.MODULES, "mlflow", "a_module_that_is_not_there")
    monkeypatch.setenv(log_places.VARIABLE, "mlflow")
    with pytest.raises(UserError, match="mlflow is not installed here: pip install mlflow"):
        run_inline(toy.write(tmp_path / "mine"), tmp_path / "runs", *SMALL)
    assert not (tmp_path / "runs").exists()


def test_while_a_cohort_trains_its_new_evaluations_are_logged(tmp_path):
    run, *_ = run_inline(toy.write(tmp_path / "mine"), tmp_path / "runs", *SMALL)
    record = next(iter(Ledger(run.paths.cohorts).records()))
    outcome = record.folder / "outcome.json"
    committed, whole = outcome.read_bytes(), record.curves()
    outcome.unlink()
    (stored,) = record.folder.glob("curves.*.npz")
    half = len(whole.steps) // 2
    stored.write_bytes(Curves(whole.steps[:half], whole.values[:half], whole.columns, whole.seeds).to_bytes())
    place = Kept()
    log = Log(run.paths, {"kept": place})
    log.look()
    mine = {f"{record.spec().name} seed {seed}" for seed in whole.seeds}
    keys = [key for key, name in place.names.items() if name in mine]
    assert all(place.steps[key] == whole.steps[:half] and key not in place.ended for key in keys)
    stored.write_bytes(whole.to_bytes())
    outcome.write_bytes(committed)
    # Another launch's process goes on where the first one was.
    Log(run.paths, {"kept": place}).look()
    assert all(place.steps[key] == whole.steps and key in place.ended for key in keys)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_the_real_ones_take_what_is_logged(tmp_path, monkeypatch, name):
    # Nothing leaves this machine.
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv(log_places.VARIABLE, name)
    run, _, printed = run_inline(toy.write(tmp_path / "mine"), tmp_path / "runs", *SMALL)
    assert "warning" not in printed, (run.paths.logs / "logged_elsewhere.txt").read_text()
    if name == "wandb":
        assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 4
        return
    import mlflow

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(run.paths.name)
    runs = client.search_runs([experiment.experiment_id])
    expected = read(run.paths.folder)
    assert sorted(each.data.tags["outcome"] for each in runs) == sorted(expected.members.outcome)
    scores = [[point.value for point in client.get_metric_history(each.info.run_id, "error")] for each in runs]
    np.testing.assert_allclose(sorted(own[-1] for own in scores), sorted(expected.members.final))
    run_inline(toy.write(tmp_path / "mine"), tmp_path / "runs", *SMALL, "training.steps=32")
    assert len(client.search_runs([experiment.experiment_id])) == 4
