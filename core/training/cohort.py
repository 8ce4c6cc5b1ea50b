"""A cohort: the members of one configuration, or of several, trained together.

Members are trained in groups of `at_once`: a group is one batched program (`torch.func.vmap`, member axis first), and
groups follow one another. All at once is the engine `fused`, one after another the engine `loop`; the result is the
same to rounding. A member's path depends on its seed and configuration alone, never on its company.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from seedsweep.core.errors import UserError
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.study import Training
from seedsweep.core.task import Task
from seedsweep.core.training import evaluation
from seedsweep.core.training.cuda_graph import Recorded
from seedsweep.core.training.draws import Draws
from seedsweep.core.training.failures import told
from seedsweep.core.training.inputs import STRETCH, Inputs, inputs_of
from seedsweep.core.training.memory import OutOfMemoryError, ran_out, release
from seedsweep.core.training.models import build, of_precision, start_from
from seedsweep.core.training.optimisers import Optimizer, clip
from seedsweep.core.training.program import Program, Terms, run
from seedsweep.core.training.seeds import Member, measure_key
from seedsweep.core.training.stopping import BestSoFar
from seedsweep.core.training.weights import Weights

T = TypeVar("T")
ENGINES = ("fused", "loop")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Cohort:
    """M members in training. `step` steps are done; `evaluations` holds a row [M, len(columns)] for each of
    `evaluated`, and `windows` where each member looks at the watched samples, [M,W,P,4]."""

    def __init__(
        self,
        task: Task,
        members: Sequence[Member],
        training: Training,
        optimizer: Optimizer,
        at_once: int,
        *,
        no_decay: Sequence[str] = (),
        start: Mapping[str, Tensor] | None = None,
        criterion: Criterion | None = None,
    ):
        """task: prepared (`core.training.prepare`).  training: resolved, with steps.  at_once: members of a group; a
        group that runs out of memory is halved.  no_decay: patterns of parameters without weight decay.  start: the
        weights by name that every member starts from, in place of its seed's.  criterion: by which an evaluation is
        the best; needed for a test split.

        Errors: ValueError for a start that does not fit; UserError for what a task gives.
        """
        self.task, self.members, self.training, self.optimizer = task, tuple(members), training, optimizer
        self.step = 0
        self.columns: tuple[str, ...] = ()
        self.evaluated: list[int] = []
        self.evaluations: list[np.ndarray] = []
        self.windows: list[np.ndarray] = []
        count, self._device = len(self.members), task.data.device
        models = [build(task, member.seeds.init) for member in self.members]
        for model in models if start else ():
            start_from(model, start or {})
        self._weights = Weights(models)
        buffers = [dict(model.named_buffers()) for model in models]
        self._buffers = {name: torch.stack([b[name] for b in buffers]) for name in buffers[0]}
        self._coarse = of_precision(models[0], task.coarse)
        if training.precision != "float32" and not self._coarse:
            raise UserError(
                f"training.precision: {training.precision} would change nothing: {type(task).__name__}.coarse names no "
                "convolution or linear layer"
            )
        declared = {**task.hyperparameters, **optimizer.hyperparameters}
        self._names = [name for name in self.members[0].hyperparameters if declared[name].tensor]
        fixed = {name: v for name, v in self.members[0].hyperparameters.items() if name not in self._names}
        if any(member.hyperparameters[name] != value for member in self.members for name, value in fixed.items()):
            raise ValueError(f"members of one cohort have one value of each of {', '.join(fixed)}")
        self._program = Program(task, models[0], fixed)
        self._slots = {name: torch.zeros_like(self._weights.values) for name in optimizer.slots}
        self._decayed = self._weights.mask(no_decay) if self._decays() else None
        self._groups = [slice(first, min(first + at_once, count)) for first in range(0, count, at_once)]
        self._diverged_at = torch.full((count,), -1, dtype=torch.int64, device=self._device)
        self._sums: Terms = {}
        #: Whether training and measuring draw; None until it has been seen.
        self._draws: dict[str, bool | None] = {"loss": None, "measure": None}
        self._stopped: list[int | None] = [None] * count
        self._criterion = criterion
        self._best = BestSoFar(count, criterion) if criterion and task.data.test else None
        self._stopping = None
        if stop := training.stop:
            self._stopping = BestSoFar(count, Criterion(stop.metric, 0.0, direction=_direction(task, stop.metric)))
        #: The state of what is followed before the last evaluation, where that lies between two regular ones.
        self._before_end: dict[str, Any] = {}
        self._stretch: tuple[range, Inputs] | None = None
        self._train = Recorded(self._train_all, self._device)

    @property
    def at_once(self) -> int:
        """Members of the largest group."""
        return max(group.stop - group.start for group in self._groups)

    @property
    def recorded(self) -> bool:
        """Whether a step is one launch on a GPU."""
        return self._train.recorded

    @property
    def done(self) -> bool:
        """Whether every step is trained and the last one evaluated, or every member has stopped."""
        return self.step >= self.training.steps or all(step is not None for step in self._stopped)

    @property
    def diverged_at(self) -> list[int | None]:
        """Per member, the number of steps done when its loss was no longer finite."""
        return [None if step < 0 else step for step in self._diverged_at.tolist()]

    @property
    def stopped_at(self) -> list[int | None]:
        """Per member, the step at which `training.stop` froze it."""
        return list(self._stopped)

    def advance(self) -> None:
        """Train up to the next evaluation and evaluate. Errors: OutOfMemoryError, UserError."""
        every = self.training.evaluate_every
        target = min((self.step // every + 1) * every, self.training.steps)
        for total in self._sums.values():
            total.zero_()
        frozen = [member for member, step in enumerate(self._stopped) if step is not None]
        kept = self._rows(frozen) if frozen else {}
        state = torch.default_generator.get_state()
        steps = target - self.step
        while self.step < target:
            self.train_step()
        if not torch.equal(state, torch.default_generator.get_state()):
            raise UserError(
                f"{type(self.task).__name__}.loss drew random numbers in a later step and none in its first: no seed "
                "could repeat it; draw in every step"
            )
        if frozen:
            self._put_back(frozen, kept)
        self._evaluate(steps)

    def train_step(self) -> None:
        """One step of every member; nothing waits for its result. Errors: OutOfMemoryError, UserError."""
        if self._stretch is None or self.step not in self._stretch[0]:
            steps = range(self.step, self.step + min(STRETCH, self.training.evaluate_every))
            self._stretch = steps, self._inputs(steps)
        steps, inputs = self._stretch
        self._train(inputs.at(self.step - steps.start))
        self.step += 1

    def test(self) -> list[dict[str, dict[str, float]]]:
        """Of each member, the measures of the test split at the `last` and at the `best` validated evaluation; empty
        where the data have no test split. Errors: OutOfMemoryError."""
        if not self.task.data.test:
            return [{} for _ in self.members]
        results: list[dict[str, dict[str, float]]] = [{"last": values} for values in self._measure("test")[0]]
        if self._best is not None and self._best.places:
            now = self._rows(list(range(len(self.members))))
            self._put_back(*self._best.weights())
            for member, values in enumerate(self._measure("test")[0]):
                results[member]["best"] = values
            self._put_back(list(range(len(self.members))), now)
        gone = [step is not None for step in self.diverged_at]
        return [{} if diverged else result for diverged, result in zip(gone, results, strict=True)]

    def weights(self) -> dict[str, Any]:
        """What every member has learnt: seeds [M], and by its name each parameter and buffer, [M, ...]."""
        named = self._weights.named(self._weights.values)
        fixed = {name: value.expand(len(self.members), *value.shape) for name, value in self._weights.shared.items()}
        tensors = {**named, **self._weights.fixed, **fixed, **self._buffers}
        seeds = [member.seed for member in self.members]
        return {"seeds": seeds, "tensors": {name: value.contiguous() for name, value in tensors.items()}}

    def state(self) -> dict[str, Any]:
        """Everything that a cohort of the same members needs to go on: tensors, lists and numbers."""
        return {
            "step": self.step,
            "seeds": [member.seed for member in self.members],
            "weights": self._weights.values,
            "buffers": self._buffers,
            "slots": self._slots,
            "diverged_at": self._diverged_at,
            "stopped_at": [-1 if step is None else step for step in self._stopped],
            "columns": list(self.columns),
            "evaluated": self.evaluated,
            "evaluations": torch.from_numpy(np.array(self.evaluations)),
            "windows": torch.from_numpy(np.array(self.windows)),
            **{name: part.state() for name, part in self._followed().items()},
            "before_end": self._before_end,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state()`, of a cohort of fewer steps, too. Errors: ValueError if it is another cohort's."""
        if state["seeds"] != [member.seed for member in self.members]:
            raise ValueError("this checkpoint holds other seeds")
        if state["weights"].shape != self._weights.values.shape or set(state["slots"]) != set(self._slots):
            raise ValueError("this checkpoint holds other parameters")
        self.step = state["step"]
        self._weights.values.copy_(state["weights"])
        for own, kept in ((self._buffers, state["buffers"]), (self._slots, state["slots"])):
            for name, tensor in own.items():
                tensor.copy_(kept[name])
        self._diverged_at.copy_(state["diverged_at"])
        self._stopped = [None if step < 0 else step for step in state["stopped_at"]]
        self.columns = tuple(state["columns"])
        self.evaluated = list(state["evaluated"])
        self.evaluations = list(state["evaluations"].cpu().numpy())
        self.windows = list(state["windows"].cpu().numpy())
        if self.evaluated and self.step < self.training.steps and self.evaluated[-1] % self.training.evaluate_every:
            # The end of a shorter training, at which a longer one is not evaluated.
            self._stopped = [None if step == self.evaluated[-1] else step for step in self._stopped]
            for rows in (self.evaluated, self.evaluations, self.windows):
                del rows[-1]
            for name, part in self._followed().items():
                part.load(state["before_end"][name])
        for name, part in self._followed().items():
            part.load(state[name])

    def _followed(self) -> dict[str, BestSoFar]:
        parts = {"best": self._best, "stopping": self._stopping}
        return {name: part for name, part in parts.items() if part is not None}

    def _decays(self) -> bool:
        return any(member.hyperparameters.get("weight_decay") for member in self.members)

    def _inputs(self, steps: range) -> Inputs:
        of_steps = (steps, self.members, self._names, self.training, self.optimizer)
        samples, draws = self.task.data.count("train"), self._draws["loss"] is not False
        return inputs_of(*of_steps, samples, self._device, draws=draws)

    def _train_all(self, inputs: Inputs) -> None:
        """One step. Nothing in here may ask the device for a value, or bring one from the host: either would wait for
        the device, and could not be recorded."""
        self._program.train()
        self._in_groups(lambda group: self._train_group(group, inputs))

    def _train_group(self, group: slice, inputs: Inputs) -> None:
        leaf = self._weights.values[group].detach().requires_grad_()
        draws = self._drawing("loss", inputs.keys[group])
        gradient, terms = self._gradient(group, leaf, inputs, draws)
        self._saw("loss", draws)
        loss = terms["loss"]
        for name, value in terms.items():
            total = self._sums.setdefault(name, torch.zeros(len(self.members), device=self._device))
            total[group] += value
        diverged = self._diverged_at[group]
        diverged.copy_(torch.where(~torch.isfinite(loss) & (diverged < 0), inputs.step, diverged))
        if self.training.clip:
            clip(gradient, self.training.clip)
        state = {name: slot[group] for name, slot in self._slots.items()}
        weights = self._weights.values[group]
        with torch.no_grad(), told(self.optimizer, "update"):
            self.optimizer.update(weights, gradient, state, inputs.scales[group].to(weights.dtype), self._decayed)

    def _gradient(self, group: slice, leaf: Tensor, inputs: Inputs, draws: Draws | None) -> tuple[Tensor, Terms]:
        """Of the mean loss over the batch's microbatches, [m,W]; and the mean of each term, [m]."""
        gradient, sums = None, dict[str, Tensor]()
        size = self.training.microbatch or self.training.batch
        parts = inputs.rows[group].split(size, 1)
        for rows in parts:
            terms = self._forward("loss", group, leaf, "train", rows, inputs.values[group], draws)
            (more,) = torch.autograd.grad(terms["loss"].sum(), leaf)
            gradient = more if gradient is None else gradient.add_(more)
            sums = {name: v.detach() if name not in sums else sums[name] + v.detach() for name, v in terms.items()}
        assert gradient is not None
        if len(parts) > 1:
            gradient.div_(len(parts))
            sums = {name: value / len(parts) for name, value in sums.items()}
        return gradient, sums

    def _drawing(self, what: str, keys: Tensor) -> Draws | None:
        """What answers random operations, unless it was seen that there are none."""
        if self._draws[what] is False:
            return None
        return Draws(keys[0] if len(keys) == 1 else keys)

    def _saw(self, what: str, draws: Draws | None) -> None:
        if draws is not None:
            self._draws[what] = bool(self._draws[what]) or draws.drawn > 0

    def _in_groups(self, work: Callable[[slice], T]) -> list[T]:
        """What `work` gives for each group. One that runs out of memory is halved and done again: what a group changes
        it changes at its end, but for its buffers, which are put back.

        Errors: OutOfMemoryError.
        """
        waiting, groups, results = deque(self._groups), [], []
        while waiting:
            group = waiting.popleft()
            before = {name: buffer[group].clone() for name, buffer in self._buffers.items()}
            try:
                results.append(work(group))
                groups.append(group)
                continue
            except Exception as error:
                if not ran_out(error):
                    raise
            # Outside of the handler: the error holds on to all that the work had taken.
            release(self._device)
            for name, buffer in self._buffers.items():
                buffer[group] = before[name]
            waiting.extendleft(reversed(_halves(group)))
        if len(groups) > len(self._groups):
            self._groups = groups
            self._train = Recorded(self._train_all, self._device)
        return results

    def _forward(
        self, what: str, group: slice, weights: Tensor, split: str, rows: Tensor, values: Tensor, draws: Draws | None
    ) -> Terms:
        """Loss terms [m] or measures [m,B,...] of the m members in `group`.

        weights: theirs, [m,W].  rows: int64 [m,B].  values: [m,H].
        """
        precision = PRECISIONS[self.training.precision]
        named = self._weights.named(weights)
        tensors = {name: value.to(precision) if name in self._coarse else value for name, value in named.items()}
        for part in (self._buffers, self._weights.fixed):
            tensors |= {name: value[group] for name, value in part.items()}
        by_name = {name: values[:, place] for place, name in enumerate(self._names)}
        arrays = getattr(self.task.data, split)
        return run(self._program, what, tensors, self._weights.shared, arrays, rows, by_name, draws)

    @torch.no_grad()
    def _measure(self, split: str) -> tuple[list[dict[str, float]], list[dict[str, Tensor]]]:
        """Each member's values on a whole split, and what they were made from, [N, ...] each, on the host."""
        self._program.eval()
        at = max(self.step - 1, 0)
        values = [[m.value(name, at, self.training.steps) for name in self._names] for m in self.members]
        present = torch.tensor(values, dtype=torch.float32).to(self._device).view(len(self.members), -1)
        parts: list[list[Terms]] = [[] for _ in self.members]
        samples = torch.arange(self.task.data.count(split), device=self._device)
        for number, rows in enumerate(samples.split(evaluation.BATCH)):
            # The same for all members, whenever: what is random in a model is no part of its score.
            key = torch.tensor(measure_key(number), device=self._device)

            def evaluated(group: slice, rows: Tensor = rows, key: Tensor = key) -> Terms:
                size = group.stop - group.start
                draws = self._drawing("measure", key.expand(size))
                own = self._weights.values[group]
                measures = self._forward("measure", group, own, split, rows.expand(size, -1), present[group], draws)
                self._saw("measure", draws)
                return measures

            of_groups = self._in_groups(evaluated)
            members = (
                {name: value[place] for name, value in measures.items()}
                for measures in of_groups
                for place in range(len(next(iter(measures.values()))))
            )
            for member, measures in enumerate(members):
                parts[member].append(measures)
        kept = [{name: torch.cat([part[name] for part in batches]).cpu() for name in batches[0]} for batches in parts]
        return [evaluation.summarised(self.task, each) for each in kept], kept

    def _evaluate(self, steps: int) -> None:
        """`steps`: since the last evaluation."""
        measured, kept = self._measure("validation")
        at, total = max(self.step - 1, 0), self.training.steps
        trained = {name: (values / steps).double().cpu().numpy() for name, values in self._sums.items()}
        for values, member, place in zip(measured, self.members, range(len(self.members)), strict=True):
            scheduled = [name for name in member.hyperparameters if name == "lr" or name in member.schedules]
            values |= {name: member.value(name, at, total) for name in scheduled}
            values |= {f"train_{name}": float(means[place]) for name, means in trained.items()}
        self.columns = self.columns or tuple(measured[0])
        if any(tuple(values) != self.columns for values in measured):
            raise UserError(f"{type(self.task).__name__}.summarise gives other names than before")
        row = np.array([[values[name] for name in self.columns] for values in measured], np.float64)
        if self._criterion is not None:
            self._column(self._criterion.metric)
        # A diverged member is left alone: nothing that its remains compute is a measurement. Nor is what a stopped one
        # still has: its curve ends where it stopped, whatever its company.
        gone = (self._diverged_at >= 0).cpu().numpy() | np.array([step is not None for step in self._stopped])
        row[gone] = np.nan
        if self.step % self.training.evaluate_every:
            self._before_end = {name: copy.deepcopy(part.state()) for name, part in self._followed().items()}
        self.evaluated.append(self.step)
        self.evaluations.append(row)
        with told(self.task, "windows"):
            looked = [self.task.windows(each) for each in kept]
        empty = np.zeros((0, 0, 4), np.float32)
        self.windows.append(np.stack([empty if each is None else each for each in looked]))
        if self._best is not None:
            scores = row[:, self._column(self._best.metric)]
            better = self._best.look(scores)
            self._best.keep(better, self._rows(better))
        if self._stopping is not None and self.training.stop:
            self._stopping.look(row[:, self._column(self._stopping.metric)])
            for place, since in enumerate(self._stopping.without_better):
                if self._stopped[place] is None and not gone[place] and since >= self.training.stop.patience:
                    self._stopped[place] = self.step

    def _column(self, metric: str) -> int:
        if metric not in self.columns:
            raise UserError(
                f"{type(self.task).__name__} declares the metric {metric} and does not measure it; it measures "
                f"{', '.join(self.columns)}"
            )
        return self.columns.index(metric)

    def _rows(self, members: list[int]) -> dict[str, Tensor]:
        """Copies of all that training changes of some members, [len(members), ...] each."""
        return {name: tensor[members].clone() for name, tensor in self._changing().items()}

    def _put_back(self, members: list[int], kept: Mapping[str, Tensor]) -> None:
        every = self._changing()
        for name, tensor in kept.items():
            every[name][members] = tensor

    def _changing(self) -> dict[str, Tensor]:
        buffers = {f"buffer {name}": buffer for name, buffer in self._buffers.items()}
        return {"weights": self._weights.values, "diverged_at": self._diverged_at, **self._slots, **buffers}


def _direction(task: Task, metric: str) -> str:
    return task.metrics[metric].direction


def _halves(group: slice) -> list[slice]:
    """Errors: OutOfMemoryError for a group of one."""
    middle = (group.start + group.stop) // 2
    if middle == group.start:
        raise OutOfMemoryError(
            "one member alone needs more memory than there is: a smaller training.batch, training.microbatch or model "
            "needs less, and a larger share of a GPU has more"
        )
    return [slice(group.start, middle), slice(middle, group.stop)]
