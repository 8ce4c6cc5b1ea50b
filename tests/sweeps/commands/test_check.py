"""`seedsweep check`: a study tried out, and what a task does wrong said in a line."""

import io
import re
import sys
import tempfile
from pathlib import Path

import pytest
from rich.console import Console

from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps.commands.check import show
from seedsweep.sweeps.commands.plan import show as plan
from seedsweep.sweeps.running import engines
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.study.loading import load
from tests.sweeps import toy
from tests.sweeps.launching import run_inline


def check(study, *settings) -> tuple[bool, str]:
    console = Console(file=io.StringIO(), width=200)
    well = show(load(str(study), None, settings), Path(study).parent, console)
    return well, console.file.getvalue()


def test_it_says_shapes_parameters_engine_time_and_memory_and_leaves_nothing(tmp_path, monkeypatch):
    # As Python has it, whatever these tests' environment says.
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    module = toy.MODULE.replace("time.sleep(self.settings.pause)", "import first, later").replace(
        "import time", "import first"
    )
    study = toy.write(tmp_path / "mine", module)
    for name in ("first", "later"):
        (study.parent / f"{name}.py").write_text("")
    before = sorted(tmp_path.rglob("*"))
    well, said = check(study)
    assert well
    for words in ("plain: 25 parameters; fused: ", "shrunk: ", "x [4], y [1]", "ms a step of 8"):
        assert words in said
    # Of two networks of five units, whatever else this process holds.
    assert all(int(megabytes) < 100 for megabytes in re.findall(r"at most (\d+) MB more", said))
    assert "after 2 steps: error" in said
    assert [path for path in tmp_path.rglob("*") if path not in before] == []


@pytest.mark.parametrize(
    ("engine", "module", "words"),
    [
        ("loop", toy.MODULE, "loop: the study says so"),
        ("fused", toy.MODULE, "fused: the study says so"),
        (
            "fused",
            toy.MODULE.replace("class Line(Task):", "class Line(Task):\n    fused = False"),
            "fused: the study says so, where auto would not: members go one after another: Line asks for it",
        ),
        (
            "compiled",
            toy.MODULE,
            "fused: there is no C++ compiler missing: install g++, or name another in CXX; members",
        ),
    ],
)
def test_it_says_the_engine_of_the_study_and_what_stops_it(tmp_path, monkeypatch, engine, module, words):
    monkeypatch.setenv("CXX", "missing")
    engines.compiler.cache_clear()
    well, said = check(toy.write(tmp_path / "mine", module), f"resources.engine={engine}")
    assert well
    assert f"parameters; {words}" in said


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("nn.Linear(4, self.settings.width)", "nn.Linear(5, self.settings.width)", "loss"),
        (".mean(1)}", '.mean(1), "error": None}', "measure"),
        ("return nn.Sequential", "return 1 or nn.Sequential", "toy.py: Line.model gives int"),
        ("return nn.Sequential", "return self.wrong or nn.Sequential", "Line.model: AttributeError: "),
        (
            "    def model(self):",
            "    def prepare(self):\n        self.wrong\n\n    def model(self):",
            "Line.prepare: ",
        ),
        (
            "    def model(self):",
            "    def derive(self, split):\n        1 / 0\n\n    def model(self):",
            "Line.derive: ",
        ),
        (
            "    def model(self):",
            "    def summarise(self, kept):\n        pass\n\n    def model(self):",
            "Line.summarise",
        ),
        (
            '["y"]) ** 2).mean()\n',
            '["y"]) ** 2).mean().detach()\n',
            "toy.py: Line.loss gives a loss without a gradient",
        ),
        ('["y"]) ** 2).mean()\n', '["y"]) ** 2).mean() * float("nan")\n', "the loss is not finite at step 1\n"),
        ("time.sleep(self.settings.pause)", "raise torch.OutOfMemoryError", "one member alone needs more memory"),
        (
            'return {"x": x, ',
            'x[3] = np.nan\n        return {"x": x, ',
            "; the data hold values that are not finite: 'x' of train, 'y' of train, 'x' of validation, 'y'",
        ),
        (
            'return {"x": x,',
            'return {"x": x.astype(float),',
            "; in the data 'x' is float64: networks take float32, and classes are int64",
        ),
    ],
)
def test_what_a_task_does_wrong_is_one_line_that_names_the_method(tmp_path, right, wrong, words):
    well, said = check(toy.write(tmp_path / "mine", toy.MODULE.replace(right, wrong)), "claims=[]")
    assert not well
    assert words in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        (
            'return {"x": x,',
            'if split == "validation":\n            x[3] = np.nan\n        return {"x": x,',
            "the data hold values that are not finite: 'x' of validation",
        ),
        (".mean(1)}", '.mean(1) * float("inf")}', "the criterion's error is not finite after 2 steps"),
        (".mean(1)}", ".mean(1) - 99}", "after 2 steps, outside of its declared ends, 0 to inf"),
        (
            '"error": Metric(',
            '"other": Metric("max"), "error": Metric(',
            "other is declared and not measured after 2 steps",
        ),
    ],
)
def test_what_is_likely_wrong_is_a_warning(tmp_path, right, wrong, words):
    assert right in toy.MODULE
    well, said = check(toy.write(tmp_path / "mine", toy.MODULE.replace(right, wrong)))
    assert well
    assert words in said.partition("warning: ")[2]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The file of a study whose run `first` has kept its weights."""
    folder = tmp_path_factory.mktemp("first")
    study = toy.write(folder / "mine")
    small = ("search.explore=0", "seeds.compare=1", "criterion.threshold=10", "resources.keep_weights=true")
    run_inline(study, folder, *small, name="first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEDSWEEP_RUNS", str(folder))
        yield study


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "well", "words"),
    [
        (["optimizer.no_decay=[wieght]", "weight_decay=0.1"], False, "optimizer.no_decay: 'wieght' fits no trained"),
        (["init_from.run=nope"], False, "init_from.run: there is no run 'nope' in "),
        (["init_from.run=first"], True, ""),
        (["init_from.run=first", "settings.width=6"], False, "seed 0, of first: these weights are another model"),
        (
            ["schedules.lr={name: cosine, warmup_steps: 24}"],
            True,
            "warning: schedules.lr.warmup_steps: 24 is the whole",
        ),
        (["schedules.lr={name: cosine, warmup_steps: 23}"], True, ""),
    ],
)
def test_what_a_launch_would_refuse_or_never_reach_is_said(first, settings, well, words):
    done, said = check(first, *settings)
    assert done == well
    assert words in said
    assert ("warning" in said) == words.startswith("warning")


def test_a_batch_larger_than_the_data_is_one_line(tmp_path):
    well, said = check(toy.write(tmp_path / "mine"), "training.batch=64")
    assert not well
    assert "training.batch: 64 is larger than the training split, 48 samples" in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize(
    ("setting", "words"),
    [("inputs=[none]", "inputs: there is no "), ("files=['*.json']", "files: '*.json' matches no file below")],
)
def test_what_a_study_names_beside_its_file_has_to_be_there(tmp_path, setting, words):
    with pytest.raises(UserError) as refused:
        check(toy.write(tmp_path / "mine"), setting)
    assert words in str(refused.value)


FUNCTION = """
question: Does it run?
task: own.py:train
metrics: {error: min, other: max}
hyperparameters: {lr: 0.1}
configurations: {slow: {}, fast: {lr: 0.5}}
criterion: {metric: error, threshold: 0.5}
"""
SOURCE = """
import json, sys, time


def train(run):
    run.report(5, error=run.hp.lr)
    for step in range(6, 10**6):
        run.report(step, error=0)
        time.sleep(0.01)


if __name__ == "__main__":
    print(json.dumps({"step": 5, "error": float(sys.argv[1])}), flush=True)
    open(sys.argv[2] + "/file", "w").close()
    time.sleep(600)
"""
COMMAND = FUNCTION.replace("task: own.py:train", 'command: "python own.py {lr} {folder} {seed}"')


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes a study of a function or a command; where there are temporary files, and where the user's are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    (tmp_path / "mine").mkdir()

    def written(study, source=SOURCE):
        (tmp_path / "mine" / "own.py").write_text(source)
        path = tmp_path / "mine" / "own.yaml"
        path.write_text(study)
        return path

    return written


@pytest.mark.parametrize("study", [FUNCTION, COMMAND], ids=["function", "command"])
def test_a_function_or_a_command_runs_until_its_first_report(own, tmp_path, study):
    well, said = check(own(study))
    assert well
    first, second = said.splitlines()
    assert re.fullmatch(r"slow: at step 5, after [\d.]+ s: error 0.1, other nan", first)
    assert second.startswith("fast: at step 5, ")
    assert "error 0.5" in second
    left = list(tmp_path.rglob("*"))
    assert sorted(path.name for path in left) == ["mine", "own.py", "own.yaml", "scratch"]


def test_a_function_that_fails_before_it_reports_is_told_once(own):
    well, said = check(own(FUNCTION, "def train(run):\n    1 / 0\n"))
    assert not well
    first, second = said.splitlines()
    assert first.endswith("own.py:train: ZeroDivisionError: division by zero (own.py line 2)")
    assert second.endswith(": the same")


def test_a_wrong_hyperparameter_of_a_function_is_named_with_those_that_there_are(own):
    well, said = check(own(FUNCTION, "def train(run):\n    run.hp.lrr\n"))
    assert not well
    assert "there is no hyperparameter 'lrr'; did you mean lr?" in said


def test_gpus_that_are_not_there_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"resources.gpus: 1, but this machine has none") as refused:
        check(toy.write(tmp_path / "mine"), "resources.gpus=1")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["training.steps=0", "training.epochs=2", "training.evaluate_every=0"], "2 evaluations can never hold for 3"),
        (["training.batch=49"], "training.batch: 49 is larger than the"),
    ],
)
def test_what_does_not_fit_the_whole_training_split_is_said(tmp_path, settings, words):
    study = str(toy.write(tmp_path))
    well, said = check(study, *settings, "criterion.hold=3")
    assert not well
    assert words in " ".join(said.split())
    with pytest.raises(UserError, match=words):
        plan(
            load(study, None, [*settings, "criterion.hold=3"]),
            RunDirectory(RunPaths.of(tmp_path, "toy")),
            "inline",
            Console(file=io.StringIO()),
        )
