"""The backbones, each a subclass of `core.models.features.Backbone`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedsweep.core.component import Range
from seedsweep.core.models import pretrained
from seedsweep.core.models.features import Backbone
from seedsweep.core.models.pretrained import Pretrained


class Small(Backbone):
    """3x3 convolutions of stride 2, each followed by a relu."""

    @dataclass(frozen=True)
    class Settings:
        """widths: channels of each layer."""

        widths: Annotated[tuple[int, ...], Range(1)] = (16, 32, 32)

    def __init__(self, settings: Settings, channels: int, glimpse: int):
        super().__init__(settings, channels, glimpse)
        self.layers = nn.ModuleList()
        side = glimpse
        for width in settings.widths:
            layer = nn.Linear(9 * channels, width)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            self.layers.append(layer)
            channels, side = width, (side + 1) // 2
        self.features = side * side * channels

    @classmethod
    def check(cls, settings: Any, channels: int | None, glimpse: int, *, frozen: bool) -> Iterable[str]:
        """It has no weights of its own."""
        if frozen:
            yield "frozen: the small backbone has no weights of its own: choose another backbone, or leave it out"

    def forward(self, glimpses: Tensor) -> Tensor:
        """[B,C,G,G] -> [B, features]."""
        x = glimpses.permute(0, 2, 3, 1)
        for layer in self.layers:
            x = F.relu(layer(neighbourhoods(x)))
        return x.flatten(1)


def neighbourhoods(images: Tensor) -> Tensor:
    """The 3x3 neighbourhoods, zero-padded, of every second pixel: [B,H,W,C] -> [B,ceil(H/2),ceil(W/2),9*C].

    With a matrix product they are a convolution. Of many small networks together it is faster so: `conv2d` would become
    a grouped convolution.
    """
    height, width = images.shape[1:3]
    padded = F.pad(images, (0, 0, 1, 1, 1, 1))
    taps = [padded[:, i : i + height : 2, j : j + width : 2] for i in range(3) for j in range(3)]
    return torch.cat(taps, -1)


class InceptionV3(Pretrained):
    """Inception v3 (Szegedy et al. 2016), 2048 features; made for 299 px, from 75 px on."""

    name, least_glimpse = "inception_v3", 75
    features: int = 2048

    def __init__(self, settings: Pretrained.Settings, channels: int, glimpse: int):
        super().__init__(settings, channels, pretrained.inception_v3(channels, settings.weights))


class EfficientnetLite0(Pretrained):
    """EfficientNet-Lite0, 1280 features; made for 224 px."""

    name, least_glimpse, package = "efficientnet_lite0", 32, "efficientnet_lite_pytorch"
    features: int = 1280

    def __init__(self, settings: Pretrained.Settings, channels: int, glimpse: int):
        super().__init__(settings, channels, pretrained.efficientnet_lite0(channels, glimpse, settings.weights))
