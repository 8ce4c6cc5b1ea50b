"""What members compute, as pure functions of tensors: for one alone or, by `vmap`, for a group at once.

m members of a group, W trained weights, B batch, H hyperparameters that are tensors, S numbers of the optimiser.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Training
from seedsweep.core.task import Task, Values
from seedsweep.core.training.batch import Batch
from seedsweep.core.training.draws import Draws
from seedsweep.core.training.failures import named, told
from seedsweep.core.training.inputs import Inputs
from seedsweep.core.training.models import of_precision
from seedsweep.core.training.optimisers import Optimizer, clipped
from seedsweep.core.training.weights import Weights

Terms = dict[str, Tensor]
#: Bytes at whose multiples torch puts a new tensor.
ALIGNMENT = 64
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class State(NamedTuple):
    """What training changes: weights [m,W]; buffers of the models, and moments of the optimiser, [m, ...] by name."""

    weights: Tensor
    buffers: Terms
    moments: Terms

    def of(self, group: slice) -> State:
        """Of some members, as views."""
        return State(self.weights[group], rows_of(self.buffers, group), rows_of(self.moments, group))

    def put(self, group: slice, new: State) -> None:
        """Copy the state of some members to its place."""
        self.weights[group] = new.weights
        for own, values in ((self.buffers, new.buffers), (self.moments, new.moments)):
            for name, value in values.items():
                own[name][group] = value


class Constants(NamedTuple):
    """What training reads and does not change.

    own: weights that are not trained, [m, ...] by name.  shared: the same, where all members have the same values.
    decayed: [W], 1 where weight decay acts and 0 elsewhere; None where no member has any.
    """

    own: Terms
    shared: Terms
    decayed: Tensor | None

    def of(self, group: slice) -> Constants:
        """Of some members, as views."""
        return self._replace(own=rows_of(self.own, group))

    def aligned(self) -> Constants:
        """With each tensor where a new one would be."""
        return self._replace(own={name: aligned(value) for name, value in self.own.items()})


def aligned(tensor: Tensor) -> Tensor:
    """The same at an address as a new tensor has it. How a product is cut hangs on it: a row of a matrix of several
    members would give other bits than a member's own."""
    whole = tensor.contiguous()
    return whole.clone() if whole.data_ptr() % ALIGNMENT else whole


def rows_of(tensors: Mapping[str, Tensor], group: slice) -> Terms:
    """Some members' rows of tensors [M, ...], as views."""
    return {name: value[group] for name, value in tensors.items()}


class Program:
    """A task, its optimiser and the layout of its models' weights. Its functions change none of their arguments, and
    read nothing that is not among them but what is the same in every call: so they can be run as they are, traced,
    compiled, or recorded.

    draws: whether `loss` and `measure` draw random numbers; None until it has been seen.
    identity: of one task, two programs of equal identity are the same functions.
    """

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        weights: Weights,
        optimizer: Optimizer,
        training: Training,
        names: Sequence[str],
        numbers: Mapping[str, float],
    ):
        """model: one of the task's; it loses its storage.  names: of the H hyperparameters that are tensors.  numbers:
        those that are Python numbers, the same for all members.

        Errors: UserError where the task has nothing of the precision that `training` asks for.
        """
        self.task, self.optimizer, self.training = task, optimizer, training
        self.draws: dict[str, bool | None] = {"loss": None, "measure": None}
        self._weights, self._names, self._numbers = weights, tuple(names), dict(numbers)
        self._coarse = of_precision(model, task.coarse)
        if training.precision != "float32" and not self._coarse:
            raise UserError(
                f"training.precision: {training.precision} would change nothing: {type(task).__name__}.coarse names no "
                "convolution or linear layer"
            )
        # Further names of a tensor -> its first: without storage it would be several.
        self._ties = {name: first for pairs in _tied(model) for first, name in pairs}
        self._member = _Member(task, model.to("meta"))
        of_step = training.model_dump_json(include={"batch", "microbatch", "clip", "precision"})
        made = type(optimizer), repr(optimizer.settings)
        stored = tuple(weights.shapes.items()), tuple(weights.fixed), tuple(weights.shared)
        self.identity = (*made, of_step, self._names, tuple(self._numbers.items()), *stored)

    def step(
        self, state: State, constants: Constants, split: Mapping[str, Tensor], inputs: Inputs
    ) -> tuple[State, Terms]:
        """The state after one step, and the mean of each loss term over the batch, [m].

        inputs: of this step and these members.  Errors: UserError for what a task or an optimiser gives.
        """
        gradient, buffers, terms = self.gradient(state, constants, split, inputs)
        if self.training.clip:
            gradient = clipped(gradient, self.training.clip)
        weights, moments = self.update(state, gradient, inputs.scales, constants.decayed)
        return State(weights, buffers, moments), terms

    @torch.no_grad()
    def update(self, state: State, gradient: Tensor, scales: Tensor, decayed: Tensor | None) -> tuple[Tensor, Terms]:
        """Weights and moments after the optimiser's step. gradient: [m,W].  scales: [m,S].  decayed: as Constants has
        it.

        Errors: UserError.
        """
        with told(self.optimizer, "update"):
            scales = scales.to(state.weights.dtype)
            new = self.optimizer.update(state.weights, gradient, state.moments, scales, decayed)
        if not (isinstance(new, tuple) and len(new) == 2 and isinstance(new[1], Mapping)):
            raise self._wrong_update(f"{type(new).__name__}: weights and state are needed")
        weights, moments = new[0], dict(new[1])
        if moments.keys() != state.moments.keys():
            slots = ", ".join(state.moments) or "nothing"
            raise self._wrong_update(f"a state of {', '.join(moments) or 'nothing'}: its `slots` name {slots}")
        for name, value in {"weights": weights, **moments}.items():
            if not isinstance(value, Tensor) or value.shape != state.weights.shape:
                shape = f"shape {list(value.shape)}" if isinstance(value, Tensor) else f"type {type(value).__name__}"
                needed = list(state.weights.shape)
                raise self._wrong_update(f"{name} of {shape}: [m, W] is needed, a row a member, here {needed}")
        return weights, moments

    def _wrong_update(self, given: str) -> UserError:
        return UserError(f"{named(self.optimizer, 'update')} gives {given}")

    def gradient(
        self, state: State, constants: Constants, split: Mapping[str, Tensor], inputs: Inputs
    ) -> tuple[Tensor, Terms, Terms]:
        """Of the mean loss over the batch's microbatches, [m,W]; the buffers afterwards; the mean of each term, [m]."""
        self._member.be(training=True)
        leaf = aligned(state.weights.detach()).requires_grad_()
        constants = constants.aligned()
        buffers = {name: buffer.clone() for name, buffer in state.buffers.items()}
        parts = inputs.rows.split(self.training.microbatch or self.training.batch, 1)
        with self._drawing("loss", inputs.keys):
            passes = []
            for rows in parts:
                terms = self._run("loss", leaf, buffers, constants, split, rows, inputs.values)
                if not terms["loss"].requires_grad:
                    raise UserError(
                        f"{named(self.task, 'loss')} gives a loss without a gradient: it must be made of what the "
                        "model gives, without .detach(), .item() and torch.no_grad()"
                    )
                # The task's own mistake may show here: a change in place of what the gradient needs.
                with told(self.task, "loss"):
                    (slope,) = torch.autograd.grad(terms["loss"].sum(), leaf)
                passes.append((slope, terms))
        gradient, sums = passes[0][0], {name: value.detach() for name, value in passes[0][1].items()}
        for more, terms in passes[1:]:
            gradient = gradient + more
            sums = {name: sums[name] + value.detach() for name, value in terms.items()}
        if len(parts) > 1:
            gradient, sums = gradient / len(parts), {name: value / len(parts) for name, value in sums.items()}
        return gradient, buffers, sums

    @torch.no_grad()
    def measure(
        self,
        state: State,
        constants: Constants,
        split: Mapping[str, Tensor],
        rows: Tensor,
        values: Tensor,
        keys: Tensor,
    ) -> Terms:
        """Of a batch, [m,B,...] by name. rows: int64 [m,B].  values: [m,H].  keys: int64 [m]."""
        self._member.be(training=False)
        buffers = {name: buffer.clone() for name, buffer in state.buffers.items()}
        with self._drawing("measure", keys):
            return self._run("measure", aligned(state.weights), buffers, constants.aligned(), split, rows, values)

    def _run(
        self,
        what: str,
        weights: Tensor,
        buffers: Terms,
        constants: Constants,
        split: Mapping[str, Tensor],
        rows: Tensor,
        values: Tensor,
    ) -> Terms:
        """`loss` or `measure` by name, members first. Running statistics are noted in `buffers`."""
        precision = PRECISIONS[self.training.precision]
        tensors = {
            name: value.to(precision) if name in self._coarse else value
            for name, value in self._weights.named(weights).items()
        }
        tensors |= {**buffers, **constants.own}
        by_name = {name: values[:, place] for place, name in enumerate(self._names)}

        def one(own: Terms, rows: Tensor, values: Terms) -> Terms:
            all_named = {**own, **constants.shared}
            all_named |= {name: all_named[first] for name, first in self._ties.items()}
            state = {f"model.{name}": value for name, value in all_named.items()}
            result: Terms = functional_call(
                self._member, state, (what, Batch(split, rows), Values({**self._numbers, **values}))
            )
            return result

        if len(rows) > 1:
            together: Callable[..., Terms] = vmap(one, randomness="different")
            return together(tensors, rows, by_name)
        # Views: what a model notes in its buffers is noted in ours.
        alone = {name: value[0] for name, value in tensors.items()}
        terms = one(alone, rows[0], {name: value[0] for name, value in by_name.items()})
        return {name: value[None] for name, value in terms.items()}

    @contextmanager
    def _drawing(self, what: str, keys: Tensor) -> Iterator[None]:
        """Random operations are answered from the members' keys, unless it was seen that there are none."""
        if self.draws[what] is False:
            yield
            return
        before = _foreign_generators() if self.draws[what] is None else None
        with Draws(keys[0] if len(keys) == 1 else keys) as mode:
            yield
        if before and _foreign_generators() != before:
            raise UserError(
                f"{named(self.task, what)} draws random numbers from NumPy or Python, which no seed of a member "
                "repeats: draw with torch's functions"
            )
        self.draws[what] = bool(self.draws[what]) or mode.drawn > 0


class _Member(nn.Module):
    """A task with a model without storage, whose tensors are given at each call."""

    def __init__(self, task: Task, model: nn.Module):
        super().__init__()
        self.task, self.model = task, model

    def be(self, *, training: bool) -> None:
        """In the mode of training or of evaluation."""
        if self.training != training:
            self.train(training)

    def forward(self, what: str, batch: Batch, hp: Values) -> Terms:
        with told(self.task, what):
            given = getattr(self.task, what)(self.model, batch, hp)
        return self._loss_terms(given) if what == "loss" else self._measures(given, len(batch.rows))

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


def _foreign_generators() -> tuple[Any, ...]:
    """The states of NumPy's and Python's generators."""
    of_numpy = np.random.get_state(legacy=False)
    state = of_numpy["state"]
    return state["key"].tobytes(), state["pos"], of_numpy["has_gauss"], of_numpy["gauss"], random.getstate()


@contextmanager
def without_slow_warnings() -> Iterator[None]:
    """A missing batching rule is slow, which is measured, and no fault of the user's."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        yield


def _tied(model: nn.Module) -> Iterator[list[tuple[str, str]]]:
    """Of parameters and of buffers, (first name, further name) of each tensor with several."""
    for kind in (model.named_parameters, model.named_buffers):
        first: dict[int, str] = {}
        pairs = [(first.setdefault(id(tensor), name), name) for name, tensor in kind(remove_duplicate=False)]
        yield [(known, name) for known, name in pairs if known != name]
