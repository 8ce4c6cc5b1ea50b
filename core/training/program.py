"""What one member computes, as a function of tensors: alone or, by `vmap`, for a group of members at once."""

from __future__ import annotations

import inspect
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call, vmap

from seedsweep.core.errors import SeedsweepError, UserError
from seedsweep.core.task import Task, Values
from seedsweep.core.training.batch import Batch
from seedsweep.core.training.draws import Draws
from seedsweep.core.training.memory import ran_out

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
        try:
            given = getattr(self.task, what)(self.member, Batch(split, rows), hp)
        except Exception as error:
            if isinstance(error, SeedsweepError) or ran_out(error):
                raise
            raise UserError(_failed(self.task, what, error)) from error
        return self._loss_terms(given) if what == "loss" else self._measures(given, len(rows))

    def _loss_terms(self, given: Any) -> Terms:
        where = f"{type(self.task).__name__}.loss"
        terms = given if isinstance(given, Mapping) else {"loss": given}
        if "loss" not in terms:
            raise UserError(f"{where} gives {', '.join(terms) or 'nothing'}: one of its terms must be called loss")
        for name, value in terms.items():
            if not isinstance(value, Tensor):
                raise UserError(f"{where} gives {name} as {type(value).__name__}: a scalar tensor is needed")
            if value.dim():
                raise UserError(f"{where} gives {name} of shape {list(value.shape)}: a scalar is needed, as by .mean()")
        return dict(terms)

    def _measures(self, given: Any, size: int) -> Terms:
        where = f"{type(self.task).__name__}.measure"
        if not isinstance(given, Mapping):
            raise UserError(f"{where} gives {type(given).__name__}: a dict of tensors by name is needed")
        for name, value in given.items():
            if not isinstance(value, Tensor) or not value.dim() or value.shape[0] != size:
                shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise UserError(f"{where} gives {name} as {shape}: one value a sample is needed, [{size}, ...]")
        return dict(given)


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
    draws: answers what is random; its keys are [m], or [] where m is 1.
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
            return {name: value[None] for name, value in terms.items()}
        with warnings.catch_warnings():
            # A missing batching rule is slow, which is measured, and no fault of the user's.
            warnings.filterwarnings("ignore", "There is a performance drop")
            together: Callable[..., Terms] = vmap(one, randomness="different")
            return together(dict(tensors), rows, values)


def _tied(model: nn.Module) -> Iterator[list[tuple[str, str]]]:
    """Of parameters and of buffers, (first name, further name) of each tensor with several."""
    for kind in (model.named_parameters, model.named_buffers):
        first: dict[int, str] = {}
        pairs = [(first.setdefault(id(tensor), name), name) for name, tensor in kind(remove_duplicate=False)]
        yield [(known, name) for known, name in pairs if known != name]


def _failed(task: Task, what: str, error: Exception) -> str:
    """A task's own error, with the line that it arose in or came through."""
    source = inspect.getsourcefile(type(task)) or ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == source]
    place = f"{Path(source).name}{f' line {lines[-1]}' if lines else ''}"
    if isinstance(error, NotImplementedError) and not error.args:
        return f"{place}: {type(task).__name__} has no {what}(model, batch, hp)"
    said = " ".join(str(error.args[0] if isinstance(error, KeyError) and error.args else error).split())[:300]
    return f"{place}: {type(task).__name__}.{what}: {type(error).__name__}: {said}"


def in_double(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With float64 in place of other floats."""
    return {name: value.double() if value.is_floating_point() else value for name, value in tensors.items()}
