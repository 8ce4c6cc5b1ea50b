"""Colonic glands in a section stained by immunohistochemistry: a task of real tissue, and no cancer.

The image is scikit-image's `ihc`, 512 x 512 pixels: glands whose cells hold a protein (FHL2) that DAB shows in brown,
beside connective tissue that holds none; haematoxylin shows the nuclei in blue. Colour deconvolution tells the stains
apart. The model is given the haematoxylin alone; the DAB is the truth. **This is not cancer**: label 1 says that the
protein is there, and 0 that it is not.

Needs scikit-image, which the extra `slides` brings; the image is in its wheel.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np

from seedsweep.shards import tissue
from seedsweep.shards.images import GeneratedImages, as_sample, to_location, to_uint8
from seedsweep.shards.layout import Arrays
from seedsweep.shards.resampling import resampled

#: Side of a patch, pixels of the image; as much tissue is in a sample of any size.
PATCH = 64
#: Columns of the image, from and to, with a gap between them. Training has the right, where glands have more kinds of
#: surroundings: from the left alone networks were seen to learn the patches by heart.
COLUMNS = {"train": (312, 512), "validation": (0, 296)}
#: Optical density of DAB above which a pixel holds it: between the two modes of the image, 0.07 around the glands and
#: 0.47 in them.
DAB = 0.3
#: So much of the middle holds DAB where the label is 1.
SHARE = 0.5


class ColonIhc(GeneratedImages):
    """Patches of 64 px of the image from random places, turned and mirrored at random, brought to `size`.

    image: [1,size,size], the light that the haematoxylin alone lets through.  mask: where DAB is, which is most of a
    patch of label 1.  label: 1 where at least half of the patch's middle, a square of side `field`, holds DAB; 0 where
    the whole patch holds none. Patches between the two are not taken.  centre: the mask's centre of mass.

    At most 24 patches of train and 32 of validation do not overlap: a thousand samples show the same few glands again
    and again. At 64 px a pixel is one of the image; at 512 or 1024 px the patch is interpolated, and shows no more.
    """

    def check(self) -> Iterable[str]:
        """The image is installed; there is no test split."""
        yield from super().check()
        yield from tissue.image_problems("data.name")
        if self.settings.test:
            yield "data.test: must be 0: the image of colon_ihc has room for training and validation alone"

    def sample(self, split: str, index: int) -> Arrays:
        """See this class."""
        rng = self.rng(split, index)
        size, label = self.settings.size, self.label(split, index)
        # Even, as PATCH is: the middle stays in the middle whichever way the patch lies.
        middle = 2 * max(1, round(PATCH * self.object_size / size / 2))
        found = places(split, middle, label)
        row, column = found[rng.integers(len(found))]
        way = int(rng.integers(8))
        patch = np.s_[row : row + PATCH, column : column + PATCH]
        light, holds = (resampled(tissue.turned(whole[patch], way), size) for whole in stained())
        rows, columns = np.nonzero(holds)
        centre = to_location(columns.mean(), rows.mean(), size) if label else np.zeros(2, np.float32)
        return as_sample(light[None], holds, label, centre)


@cache
def stained() -> tuple[np.ndarray, np.ndarray]:
    """The light through the haematoxylin, and 1 where DAB is; uint8 [512,512] each. Errors: UserError."""
    haematoxylin, dab = np.moveaxis(tissue.stains(), -1, 0)
    return to_uint8(10.0**-haematoxylin), (dab > DAB).astype(np.uint8)


@cache
def places(split: str, middle: int, label: int) -> np.ndarray:
    """Upper left corners (row, column) of the patches of a split whose label is this, int64 [N,2]."""
    first, end = COLUMNS[split]
    holds = stained()[1][:, first:end]
    if label:
        edge = (PATCH - middle) // 2
        inner = holds[edge : len(holds) - edge, edge : holds.shape[1] - edge]
        fits = tissue.box_sums(inner, middle) >= SHARE * middle**2
    else:
        fits = tissue.box_sums(holds, PATCH) == 0
    rows, columns = np.nonzero(fits)
    return np.stack([rows, columns + first], 1)
