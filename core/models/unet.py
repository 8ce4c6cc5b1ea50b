"""The U-Net (Ronneberger, Fischer & Brox 2015, arXiv 1505.04597), with padded convolutions: an image of 256 px would
not survive its four levels of unpadded ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedsweep.core.component import Range
from seedsweep.core.models.images import whole_images, whole_masks
from seedsweep.core.models.segmentation import Segmentation, SegmentationTask, centre_of, compare, crop, shrink
from seedsweep.core.training.batch import Batch, Data


class UNet(SegmentationTask):
    """Segmentation on one level of an image of twice the network's input's side."""

    coarse = ("net.",)

    @dataclass(frozen=True)
    class Settings:
        """Settings of the model.

        level: 1, the whole image at half its resolution; 2, a random crop of half its side.
        depth: how many times the U-Net halves the side by pooling.
        width: channels before the first pooling; doubled after each.
        """

        level: Annotated[int, Range(1, 2)] = 1
        depth: Annotated[int, Range(1, 8)] = 4
        width: Annotated[int, Range(1)] = 64

    settings: Settings

    def __init__(self, settings: Any = None, data: Data | None = None):
        super().__init__(settings, data)
        self.first = self.settings.level - 1

    def model(self) -> nn.Module:
        """See the base."""
        return SingleLevelNet(self.settings, self.data.shapes["image"][0], self.mean, self.std)


class SingleLevelNet(nn.Module):
    """A U-Net on the whole image at half its resolution, or on a crop of half its side."""

    def __init__(self, settings: UNet.Settings, channels: int, mean: float, std: float):
        """channels: of the image.  mean, std: of the training images' pixels."""
        super().__init__()
        self.settings, self.mean, self.std = settings, mean, std
        self.net = UNetwork(channels, settings.depth, settings.width)

    def forward(self, batch: Batch) -> Segmentation:
        """One pass."""
        whole, truth = whole_images(batch), whole_masks(batch)
        count, side = len(whole), whole.shape[-1]
        if self.settings.level == 1:
            corner = batch["label"].new_zeros(count, 2)
            images, masks = shrink(whole, 2), shrink(truth, 2)
            reach = side
        else:
            reach = side // 2
            corner = (torch.rand(count, 2, device=whole.device) * (side - reach + 1)).long()
            images, masks = crop(whole, corner, reach), crop(truth, corner, reach)
        logits = self.net(((images - self.mean) / self.std).to(next(self.net.parameters()).dtype)).float()
        return Segmentation(
            **{name: part[None] for name, part in compare(logits, masks, truth, reach).items()},
            centres=centre_of(corner, reach, side)[None],
            log_probability=logits.new_zeros(0, count),
        )


class UNetwork(nn.Module):
    """[B,C,H,W] -> logits [B,1,H,W]; H and W divisible by 2^depth."""

    def __init__(self, channels: int, depth: int, width: int):
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(_Pair(a, b) for a, b in zip([channels, *widths], widths, strict=False))
        rising = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in rising)
        self.join = nn.ModuleList(_Pair(2 * b, b) for _, b in rising)
        self.logit = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The logit that a pixel is tumour."""
        skipped = []
        for number, pair in enumerate(self.down):
            x = pair(F.max_pool2d(x, 2) if number else x)
            skipped.append(x)
        for up, join, skip in zip(self.up, self.join, skipped[-2::-1], strict=True):
            x = join(torch.cat([skip, up(x)], 1))
        logits: Tensor = self.logit(x)
        return logits


class _Pair(nn.Module):
    """Two 3x3 convolutions, a relu after each, initialised as in the paper: deviation sqrt(2/N)."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.first, self.second = nn.Conv2d(channels, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))))
