"""Images in bytes with masks: what models ask of them, and what is computed of a whole split once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from seedsweep.core.task import Task
from seedsweep.core.training.batch import Batch, Data

#: Images whose pixels are counted at a time.
PART = 64
#: Tumour images of the validation split whose windows are followed through training, the first ones.
WATCHED = 2


class ImageTask(Task, ABC):
    """A task on images in bytes with masks."""

    @abstractmethod
    def model(self) -> nn.Module:
        """See the base."""

    def prepare(self) -> None:
        """Mean and deviation of the training images' pixels."""
        self.mean, self.std = mean_and_std(self.data.train["image"])

    def watched(self) -> np.ndarray:
        """The first tumour images."""
        return np.flatnonzero(self.data.validation["label"].cpu().numpy() == 1)[:WATCHED]


def misfits(data: Data) -> Iterable[str]:
    """What keeps a data set from being images uint8 [C,H,W] with masks uint8 [1,H,W] and labels, a line each."""
    shapes = data.shapes
    for name in ("image", "mask", "label"):
        if name not in shapes:
            yield f"data: there is no array {name}, which this task needs; there is {', '.join(sorted(shapes))}"
            return
    image, mask = shapes["image"], shapes["mask"]
    for name in ("image", "mask"):
        if data.train[name].dtype != torch.uint8:
            yield f"data: {name} is of {data.train[name].dtype}; it must be of uint8"
    if len(image) != 3:
        yield f"data: image is {list(image)} of each sample; it must be [C,H,W]"
    elif mask != (1, *image[1:]):
        yield f"data: mask is {list(mask)} of each sample; it must be {[1, *image[1:]]}, as the images are"
    if shapes["label"]:
        yield f"data: label is {list(shapes['label'])} of each sample; it must be one number, 0 or 1"
    if data.classes not in (0, 2):
        yield f"data: there are {data.classes} classes; this task tells two apart, 0 normal and 1 tumour"


def whole_images(batch: Batch) -> Tensor:
    """[B,C,H,W] in [0,1]."""
    return batch["image"].float() * (1 / 255)


def whole_masks(batch: Batch) -> Tensor:
    """[B,1,H,W]."""
    return batch["mask"].float()


def mean_and_std(images: Tensor) -> tuple[float, float]:
    """Of the pixels of uint8 [N,...] in [0,1], from the counts of the 256 values: exact whatever the size."""
    counts = np.zeros(256, np.int64)
    for part in images.split(PART):
        counts += np.bincount(part.cpu().numpy().ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = float((counts * values).sum() / counts.sum())
    variance = float((counts * (values - mean) ** 2).sum() / counts.sum())
    return mean, max(variance, 1e-12) ** 0.5


def mask_regions(masks: Tensor) -> Tensor:
    """Centre of mass and the box's first and last corner (x, y) of each mask, float32 [N,3,2] in [-1,1]; zeros where a
    mask is empty.

    masks: uint8 [N,1,H,W] in {0,1}. A box reaches from the outer edge of its first pixel to that of its last.
    """
    regions = np.zeros((len(masks), 3, 2), np.float32)
    for index, mask in enumerate(masks[:, 0].cpu().numpy()):
        if not mask.any():
            continue
        for axis, along in enumerate((mask.sum(0), mask.sum(1))):
            pixels, side = np.flatnonzero(along), len(along)
            places = np.array([np.average(pixels, weights=along[pixels]), pixels[0] - 0.5, pixels[-1] + 0.5])
            regions[index, :, axis] = places / ((side - 1) / 2) - 1
    return torch.from_numpy(regions).to(masks.device)
