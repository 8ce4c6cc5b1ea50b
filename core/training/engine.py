"""Whether members can train together: tried on two members, against each alone.

The comparison is in float64, of losses, gradients, buffers and measures, relative to the largest entry: in float32 a
relu at zero or a batch's normalisation alone makes percents of difference, which is no fault of an engine, and weights
after a step of Adam tell nothing, since gradients that are rounding alone become full steps. The optimiser's step is
compared apart, on random numbers.
"""

from __future__ import annotations

import copy
import math
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from seedsweep.core.errors import SeedsweepError, UserError
from seedsweep.core.records.study import Training
from seedsweep.core.task import Task
from seedsweep.core.training.compiled import Compiler, tensors_of
from seedsweep.core.training.failures import named
from seedsweep.core.training.inputs import Inputs, scales_of
from seedsweep.core.training.memory import ran_out
from seedsweep.core.training.models import build
from seedsweep.core.training.optimisers import Optimizer
from seedsweep.core.training.program import Constants, Program, State, Terms, without_slow_warnings
from seedsweep.core.training.seeds import Member, draw_key
from seedsweep.core.training.weights import Weights

#: Largest difference, relative to the largest entry, in float64 and where that cannot be computed.
NEAR, NEAR_IN_SINGLE = 1e-6, 1e-2
#: Samples that are tried.
MOST_SAMPLES = 16
#: Weights that the optimiser's step is tried on.
MOST_WEIGHTS = 1024
#: What makes an optimiser's step one of each member.
ROWS = (
    "every row is a member of its own: reduce over dim 1, as in gradient.norm(dim=1, keepdim=True), and take one of "
    "the scales as scales[:, :1]"
)
#: What to do about an operation that `vmap` cannot do: words of its error -> advice.
ADVICE = {
    ".update: ": ROWS,
    "aten::div.out": "in place of spectral_norm, weight / torch.linalg.matrix_norm(weight, 2) trains together",
    "aten::lstm": "nn.LSTMCell in a loop over the steps trains together",
    "aten::gru": "nn.GRUCell in a loop over the steps trains together",
    "aten::rnn": "nn.RNNCell in a loop over the steps trains together",
    ".item()": "keep values as tensors, without .item(), float() or if on them",
    "data-dependent control flow": "torch.where in place of an if on a tensor trains together",
    "in-place randomness": "draw a tensor of the members' own shape, by rand_like, in place of stochastic depth",
    "inplace randomness": "draw a tensor of the members' own shape, by rand_like, in place of stochastic depth",
    "dynamic shape": "shapes that depend on values cannot be one program; mask in place of choosing",
}


@dataclass(frozen=True)
class Engine:
    """name: `fused` or `loop`.  reason: one line, for the person who launches."""

    name: str
    reason: str


def choose_engine(task: Task, member: Member, training: Training, optimizer: Optimizer) -> Engine:
    """What the members of a prepared task can be trained with.

    Errors: UserError where not even one member alone can take a step, with the task's own error.
    """
    if not task.fused:
        return Engine("loop", f"members go one after another: {type(task).__name__} asks for it")
    try:
        alone, double = _alone(task, member, training, optimizer)
    except Exception as error:
        if ran_out(error):
            return Engine("loop", "members go one after another: two do not fit into memory for a comparison")
        raise
    try:
        trial = Trial(task, member, training, optimizer, double=double)
        together = {**trial.results([0, 1]), **trial.update([0, 1])}
    except Exception as error:
        if ran_out(error):
            return Engine("loop", "members go one after another: two do not fit into memory together")
        return Engine("loop", f"members go one after another: {_said(error)}")
    near = NEAR if double else NEAR_IN_SINGLE
    for name, value in together.items():
        off = difference(value, alone[name])
        if not off <= near:
            advice = f"; {ROWS}" if named(optimizer, "update") in name else ""
            return Engine(
                "loop",
                f"members go one after another: trained together, {name} differs by {100 * off:.2g} % from one member "
                f"alone{advice}",
            )
    note = "" if double else f", compared in float32 to {NEAR_IN_SINGLE:g}, as a step fails in float64"
    return Engine("fused", f"members train together: the same as alone, to rounding{note}")


def _alone(task: Task, member: Member, training: Training, optimizer: Optimizer) -> tuple[Terms, bool]:
    """Of two members one after another, and whether in float64."""
    for double in (True, False):
        try:
            trial = Trial(task, member, training, optimizer, double=double)
            each = [{**trial.results([place]), **trial.update([place])} for place in (0, 1)]
            return {name: torch.cat([one[name] for one in each]) for name in each[0]}, double
        except SeedsweepError as error:
            if not double or ran_out(error):
                raise
    raise AssertionError("one of the two is returned")


class Trial:
    """Two members and a batch of a few samples. double: in float64."""

    def __init__(self, task: Task, member: Member, training: Training, optimizer: Optimizer, *, double: bool):
        # A copy: what it notes of these few weights is not for the training.
        optimizer = copy.copy(optimizer)
        both = [replace(member, seed=member.seed + place) for place in (0, 1)]
        models = [build(task, each.parts.init) for each in both]
        self._double = double
        if double:
            models = [model.double() for model in models]
        weights, buffers = Weights(models), [dict(model.named_buffers()) for model in models]
        stacked = {name: torch.stack([of_model[name] for of_model in buffers]) for name in buffers[0]}
        self._state = State(weights.values, stacked, {})
        self._constants = Constants(weights.fixed, weights.shared, None)
        declared = {**task.hyperparameters, **optimizer.hyperparameters}
        names = [name for name in member.hyperparameters if declared[name].tensor]
        numbers = {name: value for name, value in member.hyperparameters.items() if name not in names}
        plain = training.model_copy(update={"precision": "float32", "microbatch": 0})
        self._program = Program(task, models[0], weights, optimizer, plain, names, numbers)
        device, count = task.data.device, min(training.microbatch or training.batch, MOST_SAMPLES)
        rows = torch.arange(min(count, task.data.count("train")), device=device).expand(2, -1)
        # Few rows, so that the copy in float64 is small; parts of samples are read by row, too.
        taken = {name: value[: rows.shape[1]] for name, value in task.data.train.items()}
        self._split = in_double(taken) if double else taken
        self._optimizer, self._width = optimizer, min(weights.values.shape[1], MOST_WEIGHTS)
        self._present = [member.hyperparameters, _moved(member.hyperparameters, optimizer)]
        values = [[each.value(name, 0, training.steps) for name in names] for each in both]
        kind = torch.float64 if double else torch.float32
        self._inputs = Inputs(
            torch.ones((), dtype=torch.int64, device=device),
            rows,
            torch.tensor([draw_key(each.parts.draws, 0) for each in both], device=device),
            torch.tensor(values, dtype=kind, device=device).view(2, -1),
            torch.zeros((2, 0), device=device),
        )

    def results(self, places: Sequence[int], compiler: Compiler | None = None) -> Terms:
        """By a name in words: losses, gradients, buffers after the step, and measures, the members' axis first.

        places: of the members, next to each other.  compiler: compiles what they compute.
        """
        group = slice(places[0], places[-1] + 1)
        state, constants, inputs = self._state.of(group), self._constants.of(group), self._inputs.of(group)
        gradient, buffers, terms = self._run(self._program.gradient, (state, constants, self._split, inputs), compiler)
        results = {f"the loss term {name}": value for name, value in terms.items()}
        results["the gradient"] = gradient
        if buffers:
            # Of all together, as the gradient: a running mean that is zero but for rounding has no size of its own.
            flat = [buffer.double().reshape(len(gradient), -1) for buffer in buffers.values()]
            results["the buffers"] = torch.cat(flat, 1)
        after = state._replace(buffers=buffers), constants, self._split, inputs.rows, inputs.values, inputs.keys
        measures = self._run(self._program.measure, after, compiler)
        return results | {f"the measure {name}": value for name, value in measures.items()}

    def update(self, places: Sequence[int]) -> Terms:
        """By a name in words: how far the optimiser's step takes random weights, and what it keeps of random moments,
        the members' axis first. Each member has hyperparameters of its own.

        Errors: UserError, also where a second such step is another.
        """
        first, second = self._update(list(places)), self._update(list(places))
        if any(not difference(second[name], value) <= NEAR_IN_SINGLE for name, value in first.items()):
            raise UserError(
                f"{named(self._optimizer, 'update')} gives another step at a second call with the same arguments: what "
                "it remembers belongs in the state, under the names of `slots`, and it may draw nothing"
            )
        return first

    def _update(self, places: list[int]) -> Terms:
        optimizer, kind = self._optimizer, torch.float64 if self._double else torch.float32
        made = torch.Generator().manual_seed(0)
        # Moments may be means of squares, which are not below zero.
        moments = {name: torch.rand(2, self._width, generator=made, dtype=kind) for name in optimizer.slots}
        weights, gradient = torch.randn(2, 2, self._width, generator=made, dtype=kind)
        scales = torch.from_numpy(scales_of(optimizer, range(1), [self._present])[0])
        decayed = (torch.arange(self._width) % 2).to(kind) if "weight_decay" in optimizer.hyperparameters else None
        given = State(weights, {}, moments), gradient, scales
        device = self._inputs.keys.device
        state, gradient, scales = pytree.tree_map(lambda value: value[places].to(device), given)
        # A copy: an optimiser may write into what it is given.
        start, decayed = state.weights.clone(), None if decayed is None else decayed.to(device)
        after, kept = self._run(self._program.update, (state, gradient, scales, decayed), None)
        step = f"the step of {named(optimizer, 'update')}"
        return {step: after - start, **{f"the {name} after {step}": value for name, value in kept.items()}}

    def _run(self, function: Callable[..., Any], arguments: tuple[Any, ...], compiler: Compiler | None) -> Any:
        def typed(*given: Any) -> Any:
            with _in_double() if self._double else nullcontext(), without_slow_warnings():
                return function(*given)

        if compiler is None:
            return typed(*arguments)
        return compiler.compile(typed, arguments)(tensors_of(pytree.tree_leaves(arguments)))


def _moved(values: Mapping[str, float], optimizer: Optimizer) -> dict[str, float]:
    """Hyperparameters with other values of those of an optimiser that members of one program may differ in."""
    moved = dict(values)
    for name, bounds in optimizer.hyperparameters.items():
        if bounds.tensor and name in values:
            end = bounds.high if values[name] < bounds.high else bounds.low
            far = end - values[name] if math.isfinite(end) else math.copysign(abs(values[name]) or 0.01, end)
            moved[name] = values[name] + far / 4
    return moved


@contextmanager
def _in_double() -> Iterator[None]:
    """What a task casts to float32, or makes in it, is float64."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _Wide():
            yield
    finally:
        torch.set_default_dtype(default)


class _Wide(TorchDispatchMode):
    def __init__(self) -> None:
        TorchDispatchMode.__init__(self)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if kwargs.get("dtype") == torch.float32:
            kwargs["dtype"] = torch.float64
        return func(*args, **kwargs)


def in_double(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With float64 in place of other floats."""
    return {name: value.double() if value.is_floating_point() else value for name, value in tensors.items()}


def difference(one: Tensor, other: Tensor) -> float:
    """Largest difference, relative to the largest entry; NaN in the same places is no difference."""
    if one.shape != other.shape:
        return float("inf")
    one, other = one.double(), other.double()
    same = (one == other) | (one.isnan() & other.isnan())
    if bool(same.all()):
        return 0.0
    largest = max(float(other.nan_to_num().abs().max()), 1e-12)
    return float(torch.where(same, 0.0, one - other).abs().max()) / largest


def _said(error: BaseException) -> str:
    """Which operation of which line it was, and what to do."""
    text = " ".join(str(error).split())
    advice = next((words for key, words in ADVICE.items() if key.lower() in text.lower()), "")
    frames = traceback.extract_tb((error.__cause__ or error).__traceback__)
    if any(frame.name == "dropout" and frame.filename.endswith("functional.py") for frame in frames):
        advice = "seedsweep.dropout takes a probability that is a hyperparameter"
    first = text.split(". ")[0].removesuffix(".")[:240]
    return f"{first}{'; ' + advice if advice else ''}"
