"""Glimpses to feature vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.pretrained import NETWORKS


class SmallConvNet(nn.Module):
    """3x3 convolutions of stride 2, each followed by a relu: [B,C,G,G] -> [B, features].

    Each convolution is a gather of patches and one matrix product. Under `vmap` over members that stays one batched
    matrix product, where `conv2d` would become a grouped convolution, which is slow on a CPU.
    """

    def __init__(self, channels: int, glimpse: int, widths: tuple[int, ...] = (16, 32, 32)):
        super().__init__()
        self.layers = nn.ModuleList()
        side = glimpse
        for width in widths:
            layer = nn.Linear(9 * channels, width)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            self.layers.append(layer)
            channels, side = width, (side + 1) // 2
        self.features = side * side * channels

    def forward(self, glimpses: Tensor) -> Tensor:
        """[B,C,G,G] -> [B, features]."""
        x = glimpses.permute(0, 2, 3, 1)
        for layer in self.layers:
            x = F.relu(layer(patches(x)))
        return x.flatten(1)


#: name -> constructor from (channels, glimpse side, weights); the module has `features`, the length of its output.
BACKBONES: dict[str, Callable[[int, int, str], nn.Module]] = {
    "small": lambda channels, glimpse, weights: SmallConvNet(channels, glimpse),
    **NETWORKS,
}


def patches(images: Tensor) -> Tensor:
    """The 3x3 neighbourhoods, zero-padded, at every second pixel: [...,H,W,C] -> [...,ceil(H/2),ceil(W/2),9*C]."""
    result: Tensor = _Patches.apply(images)
    return result


class _Patches(torch.autograd.Function):
    """im2col for kernel 3, stride 2, padding 1, channels last, any number of leading axes.

    Nine strided copies, one a tap of the kernel; the gradient goes the same ways back.
    """

    @staticmethod
    def forward(images: Tensor) -> Tensor:
        *lead, height, width, channels = images.shape
        rows, columns = (height + 1) // 2, (width + 1) // 2
        result = images.new_zeros(*lead, rows, columns, 3, 3, channels)
        for i, to_rows, from_rows in _taps(height):
            for j, to_columns, from_columns in _taps(width):
                result[..., to_rows, to_columns, i, j, :] = images[..., from_rows, from_columns, :]
        return result.flatten(-3)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.shape = inputs[0].shape

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        height, width, channels = ctx.shape[-3:]
        gradient: Tensor = grads[0].unflatten(-1, (3, 3, channels))
        result = gradient.new_zeros(ctx.shape)
        for i, to_rows, from_rows in _taps(height):
            for j, to_columns, from_columns in _taps(width):
                result[..., from_rows, from_columns, :] += gradient[..., to_rows, to_columns, i, j, :]
        return result

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], images: Tensor) -> tuple[Tensor, int]:
        return _Patches.apply(images.movedim(in_dims[0], 0)), 0


def _taps(length: int) -> tuple[tuple[int, slice, slice], ...]:
    """Along one axis, for each tap of the kernel: the outputs that see a pixel there, and those pixels."""
    outputs = (length + 1) // 2
    return (
        (0, slice(1, None), slice(1, 2 * outputs - 2, 2)),
        (1, slice(None), slice(0, None, 2)),
        (2, slice(0, length // 2), slice(1, None, 2)),
    )
