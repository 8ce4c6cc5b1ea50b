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
    """One field; the image is cut out around the field's centre."""
    return _one_field(settings, split, index, offset=0.0)


def pattern1_offset(settings: DataSettings, split: str, index: int) -> Sample:
    """The same, the cut's centre off by U[-0.2, 0.2) of the cut along each axis."""
    return _one_field(settings, split, index, offset=0.2)


def _one_field(settings: DataSettings, split: str, index: int, offset: float) -> Sample:
    rng = sample_rng(settings, split, index)
    size, side, label = settings.size, settings.object_size, index % 2
    canvas_side = max(size, round(size / settings.crop))
    # The canvas outside the cut is never seen, so only the cut is drawn. The field lies wholly in the canvas,
    # and the cut is moved inwards where it would reach over the canvas's edge.
    field = rng.integers(0, canvas_side - side + 1, 2)
    shift = rng.uniform(-offset, offset, 2) * size
    cut = np.clip(np.round(field + side / 2 - size / 2 + shift), 0, canvas_side - size).astype(int)
    top, left = (int(v) for v in field - cut)

    image = rng.uniform(*BACKGROUND, (size, size))
    mask = np.zeros((size, size), np.uint8)
    inside = np.s_[max(top, 0) : top + side, max(left, 0) : left + side]
    pattern = _checkerboard(side, settings.period) if label else _stripes(side, settings.period, rng)
    texture = np.where(pattern, LIGHT, DARK) + rng.uniform(0, NOISE, (side, side))
    image[inside] = texture[max(-top, 0) : size - top, max(-left, 0) : size - left]
    if label:
        mask[inside] = 1
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
