"""From the emission layer's raw output to a location in the image: monotonic maps of the real line into an interval,
per coordinate."""

from __future__ import annotations

import torch
from torch import Tensor


def tanh(raw: Tensor) -> Tensor:
    """`tanh`, into (-1, 1)."""
    return torch.tanh(raw)


def sigmoid(raw: Tensor) -> Tensor:
    """`2 * sigmoid - 1`, into (-1, 1)."""
    return 2 * torch.sigmoid(raw) - 1


def report_2019(raw: Tensor) -> Tensor:
    """The report's `l = lower * sigmoid + upper` with lower -1 and upper 0.5: it decreases, reaches only the middle of
    the image, and saturates at (-0.5, -0.5)."""
    return -torch.sigmoid(raw) + 0.5
