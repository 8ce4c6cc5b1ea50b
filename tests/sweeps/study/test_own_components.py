"""Each wrong way to write a component of one's own gives one line, and so does a study that names it wrongly."""

import pytest

from seedsweep.sweeps.study.loading import load
from tests.sweeps.study.own_studies import bad

#: Components that can be named and not made.
OWN = """
from net import Net, Points


class Bare(Net):
    def __init__(self):
        pass


class Data(Points):
    def __init__(self):
        pass


class Few(Points):
    def count(self, split):
        return 8


class NoCount(Points):
    def count(self, split):
        return {}[split]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"task": "net.py:Nett"}, "task: net.py has no 'Nett'; did you mean Net"),
        ({"task": "nett.py:Net"}, "task: there is no file "),
        # Only what the file itself defines, none of its imports.
        ({"task": "other.py:Zzz"}, "task: other.py has no 'Zzz'; known are Mine"),
        ({"task": "net.py:NoLoss"}, "task: net.py:NoLoss has no method `loss(self, model, batch, hp)`"),
        ({"task": "net.py:Points"}, "task: net.py:Points is neither a task"),
        ({"task": "own.py:Bare"}, "`__init__(self)`; leave __init__ out, or take (self, settings=None, data=None)"),
        ({"data": {"name": "own.py:Data"}}, "`__init__(self)`; leave __init__ out, or take (self, settings=None)"),
        ({"data": {"name": "own.py:Few"}}, "training.batch: 16 is larger than the training split, 8 samples"),
        (
            {"data": {"name": "own.py:NoCount"}},
            "data: `count` of own.py:NoCount fails: KeyError: 'train' (own.py",
        ),
        ({"task": "net.py:number"}, "task: net.py:number is neither a task"),
        ({"data": {"name": "net.py:Net"}}, "data.name: net.py:Net is no data set"),
        ({"optimizer": {"name": "net.py:Net"}}, "optimizer.name: net.py:Net is no optimiser"),
        ({"schedules": {"lr": {"name": "net.py:Net"}}}, "schedules.lr.name: net.py:Net is neither a schedule"),
        ({"schedules": {"lr": {"name": "net.py:halved", "by": 3}}}, "schedules.lr.by: net.py:halved is a function"),
        (
            {"schedules": {"lr": {"name": "net.py:of_step"}}},
            "schedules.lr.name: net.py:of_step(step) must take two arguments",
        ),
        (
            {"schedules": {"lr": {"name": "net.py:Shapeless"}}},
            "schedules.lr.name: net.py:Shapeless has no method `shape(self, step, steps)`",
        ),
        (
            {"schedules": {"lr": {"name": "net.py:Narrow"}}},
            "schedules.lr.name: net.py:Narrow has `shape(self, step)`; it must be `shape(self, step, steps)`",
        ),
        (
            {"optimizer": {"name": "net.py:Signs"}},
            "optimizer.name: net.py:Signs has `update(self, weights, gradient)`; it must be `update(self, weights, ",
        ),
        ({"optimizer": {"name": "net.py:Still"}}, "optimizer.name: net.py:Still has no method `update(self, weights, "),
        (
            {"task": "net.py:Numbers"},
            "task: `hyperparameters` of net.py:Numbers has beta: 0.3; write Range(default=0.3)",
        ),
        ({"task": "net.py:Listed"}, "task: `hyperparameters` of net.py:Listed is ['beta']; write {"),
        ({"task": "net.py:Says"}, "task: Says.check gives str, 'settings.width: odd': lines are needed"),
        (
            {"task": "net.py:Labelled"},
            "task: `metrics` of net.py:Labelled has label: the table of evaluations has a column of its own called so",
        ),
        ({"schedules": {"layers": {"name": "cosine"}}}, "schedules.layers: layers is a plain number in net.py:Net"),
        ({"settings": {"wide": True, "width": 3}}, "settings.width: 3 is not wide; it must be at least 64"),
        ({"settings": {"act": "rleu"}}, "settings.act: there is no 'rleu'; did you mean relu?"),
        ({"hyperparameters": {"layers": 9}}, "hyperparameters.layers: 9 is out of range; it must be from 1 to 8"),
        ({"command": "python train.py"}, "command: stands beside a task; give one of the two"),
        (
            {"configurations": {"a": {"settings": {"wide": True, "width": 3}}, "b": {}}},
            "configurations.a.settings.width: 3",
        ),
        ({"configurations": {"a": {"task": "net.py:train"}}}, "configurations.a."),
        (
            {"configurations": {"only": {}}, "claims": [{"best": "only"}]},
            "claims.0.best: 'only' is compared with nothing",
        ),
        (
            {"resources": {"cpus": 4, "allocation": {"cpus": 2}}},
            "resources.allocation.cpus: 2 a node, but a trial needs",
        ),
        ({"optimizer": "adamw"}, "optimizer: is a mapping: write {name: adamw}"),
    ],
)
def test_what_is_wrong_with_own_components(study, tmp_path, sections, words):
    (tmp_path / "other.py").write_text("from seedsweep import Metric, Task\n\n\nclass Mine(Task): ...\n")
    (tmp_path / "own.py").write_text(OWN)
    assert words in bad(lambda: study(**sections))


def test_a_module_that_fails_says_why_and_where(study, write, tmp_path):
    write()
    (tmp_path / "broken.py").write_text("import math\n\nWIDTH = 1 / 0\n")
    path = write(task="broken.py:Net")
    text = bad(lambda: load(str(path)))
    assert "task: broken.py cannot be imported: ZeroDivisionError: division by zero (broken.py line 3)" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lr", "the optimiser already declares it"),
        ("items", "must be a Python identifier, and neither a section's name"),
    ],
)
def test_a_name_that_no_hyperparameter_may_have(write, tmp_path, name, words):
    path = write()
    net = tmp_path / "net.py"
    net.write_text(net.read_text().replace('"dropout": Range(0, 1, default=0.0)', f'"{name}": Range(0, default=0.1)'))
    text = bad(lambda: load(str(path)))
    assert f"hyperparameters.{name}: {words}" in text
    assert "rename that of net.py:Net" in text
