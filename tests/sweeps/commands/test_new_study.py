"""A study that `seedsweep new` writes runs as it is."""

import io

import pytest
from rich.console import Console

from seedsweep.core.errors import UserError
from seedsweep.sweeps.commands import check
from seedsweep.sweeps.commands.new_study import write
from seedsweep.sweeps.study.loading import load
from tests.sweeps import toy
from tests.sweeps.launching import run_inline

SHORT = ("training.steps=20", "training.evaluate_every=5", "seeds.compare=2")
FUNCTION = "def train(run):\n    for step in (1, 2, 3):\n        run.report(step, score=run.hp.lr)\n"

NETWORK = """
import numpy as np
from torch import nn
from seedsweep import DataSet

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))

class Points(DataSet):
    classes = 2

    def samples(self, split):
        x = np.random.default_rng(len(split)).normal(size=(64, 2)).astype(np.float32)
        return None if split == "test" else {"image": x, "label": (x[:, 0] > 0).astype(np.int64)}
"""

IMAGES = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 26 * 26, 5))
"""


def begun(folder, *words):
    console = Console(file=io.StringIO(), width=200)
    write(*words, folder, console)
    return folder / f"{words[0]}.yaml", console.file.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "module", "files"),
    [
        (None, "", {"mine.yaml", "mine.py"}),
        ("toy.py:Line", toy.MODULE, {"mine.yaml", "toy.py"}),
        ("toy:Line", toy.MODULE, {"mine.yaml", "toy.py"}),
        ("toy.py:train", FUNCTION, {"mine.yaml", "toy.py"}),
        ("toy.py:Net", NETWORK, {"mine.yaml", "toy.py"}),
        # Without a data set there are random numbers in the shape that the network takes.
        ("toy.py:Net", NETWORK[: NETWORK.index("class Points")], {"mine.yaml", "mine.py", "toy.py"}),
        ("toy.py:net", IMAGES, {"mine.yaml", "mine.py", "toy.py"}),
        ("mine.py:net", IMAGES, {"mine.yaml", "mine.py", "mine_data.py"}),
    ],
)
def test_what_is_written_is_checked_and_trains(tmp_path, task, module, files):
    folder = tmp_path / "mine"
    folder.mkdir()
    if module:
        (folder / task.partition(":")[0].removesuffix(".py")).with_suffix(".py").write_text(module)
    study, said = begun(folder, "mine", task)
    assert {path.name for path in folder.glob("*.*")} == files
    assert "before it runs" not in said
    assert "next:  seedsweep check mine.yaml" in said
    console = Console(file=io.StringIO(), width=200)
    assert check.show(load(str(study)), folder, console), console.file.getvalue()
    settings = SHORT if "train" not in str(task) else SHORT[2:]
    run, failed, _ = run_inline(study, tmp_path / "runs", *settings)
    assert failed == []
    assert sum(len(record.outcomes()) for record in run.ledger.records()) == 4


def test_every_line_that_is_a_comment_holds(tmp_path):
    """Its marks removed, it is a part of the study."""
    study, _ = begun(tmp_path, "mine", None)
    lines = study.read_text().splitlines()
    fields = [line.removeprefix("# ") for line in lines if line.startswith(("# claims:", "# search:", "# resources:"))]
    assert len(fields) == 3
    assert "seedsweep's docs/fields.md" in study.read_text()
    study.write_text("\n".join([*lines, *fields]))
    loaded = load(str(study))
    assert (loaded.claimed_best(), loaded.found, loaded.resources.keep_weights) == ("noisy", 1, True)


def test_a_task_whose_data_are_elsewhere_says_what_is_missing(tmp_path):
    (tmp_path / "toy.py").write_text(toy.MODULE.replace("class Points(DataSet)", "class _Points(DataSet)"))
    study, said = begun(tmp_path, "mine", "toy.py:Line")
    assert "before it runs: " in said
    assert "data" in said
    assert study.exists()


@pytest.mark.parametrize("there", ["mine.yaml", "mine.py"])
def test_nothing_is_overwritten(tmp_path, there):
    (tmp_path / there).write_text("mine")
    with pytest.raises(UserError, match=f"{there} is there already"):
        begun(tmp_path, "mine", None)
    assert [path.name for path in tmp_path.iterdir()] == [there]


@pytest.mark.parametrize("name", ["../mine", "my study", "-x", "", "a/b"])
def test_a_name_that_no_run_could_have_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="a study's name has letters"):
        begun(tmp_path, name, None)


@pytest.mark.slow
def test_random_numbers_can_be_learnt(tmp_path):
    """So that a first launch shows what an answer looks like."""
    (tmp_path / "nets.py").write_text("from torch import nn\n\ndef net():\n    return nn.Linear(10, 3)\n")
    study, _ = begun(tmp_path, "mine", "nets.py:net")
    run, failed, _ = run_inline(study, tmp_path / "runs", "seeds.compare=2")
    assert failed == []
    outcomes = [outcome.outcome for record in run.ledger.records() for outcome in record.outcomes()]
    assert outcomes.count("converged") >= 2


def test_a_file_in_place_of_what_is_in_it_is_told(tmp_path):
    (tmp_path / "nets.py").write_text("net = 1\n")
    with pytest.raises(UserError, match=r"--task nets\.py: is a file; name what is in it: nets\.py:NAME"):
        begun(tmp_path, "mine", "nets.py")


def test_a_function_that_is_no_training_loop_is_refused(tmp_path):
    (tmp_path / "toy.py").write_text("def run(hp, seed): ...\n")
    with pytest.raises(UserError, match="takes hp and seed: a training loop is a function of one argument, the run"):
        begun(tmp_path, "mine", "toy.py:run")
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize("task", ["toy.py:Line", "nowhere:Line", "toy.py:np"])
def test_a_task_that_is_not_there_leaves_nothing(tmp_path, task):
    if task == "toy.py:np":
        (tmp_path / "toy.py").write_text("np = 1\n")
    with pytest.raises(UserError):
        begun(tmp_path, "mine", task)
    assert not (tmp_path / "mine.yaml").exists()
