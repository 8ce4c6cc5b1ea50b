"""Patches of slides: where tissue is, how much of each is tumour, and which of them are cut."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np

from seedsweep.shards.camelyon16.annotations import Polygon, paint, read_asap
from seedsweep.shards.camelyon16.lesions import DOWNSAMPLE, lesions
from seedsweep.shards.camelyon16.settings import DEBUG_PATCHES, CamelyonSettings
from seedsweep.shards.camelyon16.slides import Slide
from seedsweep.shards.camelyon16.sources import PARTLY_ANNOTATED, Source, rank
from seedsweep.shards.images import BALANCES


@dataclass(frozen=True)
class Cells:
    """Patches of a slide with enough tissue: corners int [n,2] (x, y of level 0), share of tumour [n].

    Of a slide of the test split: lesion int [n], at the middle of each patch, as `Lesions.numbers` has it; and how many
    lesions there are to be found. -1: of others they are not known.
    """

    corners: np.ndarray
    coverage: np.ndarray
    lesion: np.ndarray
    lesions: int

    def of(self, part: np.ndarray | slice) -> Cells:
        """Some of them, by their numbers."""
        return Cells(self.corners[part], self.coverage[part], self.lesion[part], self.lesions)


class Truth:
    """Masks of a slide's patches, from its outlines or its mask slide; all zero for a normal slide."""

    def __init__(self, source: Source, settings: CamelyonSettings):
        self._size, self._downsample = settings.size, settings.downsample
        self._polygons: list[Polygon] = []
        self._slide: Slide | None = None
        if source.annotation and source.annotation.outlined:
            self._polygons = read_asap(source.annotation)
        elif source.annotation:
            self._slide = Slide(source.annotation.path)

    def close(self) -> None:
        """Let go of the mask slide."""
        if self._slide:
            self._slide.close()

    def mask(self, x: int, y: int) -> np.ndarray:
        """uint8 [size,size] of the patch whose corner is at (x, y)."""
        if self._slide:
            return self._slide.read_mask(x, y, self._size, self._downsample)
        return paint(self._polygons, x, y, (self._size, self._size), self._downsample)

    def small(self, width: int, height: int) -> np.ndarray:
        """Of outlines, the mask of a whole slide, smaller by DOWNSAMPLE: uint8 [h,w]. width, height: of level 0."""
        return paint(self._polygons, 0, 0, (-(-height // DOWNSAMPLE), -(-width // DOWNSAMPLE)), DOWNSAMPLE)


def cells(source: Source, settings: CamelyonSettings) -> Cells:
    """The patches of a slide. Errors: UserError."""
    side = settings.size * settings.downsample
    with closing(Slide(source.slide)) as slide, closing(Truth(source, settings)) as truth:
        tissue, scale = slide.tissue(side)
        sums = np.pad(tissue.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        height, width = tissue.shape
        corners, coverage = [], []
        for y in range(0, slide.height - side + 1, side):
            top, bottom = (min(round(v / scale), height) for v in (y, y + side))
            for x in range(0, slide.width - side + 1, side):
                left, right = (min(round(v / scale), width) for v in (x, x + side))
                inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
                if inside >= settings.tissue * max((bottom - top) * (right - left), 1):
                    corners.append((x, y))
                    coverage.append(float(truth.mask(x, y).mean()))
        at = np.array(corners, np.int64).reshape(-1, 2)
        if not source.test:
            return Cells(at, np.array(coverage), np.full(len(at), -1), -1)
        found = lesions(truth.small(slide.width, slide.height), DOWNSAMPLE * settings.micrometres)
        middle = (at + side // 2) // DOWNSAMPLE
        return Cells(at, np.array(coverage), found.numbers[middle[:, 1], middle[:, 0]], found.count)


def choose(
    found: dict[Source, Cells], settings: CamelyonSettings, split: str = "train", most: int = 0
) -> dict[Source, np.ndarray]:
    """Which cells of each slide of a split are cut, at most so many (0: all): their numbers in order. The choice is by
    a hash of seed, slide and place, so that more slides or a larger `most` only add. Of the test split all are."""
    if split == "test":
        return {source: np.arange(len(those.corners)) for source, those in found.items() if len(those.corners)}
    ranked: dict[bool, list[tuple[bytes, Source, int]]] = {False: [], True: []}
    for source, those in found.items():
        for number, (corner, share) in enumerate(zip(those.corners, those.coverage, strict=True)):
            tumour = share >= settings.coverage
            # Where the annotation leaves tumours out, what has none is not known to be normal.
            if tumour or (share == 0 and source.name.lower() not in PARTLY_ANNOTATED):
                ranked[tumour].append((rank(settings.seed, source.name, *corner), source, number))
    normal, tumours = sorted(ranked[False], key=lambda r: r[0]), sorted(ranked[True], key=lambda r: r[0])
    kind = settings.kind_of(split)
    if kind == "debug":
        most = min(most or DEBUG_PATCHES, DEBUG_PATCHES)
    if kind == "main":
        taken = sorted([*normal, *tumours], key=lambda r: r[0])[: most or None]
    else:
        every = BALANCES["skewed" if kind == "skewed" else "balanced"]
        count = min(len(tumours), len(normal) // (every - 1), most // every if most else len(tumours))
        # What does not divide evenly is normal.
        spare = most % every if most and count == most // every else 0
        taken = [*tumours[:count], *normal[: count * (every - 1) + spare]]
    numbers: dict[Source, list[int]] = {source: [] for source in found}
    for _, source, number in taken:
        numbers[source].append(number)
    return {source: np.array(sorted(those), np.int64) for source, those in numbers.items() if those}
