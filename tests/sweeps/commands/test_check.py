"""`seedsweep check`: a study tried out, and what a task does wrong said in a line."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from seedsweep.core.errors import UserError
from seedsweep.sweeps.commands.check import show
from seedsweep.sweeps.study.loading import load
from tests.sweeps import toy


def check(study, *settings) -> tuple[bool, str]:
    console = Console(file=io.StringIO(), width=200)
    well = show(load(str(study), None, settings), Path(study).parent, console)
    return well, console.file.getvalue()


def test_it_says_shapes_parameters_engine_time_and_memory_and_leaves_nothing(tmp_path):
    study = toy.write(tmp_path / "mine")
    before = sorted(tmp_path.rglob("*"))
    well, said = check(study)
    assert well
    for words in ("plain: 25 parameters; fused: ", "shrunk: ", "x [4], y [1]", "ms a step of 8", "MB"):
        assert words in said
    assert "after 2 steps: error" in said
    assert [path for path in tmp_path.rglob("*") if path not in before and "__pycache__" not in str(path)] == []


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
    ],
)
def test_what_a_task_does_wrong_is_one_line_that_names_the_method(tmp_path, right, wrong, words):
    well, said = check(toy.write(tmp_path / "mine", toy.MODULE.replace(right, wrong)), "claims=[]")
    assert not well
    assert words in said
    assert len(said.splitlines()) == 2


def test_a_criterion_that_is_not_finite_at_the_start_is_a_warning(tmp_path):
    module = toy.MODULE.replace(".mean(1)}", '.mean(1) * float("inf")}')
    well, said = check(toy.write(tmp_path / "mine", module))
    assert well
    assert "warning: the criterion's error is inf at the start" in said


def test_a_batch_larger_than_the_data_is_one_line(tmp_path):
    well, said = check(toy.write(tmp_path / "mine"), "training.batch=64")
    assert not well
    assert "training.batch: 64 is larger than the 48 training samples" in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize(
    ("setting", "words"),
    [("inputs=[none]", "inputs: there is no "), ("files=['*.json']", "files: '*.json' matches no file below")],
)
def test_what_a_study_names_beside_its_file_has_to_be_there(tmp_path, setting, words):
    with pytest.raises(UserError) as refused:
        check(toy.write(tmp_path / "mine"), setting)
    assert words in str(refused.value)
