"""One black ellipse on white for tumour, plain white for normal: the report's first synthetic data."""

from __future__ import annotations

import numpy as np

from seedsweep.shards.samples import DataSettings, Sample, sample_rng, to_location, to_uint8


def ellipses(settings: DataSettings, split: str, index: int) -> Sample:
    """An ellipse of fixed size at a random place and angle."""
    return _ellipse(settings, split, index, smallest=1.0)


def ellipses_varied(settings: DataSettings, split: str, index: int) -> Sample:
    """The same with diameters between a third of the full size and the full size."""
    return _ellipse(settings, split, index, smallest=1 / 3)


def _ellipse(settings: DataSettings, split: str, index: int, smallest: float) -> Sample:
    rng = sample_rng(settings, split, index)
    size, label = settings.size, settings.label(index)
    mask = np.zeros((size, size), np.uint8)
    centre = np.zeros(2, np.float32)
    if label:
        # Half as wide as long (inferred: the report gives no proportions).
        a = settings.object_size / 2 * rng.uniform(smallest, 1.0)
        b = a / 2
        x, y = rng.uniform(a, size - 1 - a, 2)
        angle = rng.uniform(0, np.pi)
        rows, columns = np.mgrid[:size, :size]
        along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
        across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
        mask = ((along / a) ** 2 + (across / b) ** 2 <= 1).astype(np.uint8)
        centre = to_location(x, y, size)
    return Sample(to_uint8(1.0 - mask)[None], mask[None], label, centre)
