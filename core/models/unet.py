"""The U-Net (Ronneberger, Fischer & Brox 2015, arXiv 1505.04597), with padded convolutions: an image of 256 px would
not survive its four levels of unpadded ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedsweep.core.training.batch import Batch

#: Of `UNetSettings.level`.
LEVELS = (1, 2)


@dataclass(frozen=True)
class UNetSettings:
    """Settings of a U-Net on one level of an image of twice its input's side.

    level: 1, the whole image at half its resolution; 2, a random crop of half its side.
    depth: poolings.  width: channels before the first pooling; doubled after each.
    """

    name: str = "unet"
    level: int = 1
    depth: int = 4
    width: int = 64


class Segmentation(NamedTuple):
    """Per level, L, and image, B, each [L,B].

    cross_entropy: mean over pixels.  intersection, predicted, actual: pixels of the predicted mask (probability above
    one half), of the true one, and of both.  correct: share of pixels.  seen: share of the image's mask inside.
    centres: [L,B,2], of the window, as locations.  log_probability: [L-1,B], of the centres that a level chose.
    """

    cross_entropy: Tensor
    intersection: Tensor
    predicted: Tensor
    actual: Tensor
    correct: Tensor
    seen: Tensor
    centres: Tensor
    log_probability: Tensor

    @staticmethod
    def image_axis(part: str) -> int:
        """The axis of a part along which the images lie."""
        return 1

    @property
    def dice(self) -> Tensor:
        """2 |A and B| / (|A| + |B|), [L,B]; 0 where the window holds nothing of the mask."""
        overlap = 2 * self.intersection / (self.predicted + self.actual).clamp_min(1)
        return torch.where(self.actual > 0, overlap, 0.0)


class UNet(nn.Module):
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


class SingleLevelUNet(nn.Module):
    """A U-Net on the whole image at half its resolution, or on a crop of half its side."""

    CONVOLUTIONS = ("net.",)

    def __init__(self, settings: UNetSettings, channels: int, mean: float, std: float):
        super().__init__()
        self.settings, self.mean, self.std = settings, mean, std
        self.net = UNet(channels, settings.depth, settings.width)

    @staticmethod
    def draws(settings: UNetSettings) -> int:
        """Of each image: the crop's place."""
        return 2 if settings.level == 2 else 0

    def forward(self, batch: Batch) -> Segmentation:
        """One pass."""
        side = batch.images.shape[-1]
        whole, truth = batch.whole_images(), batch.whole_masks()
        if self.settings.level == 1:
            corner = batch.labels.new_zeros(len(whole), 2)
            images, masks = shrink(whole, 2), shrink(truth, 2)
            reach = side
        else:
            reach = side // 2
            corner = (batch.draws * (side - reach + 1)).long()
            images, masks = crop(whole, corner, reach), crop(truth, corner, reach)
        logits = self.net(((images - self.mean) / self.std).to(next(self.net.parameters()).dtype)).float()
        return Segmentation(
            **{name: part[None] for name, part in compare(logits, masks, truth, reach).items()},
            centres=centre_of(corner, reach, side)[None],
            log_probability=logits.new_zeros(0, len(logits)),
        )


def compare(logits: Tensor, masks: Tensor, whole: Tensor, reach: int) -> dict[str, Tensor]:
    """What a Segmentation says of one level, [B] each.

    logits: [B,1,S,S].  masks: their truth, means of the mask's pixels, [B,1,S,S].  whole: [B,1,H,H].  reach: the
    window's side in the image, pixels.
    """
    truth = (masks >= 0.5).float()
    loss = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    predicted = (logits.detach() > 0).float()
    area = (reach / logits.shape[-1]) ** 2
    seen = masks.sum((1, 2, 3)) * area / whole.sum((1, 2, 3)).clamp_min(1)
    return {
        "cross_entropy": loss.mean((1, 2, 3)),
        "intersection": (predicted * truth).sum((1, 2, 3)),
        "predicted": predicted.sum((1, 2, 3)),
        "actual": truth.sum((1, 2, 3)),
        "correct": (predicted == truth).float().mean((1, 2, 3)),
        "seen": seen,
    }


def shrink(images: Tensor, factor: int) -> Tensor:
    """[B,C,H,W] -> [B,C,H/factor,W/factor], the means of squares of pixels."""
    return F.avg_pool2d(images, factor) if factor > 1 else images


def crop(images: Tensor, corner: Tensor, side: int) -> Tensor:
    """Squares of [B,C,H,W] from their first pixels, corner int64 [B,2] (x, y), on: [B,C,side,side]."""
    steps = torch.arange(side, device=images.device)
    batch, channels, _, width = images.shape
    rows = (corner[:, 1, None] + steps).view(batch, 1, side, 1).expand(batch, channels, side, width)
    columns = (corner[:, 0, None] + steps).view(batch, 1, 1, side).expand(batch, channels, side, side)
    return images.gather(2, rows).gather(3, columns)


def centre_of(corner: Tensor, reach: int, side: int) -> Tensor:
    """The centre of such a square in an image of `side`, as a location, [B,2]."""
    return (corner + (reach - 1) / 2) * (2 / (side - 1)) - 1
