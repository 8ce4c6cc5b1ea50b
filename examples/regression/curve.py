"""A regression: a curve with noise, fitted by a small network."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from torch import nn
from torch.nn import functional as F

from seedsweep import Choice, DataSet, Metric, Range, Task


class Curve(DataSet):
    """sin(3x) + x/2 with noise of deviation 0.1."""

    @dataclass(frozen=True)
    class Settings:
        samples: Annotated[int, Range(16)] = 512

    def samples(self, split):
        rng = np.random.default_rng({"train": 0, "validation": 1}[split]) if split != "test" else None
        if rng is None:
            return None
        x = rng.uniform(-2, 2, (self.settings.samples, 1)).astype(np.float32)
        y = np.sin(3 * x) + x / 2 + 0.1 * rng.normal(size=x.shape)
        return {"x": x, "y": y.astype(np.float32)}


class Fit(Task):
    metrics = {"error": Metric("min", 0)}

    @dataclass(frozen=True)
    class Settings:
        width: Annotated[int, Range(1, 1024)] = 32
        activation: Annotated[str, Choice("relu", "tanh")] = "tanh"

    def model(self):
        activation = {"relu": nn.ReLU, "tanh": nn.Tanh}[self.settings.activation]
        return nn.Sequential(nn.Linear(1, self.settings.width), activation(), nn.Linear(self.settings.width, 1))

    def loss(self, model, batch, hp):
        return F.mse_loss(model(batch["x"]), batch["y"])

    def measure(self, model, batch, hp):
        return {"error": (model(batch["x"]) - batch["y"]).square().mean(-1)}
