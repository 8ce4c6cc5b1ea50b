"""What the arrays of a data set look like: dtype and shape of one sample by name, and how many samples lie together."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Samples of a data set. train and validation are needed, test is optional.
SPLITS = ("train", "validation", "test")
#: Raised whenever the same settings would give other bytes, or what is packed would be read in another way.
FORMAT = 2
#: Aims for the size of a record and of a tar file. They are part of the format: other values give other bytes. Records
#: of half a thousand small samples are read 25 times faster than single samples; a shard is what a stream mixes.
RECORD_BYTES, SHARD_BYTES = 2**22, 2**26
#: Names that are keys in a tar file and names of files in a cache.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Booleans, integers, floats and complex numbers, with the largest size in bytes that PyTorch has of each.
_KINDS = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}


@dataclass(frozen=True)
class Array:
    """dtype and shape of an array in one sample."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Of one sample."""
        return self.dtype.itemsize * math.prod(self.shape)

    def problem(self) -> str | None:
        """Why no data set holds such an array, in words, or None."""
        if self.dtype.itemsize > _KINDS.get(self.dtype.kind, 0):
            return f"has dtype {self.dtype}; it must hold booleans or numbers of a fixed size, at most 64 bits"
        if not self.nbytes:
            return f"has shape {list(self.shape)}: it holds no values"
        return None

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


Layout = Mapping[str, Array]
#: A record, a batch or a split: arrays [n,...] by name, of equal length.
Arrays = dict[str, np.ndarray]


def is_name(name: object) -> bool:
    """Whether an array may have this name."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def count(arrays: Mapping[str, np.ndarray]) -> int:
    """Samples in a record, a batch or a split."""
    return len(next(iter(arrays.values())))


def samples_per_record(layout: Layout) -> int:
    """Samples that are stacked in one record of a shard."""
    return max(1, RECORD_BYTES // sum(array.nbytes for array in layout.values()))


def records_per_shard(layout: Layout) -> int:
    """Records in one tar file."""
    record = samples_per_record(layout) * sum(array.nbytes for array in layout.values())
    return max(1, SHARD_BYTES // record)
