"""Lesions on whole slides and their FROC curve, as the Camelyon16 challenge scores it (Ehteshami Bejnordi 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

#: Mean false positives a slide at which the challenge reads off the sensitivity.
AVERAGED_AT = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
#: Tumours nearer than this to one another are one lesion; smaller ones are isolated tumour cells. Micrometres.
TOGETHER, ISOLATED = 75.0, 275.0


@dataclass(frozen=True)
class Detections:
    """What is said of one slide: probability [n], and the place that each points to, x and y in pixels of the lesions'
    mask, int [n,2]."""

    probability: np.ndarray
    places: np.ndarray


@dataclass(frozen=True)
class Lesions:
    """Numbers [H,W]: 0 where there is no lesion; isolated: those that count as neither found nor false."""

    numbers: np.ndarray
    isolated: frozenset[int]

    @property
    def count(self) -> int:
        """Lesions that are to be found."""
        return int(self.numbers.max()) - len(self.isolated)


def lesions(mask: np.ndarray, pixel: float) -> Lesions:
    """The lesions of a slide's mask, bool [H,W], whose pixels have sides of so many micrometres.

    Pixels within half of TOGETHER of a tumour belong to it, holes are filled, and what then hangs together, corners
    included, is one lesion; one whose longer axis (of the ellipse with its second moments) is below ISOLATED is cells.
    """
    if not mask.any():
        return Lesions(np.zeros(mask.shape, np.int64), frozenset())
    near = ndimage.distance_transform_edt(~mask.astype(bool)) < TOGETHER / (2 * pixel)
    numbers, count = ndimage.label(ndimage.binary_fill_holes(near), np.ones((3, 3)))
    small = frozenset(n for n in range(1, count + 1) if longer_axis(numbers == n) * pixel < ISOLATED)
    return Lesions(numbers.astype(np.int64), small)


def longer_axis(region: np.ndarray) -> float:
    """Of the ellipse that has the same second moments as a region, bool [H,W], in pixels."""
    spread = np.cov(np.stack(np.nonzero(region)), bias=True)
    return float(4 * np.sqrt(max(np.linalg.eigvalsh(spread)[-1], 0.0)))


def froc(slides: Sequence[tuple[Detections, Lesions]]) -> tuple[np.ndarray, np.ndarray]:
    """(mean false positives a slide, sensitivity), one of each for every threshold from the highest down, after (0, 0).

    A lesion is found with the highest probability that points into it; more hits are neither true nor false. What
    points to no lesion is false, and what points to isolated cells is neither.
    Errors: ValueError without any lesion.
    """
    found: list[float] = []
    false: list[float] = []
    total = 0
    for detections, truth in slides:
        total += truth.count
        best: dict[int, float] = {}
        for p, (x, y) in zip(detections.probability.tolist(), detections.places.tolist(), strict=True):
            number = int(truth.numbers[y, x])
            if number == 0:
                false.append(p)
            elif number not in truth.isolated:
                best[number] = max(p, best.get(number, 0.0))
        found += best.values()
    if not total:
        raise ValueError("a FROC curve needs at least one lesion")
    thresholds = np.unique([*found, *false])[::-1]
    hits = (np.array(found)[None] >= thresholds[:, None]).sum(1) / total
    wrong = (np.array(false)[None] >= thresholds[:, None]).sum(1) / len(slides)
    return np.concatenate([[0.0], wrong]), np.concatenate([[0.0], hits])


def froc_score(false_positives: np.ndarray, sensitivity: np.ndarray) -> float:
    """The challenge's number: the mean sensitivity at AVERAGED_AT, between points by a straight line."""
    return float(np.interp(AVERAGED_AT, false_positives, sensitivity).mean())
