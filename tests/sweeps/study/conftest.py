"""A user's task, data set, function and schedule beside a study's file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from seedsweep.core.records.study import Study
from seedsweep.sweeps.study import yaml_reader
from seedsweep.sweeps.study.loading import load

NET = """
from dataclasses import dataclass
from typing import Annotated

from seedsweep.core.component import Choice, Metric, Range
from seedsweep.core.task import Task
from seedsweep.core.training.optimisers import Optimizer
from seedsweep.core.training.schedules import Schedule
from seedsweep.shards.data_set import DataSet


class Net(Task):
    metrics = {"accuracy": Metric("max", 0, 1), "loss": Metric("min")}
    hyperparameters = {"dropout": Range(0, 1, default=0.0), "layers": Range(1, 8, default=2, tensor=False)}

    @dataclass(frozen=True)
    class Settings:
        width: Annotated[int, Range(1, 4096)] = 128
        act: Annotated[str, Choice("relu", "tanh")] = "relu"
        wide: bool = False

    def model(self): ...
    def loss(self, model, batch, hp): ...
    def measure(self, model, batch, hp): ...

    def check(self):
        if self.settings.wide and self.settings.width < 64:
            yield f"settings.width: {self.settings.width} is not wide; it must be at least 64"


class Other(Net):
    metrics = {"accuracy": Metric("max", 0, 1)}
    hyperparameters = {"noise": Range(0, default=0.1)}

    @dataclass(frozen=True)
    class Settings:
        width: Annotated[int, Range(1, 4096)] = 32
        depth: int = 3

    def check(self):
        return ()


class NoLoss(Task):
    def model(self): ...
    def measure(self, model, batch, hp): ...


class Points(DataSet):
    @dataclass(frozen=True)
    class Settings:
        count: Annotated[int, Range(1)] = 64
        noise: float = 0.0

    def samples(self, split): ...


class Numbers(Net):
    hyperparameters = {"beta": 0.3}


class Listed(Net):
    hyperparameters = ["beta"]


class Says(Net):
    def check(self):
        return "settings.width: odd"


class Signs(Optimizer):
    def scales(self, values, step): ...
    def update(self, weights, gradient): ...


class Still(Optimizer):
    def scales(self, values, step): ...


class Shapeless(Schedule): ...


class Narrow(Schedule):
    def shape(self, step): ...


def of_step(step):
    return 0.5


def halved(step, steps):
    return 0.5


def train(run): ...


number = 3
"""
#: Of `Net`.
STUDY = {
    "question": "Why?",
    "task": "net.py:Net",
    "data": {"name": "net.py:Points"},
    "training": {"steps": 400, "batch": 16},
    "criterion": {"metric": "accuracy", "threshold": 0.9},
}
#: Of `train`.
FUNCTION = {
    "question": "Why?",
    "task": "net.py:train",
    "metrics": {"accuracy": "max"},
    "hyperparameters": {"lr": 0.1, "units": 3},
    "criterion": {"metric": "accuracy", "threshold": 0.9},
}


@pytest.fixture(autouse=True)
def path_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a study puts its folder on the path."""
    monkeypatch.setattr(sys, "path", sys.path.copy())


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A study's file, with sections laid over STUDY or another; None takes one away."""
    (tmp_path / "net.py").write_text(NET)

    def written(of: Mapping[str, Any] = STUDY, **sections: Any) -> Path:
        path = tmp_path / "own.yaml"
        values = {key: value for key, value in {**of, **sections}.items() if value is not None}
        path.write_text(yaml_reader.dump(values))
        return path

    return written


@pytest.fixture
def study(write: Callable[..., Path]) -> Callable[..., Study]:
    """A study loaded, with sections laid over STUDY or another, and `--set` arguments."""

    def loaded(*overrides: str, of: Mapping[str, Any] = STUDY, **sections: Any) -> Study:
        return load(str(write(of, **sections)), None, overrides)

    return loaded
