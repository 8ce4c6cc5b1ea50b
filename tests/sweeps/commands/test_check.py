"""`seedsweep check`: a study tried out, and what a task does wrong said in a line."""

import io

import pytest
from rich.console import Console

from seedsweep.sweeps.commands.check import show
from seedsweep.sweeps.study.loading import load
from tests.sweeps import toy


def check(study, *settings) -> tuple[bool, str]:
    console = Console(file=io.StringIO(), width=200)
    well = show(load(str(study), None, settings), console)
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
        ("return nn.Sequential", "return 1 or nn.Sequential", "model"),
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
