"""What every generator yields, and the settings that decide its bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

SPLITS = ("train", "validation")
#: name -> one tumour image in so many. The report does not say how skewed its skewed data were (inferred).
BALANCES = {"balanced": 2, "skewed": 10, "tumour": 1}
FORMAT = 1  # raised whenever the same settings would give other bytes


class Sample(NamedTuple):
    """One image with what is known of it.

    image: uint8 [C,H,W].  mask: uint8 [1,H,W], values in {0,1}, all zero for a normal image.
    label: 0 normal, 1 tumour.  centre: float32 (x, y) of the object in [-1,1]; zero where there is none.
    """

    image: np.ndarray
    mask: np.ndarray
    label: int
    centre: np.ndarray


@dataclass(frozen=True)
class DataSettings:
    """Everything that decides the content of a data set. Same settings, same bytes.

    name:        a key of `shards.catalog.GENERATORS`.
    size:        side of an image, pixels.
    train, validation: number of images in each split.
    balance:     a key of BALANCES: how often a tumour image comes.
    field:       side of a pattern's field in pixels (0: a quarter of `size`); for ellipses, the longer diameter.
    period:      pixels of one stripe pair of a pattern.
    anywhere:    put a pattern's field anywhere, and not where the report's cut around it puts it: in the middle.
    seed:        of the generator.
    samples_per_record: samples stacked in one record of a shard.
    records_per_shard:  records in one tar file.
    folder:      of a set that was packed by hand, as `camelyon16` is; its index says the rest.
    """

    name: str
    size: int = 1024
    train: int = 260
    validation: int = 260
    field: int = 0
    period: int = 4
    anywhere: bool = False
    balance: str = "balanced"
    seed: int = 0
    samples_per_record: int = 64
    records_per_shard: int = 16
    folder: str = ""

    @property
    def object_size(self) -> int:
        """Side of the field or longer diameter of the ellipse, in pixels."""
        return self.field or self.size // 4

    def label(self, index: int) -> int:
        """Label of the sample of this index: 1, a tumour, once in so many."""
        every = BALANCES[self.balance]
        return int(index % every == every - 1)

    def count(self, split: str) -> int:
        """Number of samples of a split."""
        return self.train if split == "train" else self.validation

    def stored(self) -> dict[str, Any]:
        """What the index says of them: all but where they lie."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}

    def fingerprint(self) -> str:
        """Hash of the settings and the format: the identity of the data set."""
        text = json.dumps({"format": FORMAT, **self.stored()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def sample_rng(settings: DataSettings, split: str, index: int) -> np.random.Generator:
    """A sample's own randomness: it depends on the seed, the split and the index alone."""
    return np.random.default_rng([settings.seed, SPLITS.index(split), index])


def to_uint8(values: np.ndarray) -> np.ndarray:
    """[0,1] floats to the nearest of 256 grey levels."""
    return np.asarray(np.round(np.clip(values, 0.0, 1.0) * 255.0), dtype=np.uint8)


def to_location(x: float, y: float, size: int) -> np.ndarray:
    """Pixel coordinates (zero-based pixel centres) to a location in [-1,1]^2."""
    location: np.ndarray = np.array([x, y], np.float64)
    return np.asarray(location * (2 / (size - 1)) - 1, dtype=np.float32)
