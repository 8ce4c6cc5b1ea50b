"""A field of stripes (normal) or of a checkerboard (tumour) on a noisy, lighter background.

*Where* the field is shows at any resolution (it is darker than the background); *what* it is shows only at
the resolution of its period, so a model must look there.
"""

from __future__ import annotations

import numpy as np

from shards.samples import DataSettings, Sample, sample_rng, to_location, to_uint8

# Seen to need attention at 64 px: with a background as dark as the field nothing converges.
BACKGROUND = (0.6, 0.9)
DARK, LIGHT, NOISE = 0.0, 0.8, 0.1


def pattern1(settings: DataSettings, split: str, index: int) -> Sample:
    """One field in the middle: the report cut its images out around the field."""
    return _one_field(settings, split, index, offset=0.0)


def pattern1_offset(settings: DataSettings, split: str, index: int) -> Sample:
    """The same, off the middle by U[-0.2, 0.2) of the image along each axis."""
    return _one_field(settings, split, index, offset=0.2)


def _one_field(settings: DataSettings, split: str, index: int, offset: float) -> Sample:
    rng = sample_rng(settings, split, index)
    size, side, label = settings.size, settings.object_size, index % 2
    if settings.anywhere:
        top, left = (int(v) for v in rng.integers(0, size - side + 1, 2))
    else:
        # The noise is the same everywhere: to cut around the field is to put the field into the cut. A field that
        # would reach over the edge is moved inwards.
        corner = (size - side) / 2 + rng.uniform(-offset, offset, 2) * size
        top, left = (int(v) for v in np.clip(np.round(corner), 0, size - side))
    field = np.s_[top : top + side, left : left + side]

    image = rng.uniform(*BACKGROUND, (size, size))
    mask = np.zeros((size, size), np.uint8)
    pattern = _checkerboard(side, settings.period) if label else _stripes(side, settings.period, rng)
    image[field] = np.where(pattern, LIGHT, DARK) + rng.uniform(0, NOISE, (side, side))
    if label:
        mask[field] = 1
    middle = (side - 1) / 2
    return Sample(to_uint8(image)[None], mask[None], label, to_location(left + middle, top + middle, size))


def _stripes(side: int, period: int, rng: np.random.Generator) -> np.ndarray:
    """bool [side, side]; horizontal or vertical with equal chance, random phase."""
    line = (np.arange(side) + rng.integers(period)) % period < period // 2
    pattern = np.broadcast_to(line, (side, side))
    return pattern.T if rng.random() < 0.5 else pattern


def _checkerboard(side: int, period: int) -> np.ndarray:
    """bool [side, side] with squares of half a period."""
    line = np.arange(side) % period < period // 2
    return line[:, None] ^ line[None, :]
