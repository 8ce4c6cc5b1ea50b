"""Lesions of a slide, as the challenge's evaluation counts them (Ehteshami Bejnordi 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Tumours nearer than this to one another are one lesion; smaller ones are isolated tumour cells. Micrometres.
TOGETHER, ISOLATED = 75.0, 275.0
#: Pixels of level 0 on the side of a pixel of the lesions' mask: the challenge's level 5.
DOWNSAMPLE = 32


@dataclass(frozen=True)
class Lesions:
    """Numbers int64 [H,W]: 0 where there is no lesion; 1, 2, ... the `count` lesions that are to be found; -1 isolated
    tumour cells, which count as neither found nor false."""

    numbers: np.ndarray
    count: int


def lesions(mask: np.ndarray, pixel: float) -> Lesions:
    """The lesions of a slide's mask, bool [H,W], whose pixels have sides of so many micrometres.

    Pixels within half of TOGETHER of a tumour belong to it, holes are filled, and what then hangs together, corners
    included, is one lesion; one whose longer axis (of the ellipse with its second moments) is below ISOLATED is cells.
    """
    if not mask.any():
        return Lesions(np.zeros(mask.shape, np.int64), 0)
    # Not needed to name the data set.
    from scipy import ndimage

    near = ndimage.distance_transform_edt(~mask.astype(bool)) < TOGETHER / (2 * pixel)
    parts, found = ndimage.label(ndimage.binary_fill_holes(near), np.ones((3, 3)))
    numbers, count = np.zeros(found + 1, np.int64), 0
    for part, box in enumerate(ndimage.find_objects(parts), 1):
        if longer_axis(parts[box] == part) * pixel < ISOLATED:
            numbers[part] = -1
        else:
            count += 1
            numbers[part] = count
    return Lesions(numbers[parts], count)


def longer_axis(region: np.ndarray) -> float:
    """Of the ellipse that has the same second moments as a region, bool [H,W], in pixels."""
    spread = np.cov(np.stack(np.nonzero(region)), bias=True)
    return float(4 * np.sqrt(max(np.linalg.eigvalsh(spread)[-1], 0.0)))
