"""A field of stripes (normal) or of a checkerboard (tumour) on a noisy, lighter background.

*Where* the field is shows at any resolution (it is darker than the background); *what* it is shows only at
the resolution of its period, so a model must look there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from seedsweep.core.component import Range
from seedsweep.shards.images import GeneratedImages, ImageSettings, as_sample, to_location, to_uint8
from seedsweep.shards.layout import Arrays

# Seen to need attention at 64 px: with a background as dark as the field nothing converges.
BACKGROUND = (0.6, 0.9)
DARK, LIGHT, NOISE = 0.0, 0.8, 0.1
#: "Multiple sets" of patterns in the report's second pattern data (inferred). As many in a normal as in a tumour image:
#: their number says nothing.
FIELDS = 4


@dataclass(frozen=True)
class PatternSettings(ImageSettings):
    """period: pixels of one stripe pair.  anywhere: put the one field of pattern1 anywhere, and not where the report's
    cut around it puts it: in the middle."""

    period: Annotated[int, Range(2)] = 4
    anywhere: bool = False


class Pattern1(GeneratedImages):
    """One field in the middle: the report cut its images out around the field."""

    Settings = PatternSettings
    settings: PatternSettings
    #: The field's middle is off the image's by so much of the image at most, along each axis.
    offset: ClassVar[float] = 0.0

    def sample(self, split: str, index: int) -> Arrays:
        """See `images`."""
        rng = self.rng(split, index)
        size, side, label = self.settings.size, self.object_size, self.label(index)
        if self.settings.anywhere:
            top, left = (int(v) for v in rng.integers(0, size - side + 1, 2))
        else:
            # The noise is the same everywhere: to cut around the field is to put the field into the cut. A field that
            # would reach over the edge is moved inwards.
            corner = (size - side) / 2 + rng.uniform(-self.offset, self.offset, 2) * size
            top, left = (int(v) for v in np.clip(np.round(corner), 0, size - side))
        image = rng.uniform(*BACKGROUND, (size, size))
        mask = np.zeros((size, size), np.uint8)
        _draw(image, mask, top, left, side, self.settings.period, rng, tumour=bool(label))
        middle = (side - 1) / 2
        return as_sample(to_uint8(image)[None], mask, label, to_location(left + middle, top + middle, size))


class Pattern1Offset(Pattern1):
    """The same, off the middle by U[-0.2, 0.2) of the image along each axis."""

    offset = 0.2

    def check(self) -> Iterable[str]:
        """A field that is anywhere has no offset."""
        yield from super().check()
        yield from _not_anywhere(self.settings, "the field of pattern1_offset lies off the middle; take pattern1")


class Pattern2(GeneratedImages):
    """FIELDS fields: of stripes in a normal image; half of them of a checkerboard in a tumour image. `centre` is the
    centre of mass of the checkerboards."""

    Settings = PatternSettings
    settings: PatternSettings

    def check(self) -> Iterable[str]:
        """Its fields lie where they lie."""
        yield from super().check()
        yield from _not_anywhere(self.settings, "the fields of pattern2 lie in cells of a grid")

    def sample(self, split: str, index: int) -> Arrays:
        """See `images`."""
        rng = self.rng(split, index)
        size, side, label = self.settings.size, self.object_size, self.label(index)
        image = rng.uniform(*BACKGROUND, (size, size))
        mask = np.zeros((size, size), np.uint8)
        places = _places(FIELDS, side, size, rng)
        boards = -(-len(places) // 2) if label else 0
        for number, (top, left) in enumerate(places):
            _draw(image, mask, top, left, side, self.settings.period, rng, tumour=number < boards)
        centre = np.zeros(2, np.float32)
        if label:
            y, x = np.mean(places[:boards], axis=0) + (side - 1) / 2
            centre = to_location(x, y, size)
        return as_sample(to_uint8(image)[None], mask, label, centre)


class Pattern2Rgb(Pattern2):
    """The same in three equal channels, as a backbone that was trained on photographs takes it."""

    def sample(self, split: str, index: int) -> Arrays:
        """See `images`."""
        sample = super().sample(split, index)
        return {**sample, "image": np.repeat(sample["image"], 3, axis=0)}


def _not_anywhere(settings: PatternSettings, why: str) -> Iterable[str]:
    if settings.anywhere:
        yield f"data.anywhere: must be false: {why}"


def _draw(
    image: np.ndarray,
    mask: np.ndarray,
    top: int,
    left: int,
    side: int,
    period: int,
    rng: np.random.Generator,
    *,
    tumour: bool,
) -> None:
    """One field into the image, a tumour's into the mask, too."""
    field = np.s_[top : top + side, left : left + side]
    pattern = _checkerboard(side, period) if tumour else _stripes(side, period, rng)
    image[field] = np.where(pattern, LIGHT, DARK) + rng.uniform(0, NOISE, (side, side))
    mask[field] = tumour


def _places(count: int, side: int, size: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """(top, left) of so many fields that do not overlap: random cells of a grid, each field anywhere in its own."""
    cells = size // side
    chosen = rng.permutation(cells * cells)[: min(count, cells * cells)]
    cell = size / cells
    slack = cell - side
    return [
        (int(row * cell + rng.uniform(0, slack)), int(column * cell + rng.uniform(0, slack)))
        for row, column in (divmod(int(c), cells) for c in chosen)
    ]


def _stripes(side: int, period: int, rng: np.random.Generator) -> np.ndarray:
    """bool [side, side]; horizontal or vertical with equal chance, random phase."""
    line = (np.arange(side) + rng.integers(period)) % period < period // 2
    pattern = np.broadcast_to(line, (side, side))
    return pattern.T if rng.random() < 0.5 else pattern


def _checkerboard(side: int, period: int) -> np.ndarray:
    """bool [side, side] with squares of half a period."""
    line = np.arange(side) % period < period // 2
    return line[:, None] ^ line[None, :]
