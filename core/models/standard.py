"""Tasks for a network that is there already: one input, one target, one output. B batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from seedsweep.core.component import Chosen, Metric, resolve
from seedsweep.core.errors import UserError
from seedsweep.core.task import Task, Values
from seedsweep.core.training.batch import Batch

LOSSES, METRICS = "seedsweep.core.models.output_losses", "seedsweep.core.models.output_metrics"


class _Standard(Task):
    """The loss is recorded as `loss`, each metric and each error under its function's own name."""

    @dataclass(frozen=True)
    class Settings:
        """Settings of the task.

        model: class or function that makes a torch.nn.Module, `torchvision.models:resnet18` or `file.py:Net`.
        model_settings: its arguments by name.
        input, target: arrays of the data set; bytes are scaled to [0,1].
        loss: function of (output, target) to [B], or to the mean.
        metrics, errors: such functions that are measured beside it, to [B]: of metrics more is better, of errors less.
        """

        model: str = ""
        model_settings: dict[str, Any] = field(default_factory=dict)
        input: str = "image"
        target: str = "label"
        loss: Annotated[str, Chosen(LOSSES)] = "mse"
        metrics: Annotated[tuple[str, ...], Chosen(METRICS)] = ()
        errors: Annotated[tuple[str, ...], Chosen(LOSSES)] = ()

    settings: Settings

    @property
    def metrics(self) -> Mapping[str, Metric]:  # type: ignore[override]
        """loss, and those that the settings name. The built-in metrics are shares."""
        metrics = {"loss": Metric("min")}
        for function in self._of(self.settings.metrics, METRICS):
            is_share = function.__module__ == METRICS
            metrics[function.__name__] = Metric("max", 0, 1) if is_share else Metric("max")
        return metrics | {function.__name__: Metric("min") for function in self._of(self.settings.errors, LOSSES)}

    def check(self) -> Iterable[str]:
        """See the base."""
        s = self.settings
        example = "name a class or function that makes a torch.nn.Module, torchvision.models:resnet18 or file.py:Net"
        if ":" not in s.model:
            yield f"settings.model: {s.model!r} is no import path; {example}"
        else:
            try:
                resolve(s.model, LOSSES)
            except UserError as error:
                yield f"settings.model: {error}"
        names = [function.__name__ for function in self._measured()]
        for name in sorted({name for name in names if names.count(name) > 1 or name == "loss"}):
            yield f"settings.metrics: {name} is measured twice; give one of the functions another name"
        if hasattr(self, "data"):
            for key in ("input", "target"):
                array = getattr(s, key)
                if array not in self.data.shapes:
                    known = ", ".join(sorted(self.data.shapes))
                    yield f"settings.{key}: the data have no array {array!r}; known are {known}"

    def model(self) -> nn.Module:
        """See the base. Errors: UserError where the arguments do not fit, or it makes no module."""
        s = self.settings
        made = resolve(s.model, LOSSES)
        try:
            model = made(**s.model_settings)
        except TypeError as error:
            raise UserError(f"settings.model_settings: {s.model} cannot be made of them: {error}") from error
        if not isinstance(model, nn.Module):
            raise UserError(f"settings.model: {s.model} makes a {type(model).__name__}; it must be a torch.nn.Module")
        return model

    def loss(self, model: nn.Module, batch: Batch, hp: Values) -> Tensor:
        """Its mean."""
        error: Tensor = resolve(self.settings.loss, LOSSES)(self._output(model, batch), self._target(batch))
        return error.mean()

    def measure(self, model: nn.Module, batch: Batch, hp: Values) -> Mapping[str, Tensor]:
        """The loss and what else is measured."""
        output, target = self._output(model, batch), self._target(batch)
        error = resolve(self.settings.loss, LOSSES)(output, target)
        kept = {function.__name__: function(output, target) for function in self._measured()}
        return {"loss": error if error.dim() else error.expand(len(target)), **kept}

    def _measured(self) -> list[Callable[..., Any]]:
        return self._of(self.settings.metrics, METRICS) + self._of(self.settings.errors, LOSSES)

    @staticmethod
    def _of(names: Iterable[str], home: str) -> list[Callable[..., Any]]:
        return [resolve(name, home) for name in names]

    def _target(self, batch: Batch) -> Tensor:
        return batch[self.settings.target]

    def _output(self, model: nn.Module, batch: Batch) -> Tensor:
        return first_output(model(in_unit_range(batch[self.settings.input])))


class Classification(_Standard):
    """Classes int64 [B] from an input: the model's output is logits [B,K]."""

    @dataclass(frozen=True)
    class Settings(_Standard.Settings):
        """See the base; model_settings say how many classes there are."""

        loss: Annotated[str, Chosen(LOSSES)] = "cross_entropy"
        metrics: Annotated[tuple[str, ...], Chosen(METRICS)] = ("accuracy",)

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
