"""What a user writes to train a model of their own: a Task says what a member is, and the engine trains many.

M members, B batch, N samples of a split.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from seedsweep.core.component import Component, Metric, Range, choose
from seedsweep.core.training.batch import Batch, Data


class Values(Mapping[str, Any]):
    """Present values of the hyperparameters, by name or as attributes: 0-d tensors, or numbers where the task says
    `tensor=False`."""

    def __init__(self, values: Mapping[str, Any]):
        self._values = dict(values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __getitem__(self, name: str) -> Any:
        # No attribute yet where Python copies or unpickles it.
        values = self.__dict__.get("_values", {})
        if name not in values:
            raise KeyError(f"there is no hyperparameter {name!r}; {choose(name, values)}")
        return values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


_OF_VALUES = frozenset(dir(Values({})))


def readable(name: str) -> bool:
    """Whether `hp.name` can be a hyperparameter's value: an identifier, and no method that every mapping has."""
    return name.isidentifier() and name not in _OF_VALUES


class Task(Component):
    """A model, its loss and its measures on a data set, as one member sees them. Subclass it.

    metrics: what it measures that a criterion may be on: name -> Metric.
    hyperparameters: name -> Range with a default, beside those of the optimiser.
    fused: False sends the members one after another without a try, as a large network trains best.
    These are attributes of the class, or properties where settings decide.
    Settings: a frozen dataclass, with a Range or a Choice beside a field: `width: Annotated[int, Range(1, 4096)] =
    128`.
    """

    if TYPE_CHECKING:

        @property
        def metrics(self) -> Mapping[str, Metric]:
            """To a type checker a property, so that a subclass may have a property or an attribute."""

        @property
        def hyperparameters(self) -> Mapping[str, Range]:
            """Likewise."""

        @property
        def fused(self) -> bool:
            """Likewise."""
    else:
        metrics, hyperparameters, fused = {}, {}, True
    #: Beginnings of the names of parameters that `training.precision` is of, among convolutions and linear layers.
    coarse: ClassVar[tuple[str, ...]] = ()

    data: Data

    def __init__(self, settings: Any = None, data: Data | None = None):
        """settings: an instance of Settings; None: its defaults.  data: None where only names are asked for."""
        super().__init__(settings)
        if data is not None:
            self.data = data

    def check(self) -> Iterable[str]:
        """What does not fit together in the settings, or, where `self.data` is there, with the data: a line each that
        begins with a field, `settings.depth: ...`."""
        return ()

    def prepare(self) -> None:
        """Once a process, deterministic, from `self.data.train`: means, and the like."""

    def derive(self, split: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Once a process and split: what a batch has of each sample beside the data's own arrays, [N,...] each."""
        return {}

    def model(self) -> nn.Module:
        """A member's model, made under its init seed."""
        raise NotImplementedError

    def loss(self, model: nn.Module, batch: Batch, hp: Values) -> Tensor | Mapping[str, Tensor]:
        """The mean over the batch, a scalar, or scalars by name, of which `loss` is trained and the others recorded."""
        raise NotImplementedError

    def measure(self, model: nn.Module, batch: Batch, hp: Values) -> Mapping[str, Tensor]:
        """Of each sample of a batch, [B,...], without gradient and in evaluation mode; `summarise` takes those of a
        whole split."""
        raise NotImplementedError

    def summarise(self, kept: Mapping[str, Tensor]) -> Mapping[str, float | Tensor]:
        """From what `measure` gave of a whole split, [N,...] each: every value that is recorded. The default is the
        mean of each."""
        return {name: values.double().mean() for name, values in kept.items()}

    def watched(self) -> np.ndarray:
        """Samples of the validation split whose windows are followed through training, int64 [W]."""
        return np.zeros(0, np.int64)

    def windows(self, kept: Mapping[str, Tensor]) -> np.ndarray | None:
        """Where each watched sample is looked at, float32 [W,P,4]: x, y of P windows' centres in [-1,1], and their
        extents along x and y as shares of the image; None for a model that does not look."""
        return None


def dropout(x: Tensor, p: Tensor | float, training: bool = True) -> Tensor:
    """`torch.nn.functional.dropout` with a probability that may be a tensor, and so a hyperparameter."""
    if not training:
        return x
    keep = torch.rand_like(x) >= p
    return x * keep / (1 - p)
