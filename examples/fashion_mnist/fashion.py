"""A small network on Fashion-MNIST: everything that seedsweep needs to know of it."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from seedsweep import DataSet, Metric, Range, Task, dropout


class FashionMnist(DataSet):
    """Zalando's images of clothes, from the files of Debian's package dataset-fashion-mnist."""

    classes = 10

    @dataclass(frozen=True)
    class Settings:
        root: str = "/usr/share/datasets/fashion-mnist"
        train: Annotated[int, Range(1, 50_000)] = 50_000
        validation: Annotated[int, Range(1, 10_000)] = 10_000

    def samples(self, split):
        """The last 10,000 training images are for validation; the published test images are the test split."""
        s = self.settings
        rows = {"train": slice(s.train), "validation": slice(50_000, 50_000 + s.validation), "test": slice(None)}[split]
        name = "t10k" if split == "test" else "train"
        images = self._read(f"{name}-images-idx3-ubyte.gz", 16).reshape(-1, 28 * 28)[rows]
        labels = self._read(f"{name}-labels-idx1-ubyte.gz", 8)[rows]
        return {"image": images, "label": labels.astype(np.int64)}

    def _read(self, name: str, header: int) -> np.ndarray:
        with gzip.open(Path(self.settings.root) / name) as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)


class Mlp(nn.Module):
    def __init__(self, inputs: int, width: int, classes: int):
        super().__init__()
        self.hidden, self.norm, self.out = nn.Linear(inputs, width), nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x, p):
        hidden = F.relu(self.norm(self.hidden(x)))
        return self.out(dropout(hidden, p, self.training))


class Fashion(Task):
    metrics = {"accuracy": Metric("max", 0, 1), "loss": Metric("min", 0)}
    hyperparameters = {"dropout": Range(0, 1, default=0.0)}

    @dataclass(frozen=True)
    class Settings:
        width: Annotated[int, Range(1, 4096)] = 128

    def model(self):
        return Mlp(28 * 28, self.settings.width, self.data.classes)

    def loss(self, model, batch, hp):
        return F.cross_entropy(self.logits(model, batch, hp), batch["label"])

    def measure(self, model, batch, hp):
        logits = self.logits(model, batch, hp)
        return {
            "accuracy": (logits.argmax(-1) == batch["label"]).float(),
            "loss": F.cross_entropy(logits, batch["label"], reduction="none"),
        }

    def logits(self, model, batch, hp) -> torch.Tensor:
        return model(batch["image"].float() / 255, hp.dropout)
