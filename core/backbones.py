"""Glimpses to feature vectors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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


#: name -> constructor from (channels, glimpse side); the module has `features`, the length of its output.
BACKBONES = {"small": SmallConvNet}


def patches(images: Tensor) -> Tensor:
    """The 3x3 neighbourhoods, zero-padded, at every second pixel: [...,H,W,C] -> [...,ceil(H/2),ceil(W/2),9*C]."""
    result: Tensor = _Patches.apply(images)
    return result


class _Patches(torch.autograd.Function):
    """im2col for kernel 3, stride 2, padding 1, channels last, any number of leading axes."""

    @staticmethod
    def forward(images: Tensor) -> Tensor:
        *lead, height, width, channels = images.shape
        padded = F.pad(images, (0, 0, 1, 1, 1, 1)).reshape(-1, height + 2, width + 2, channels)
        rows, columns = (height + 1) // 2, (width + 1) // 2
        n, h, w, c = padded.stride()
        windows = padded.as_strided((len(padded), rows, columns, 3, 3, channels), (n, 2 * h, 2 * w, h, w, c))
        return windows.reshape(*lead, rows, columns, 9 * channels)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.shape = inputs[0].shape

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        height, width, channels = ctx.shape[-3:]
        rows, columns = (height + 1) // 2, (width + 1) // 2
        gradient = grads[0].reshape(-1, rows, columns, 3, 3, channels)
        padded = gradient.new_zeros(len(gradient), height + 2, width + 2, channels)
        for i in range(3):
            for j in range(3):
                padded[:, i : i + 2 * rows : 2, j : j + 2 * columns : 2] += gradient[:, :, :, i, j]
        return padded[:, 1:-1, 1:-1].reshape(ctx.shape)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], images: Tensor) -> tuple[Tensor, int]:
        return _Patches.apply(images.movedim(in_dims[0], 0)), 0
