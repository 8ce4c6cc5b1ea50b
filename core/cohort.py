"""A cohort: the members of one or several configurations, trained together by one program.

Two engines with one result (to rounding): `fused` runs all members as one batched program (`torch.func.vmap`, member
axis first), `loop` one member after another. A member's path depends on its seed and configuration alone, never on
its company.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from core.schedules import Member, batch_order
from core.task import Batch, GlimpseTask

ENGINES = ("fused", "loop")
#: Columns of every evaluation beside the task's own.
SCHEDULED = ("lr", "gamma", "train_loss")

# Adam (Kingma & Ba 2015), algorithm 1, with its authors' defaults.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
EVALUATION_BATCH = 64


@dataclass(frozen=True)
class TrainingSettings:
    """steps of batch images each, with an evaluation on the whole validation split every so many and at the end."""

    steps: int = 10_000
    batch: int = 32
    evaluate_every: int = 100


class Cohort:
    """M members in training. `step` steps are done; `evaluations` holds a row [M, len(columns)] each."""

    def __init__(self, task: GlimpseTask, members: Sequence[Member], training: TrainingSettings, engine: str):
        if engine not in ENGINES:
            raise ValueError(f"engine {engine!r} is none of {', '.join(ENGINES)}")
        self.task, self.members, self.training = task, tuple(members), training
        self.columns = (*task.measures, *SCHEDULED)
        self.step = 0
        self.evaluated: list[int] = []
        self.evaluations: list[np.ndarray] = []
        count = len(self.members)
        models = [task.build(member.seed) for member in self.members]
        self._parameters = _Stacked([dict(model.named_parameters()) for model in models])
        self._model = models[0].to("meta")
        self._groups = [slice(0, count)] if engine == "fused" else [slice(m, m + 1) for m in range(count)]
        self._leaves = [self._parameters.members(group) for group in self._groups]
        self._alpha = self._tensor([member.hyperparameters.alpha for member in self.members])
        self._diverged_at = torch.full((count,), -1, dtype=torch.int64, device=task.device)
        self._train_loss = torch.zeros(count, device=task.device)

    @property
    def done(self) -> bool:
        """Whether every step is trained and the last one evaluated."""
        return self.step >= self.training.steps

    @property
    def diverged_at(self) -> list[int | None]:
        """Per member, the number of steps done when its loss was no longer finite."""
        return [None if step < 0 else step for step in self._diverged_at.tolist()]

    def advance(self) -> None:
        """Train up to the next evaluation and evaluate."""
        every = self.training.evaluate_every
        target = min((self.step // every + 1) * every, self.training.steps)
        self._train_loss.zero_()
        steps = target - self.step
        while self.step < target:
            self._train_step()
        self._evaluate(steps)

    def state(self) -> dict[str, Any]:
        """Everything that a cohort of the same members needs to go on: tensors, lists and numbers."""
        return {
            "step": self.step,
            "seeds": [member.seed for member in self.members],
            "parameters": self._parameters.values,
            "moments": [self._parameters.first_moment, self._parameters.second_moment],
            "diverged_at": self._diverged_at,
            "evaluated": self.evaluated,
            "evaluations": torch.from_numpy(np.array(self.evaluations)),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state()`. Errors: ValueError if it is another cohort's."""
        if state["seeds"] != [member.seed for member in self.members]:
            raise ValueError("this checkpoint holds other seeds")
        self.step = state["step"]
        self._parameters.values.copy_(state["parameters"])
        self._parameters.first_moment.copy_(state["moments"][0])
        self._parameters.second_moment.copy_(state["moments"][1])
        self._diverged_at.copy_(state["diverged_at"])
        self.evaluated = list(state["evaluated"])
        self.evaluations = list(state["evaluations"].numpy())

    def _train_step(self) -> None:
        task, training = self.task, self.training
        count = len(task.train.labels)
        indices = np.stack([batch_order(m.seed, count, training.batch, self.step) for m in self.members])
        batch = task.batch(task.train, indices)
        gamma = self._tensor([m.hyperparameters.gamma_at(self.step) for m in self.members])
        lr = [m.hyperparameters.lr_at(self.step) for m in self.members]
        self._parameters.gradient.zero_()
        totals = []
        for group, leaves in zip(self._groups, self._leaves, strict=True):
            _, terms = self._forward(group, leaves, batch, gamma)
            terms["loss"].sum().backward()
            totals.append(terms["loss"].detach())
        self.step += 1
        loss = torch.cat(totals)
        self._train_loss += loss
        # No branch on the value: on a GPU that would wait for the device at every step.
        newly = ~torch.isfinite(loss) & (self._diverged_at < 0)
        self._diverged_at[newly] = self.step
        self._parameters.adam(lr, self.step)

    def _forward(
        self, group: slice, leaves: dict[str, Tensor], batch: Batch, gamma: Tensor
    ) -> tuple[Any, dict[str, Tensor]]:
        """Rollout and loss terms of the members in `group`, with the member axis first."""

        def member(
            parameters: dict[str, Tensor], batch: Batch, alpha: Tensor, gamma: Tensor
        ) -> tuple[Any, dict[str, Tensor]]:
            rollout = functional_call(self._model, parameters, (batch.images, batch.overview, batch.masks))
            return rollout, self.task.losses(rollout, batch, alpha, gamma)

        arguments = (Batch(*(part[group] for part in batch)), self._alpha[group], gamma[group])
        if group.stop - group.start > 1:
            stacked: tuple[Any, dict[str, Tensor]] = vmap(member)(leaves, *arguments)
            return stacked
        only = Batch(*(part[0] for part in arguments[0]))
        rollout, terms = member(leaves, only, arguments[1][0], arguments[2][0])
        return type(rollout)(*(part[None] for part in rollout)), {k: v[None] for k, v in terms.items()}

    @torch.no_grad()
    def _evaluate(self, steps: int) -> None:
        """`steps`: since the last evaluation."""
        task, count = self.task, len(self.members)
        images = len(task.validation.labels)
        gammas = [m.hyperparameters.gamma_at(self.step - 1) for m in self.members]
        rollouts, terms, weights = [], [], []
        for start in range(0, images, EVALUATION_BATCH):
            rows = np.arange(start, min(start + EVALUATION_BATCH, images))
            batch = task.batch(task.validation, np.tile(rows, (count, 1)))
            parts = [
                self._forward(group, leaves, batch, self._tensor(gammas))
                for group, leaves in zip(self._groups, self._leaves, strict=True)
            ]
            rollouts.append(_concatenate([rollout for rollout, _ in parts], 0))
            terms.append({name: torch.cat([term[name] for _, term in parts]) for name in parts[0][1]})
            weights.append(len(rows) / images)
        shares = torch.tensor(weights, device=task.device)
        mean = {name: shares @ torch.stack([term[name] for term in terms]) for name in terms[0]}
        values = task.measure(_gather_images(rollouts), mean)
        values["lr"] = np.array([m.hyperparameters.lr_at(self.step - 1) for m in self.members])
        values["gamma"] = np.array(gammas)
        values["train_loss"] = (self._train_loss / steps).double().cpu().numpy()
        row = np.stack([values[name] for name in self.columns], -1)
        # A diverged member is left alone: nothing that its remains compute is a measurement.
        row[(self._diverged_at >= 0).cpu().numpy()] = np.nan
        self.evaluated.append(self.step)
        self.evaluations.append(row)

    def _tensor(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32).to(self.task.device, non_blocking=True)


class _Stacked:
    """All members' parameters in one buffer, so that the optimiser is a handful of large operations.

    The buffer is a run of blocks, one a parameter, each [M, ...].
    """

    def __init__(self, members: list[dict[str, Tensor]]):
        self.count = len(members)
        self.shapes = {name: value.shape for name, value in members[0].items()}
        self.values = torch.cat([torch.stack([m[name].detach() for m in members]).flatten() for name in self.shapes])
        self.gradient = torch.zeros_like(self.values)
        self.first_moment = torch.zeros_like(self.values)
        self.second_moment = torch.zeros_like(self.values)
        self._lr: list[float] = []
        self._rate = torch.empty_like(self.values)

    def _blocks(self, buffer: Tensor) -> dict[str, Tensor]:
        sizes = [self.count * shape.numel() for shape in self.shapes.values()]
        parts = zip(self.shapes.items(), buffer.split(sizes), strict=True)
        return {name: part.view(self.count, *shape) for (name, shape), part in parts}

    def members(self, group: slice) -> dict[str, Tensor]:
        """Leaves that share this buffer, for the members in `group`; the member axis is dropped for one alone."""
        gradients = self._blocks(self.gradient)
        leaves = {}
        for name, block in self._blocks(self.values).items():
            one = group.stop - group.start == 1
            leaves[name] = (block[group.start] if one else block[group]).detach().requires_grad_()
            leaves[name].grad = gradients[name][group.start] if one else gradients[name][group]
        return leaves

    @torch.no_grad()
    def adam(self, lr: list[float], step: int) -> None:
        """One update of every member, each with its own learning rate; `step` counts from 1."""
        if lr != self._lr:
            for block in self._blocks(self._rate).values():
                block.copy_(torch.tensor(lr).view(-1, *[1] * (block.dim() - 1)))
            self._lr = lr
        g, m, v = self.gradient, self.first_moment, self.second_moment
        m.lerp_(g, 1 - BETA_1)
        v.mul_(BETA_2).addcmul_(g, g, value=1 - BETA_2)
        spread = (v / (1 - BETA_2**step)).sqrt_().add_(EPSILON)
        self.values.addcdiv_(m * self._rate, spread, value=-1 / (1 - BETA_1**step))


def _concatenate(rollouts: list[Any], dim: int) -> Any:
    return type(rollouts[0])(*(torch.cat(parts, dim) for parts in zip(*rollouts, strict=True)))


def _gather_images(rollouts: list[Any]) -> Any:
    """Batches of the validation split to the whole of it: joins along the image axis of each part of a Rollout."""
    axis = {"glimpse_logits": 2, "logits": 1, "locations": 2, "coverage": 2, "what_where": 2}
    first = rollouts[0]
    return type(first)(*(torch.cat([getattr(r, n) for r in rollouts], axis[n]) for n in first._fields))


def probe(
    task: GlimpseTask, members: Sequence[Member], training: TrainingSettings, seconds: float = 1.0
) -> dict[str, float]:
    """Members' steps a second of each engine, timed for about `seconds` each after two steps of warm-up."""
    rates = {}
    for engine in ENGINES:
        cohort = Cohort(task, members, training, engine)
        for _ in range(2):
            cohort._train_step()
        _wait(task.device)
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            cohort._train_step()
            _wait(task.device)
            steps += 1
        rates[engine] = steps * len(members) / (time.perf_counter() - start)
    return rates


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
