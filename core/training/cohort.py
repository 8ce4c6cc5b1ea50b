"""A cohort: the members of one or several configurations, trained together by one program.

Members are trained in groups of `at_once`: a group is one batched program (`torch.func.vmap`, member axis first), and
groups follow one another. All at once is the engine `fused`, one after another the engine `loop`; the result is the
same to rounding. A member's path depends on its seed and configuration alone, never on its company.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from seedsweep.core.models import AttentionSettings, ModelSettings
from seedsweep.core.task import Task
from seedsweep.core.training.batch import MEMBER_AXIS, Batch
from seedsweep.core.training.cuda_graph import Recorded
from seedsweep.core.training.memory import OutOfMemoryError, ran_out, release
from seedsweep.core.training.schedules import Member, batch_orders
from seedsweep.core.training.stacked import Stacked, clip, corrected

T = TypeVar("T")
ENGINES = ("fused", "loop")


def engines(model: ModelSettings) -> tuple[str, ...]:
    """Those that a model can be trained with: a whole Inception is trained one member at a time."""
    alone = isinstance(model, AttentionSettings) and model.backbone != "small" and not model.frozen
    return ("loop",) if alone else ENGINES


#: Columns of every evaluation beside the task's own.
SCHEDULED = ("lr", "gamma", "train_loss")

EVALUATION_BATCH = 64
#: Tells a member's draws from its order of images, which is from its seed, too.
DRAWS = 1
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
#: Steps whose inputs are brought to the device together.
STRETCH = 64


@dataclass(frozen=True)
class TrainingSettings:
    """steps of batch images each, with an evaluation on the whole validation split every so many and at the end.

    clip: largest norm of a member's gradient, longer ones are scaled down to it and one that is not finite is dropped
    (EDRAM's rule); 0: neither.
    precision: of the model's convolutions, one of PRECISIONS. All else, the weights that are learnt too, is float32: a
    place in an image has more digits than bfloat16.
    """

    steps: int = 10_000
    batch: int = 32
    evaluate_every: int = 100
    clip: float = 0.0
    precision: str = "float32"


class Inputs(NamedTuple):
    """What the host says of a step: step [], its number from 1 on; rows int64 [M,B] of the training images; draws
    [M,B,D]; gamma [M]; rate [M] and floor [], Adam's (`core.training.stacked.corrected`)."""

    step: Tensor
    rows: Tensor
    draws: Tensor
    gamma: Tensor
    rate: Tensor
    floor: Tensor


class Cohort:
    """M members in training. `step` steps are done; `evaluations` holds a row [M, len(columns)] each."""

    def __init__(
        self,
        task: Task,
        members: Sequence[Member],
        training: TrainingSettings,
        at_once: int,
        start: Mapping[str, Tensor] | None = None,
    ):
        """at_once: members of a group; a group that runs out of memory is halved.  start: the weights by name that
        every member starts from, in place of its seed's.

        Errors: ValueError where the model is trained one member at a time, or for a start that does not fit it.
        """
        if at_once < 1 or (at_once > 1 and "fused" not in engines(task.settings.model)):
            raise ValueError(f"{at_once} members at once: this model is trained one member at a time")
        self.task, self.members, self.training = task, tuple(members), training
        self.columns = (*task.measures, *SCHEDULED)
        self.step = 0
        self.evaluated: list[int] = []
        self.evaluations: list[np.ndarray] = []
        self.looks: list[np.ndarray] = []
        count = len(self.members)
        models = [task.build(member.seed) for member in self.members]
        for model in models if start else ():
            _start(model, start or {})
        self._parameters = Stacked([dict(model.named_parameters()) for model in models])
        buffers = [dict(model.named_buffers()) for model in models]
        self._buffers = {name: torch.stack([b[name] for b in buffers]) for name in buffers[0]}
        self._model = models[0].to("meta")
        self._coarse = _of_convolutions(self._model)
        self._groups = [slice(first, min(first + at_once, count)) for first in range(0, count, at_once)]
        self._alpha = self._tensor([member.hyperparameters.alpha for member in self.members])
        self._diverged_at = torch.full((count,), -1, dtype=torch.int64, device=task.device)
        self._train_loss = torch.zeros(count, device=task.device)
        self._stretch: tuple[range, Inputs] | None = None
        self._train = Recorded(self._train_all, task.device)

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
        """Whether every step is trained and the last one evaluated."""
        return self.step >= self.training.steps

    @property
    def diverged_at(self) -> list[int | None]:
        """Per member, the number of steps done when its loss was no longer finite."""
        return [None if step < 0 else step for step in self._diverged_at.tolist()]

    def advance(self) -> None:
        """Train up to the next evaluation and evaluate. Errors: OutOfMemoryError."""
        every = self.training.evaluate_every
        target = min((self.step // every + 1) * every, self.training.steps)
        self._train_loss.zero_()
        steps = target - self.step
        while self.step < target:
            self.train_step()
        self._evaluate(steps)

    def train_step(self) -> None:
        """One step of every member, whose result is waited for by nobody. Errors: OutOfMemoryError."""
        if self._stretch is None or self.step not in self._stretch[0]:
            steps = range(self.step, self.step + min(STRETCH, self.training.evaluate_every))
            self._stretch = steps, self._inputs(steps)
        steps, inputs = self._stretch
        self._train(Inputs(*(part[self.step - steps.start] for part in inputs)))
        self.step += 1

    def weights(self) -> dict[str, Any]:
        """What every member has learnt: seeds [M], and by its name each parameter and buffer, [M, ...]."""
        parameters = self._parameters.named(self._parameters.values)
        tensors = {**{name: values.contiguous() for name, values in parameters.items()}, **self._buffers}
        return {"seeds": [member.seed for member in self.members], "tensors": tensors}

    def state(self) -> dict[str, Any]:
        """Everything that a cohort of the same members needs to go on: tensors, lists and numbers."""
        return {
            "step": self.step,
            "seeds": [member.seed for member in self.members],
            "parameters": self._parameters.values,
            "buffers": self._buffers,
            "moments": [self._parameters.first_moment, self._parameters.second_moment],
            "diverged_at": self._diverged_at,
            "evaluated": self.evaluated,
            "evaluations": torch.from_numpy(np.array(self.evaluations)),
            "looks": torch.from_numpy(np.array(self.looks)),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state()`. Errors: ValueError if it is another cohort's, or another version's."""
        if state["seeds"] != [member.seed for member in self.members]:
            raise ValueError("this checkpoint holds other seeds")
        if state["parameters"].shape != self._parameters.values.shape:  # as an earlier version laid them out
            raise ValueError("this checkpoint holds other parameters")
        self.step = state["step"]
        self._parameters.values.copy_(state["parameters"])
        for name, buffer in self._buffers.items():
            buffer.copy_(state["buffers"][name])
        self._parameters.first_moment.copy_(state["moments"][0])
        self._parameters.second_moment.copy_(state["moments"][1])
        self._diverged_at.copy_(state["diverged_at"])
        self.evaluated = list(state["evaluated"])
        self.evaluations = list(state["evaluations"].cpu().numpy())
        self.looks = list(state["looks"].cpu().numpy())

    def _inputs(self, steps: range) -> Inputs:
        """Of all these steps, along a first axis: one copy to the device for many steps."""
        samples, batch, d = len(self.task.train.labels), self.training.batch, self.task.draws
        scales = [[corrected(m.hyperparameters.lr_at(step), step + 1) for m in self.members] for step in steps]
        draws = np.zeros((len(steps), len(self.members), batch, d), np.float32)
        for at, step in enumerate(steps if d else ()):
            for number, member in enumerate(self.members):
                # From the member's seed and the step alone.
                draws[at, number] = np.random.default_rng([DRAWS, member.seed, step]).random((batch, d), np.float32)
        parts = (
            np.arange(steps.start, steps.stop) + 1,
            np.stack([batch_orders(m.seed, samples, batch, steps) for m in self.members], 1),
            draws,
            np.array([[m.hyperparameters.gamma_at(step) for m in self.members] for step in steps], np.float32),
            np.array(scales, np.float32)[:, :, 0],
            np.array(scales, np.float32)[:, 0, 1],
        )
        return Inputs(*(torch.from_numpy(part).to(self.task.device) for part in parts))

    def _train_all(self, inputs: Inputs) -> None:
        """One step. Nothing in here may ask the device for a value, or bring one from the host: either would wait for
        the device, and could not be recorded."""
        self._model.train()
        self._in_groups(lambda group: self._train_group(group, inputs))

    def _train_group(self, group: slice, inputs: Inputs) -> None:
        leaf = self._parameters.values[group].detach().requires_grad_()
        batch = self.task.train.batch(inputs.rows[group], inputs.draws[group])
        _, terms = self._forward(group, leaf, batch, inputs.gamma[group])
        (gradient,) = torch.autograd.grad(terms["loss"].sum(), leaf)
        loss = terms["loss"].detach()
        self._train_loss[group] += loss
        diverged = self._diverged_at[group]
        diverged.copy_(torch.where(~torch.isfinite(loss) & (diverged < 0), inputs.step, diverged))
        if self.training.clip:
            clip(gradient, self.training.clip)
        self._parameters.adam(group, gradient, inputs.rate[group], inputs.floor)

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
            release(self.task.device)
            for name, buffer in self._buffers.items():
                buffer[group] = before[name]
            waiting.extendleft(reversed(_halves(group)))
        if len(groups) > len(self._groups):
            self._groups = groups
            self._train = Recorded(self._train_all, self.task.device)
        return results

    def _forward(self, group: slice, values: Tensor, batch: Batch, gamma: Tensor) -> tuple[Any, dict[str, Tensor]]:
        """Rollout and loss terms of the members in `group`, m of them, with the member axis first.

        values: their parameters, [m,W].  batch: theirs.  gamma: [m].
        """

        def member(
            parameters: dict[str, Tensor], batch: Batch, alpha: Tensor, gamma: Tensor
        ) -> tuple[Any, dict[str, Tensor]]:
            rollout = functional_call(self._model, parameters, (batch,))
            return rollout, self.task.losses(rollout, batch, alpha, gamma)

        parameters, alpha = self._parameters.named(values), self._alpha[group]
        precision = PRECISIONS[self.training.precision]
        parameters = {n: v.to(precision) if n in self._coarse else v for n, v in parameters.items()}
        if len(alpha) > 1:
            buffers = {name: buffer[group] for name, buffer in self._buffers.items()}
            in_dims = (0, MEMBER_AXIS, 0, 0)
            stacked: tuple[Any, dict[str, Tensor]] = vmap(member, in_dims)(
                {**parameters, **buffers}, batch, alpha, gamma
            )
            return stacked
        only = Batch(*(part if axis is None else part[0] for part, axis in zip(batch, MEMBER_AXIS, strict=True)))
        # Views: what a model notes in its buffers (running statistics) is noted in ours.
        buffers = {name: buffer[group.start] for name, buffer in self._buffers.items()}
        alone = {name: value[0] for name, value in parameters.items()}
        rollout, terms = member({**alone, **buffers}, only, alpha[0], gamma[0])
        return type(rollout)(*(part[None] for part in rollout)), {k: v[None] for k, v in terms.items()}

    @torch.no_grad()
    def _evaluate(self, steps: int) -> None:
        """`steps`: since the last evaluation."""
        task = self.task
        images = len(task.validation.labels)
        # The same for all members, whenever: what is random in a model is no part of its score.
        draws = torch.from_numpy(np.random.default_rng(0).random((images, task.draws), np.float32)).to(task.device)
        self._model.eval()
        gammas = [m.hyperparameters.gamma_at(self.step - 1) for m in self.members]
        gamma = self._tensor(gammas)
        rollouts, terms, weights = [], [], []
        for rows in torch.arange(images, device=task.device).split(EVALUATION_BATCH):
            drawn = draws[rows]

            def evaluated(group: slice, rows: Tensor = rows, drawn: Tensor = drawn) -> tuple[Any, dict[str, Tensor]]:
                size = group.stop - group.start
                batch = task.validation.batch(rows.expand(size, -1), drawn.expand(size, -1, -1))
                return self._forward(group, self._parameters.values[group], batch, gamma[group])

            parts = self._in_groups(evaluated)
            rollouts.append(_concatenate([rollout for rollout, _ in parts], 0))
            terms.append({name: torch.cat([term[name] for _, term in parts]) for name in parts[0][1]})
            weights.append(len(rows) / images)
        shares = torch.tensor(weights, device=task.device)
        mean = {name: shares @ torch.stack([term[name] for term in terms]) for name in terms[0]}
        whole = _gather_images(rollouts)
        values = task.measure(whole, mean)
        values["lr"] = np.array([m.hyperparameters.lr_at(self.step - 1) for m in self.members])
        values["gamma"] = np.array(gammas)
        values["train_loss"] = (self._train_loss / steps).double().cpu().numpy()
        row = np.stack([values[name] for name in self.columns], -1)
        # A diverged member is left alone: nothing that its remains compute is a measurement.
        row[(self._diverged_at >= 0).cpu().numpy()] = np.nan
        self.evaluated.append(self.step)
        self.evaluations.append(row)
        self.looks.append(task.looks(whole))

    def _tensor(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32).to(self.task.device, non_blocking=True)


def _halves(group: slice) -> list[slice]:
    """Errors: OutOfMemoryError for a group of one."""
    middle = (group.start + group.stop) // 2
    if middle == group.start:
        raise OutOfMemoryError(
            "one member alone needs more memory than there is: a smaller training.batch, data.size or "
            "model.glimpse_size needs less, and a larger share of a GPU has more"
        )
    return [slice(group.start, middle), slice(middle, group.stop)]


def _of_convolutions(model: nn.Module) -> frozenset[str]:
    """Names of the parameters that `TrainingSettings.precision` is of; normalisations among them stay as they are."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    modules = {f"{name}.": module for name, module in model.named_modules() if isinstance(module, kinds)}
    inside = {name: module for name, module in modules.items() if name.startswith(getattr(model, "CONVOLUTIONS", ()))}
    return frozenset(f"{name}{key}" for name, module in inside.items() for key, _ in module.named_parameters())


def _start(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    try:
        model.load_state_dict(dict(weights), strict=True)
    except RuntimeError as error:
        words = " ".join(str(error).split()[:40])
        raise ValueError(f"these weights are another model's: {words}") from None


def _concatenate(rollouts: list[Any], dim: int) -> Any:
    return type(rollouts[0])(*(torch.cat(parts, dim) for parts in zip(*rollouts, strict=True)))


def _gather_images(rollouts: list[Any]) -> Any:
    """Batches of the validation split to the whole of it: joins along the image axis of each part of a Rollout."""
    first = rollouts[0]
    return type(first)(
        *(torch.cat([getattr(r, name) for r in rollouts], 1 + first.image_axis(name)) for name in first._fields)
    )
