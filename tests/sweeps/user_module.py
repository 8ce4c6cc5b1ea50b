"""A user's tasks, data set, optimisers, schedules and function, right ones and wrong ones. None is ever trained."""

from pathlib import Path

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


class Mine(Net):
    metrics = {"score": Metric("max", 0, 1), "error": Metric("min")}
    hyperparameters = {"alpha": Range(0, 1, default=0.5), "layers": Range(1, 8, default=2, tensor=False)}

    @dataclass(frozen=True)
    class Settings:
        width: Annotated[int, Range(1, 4096)] = 16
        gain: float = 1.0
        wide: bool = False

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


class Labelled(Net):
    metrics = {"accuracy": Metric("max", 0, 1), "label": Metric("max")}


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


def write(folder: Path) -> None:
    """As `net.py`."""
    (folder / "net.py").write_text(NET)
