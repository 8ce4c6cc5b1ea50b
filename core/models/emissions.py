"""Emissions: the layer from the LSTM's state to two numbers, of which a location map makes the next location."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from seedsweep.core.component import Choice, Range


class Linear(nn.Linear):
    """A linear layer from the state to two numbers, [B, state] -> [B,2]."""

    @dataclass(frozen=True)
    class Settings:
        """std: standard deviation of the weights at the start, which are normal around 0.  bias: both biases at the
        start; where it is large, every location map is at its end, and has no gradient.  activation: of the output;
        TensorFlow's layers have a relu where nothing else is said.
        """

        std: Annotated[float, Range(0)] = 0.01
        bias: float = 0.0
        activation: Annotated[str, Choice("none", "relu")] = "none"

    def __init__(self, settings: Settings, state: int):
        super().__init__(state, 2)
        self.settings = settings
        nn.init.normal_(self.weight, std=settings.std)
        nn.init.constant_(self.bias, settings.bias)

    def forward(self, h: Tensor) -> Tensor:
        """See the class."""
        raw = super().forward(h)
        return F.relu(raw) if self.settings.activation == "relu" else raw
