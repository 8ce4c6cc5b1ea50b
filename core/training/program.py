"""What one member computes, as a function of tensors: alone or, by `vmap`, for a group of members at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from seedsweep.core.errors import UserError
from seedsweep.core.task import Task, Values
from seedsweep.core.training.batch import Batch
from seedsweep.core.training.draws import Draws
from seedsweep.core.training.failures import named, told

Terms = dict[str, Tensor]


class Program(nn.Module):
    """A task with one of its models, whose weights are given at each call.

    fixed_values: hyperparameters that are numbers, of all members alike.
    """

    def __init__(self, task: Task, model: nn.Module, fixed_values: Mapping[str, float]):
        super().__init__()
        self.task, self.fixed_values = task, dict(fixed_values)
        #: Further names of a tensor -> its first: without storage it would be several.
        self.ties = {name: first for names in _tied(model) for first, name in names}
        # Without storage: what a member is called with takes its place.
        self.member = model.to("meta")

    def forward(self, what: str, split: Mapping[str, Tensor], rows: Tensor, values: Terms) -> Terms:
        """`loss` or `measure` of a batch, by name."""
        hp = Values({**self.fixed_values, **values})
        with told(self.task, what):
            given = getattr(self.task, what)(self.member, Batch(split, rows), hp)
        return self._loss_terms(given) if what == "loss" else self._measures(given, len(rows))

    def _loss_terms(self, given: Any) -> Terms:
        terms = given if isinstance(given, Mapping) else {"loss": given}
        if "loss" not in terms:
            raise self._wrong("loss", f"{', '.join(terms) or 'nothing'}: one of its terms must be called loss")
        for name, value in terms.items():
            if not isinstance(value, Tensor):
                raise self._wrong("loss", f"{name} as {type(value).__name__}: a scalar tensor is needed")
            if value.dim():
                shape = list(value.shape)
                raise self._wrong("loss", f"{name} of shape {shape}: a scalar is needed, as by .mean()")
        return dict(terms)

    def _measures(self, given: Any, size: int) -> Terms:
        if not isinstance(given, Mapping):
            raise self._wrong("measure", f"{type(given).__name__}: a dict of tensors by name is needed")
        for name, value in given.items():
            if not isinstance(value, Tensor) or not value.dim() or value.shape[0] != size:
                shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise self._wrong("measure", f"{name} as {shape}: one value a sample is needed, [{size}, ...]")
        return dict(given)

    def _wrong(self, what: str, given: str) -> UserError:
        # Looked up only where it is said: it takes longer than a small step.
        return UserError(f"{named(self.task, what)} gives {given}")


def run(
    program: Program,
    what: str,
    tensors: Mapping[str, Tensor],
    shared: Mapping[str, Tensor],
    split: Mapping[str, Tensor],
    rows: Tensor,
    values: Terms,
    draws: Draws | None,
) -> Terms:
    """`loss` or `measure` of m members, with the member axis first.

    tensors: parameters and buffers by name, [m, ...].  shared: the same for all.  rows: int64 [m,B].  values: [m] each.
    draws: answers what is random; its keys are [m], or [] where m is 1.  Errors: UserError for what a task gives.
    """

    def one(own: Mapping[str, Tensor], rows: Tensor, values: Terms) -> Terms:
        named = {**own, **shared}
        named |= {name: named[first] for name, first in program.ties.items()}
        state = {f"member.{name}": value for name, value in named.items()}
        result: Terms = functional_call(program, state, (what, split, rows, values))
        return result

    with draws or nullcontext():
        if len(rows) == 1:
            # Views: what a model notes in its buffers (running statistics) is noted in ours.
            alone = {name: value[0] for name, value in tensors.items()}
            terms = one(alone, rows[0], {name: value[0] for name, value in values.items()})
            terms = {name: value[None] for name, value in terms.items()}
        else:
            with warnings.catch_warnings():
                # A missing batching rule is slow, which is measured, and no fault of the user's.
                warnings.filterwarnings("ignore", "There is a performance drop")
                together: Callable[..., Terms] = vmap(one, randomness="different")
                terms = together(dict(tensors), rows, values)
    if what == "loss" and torch.is_grad_enabled() and not terms["loss"].requires_grad:
        raise UserError(
            f"{named(program.task, 'loss')} gives a loss without a gradient: it must be made of what the model gives, "
            "without .detach(), .item() and torch.no_grad()"
        )
    return terms


def _tied(model: nn.Module) -> Iterator[list[tuple[str, str]]]:
    """Of parameters and of buffers, (first name, further name) of each tensor with several."""
    for kind in (model.named_parameters, model.named_buffers):
        first: dict[int, str] = {}
        pairs = [(first.setdefault(id(tensor), name), name) for name, tensor in kind(remove_duplicate=False)]
        yield [(known, name) for known, name in pairs if known != name]


def in_double(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With float64 in place of other floats."""
    return {name: value.double() if value.is_floating_point() else value for name, value in tensors.items()}
