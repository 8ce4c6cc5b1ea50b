"""A cohort: the members of one configuration, or of several, trained together.

Members are trained in groups: a group is one batched program (`torch.func.vmap`, member axis first), and groups follow
one another. All at once is the engine `fused`, one after another the engine `loop`; the result is the same to rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seedsweep.core.errors import UserError
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.study import Training
from seedsweep.core.task import Task
from seedsweep.core.training import evaluation
from seedsweep.core.training.compiled import CompiledProgram, Compiler
from seedsweep.core.training.cuda_graph import Recorded
from seedsweep.core.training.draws import generator_states
from seedsweep.core.training.failures import named, told
from seedsweep.core.training.groups import Groups
from seedsweep.core.training.inputs import STRETCH, Inputs, inputs_of
from seedsweep.core.training.models import build, start_from
from seedsweep.core.training.optimisers import Optimizer
from seedsweep.core.training.program import Constants, Program, State, Terms, without_slow_warnings
from seedsweep.core.training.seeds import Member
from seedsweep.core.training.stopping import BestSoFar
from seedsweep.core.training.weights import Weights


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
        start: Sequence[Mapping[str, Tensor]] = (),
        criterion: Criterion | None = None,
        compiler: Compiler | None = None,
    ):
        """task: prepared (`core.training.prepare`).  training: resolved, with steps.  at_once: members of a group; a
        group that runs out of memory is halved.  no_decay: patterns of parameters without weight decay.  start: of
        each member the weights by name that it starts from, in place of its seed's.  criterion: by which an evaluation
        is the best; needed for a test split.  compiler: compiles what a group computes; None: it runs as it is.

        Errors: ValueError for a start that does not fit; UserError for what a task gives.
        """
        self.task, self.members, self.training, self.optimizer = task, tuple(members), training, optimizer
        self.step = 0
        self.columns: tuple[str, ...] = ()
        self.evaluated: list[int] = []
        self.evaluations: list[np.ndarray] = []
        self.windows: list[np.ndarray] = []
        count, self._device = len(self.members), task.data.device
        models = [build(task, member.parts.init) for member in self.members]
        for model, weights in zip(models, start, strict=True) if start else ():
            start_from(model, weights)
        declared = {**task.hyperparameters, **optimizer.hyperparameters}
        self._names = [name for name in self.members[0].hyperparameters if declared[name].tensor]
        numbers = {name: v for name, v in self.members[0].hyperparameters.items() if name not in self._names}
        if any(member.hyperparameters[name] != value for member in self.members for name, value in numbers.items()):
            raise ValueError(f"members of one cohort have one value of each of {', '.join(numbers)}")
        self._weights = Weights(models)
        buffers = [dict(model.named_buffers()) for model in models]
        self._state = State(
            self._weights.values,
            {name: torch.stack([of_model[name] for of_model in buffers]) for name in buffers[0]},
            {name: torch.zeros_like(self._weights.values) for name in optimizer.slots},
        )
        decays = any(member.hyperparameters.get("weight_decay") for member in self.members)
        decayed = self._weights.mask(no_decay)
        self._constants = Constants(self._weights.fixed, self._weights.shared, decayed if decays else None)
        self._program = Program(task, models[0], self._weights, optimizer, training, self._names, numbers)
        self._groups = Groups(count, at_once, self._device)
        self.compiled = compiler is not None
        self._compute: Program | CompiledProgram = self._program
        if compiler is not None:
            self._compute = CompiledProgram(self._program, compiler)
        self._diverged_at = torch.full((count,), -1, dtype=torch.int64, device=self._device)
        self._sums: Terms = {}
        self._stopped: list[int | None] = [None] * count
        self._criterion = criterion
        self._best = BestSoFar(count, criterion) if criterion and task.data.test else None
        self._stopping = None
        if stop := training.stop:
            self._stopping = BestSoFar(count, Criterion(stop.metric, 0.0, direction=_direction(task, stop.metric)))
        #: Steps that `_sums` are of.
        self._summed = 0
        #: State before an evaluation at the end of training that lies between two regular evaluations.
        self._before_end: dict[str, Any] = {}
        self._stretch: tuple[range, Inputs] | None = None
        self._train = Recorded(self._train_all, self._device)

    @property
    def at_once(self) -> int:
        """Members of the largest group."""
        return self._groups.largest

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

    @without_slow_warnings()
    def advance(self) -> None:
        """Train up to the next evaluation and evaluate. Errors: OutOfMemoryError, UserError."""
        every = self.training.evaluate_every
        target = min((self.step // every + 1) * every, self.training.steps)
        frozen = [member for member, step in enumerate(self._stopped) if step is not None]
        kept = self._rows(frozen) if frozen else {}
        before = generator_states(self._device)
        while self.step < target:
            self.train_step()
        if any(not torch.equal(*states) for states in zip(before, generator_states(self._device), strict=True)):
            raise UserError(
                f"{named(self.task, 'loss')} drew random numbers in a later step and none in its first: no seed "
                "could repeat it; draw in every step"
            )
        if frozen:
            self._put_back(frozen, kept)
        self._evaluate()
        self._summed = 0
        for total in self._sums.values():
            total.zero_()

    def train_step(self) -> None:
        """One step of every member; nothing waits for its result. Errors: OutOfMemoryError, UserError."""
        if self._stretch is None or self.step not in self._stretch[0]:
            steps = range(self.step, self.step + min(STRETCH, self.training.evaluate_every))
            self._stretch = steps, self._inputs(steps)
        steps, inputs = self._stretch
        self._train(inputs.at(self.step - steps.start))
        self.step += 1
        self._summed += 1

    @without_slow_warnings()
    def test(self) -> list[dict[str, dict[str, float]]]:
        """Of each member, the measures of the test split at the `last` and at the `best` validated evaluation; empty
        where the data have no test split. Errors: OutOfMemoryError."""
        if not self.task.data.test:
            return [{} for _ in self.members]
        results: list[dict[str, dict[str, float]]] = [{"last": values} for values in self._measure("test")[0]]
        if self._best is not None and self._best.places:
            now = self._rows(list(range(len(self.members))))
            self._put_back(*self._best.weights())
            measured = self._measure("test")[0]
            for member in self._best.places:
                results[member]["best"] = measured[member]
            self._put_back(list(range(len(self.members))), now)
        gone = [step is not None for step in self.diverged_at]
        return [{} if diverged else result for diverged, result in zip(gone, results, strict=True)]

    def weights(self) -> dict[str, Any]:
        """What every member has learnt: seeds [M], and by its name each parameter and buffer, [M, ...]."""
        named = self._weights.named(self._state.weights)
        shared = {name: value.expand(len(self.members), *value.shape) for name, value in self._weights.shared.items()}
        tensors = {**named, **self._weights.fixed, **shared, **self._state.buffers}
        seeds = [member.seed for member in self.members]
        return {"seeds": seeds, "tensors": {name: value.contiguous() for name, value in tensors.items()}}

    def state(self) -> dict[str, Any]:
        """Everything that a cohort of the same members needs to go on: tensors, lists and numbers."""
        return {
            "step": self.step,
            "seeds": [member.seed for member in self.members],
            **self._state._asdict(),
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
        kept = State(*(state[name] for name in State._fields))
        if _shapes(kept) != _shapes(self._state):
            raise ValueError("this checkpoint holds other parameters")
        if missing := self.state().keys() - state.keys():
            raise ValueError(f"this checkpoint lacks {min(missing)}")
        self.step = state["step"]
        self._state.put(slice(None), kept)
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
            state = {**state, **state["before_end"]}
            self._sums = {name: total.to(self._device).clone() for name, total in state["sums"].items()}
            self._summed = state["summed"]
        for name, part in self._followed().items():
            part.load(state[name])

    def _followed(self) -> dict[str, BestSoFar]:
        parts = {"best": self._best, "stopping": self._stopping}
        return {name: part for name, part in parts.items() if part is not None}

    def _inputs(self, steps: range) -> Inputs:
        of_steps = (steps, self.members, self._names, self.training, self.optimizer)
        samples, draws = self.task.data.count("train"), self._program.draws["loss"] is not False
        return inputs_of(*of_steps, samples, self._device, draws=draws)

    def _train_all(self, inputs: Inputs) -> None:
        """One step. Nothing in here may ask the device for a value, or bring one from the host: either would wait for
        the device, and could not be recorded."""
        groups = len(self._groups)
        self._groups.each(lambda group: self._train_group(group, inputs.of(group)))
        if len(self._groups) > groups:
            self._train = Recorded(self._train_all, self._device)

    def _train_group(self, group: slice, inputs: Inputs) -> None:
        state, constants = self._state.of(group), self._constants.of(group)
        try:
            new, terms = self._compute.step(state, constants, self.task.data.train, inputs)
        except UserError as error:
            if len(inputs.rows) == 1:
                raise
            raise UserError(
                f"{error} (members train together, engine: fused; auto, or loop, trains them one after another)"
            ) from error
        self._state.put(group, new)
        for name, value in terms.items():
            total = self._sums.setdefault(name, torch.zeros(len(self.members), device=self._device))
            total[group] += value
        diverged = self._diverged_at[group]
        lost = ~torch.isfinite(terms["loss"]) & (diverged < 0)
        diverged.copy_(torch.where(lost, inputs.step, diverged))

    def _measure(self, split: str) -> tuple[list[dict[str, float]], list[dict[str, Tensor]]]:
        """Each member's values on a whole split, and what they were made from, [N, ...] each, on the host."""
        at = max(self.step - 1, 0)
        values = [[m.value(name, at, self.training.steps) for name in self._names] for m in self.members]
        present = torch.tensor(values, dtype=torch.float32).to(self._device).view(len(self.members), -1)
        kept = evaluation.measured(self._compute, self._groups, self._state, self._constants, split, present)
        return [evaluation.summarised(self.task, each) for each in kept], kept

    def _evaluate(self) -> None:
        measured, kept = self._measure("validation")
        of_train = self._measure("train")[0] if self.training.measure_train else [{} for _ in self.members]
        at, total = max(self.step - 1, 0), self.training.steps
        trained = {name: (values / self._summed).double().cpu().numpy() for name, values in self._sums.items()}
        for values, member, place in zip(measured, self.members, range(len(self.members)), strict=True):
            scheduled = [name for name in member.hyperparameters if name == "lr" or name in member.schedules]
            own = {name: member.value(name, at, total) for name in scheduled}
            # A loss term that is measured and trained is recorded as trained, over all samples since the last time.
            own |= {f"train_{name}": value for name, value in of_train[place].items()}
            own |= {f"train_{name}": float(means[place]) for name, means in trained.items()}
            if taken := own.keys() & values.keys():
                raise UserError(
                    f"{named(self.task, 'measure')} gives {min(taken)}, under which training records a value of its "
                    "own; call it otherwise"
                )
            values.update(own)
        self.columns = self.columns or tuple(measured[0])
        if any(tuple(values) != self.columns for values in measured):
            raise UserError(f"{named(self.task, 'summarise')} gives other names than before")
        row = np.array([[values[name] for name in self.columns] for values in measured], np.float64)
        if self._criterion is not None:
            self._column(self._criterion.metric)
        # A diverged member is left alone: nothing that its remains compute is a measurement. Nor is what a stopped one
        # still has: its curve ends where it stopped, whatever its company.
        gone = (self._diverged_at >= 0).cpu().numpy() | np.array([step is not None for step in self._stopped])
        row[gone] = np.nan
        if self.step % self.training.evaluate_every:
            parts = {name: part.state() for name, part in self._followed().items()}
            self._before_end = copy.deepcopy({**parts, "sums": self._sums, "summed": self._summed})
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
            recorded = self.members[0].hyperparameters.keys()
            own = [name for name in self.columns if name not in recorded and not name.startswith("train_")]
            raise UserError(
                f"{named(self.task, 'measure')} does not give {metric}, which `metrics` declares; it gives "
                f"{', '.join(own) or 'nothing'}"
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
        state = self._state
        buffers = {f"buffer {name}": buffer for name, buffer in state.buffers.items()}
        return {"weights": state.weights, "diverged_at": self._diverged_at, **state.moments, **buffers}


def _shapes(state: State) -> list[Any]:
    named = [{name: value.shape for name, value in part.items()} for part in (state.buffers, state.moments)]
    return [state.weights.shape, *named]


def _direction(task: Task, metric: str) -> str:
    return task.metrics[metric].direction
