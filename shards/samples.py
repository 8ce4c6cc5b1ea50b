"""The samples of a data set, checked as they come: whatever a user's class does wrong ends in one line here."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from seedsweep.core.errors import UserError
from seedsweep.shards.data_set import DataSet, in_words
from seedsweep.shards.layout import Array, Arrays, Layout, count, is_name, samples_per_record

_RIGHT = 'yield a dict of arrays for each sample, {"image": ..., "label": ...}, or return one dict, samples first'


@dataclass(frozen=True)
class Split:
    """The samples of one split, to be read once.

    total: how many there are; 0: not known before the end.  blocks: arrays [n,...], each the content of a record.
    """

    total: int
    blocks: Iterator[Arrays]


class Samples:
    """Reads a data set split by split. `layout`, that of all samples, is known once the first split is open.

    Errors of all methods, and of the blocks as they are read: UserError that names class, split and sample.
    """

    def __init__(self, data_set: DataSet):
        self.layout: Layout = {}
        self._data_set = data_set
        self._first = ""

    def open(self, split: str) -> Split | None:
        """A split; None where the data set has no test split."""
        where = f"{_name(type(self._data_set))}.samples({split!r})"
        try:
            given = self._data_set.samples(split)
        except UserError:
            raise
        except Exception as error:
            hint = "; where there is no test split, return None" if split == "test" else ""
            raise UserError(f"{where} fails: {in_words(error, type(self._data_set))}{hint}") from error
        if given is None and split == "test":
            return None
        if isinstance(given, Mapping):
            return self._of_arrays(given, where)
        if isinstance(given, str | bytes | np.ndarray) or not isinstance(given, Iterable):
            raise UserError(f"{where} gives {_kind(given)}; {_RIGHT}")
        return self._of_samples(given, where, split)

    def _of_arrays(self, given: Mapping[str, Any], where: str) -> Split:
        arrays = {}
        for name, value in given.items():
            array = _array(value, where, name)
            if not array.ndim:
                raise UserError(f"{where}: {name!r} is a single value; samples come first in every array")
            arrays[name] = array
        counts = {name: len(array) for name, array in arrays.items()}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{number} of {name!r}" for name, number in counts.items())
            raise UserError(f"{where}: there are {listed}; samples come first, as many in every array")
        if counts and not max(counts.values()):
            raise UserError(f"{where} is empty: every array has 0 samples")
        self._compare({name: Array(a.dtype, a.shape[1:]) for name, a in arrays.items()}, where)
        total, size = count(arrays), samples_per_record(self.layout)
        return Split(
            total,
            ({name: arrays[name][start : start + size] for name in self.layout} for start in range(0, total, size)),
        )

    def _of_samples(self, given: Iterable[Any], where: str, split: str) -> Split | None:
        samples = self._checked(given, where)
        first = next(samples, None)
        if first is None:
            # A generator cannot return None.
            if split == "test":
                return None
            raise UserError(f"{where} is empty: it yields no sample")
        return Split(len(given) if isinstance(given, Sized) else 0, self._stacked(chain([first], samples)))

    def _checked(self, given: Iterable[Any], where: str) -> Iterator[Arrays]:
        """Sample by sample."""
        try:
            for number, sample in enumerate(given):
                at = f"{where}, sample {number}"
                if not isinstance(sample, Mapping):
                    raise UserError(f"{at}: {_kind(sample)} is no dict; {_RIGHT}")
                arrays = {name: _array(value, at, name) for name, value in sample.items()}
                if not self._fits(arrays):
                    self._compare({name: Array(a.dtype, a.shape) for name, a in arrays.items()}, at)
                yield arrays
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{where} fails: {in_words(error, type(self._data_set))}") from error

    def _fits(self, sample: Arrays) -> bool:
        """The short way, for the many samples that are as they should be."""
        if sample.keys() != self.layout.keys():
            return False
        return all(a.dtype == (to := self.layout[name]).dtype and a.shape == to.shape for name, a in sample.items())

    def _stacked(self, samples: Iterator[Arrays]) -> Iterator[Arrays]:
        size = samples_per_record(self.layout)
        while some := list(islice(samples, size)):
            yield {name: np.stack([sample[name] for sample in some]) for name in self.layout}

    def _compare(self, found: Layout, where: str) -> None:
        """Take the first layout as that of all, and refuse what differs from it."""
        if found and found == self.layout:
            return
        if not self.layout:
            if not found:
                raise UserError(f"{where}: an empty dict; {_RIGHT}")
            for name, array in found.items():
                if not is_name(name):
                    raise UserError(f"{where}: an array is named {name!r}; use letters, digits and '_'")
                if problem := array.problem():
                    raise UserError(f"{where}: {name!r} {problem}")
            self.layout, self._first = dict(found), where
            return
        if set(found) != set(self.layout):
            raise UserError(
                f"{where}: its arrays are {_listed(found)}, those of {self._first} {_listed(self.layout)}; every "
                "sample has the same names"
            )
        for name, array in found.items():
            if array != self.layout[name]:
                raise UserError(
                    f"{where}: {name!r} is {array}, in {self._first} {self.layout[name]}; every sample has the same "
                    "dtype and shape"
                )


def arrays_of(data_set: DataSet, split: str) -> Arrays | None:
    """A whole split in memory, without packing it; None where there is no test split. Errors: as of Samples."""
    opened = Samples(data_set).open(split)
    if opened is None:
        return None
    blocks = list(opened.blocks)
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def classes_of(data_set: DataSet) -> int:
    """Number of classes. Errors: UserError."""
    where = f"{_name(type(data_set))}.classes"
    try:
        classes = data_set.classes
    except Exception as error:
        raise UserError(f"{where} fails: {in_words(error, type(data_set))}") from error
    if not isinstance(classes, int | np.integer) or classes < 0:
        raise UserError(f"{where} is {classes!r}; it must be a number of classes, 0 where there are none")
    return int(classes)


def _array(value: Any, where: str, name: object) -> np.ndarray:
    try:
        array = np.asarray(value)
    except Exception as error:
        what = "has parts of different shapes" if "inhomogeneous" in str(error) else "is no array"
        raise UserError(f"{where}: {name!r} {what}: {' '.join(str(error).split())}") from error
    # PyTorch takes the machine's own byte order alone.
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _name(kind: type) -> str:
    """`file.py:Name` of a class."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return f"{Path(file).name}:{kind.__qualname__}" if file else kind.__qualname__


def _kind(value: object) -> str:
    return f"an object of type {type(value).__name__}"


def _listed(layout: Layout) -> str:
    return ", ".join(sorted(map(repr, layout)))
