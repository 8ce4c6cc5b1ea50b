"""What a model is given. M members, B batch, N images of a split."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor


class Slides(NamedTuple):
    """Where patches come from: the slide's number int64 [N], and each slide's label int64 [S]."""

    numbers: np.ndarray
    labels: np.ndarray


class Split(NamedTuple):
    """Images uint8 [N,C,H,W], masks uint8 [N,1,H,W] in {0,1}, labels int64 [N]; the slides where they are patches."""

    images: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    slides: Slides | None = None


class Batch(NamedTuple):
    """images uint8 [N,C,H,W] and masks uint8 [N,1,H,W]: all of the split, of which rows int64 [...,B] are the batch's;
    overview [...,B,...], what the model makes of them once a data set, without any parameter that is trained; labels
    int64 [...,B]; regions [...,B,3,2]: the mask's centre and the two corners of its box, as locations
    (`mask_regions`); draws [...,B,D] from U[0,1): what is random in this step."""

    images: Tensor
    masks: Tensor
    rows: Tensor
    overview: Tensor
    labels: Tensor
    regions: Tensor
    draws: Tensor

    def whole_images(self) -> Tensor:
        """[B,C,H,W] in [0,1]."""
        return self.images.index_select(0, self.rows).float() * (1 / 255)

    def whole_masks(self) -> Tensor:
        """[B,1,H,W]."""
        return self.masks.index_select(0, self.rows).float()


#: Axis of the members in each part of a batch of several: they share the split.
MEMBER_AXIS = Batch._make((None, None, 0, 0, 0, 0, 0))


class Resident(NamedTuple):
    """A whole split on the device: images and masks in bytes, and what a Batch takes of each image."""

    images: Tensor
    masks: Tensor
    overview: Tensor
    labels: Tensor
    regions: Tensor

    def batch(self, rows: Tensor, draws: Tensor) -> Batch:
        """The images of rows, int64 [...,B], with draws [...,B,D], all on the device."""

        def take(values: Tensor) -> Tensor:
            return values.index_select(0, rows.flatten()).view(*rows.shape, *values.shape[1:])

        return Batch(self.images, self.masks, rows, take(self.overview), take(self.labels), take(self.regions), draws)


def mask_regions(masks: np.ndarray) -> np.ndarray:
    """Centre of mass and the box's first and last corner (x, y) of each mask, float32 [N,3,2] in [-1,1]; zeros where a
    mask is empty.

    masks: uint8 [N,1,H,W] in {0,1}. A box reaches from the outer edge of its first pixel to that of its last.
    """
    regions = np.zeros((len(masks), 3, 2), np.float32)
    for index, mask in enumerate(masks[:, 0]):
        if not mask.any():
            continue
        for axis, along in enumerate((mask.sum(0), mask.sum(1))):
            pixels, side = np.flatnonzero(along), len(along)
            places = np.array([np.average(pixels, weights=along[pixels]), pixels[0] - 0.5, pixels[-1] + 0.5])
            regions[index, :, axis] = places / ((side - 1) / 2) - 1
    return regions


def mean_and_std(images: np.ndarray) -> tuple[float, float]:
    """Of the pixels in [0,1], from the counts of the 256 values: exact whatever the size."""
    counts = np.zeros(256, np.int64)
    for part in np.array_split(images, max(1, len(images) // 64)):
        counts += np.bincount(part.ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = float((counts * values).sum() / counts.sum())
    variance = float((counts * (values - mean) ** 2).sum() / counts.sum())
    return mean, max(variance, 1e-12) ** 0.5
