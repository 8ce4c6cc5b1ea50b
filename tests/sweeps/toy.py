"""A user's two files: a small regression, its data set, and a study of them that takes a second."""

from __future__ import annotations

from pathlib import Path

MODULE = '''
"""A line through points, by a network."""
import time
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import nn

from seedsweep.core.component import Metric, Range
from seedsweep.core.task import Task
from seedsweep.shards.data_set import DataSet


class Points(DataSet):
    @dataclass(frozen=True)
    class Settings:
        count: Annotated[int, Range(8)] = 48
        seed: Annotated[int, Range(0)] = 0

    def samples(self, split):
        if split == "test":
            return None
        x = np.random.default_rng([self.settings.seed, len(split)]).random((self.settings.count, 4), np.float32)
        return {"x": x, "y": x.sum(1, keepdims=True)}


class Line(Task):
    metrics = {"error": Metric("min", 0)}
    hyperparameters = {"shrink": Range(0, 1, default=0.0)}

    @dataclass(frozen=True)
    class Settings:
        width: Annotated[int, Range(1)] = 4
        pause: Annotated[float, Range(0)] = 0.0

    def model(self):
        return nn.Sequential(nn.Linear(4, self.settings.width), nn.Tanh(), nn.Linear(self.settings.width, 1))

    def loss(self, model, batch, hp):
        time.sleep(self.settings.pause)
        return ((model(batch["x"]) * (1 - hp.shrink) - batch["y"]) ** 2).mean()

    def measure(self, model, batch, hp):
        return {"error": ((model(batch["x"]) - batch["y"]) ** 2).mean(1)}
'''

STUDY = """
question: Does it run?
task: toy.py:Line
data: {name: "toy.py:Points"}
training: {steps: 24, batch: 8, evaluate_every: 4}
hyperparameters: {lr: 0.02}
configurations: {plain: {shrink: 0.0}, shrunk: {shrink: 0.5}}
claims: [{best: plain}]
search:
  explore: 4
  space: {shrink: {low: 0.0, high: 1.0}, lr: {low: 0.001, high: 0.1, log: true}}
  window: 2
seeds: {search: 2, compare: 4}
criterion: {metric: error, threshold: 0.5, hold: 2}
resources: {engine: fused, cohort: 3, checkpoint_seconds: 0}
"""
#: With a schedule of an own kind, `Breaks`, see `breaking`.
SCHEDULED = STUDY.replace("hyperparameters:", "schedules: {lr: {name: toy.py:Breaks}}\nhyperparameters:")
#: Of the study as it is.
COHORTS, MEMBERS = 10, 20


def breaking(when: str, shape: str = "1.0") -> str:
    """The module with a schedule whose setting `at`, from 0 to 1, may make a member fail. when, shape: expressions of
    step, steps and self.settings.at."""
    return f"""{MODULE}

from seedsweep.core.training.schedules import Schedule


class Breaks(Schedule):
    @dataclass(frozen=True)
    class Settings(Schedule.Settings):
        at: Annotated[float, Range(0, 1)] = 0.0

    def shape(self, step, steps):
        if {when}:
            raise ValueError("breaks")
        return {shape}
"""


def write(folder: Path, module: str = MODULE, study: str = STUDY) -> Path:
    """The study's file, in a folder with the user's module."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toy.py").write_text(module)
    path = folder / "toy.yaml"
    path.write_text(study)
    return path
