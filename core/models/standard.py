"""Tasks for a network that is there already: one input, one target, one output. B batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from seedsweep.core.component import Chosen, Metric, Named, resolve, short_name
from seedsweep.core.errors import UserError
from seedsweep.core.task import Task, Values
from seedsweep.core.training.batch import Batch, Data

#: Of (output, target).
Measured = Callable[[Tensor, Tensor], Tensor]
LOSS: Chosen[Measured] = Chosen("seedsweep.core.models.output_losses")
METRIC: Chosen[Measured] = Chosen("seedsweep.core.models.output_metrics")


class _Standard(Task):
    """The loss is recorded as `loss`, each metric and each error under its own name."""

    @dataclass(frozen=True)
    class Settings:
        """Settings of the task.

        model: class or function that makes a torch.nn.Module, `torchvision.models:resnet18` or `file.py:Net`.
        model_settings: arguments of the model, by name.
        input: array of the data set that the model is given; bytes are scaled to [0,1].
        target: array of the data set that its output is to match; bytes that are no classes are scaled to [0,1].
        loss: what is trained, a function of (output, target) to [B] or to the mean.
        metrics: functions of (output, target) to [B] that are measured beside it, of which more is better.
        errors: functions likewise, of which less is better.
        """

        model: str = ""
        model_settings: dict[str, Any] = field(default_factory=dict)
        input: str = "image"
        target: str = "label"
        loss: Annotated[Named, LOSS] = "mse"
        metrics: Annotated[tuple[Named, ...], METRIC] = ()
        errors: Annotated[tuple[Named, ...], LOSS] = ()

    settings: Settings

    def __init__(self, settings: Any = None, data: Data | None = None):
        super().__init__(settings, data)
        self._loss = LOSS.make(self.settings.loss)
        self._metrics = [(_name(each), each) for each in map(METRIC.make, self.settings.metrics)]
        self._errors = [(_name(each), each) for each in map(LOSS.make, self.settings.errors)]

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """loss, and those that the settings name. The built-in metrics are shares; a class may have a `metric`."""
        shares = {name: (0, 1) if each.__module__ == METRIC.home else () for name, each in self._metrics}
        of_metrics = {name: getattr(each, "metric", Metric("max", *shares[name])) for name, each in self._metrics}
        return {"loss": Metric("min"), **of_metrics, **{name: Metric("min") for name, _ in self._errors}}

    def check(self) -> Iterable[str]:
        """See the base."""
        s = self.settings
        example = "name a class or function that makes a torch.nn.Module, torchvision.models:resnet18 or file.py:Net"
        if ":" not in s.model:
            yield f"settings.model: {s.model!r} is no import path; {example}"
        else:
            try:
                resolve(s.model, LOSS.home)
            except UserError as error:
                yield f"settings.model: {error}"
        names = [name for name, _ in (*self._metrics, *self._errors)]
        for name in sorted({name for name in names if names.count(name) > 1 or name == "loss"}):
            yield f"settings.metrics: {name} is measured twice; give one of the two another name"
        if hasattr(self, "data"):
            for key in ("input", "target"):
                array = getattr(s, key)
                if array not in self.data.shapes:
                    known = ", ".join(sorted(self.data.shapes))
                    yield f"settings.{key}: the data have no array {array!r}; known are {known}"

    def model(self) -> nn.Module:
        """See the base. Errors: UserError where the arguments do not fit, or it makes no module."""
        s = self.settings
        made = resolve(s.model, LOSS.home)
        try:
            model = made(**s.model_settings)
        except TypeError as error:
            raise UserError(f"settings.model_settings: {s.model} cannot be made of them: {error}") from error
        if not isinstance(model, nn.Module):
            raise UserError(f"settings.model: {s.model} makes a {type(model).__name__}; it must be a torch.nn.Module")
        return model

    def loss(self, model: nn.Module, batch: Batch, hp: Values) -> Tensor:
        """Its mean."""
        return self._loss(self._output(model, batch), self._target(batch)).mean()

    def measure(self, model: nn.Module, batch: Batch, hp: Values) -> Mapping[str, Tensor]:
        """The loss and what else is measured."""
        output, target = self._output(model, batch), self._target(batch)
        error = self._loss(output, target)
        kept = {name: each(output, target) for name, each in (*self._metrics, *self._errors)}
        return {"loss": error if error.dim() else error.expand(len(target)), **kept}

    def _target(self, batch: Batch) -> Tensor:
        return batch[self.settings.target]

    def _output(self, model: nn.Module, batch: Batch) -> Tensor:
        return first_output(model(in_unit_range(batch[self.settings.input])))


class Classification(_Standard):
    """Classes int64 [B] from an input: the model's output is logits [B,K]."""

    @dataclass(frozen=True)
    class Settings(_Standard.Settings):
        """See the base; model_settings say how many classes there are."""

        loss: Annotated[Named, LOSS] = "cross_entropy"
        metrics: Annotated[tuple[Named, ...], METRIC] = ("accuracy",)

    def check(self) -> Iterable[str]:
        """See the base."""
        yield from super().check()
        target = self.data.train.get(self.settings.target) if hasattr(self, "data") else None
        if target is not None and target.is_floating_point():
            yield f"settings.target: {self.settings.target} is of {target.dtype}; classes are whole numbers"

    def _target(self, batch: Batch) -> Tensor:
        return batch[self.settings.target].long()


class Regression(_Standard):
    """Numbers from an input: the model's output holds as many as the target. With the input as target, an
    autoencoder."""

    def _target(self, batch: Batch) -> Tensor:
        return in_unit_range(batch[self.settings.target]).float()


def _name(measured: Any) -> str:
    """Of a function, or of an object its class's in small letters."""
    return getattr(measured, "__name__", None) or short_name(type(measured).__name__)


def in_unit_range(values: Tensor) -> Tensor:
    """Bytes to [0,1]; all else as it is."""
    return values.float() * (1 / 255) if values.dtype == torch.uint8 else values


def first_output(output: Any) -> Tensor:
    """The tensor of a model's output: of a dict `logits` or `out`, else the first; of a tuple the first."""
    if isinstance(output, Mapping):
        name = next((name for name in ("logits", "out") if name in output), next(iter(output)))
        output = output[name]
    elif isinstance(output, tuple | list):
        output = output[0]
    if not isinstance(output, Tensor):
        raise UserError(f"settings.model: its output is a {type(output).__name__}; it must be, or begin with, a tensor")
    return output
