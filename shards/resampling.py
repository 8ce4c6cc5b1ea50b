"""Images of another side, computed in whole numbers: equal to the bit on every machine, in whatever order it adds."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def resampled(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 [H,H] or [H,H,C] as uint8 [size,size] or [size,size,C]: averaged down by area, or interpolated up.

    A mask in {0,1} stays one: 1 where its mean is at least one half.
    """
    side = len(image)
    if side == size:
        return image
    weights = _weights(side, size)
    planes = np.moveaxis(np.atleast_3d(image), -1, 0).astype(np.float64)
    # Whole numbers far below 2^53: float64 adds them without rounding.
    summed = (weights @ planes @ weights.T).astype(np.int64)
    total = int(weights[0].sum()) ** 2
    means: np.ndarray = np.moveaxis((2 * summed + total) // (2 * total), 0, -1).astype(np.uint8)
    return means if image.ndim == 3 else means[..., 0]


@lru_cache(maxsize=4)
def _weights(side: int, size: int) -> np.ndarray:
    """float64 [size,side], whole numbers: what each pixel of a line takes of the line before."""
    to, of = np.arange(size)[:, None], np.arange(side)[None]
    if size < side:
        # The overlap, a pixel of the new line being `side` wide, one of the old line `size`.
        overlap = np.minimum((to + 1) * side, (of + 1) * size) - np.maximum(to * side, of * size)
        return np.asarray(np.maximum(overlap, 0), np.float64)
    # How near the middles are, in units of which a pixel of the old line has 2 * size. Beyond the last middle its value
    # goes on.
    middle = np.clip((2 * to + 1) * side, size, (2 * side - 1) * size)
    distance = np.abs(middle - (2 * of + 1) * size)
    return np.asarray(np.maximum(2 * size - distance, 0), np.float64)
