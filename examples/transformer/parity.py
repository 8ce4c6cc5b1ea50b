"""A small transformer on sequences of bits: is the number of ones among the first few odd?"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from seedsweep import DataSet, Metric, Range, Task


class Parity(DataSet):
    classes = 2

    @dataclass(frozen=True)
    class Settings:
        length: Annotated[int, Range(2, 64)] = 8
        counted: Annotated[int, Range(1, 64)] = 2
        samples: Annotated[int, Range(16)] = 512

    def samples(self, split):
        if split == "test":
            return None
        s = self.settings
        rng = np.random.default_rng([0, split == "train"])
        bits = rng.integers(0, 2, (s.samples, s.length))
        return {"tokens": bits, "label": bits[:, : s.counted].sum(1) % 2}


class Transformer(Task):
    metrics = {"accuracy": Metric("max", 0, 1)}

    @dataclass(frozen=True)
    class Settings:
        width: Annotated[int, Range(4, 512)] = 32
        heads: Annotated[int, Range(1, 8)] = 2
        dropout: Annotated[float, Range(0, 0.9)] = 0.1

    class Net(nn.Module):
        def __init__(self, length, width, heads, dropout):
            super().__init__()
            self.embed, self.place = nn.Embedding(2, width), nn.Parameter(0.1 * torch.randn(length, width))
            self.layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, batch_first=True)
            self.out = nn.Linear(width, 2)

        def forward(self, tokens):
            return self.out(self.layer(self.embed(tokens) + self.place).mean(1))

    def check(self):
        if self.settings.width % self.settings.heads:
            yield f"settings.width: {self.settings.width} is no multiple of settings.heads, {self.settings.heads}"

    def model(self):
        s = self.settings
        return self.Net(self.data.shapes["tokens"][0], s.width, s.heads, s.dropout)

    def loss(self, model, batch, hp):
        return F.cross_entropy(model(batch["tokens"]), batch["label"])

    def measure(self, model, batch, hp):
        return {"accuracy": (model(batch["tokens"]).argmax(-1) == batch["label"]).float()}
