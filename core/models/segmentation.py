"""Segmentation of images on one or several levels of magnification. B batch, N images, L levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedsweep.core.component import Metric
from seedsweep.core.models import images
from seedsweep.core.models.metrics import SEGMENTATION, segmentation_metrics
from seedsweep.core.task import Values
from seedsweep.core.training.batch import Batch


class Segmentation(NamedTuple):
    """What one pass gives of each level and image, [L,B].

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

    @property
    def dice(self) -> Tensor:
        """2 |A and B| / (|A| + |B|), [L,B]; 0 where the window holds nothing of the mask."""
        overlap = 2 * self.intersection / (self.predicted + self.actual).clamp_min(1)
        return torch.where(self.actual > 0, overlap, 0.0)


class SegmentationTask(images.ImageTask):
    """Segmentation of square images, uint8 [C,H,H] with masks, by a network that takes a Batch and gives a
    Segmentation. `settings.depth`: poolings of its U-Nets."""

    #: Levels of magnification that the network has, and how often the first and the last halve the image's side.
    levels: int = 1
    first, last = 0, 1
    terms: tuple[str, ...] = ("loss", "loss_segmentation")

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """All that `summarise` gives."""
        of_each = [f"{what}_{level}" for level in range(1, self.levels + 1) for what in ("dice", "seen")]
        shares = {name: Metric("max", 0, 1) for name in (*SEGMENTATION, *of_each)}
        return {**shares, **{name: Metric("min") for name in self.terms}}

    def check(self) -> Iterable[str]:
        """See the base."""
        if not hasattr(self, "data"):
            return
        problems = list(images.misfits(self.data))
        yield from problems
        if problems:
            return
        height, width = self.data.shapes["image"][1:]
        multiple = 2 ** (self.last + self.settings.depth)
        if height != width:
            yield f"data: the images are {height} x {width}; this task needs square ones"
        elif height % multiple:
            yield f"settings.depth: a U-Net of this depth needs images of a side that {multiple} divides, not {height}"

    def losses(self, rollout: Segmentation, hp: Values) -> Mapping[str, Tensor]:
        """Of each image, [B], by the names in `terms`."""
        cross_entropy = rollout.cross_entropy.sum(0)
        return {"loss": cross_entropy, "loss_segmentation": cross_entropy}

    def loss(self, model: nn.Module, batch: Batch, hp: Values) -> Mapping[str, Tensor]:
        """See `losses`."""
        return {name: values.mean() for name, values in self.losses(model(batch), hp).items()}

    def measure(self, model: nn.Module, batch: Batch, hp: Values) -> Mapping[str, Tensor]:
        """intersection, predicted, actual, correct, seen: [B,L].  centres: [B,L,2].  label, and the loss terms: [B]."""
        rollout: Segmentation = model(batch)
        names = ("intersection", "predicted", "actual", "correct", "seen", "centres")
        parts = {name: getattr(rollout, name).movedim(1, 0) for name in names}
        return {**parts, "label": batch["label"], **self.losses(rollout, hp)}

    def summarise(self, kept: Mapping[str, Tensor]) -> Mapping[str, float | Tensor]:
        """Of the last level: dice, the mean over images that show some of the mask; the others over all pixels.  dice,
        and seen, the mean share of the mask in the window, over tumour images, of each level."""
        kept = {name: values.detach().double().cpu() for name, values in kept.items()}
        parts = [kept[name].numpy() for name in ("intersection", "predicted", "actual", "correct")]
        per_level = [segmentation_metrics(*(part[:, level] for part in parts)) for level in range(self.levels)]
        seen = kept["seen"][kept["label"] == 1].mean(0).tolist()
        values = dict(per_level[-1])
        for level, metrics in enumerate(per_level):
            values[f"dice_{level + 1}"] = metrics["dice"]
            values[f"seen_{level + 1}"] = seen[level]
        return values | {name: kept[name].mean().item() for name in self.terms}

    def windows(self, kept: Mapping[str, Tensor]) -> np.ndarray:
        """Those of all levels."""
        centres = kept["centres"][torch.from_numpy(self.watched())].float().cpu()
        extents = torch.tensor([0.5 ** (self.first + level) for level in range(self.levels)])
        return torch.cat([centres, extents[:, None].expand_as(centres)], -1).numpy()


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
