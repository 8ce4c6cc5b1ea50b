"""One black ellipse on white for tumour, plain white for normal: the first synthetic data of the 2019 report."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from seedsweep.shards.images import GeneratedImages, as_sample, to_location, to_uint8
from seedsweep.shards.layout import Arrays


class Ellipses(GeneratedImages):
    """An ellipse of fixed size at a random place and angle."""

    #: Least diameter as a share of the full one.
    smallest: ClassVar[float] = 1.0

    def sample(self, split: str, index: int) -> Arrays:
        """See `images`."""
        rng = self.rng(split, index)
        size, label = self.settings.size, self.label(split, index)
        mask = np.zeros((size, size), np.uint8)
        centre = np.zeros(2, np.float32)
        if label:
            # Half as wide as long (inferred: the 2019 report gives no proportions).
            a = self.object_size / 2 * rng.uniform(self.smallest, 1.0)
            b = a / 2
            x, y = rng.uniform(a, size - 1 - a, 2)
            angle = rng.uniform(0, np.pi)
            rows, columns = np.mgrid[:size, :size]
            along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
            across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
            mask = ((along / a) ** 2 + (across / b) ** 2 <= 1).astype(np.uint8)
            centre = to_location(x, y, size)
        return as_sample(to_uint8(1.0 - mask)[None], mask, label, centre)


class EllipsesVaried(Ellipses):
    """As `ellipses`, with diameters between a third of the full size and the full size."""

    smallest = 1 / 3
