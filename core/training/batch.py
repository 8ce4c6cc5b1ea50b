"""What a task is given: the splits of a data set as tensors on a device, and batches of them. B batch, N samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from seedsweep.core.component import choose

SPLITS = ("train", "validation", "test")


class Split(dict[str, Tensor]):
    """Tensors of a split, [N,...] each. A wrong name's error says which there are."""

    def __missing__(self, name: str) -> Tensor:
        raise KeyError(f"there is no {name!r}; {choose(name, self)}")


# As of a dict: what a compiler traces takes it apart.
pytree.register_pytree_node(
    Split,
    lambda split: (list(split.values()), list(split)),
    lambda values, names: Split(zip(names, values, strict=True)),
)


class Batch(Mapping[str, Tensor]):
    """Tensors [B,...] by the data set's names, and by those that `Task.derive` adds.

    A name is gathered from the split when it is asked for.  rows: int64 [B], of the split.  split: the whole split's
    tensors, [N,...] each, for a task that reads parts of samples.
    """

    def __init__(self, split: Mapping[str, Tensor], rows: Tensor):
        self.split, self.rows = split, rows
        self._gathered: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._gathered:
            split = self.split if name in self.split else Split(self.split)
            self._gathered[name] = split[name].index_select(0, self.rows)
        return self._gathered[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.split)

    def __len__(self) -> int:
        return len(self.split)


@dataclass
class Data:
    """A data set on a device. train, validation and test (empty where there is none): tensors [N,...] by name.

    classes: number of classes, 0 where the data set has none.  batch: of training, for `steps_per_epoch`.
    """

    train: dict[str, Tensor]
    validation: dict[str, Tensor]
    test: dict[str, Tensor] = field(default_factory=dict)
    classes: int = 0
    batch: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of one sample, by name."""
        return {name: tuple(values.shape[1:]) for name, values in self.train.items()}

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the training split."""
        return self.count("train") // self.batch

    def count(self, split: str) -> int:
        """Samples of a split."""
        tensors: dict[str, Tensor] = getattr(self, split)
        return len(next(iter(tensors.values()))) if tensors else 0


def on_device(
    splits: Mapping[str, Mapping[str, np.ndarray]], device: str = "cpu", classes: int = 0, batch: int = 1
) -> Data:
    """Arrays to a Data. On a CPU nothing is copied: a node's trials map the same pages."""
    where = torch.device(device)
    tensors = {
        split: Split({name: torch.from_numpy(np.asarray(array)).to(where) for name, array in arrays.items()})
        for split, arrays in splits.items()
    }
    return Data(tensors["train"], tensors["validation"], tensors.get("test", {}), classes, batch, where)
