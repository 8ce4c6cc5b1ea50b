"""What the built-in sets of images share: arrays, balance, and randomness of a sample's own.

Each sample has image uint8 [C,H,W]; mask uint8 [1,H,W], values in {0,1}, all zero for a normal image; label, 0 normal,
1 tumour; and centre float32, (x, y) of the object in [-1,1], zero where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from seedsweep.core.component import Choice, Range
from seedsweep.shards.data_set import DataSet
from seedsweep.shards.layout import SPLITS, Arrays

#: name -> one tumour image in so many. The report does not say how skewed its skewed data were (inferred).
BALANCES = {"balanced": 2, "skewed": 10, "tumour": 1}


@dataclass(frozen=True)
class ImageSettings:
    """Of every set of generated images.

    size:        side of an image, pixels.
    train:       number of images in the training split.
    validation:  number of images in the validation split.
    test:        number of images in the test split; 0: there is none.
    field:       side or longer diameter of the object in pixels; 0: a quarter of the image's side.
    balance:     how often a tumour image comes: `balanced`, every second; `skewed`, every tenth; `tumour`, each.
    validation_balance: the same in the validation and test splits; empty: as `balance`. So that training sets of
                 different balance are judged on the same images.
    seed:        of the generator that draws the images.
    """

    size: Annotated[int, Range(8)] = 1024
    train: Annotated[int, Range(1)] = 260
    validation: Annotated[int, Range(1)] = 260
    test: Annotated[int, Range(0)] = 0
    field: Annotated[int, Range(0)] = 0
    balance: Annotated[str, Choice(*BALANCES)] = "balanced"
    validation_balance: Annotated[str, Choice("", *BALANCES)] = ""
    seed: Annotated[int, Range(0)] = 0


class GeneratedImages(DataSet):
    """Images that are made one by one. A subclass says what a `sample` is."""

    Settings = ImageSettings
    classes = 2

    settings: ImageSettings

    def check(self) -> Iterable[str]:
        """The object is no larger than the image."""
        if self.object_size > self.drawn_size:
            side = "data.size" if self.drawn_size == self.settings.size else "the drawn image"
            yield f"data.field: {self.object_size} is larger than {side}, {self.drawn_size}"

    def count(self, split: str) -> int:
        """As the settings say."""
        return int(getattr(self.settings, split))

    def samples(self, split: str) -> Iterable[Arrays] | None:
        """Each sample from the seed, the split and its number alone."""
        return _Generated(self, split) if self.count(split) else None

    def sample(self, split: str, index: int) -> Arrays:
        """One sample; see this module."""
        raise NotImplementedError

    @property
    def object_size(self) -> int:
        """Side of the field or longer diameter of the ellipse, in pixels of the drawn image."""
        return self.settings.field or self.drawn_size // 4

    @property
    def drawn_size(self) -> int:
        """Side of the image as it is drawn, pixels."""
        return self.settings.size

    def label(self, split: str, index: int) -> int:
        """Label of a sample: 1, a tumour, once in so many."""
        settings = self.settings
        every = BALANCES[settings.balance if split == "train" else settings.validation_balance or settings.balance]
        return int(index % every == every - 1)

    def rng(self, split: str, index: int) -> np.random.Generator:
        """A sample's own randomness."""
        return np.random.default_rng([self.settings.seed, SPLITS.index(split), index])


def as_sample(image: np.ndarray, mask: np.ndarray, label: int, centre: np.ndarray) -> Arrays:
    """From image [C,H,W] and mask [H,W]."""
    return {"image": image, "mask": mask[None], "label": np.array(label, np.int64), "centre": centre}


def to_uint8(values: np.ndarray) -> np.ndarray:
    """[0,1] floats to the nearest of 256 grey levels."""
    return np.asarray(np.round(np.clip(values, 0.0, 1.0) * 255.0), dtype=np.uint8)


def to_location(x: float, y: float, size: int) -> np.ndarray:
    """Pixel coordinates (zero-based pixel centres) to a location in [-1,1]^2."""
    location: np.ndarray = np.array([x, y], np.float64)
    return np.asarray(location * (2 / (size - 1)) - 1, dtype=np.float32)


class _Generated:
    """The samples of a split, of which there is a known number."""

    def __init__(self, data_set: GeneratedImages, split: str):
        self._data_set, self._split = data_set, split

    def __len__(self) -> int:
        return self._data_set.count(self._split)

    def __iter__(self) -> Iterator[Arrays]:
        return (self._data_set.sample(self._split, index) for index in range(len(self)))
