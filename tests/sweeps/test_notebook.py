"""A notebook makes a study of its own classes, runs it in its process, and takes the results."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from torch import nn
from torch.nn import functional as F

import seedsweep
from seedsweep import DataSet, Metric, SeedsweepError, Task, read_evaluations, read_members, run_study
from tests.sweeps.launching import environment


class Numbers(DataSet):
    def samples(self, split):
        if split == "test":
            return None
        x = np.random.default_rng(len(split)).normal(size=(64, 4)).astype(np.float32)
        return {"x": x, "y": x[:, :1] * 2}


class Line(Task):
    metrics = {"error": Metric("min", 0)}

    def model(self):
        return nn.Linear(4, 1)

    def loss(self, model, batch, hp):
        return F.mse_loss(model(batch["x"]), batch["y"])

    def measure(self, model, batch, hp):
        return {"error": (model(batch["x"]) - batch["y"]).square().mean(-1)}


STUDY = {
    "name": "line",
    "task": f"{__name__}:Line",
    "data": {"name": f"{__name__}:Numbers"},
    "training": {"steps": 40, "batch": 16, "evaluate_every": 10},
    "optimizer": {"name": "sgd"},
    "configurations": {"slow": {"lr": 0.001}, "fast": {"lr": 0.1}},
    "criterion": {"metric": "error", "threshold": 0.1, "hold": 1},
    "seeds": {"compare": 5},
    # What is not measured takes no time.
    "resources": {"engine": "fused", "cohort": 5},
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """A notebook's: what lies below it travels with a run."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """(folder of the runs, the report)"""
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("notebook"))
        return runs, run_study(STUDY, runs=runs, quiet=True)


@pytest.fixture
def finished(once, tmp_path):
    """The report of a run in `tmp_path`, with which a test does what it likes."""
    runs, report = once
    shutil.copytree(runs, tmp_path, dirs_exist_ok=True)
    return report


def test_a_search_comes_back_with_what_mattered_in_it(tmp_path):
    space = {"lr": {"low": 0.001, "high": 0.3, "log": True}, "momentum": {"low": 0.0, "high": 0.9}}
    search = {"space": space, "explore": 8}
    report = run_study({**STUDY, "search": search, "seeds": {"search": 1, "compare": 2}}, runs=tmp_path, quiet=True)
    assert {"p_converge", "importance"} <= set(report.figures)


@pytest.mark.slow
def test_tables_figures_and_an_answer_come_back(finished, tmp_path):
    by_label = finished.members.groupby("label").outcome.apply(lambda outcomes: (outcomes == "converged").sum())
    assert by_label.to_dict() == {"slow": 0, "fast": 5}
    assert "ast" in finished.answer
    assert finished.page.is_file()
    assert "p_converge" in finished.figures
    assert len(finished.evaluations) == 10 * 4
    assert len(read_members("line", tmp_path)) == 10
    assert set(read_evaluations("line", tmp_path).step) == {10, 20, 30, 40}


@pytest.mark.slow
def test_the_same_call_goes_on(finished, tmp_path):
    """With more seeds; what is finished is not trained again."""
    more = run_study({**STUDY, "seeds": {"compare": 7}}, runs=tmp_path, quiet=True)
    assert len(more.members) == 14
    old = more.members[more.members.seed < 5].sort_values(["label", "seed"]).final
    assert old.tolist() == finished.members.sort_values(["label", "seed"]).final.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("keep", [True, False])
def test_more_steps_are_as_if_all_had_been_asked_for(tmp_path, keep):
    """From the state that was kept, or, where none was, anew."""
    study = {**STUDY, "resources": {**STUDY["resources"], "keep_weights": keep}}
    longer = {**study, "training": {**STUDY["training"], "steps": 80}}
    run_study(study, runs=tmp_path / "grown", quiet=True)
    grown = run_study(longer, runs=tmp_path / "grown", quiet=True)
    whole = run_study(longer, runs=tmp_path / "whole", quiet=True)
    columns = ["label", "seed", "outcome", "converged_at", "final", "best"]
    assert grown.members[columns].equals(whole.members[columns])
    assert sorted(grown.evaluations.step.unique()) == list(range(10, 81, 10))
    with pytest.raises(SeedsweepError, match=r"training\.steps"):
        run_study(study, runs=tmp_path / "grown", quiet=True)


@pytest.mark.slow
def test_where_nothing_says_so_a_grown_run_is_evaluated_as_it_began(tmp_path):
    training = {name: value for name, value in STUDY["training"].items() if name != "evaluate_every"}
    study = {**STUDY, "training": {**training, "steps": 200}, "seeds": {"compare": 1}}
    run_study(study, runs=tmp_path, quiet=True)
    grown = run_study({**study, "training": {**training, "steps": 400}}, runs=tmp_path, quiet=True)
    assert sorted(grown.evaluations.step.unique()) == list(range(2, 401, 2))


def test_epochs_of_other_batches_are_other_numbers_of_steps_and_all_are_compared(tmp_path):
    training = {"epochs": 2, "batch": 8}
    configurations = {"small": {}, "large": {"training.batch": 16}}
    study = {**STUDY, "training": training, "configurations": configurations, "claims": [], "seeds": {"compare": 2}}
    found = run_study(study, runs=tmp_path, quiet=True)
    assert found.members.groupby("label").size().to_dict() == {"small": 2, "large": 2}
    assert found.evaluations.groupby("label").step.max().nunique() == 2


@pytest.mark.slow
def test_what_is_added_after_results_is_exploratory(finished, tmp_path):
    """A configuration, a claim and seeds: the answer stays, and says beside it what was added."""
    configurations = {**STUDY["configurations"], "faster": {"lr": 0.2}}
    grown = {**STUDY, "configurations": configurations, "claims": [{"best": "faster"}], "seeds": {"compare": 6}}
    found = run_study(grown, runs=tmp_path, quiet=True)
    assert found.answer.startswith(f"{finished.answer}\n")
    lines = found.answer.removeprefix(f"{finished.answer}\n").split("\n")
    assert lines[0] == "That faster is the best of the named: exploratory (added after results)."
    assert [line.partition(" converged")[0] for line in lines[1:]] == [
        "slow, all 6 seeds (exploratory)",
        "fast, all 6 seeds (exploratory)",
        "faster (exploratory)",
    ]
    assert found.members.groupby("label").exploratory.sum().to_dict() == {"slow": 1, "fast": 1, "faster": 6}


@pytest.mark.slow
def test_changed_code_is_refused_unless_it_is_accepted(tmp_path):
    code = tmp_path / "line.py"
    code.write_text("def train(run):\n    run.report(1, error=run.seed)\n")
    study = {"name": "function", "task": "line.py:train", "metrics": {"error": "min"}, "seeds": {"compare": 1}}
    study |= {"criterion": {"metric": "error", "threshold": 0.5, "hold": 1}, "configurations": {"plain": {}}}
    run_study(study, runs=tmp_path / "runs", quiet=True)
    code.write_text("def train(run):\n    run.report(1, error=run.seed + 1)\n")
    study["seeds"] = {"compare": 2}
    with pytest.raises(SeedsweepError, match="--accept-code"):
        run_study(study, runs=tmp_path / "runs", quiet=True)
    found = run_study(study, runs=tmp_path / "runs", quiet=True, accept_code=True)
    assert sorted(found.members.final) == [0, 2]


@pytest.mark.slow
def test_steps_that_a_schedule_reads_do_not_grow(tmp_path):
    study = {**STUDY, "schedules": {"lr": {"name": "cosine"}}}
    run_study(study, runs=tmp_path, quiet=True)
    with pytest.raises(SeedsweepError, match=r"training\.steps.*a schedule reads"):
        run_study({**study, "training": {**STUDY["training"], "steps": 80}}, runs=tmp_path, quiet=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"criterion": {"metric": "eror", "threshold": 0.1}}, "did you mean error"),
        ({"task": f"{__name__}:Lin"}, "did you mean Line"),
        ({"task": Line}, f"task: Line itself stands here: write '{__name__}:Line', its name"),
        ({"task": Line()}, f"task: Line itself stands here: write '{__name__}:Line', its name"),
        ({"configurations": {"own": {"data": {"name": Numbers}}}}, f"own.data.name: .* write '{__name__}:Numbers'"),
        ({"schedules": {"lr": {"name": lambda step, steps: 1.0}}}, "define it outside of any function"),
        ({"task": "Typed"}, "task: Typed is a class of this notebook or script: write '__main__:Typed'"),
        ({"data": {"name": "Typed"}}, "data.name: Typed is a class .*: write '__main__:Typed'"),
        ({"colour": "red"}, "colour: there is no such field"),
    ],
)
def test_a_mistake_is_one_line_with_one_root(change, words, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "Typed", Line, raising=False)
    with pytest.raises(SeedsweepError, match=words) as refused:
        run_study({**STUDY, **change}, runs=tmp_path, quiet=True)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("on", ["hree", "slurm"])
def test_a_wrong_place_is_refused(on, tmp_path):
    with pytest.raises(SeedsweepError, match=f"--on {on}: "):
        run_study(STUDY, runs=tmp_path, on=on, quiet=True)


@pytest.mark.slow
def test_a_script_beside_its_study_keeps_its_names(tmp_path):
    """Whatever is imported of the study's folder anew, the script that runs stays `__main__`."""
    (tmp_path / "own.py").write_text("def train(run):\n    run.report(1, error=run.seed)\n")
    (tmp_path / "own.yaml").write_text(
        "{task: 'own.py:train', metrics: {error: min}, configurations: {own: {}}, seeds: {compare: 1}, "
        "criterion: {metric: error, threshold: 0.5, hold: 1}}"
    )
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom seedsweep import run_study\n"
        "for _ in range(2):\n    run_study('own.yaml', runs='runs', quiet=True)\nprint('__main__' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment(), cwd=tmp_path)
    assert done.stdout == "True\n", done.stderr


def test_everything_public_is_there():
    assert all(getattr(seedsweep, name) for name in seedsweep.__all__)
    with pytest.raises(AttributeError, match="no attribute 'tusk'"):
        seedsweep.tusk  # noqa: B018
