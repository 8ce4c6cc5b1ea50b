"""A cohort: the members of one or several configurations, trained together by one program.

Two engines with one result (to rounding): `fused` runs all members as one batched program (`torch.func.vmap`, member
axis first), `loop` one member after another. A member's path depends on its seed and configuration alone, never on
its company.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from core.batch import Batch
from core.models import AttentionSettings, ModelSettings
from core.schedules import Member, batch_order
from core.task import Task

ENGINES = ("fused", "loop")


def engines(model: ModelSettings) -> tuple[str, ...]:
    """Those that a model can be trained with: a whole Inception is trained one member at a time."""
    alone = isinstance(model, AttentionSettings) and model.backbone != "small" and not model.frozen
    return ("loop",) if alone else ENGINES


#: Columns of every evaluation beside the task's own.
SCHEDULED = ("lr", "gamma", "train_loss")

# Adam (Kingma & Ba 2015), algorithm 1, with its authors' defaults.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
EVALUATION_BATCH = 64
#: Tells a member's draws from its order of images, which is from its seed, too.
DRAWS = 1


@dataclass(frozen=True)
class TrainingSettings:
    """steps of batch images each, with an evaluation on the whole validation split every so many and at the end.

    clip: largest norm of a member's gradient, longer ones are scaled down to it and one that is not finite is dropped
    (EDRAM's rule); 0: neither.
    """

    steps: int = 10_000
    batch: int = 32
    evaluate_every: int = 100
    clip: float = 0.0


class Cohort:
    """M members in training. `step` steps are done; `evaluations` holds a row [M, len(columns)] each."""

    def __init__(
        self,
        task: Task,
        members: Sequence[Member],
        training: TrainingSettings,
        engine: str,
        start: Mapping[str, Tensor] | None = None,
    ):
        """start: the weights by name that every member starts from, in place of its seed's.

        Errors: ValueError for an engine that the model does not allow, or a start that does not fit it.
        """
        if engine not in engines(task.settings.model):
            raise ValueError(f"engine {engine!r} is none of {', '.join(engines(task.settings.model))}")
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
        self._parameters = _Stacked([dict(model.named_parameters()) for model in models])
        buffers = [dict(model.named_buffers()) for model in models]
        self._buffers = {name: torch.stack([b[name] for b in buffers]) for name in buffers[0]}
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

    def weights(self) -> dict[str, Any]:
        """What every member has learnt: seeds [M], and by its name each parameter and buffer, [M, ...]."""
        tensors = {**self._parameters.named(), **self._buffers}
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
        """Go on from `state()`. Errors: ValueError if it is another cohort's."""
        if state["seeds"] != [member.seed for member in self.members]:
            raise ValueError("this checkpoint holds other seeds")
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

    def _train_step(self) -> None:
        task, training = self.task, self.training
        count = len(task.train.labels)
        indices = np.stack([batch_order(m.seed, count, training.batch, self.step) for m in self.members])
        batch = task.train.rows(indices, self._draws(training.batch))
        self._model.train()
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
        if training.clip:
            self._parameters.clip(training.clip)
        self._parameters.adam(lr, self.step)

    def _forward(
        self, group: slice, leaves: dict[str, Tensor], batch: Batch, gamma: Tensor
    ) -> tuple[Any, dict[str, Tensor]]:
        """Rollout and loss terms of the members in `group`, with the member axis first."""

        def member(
            parameters: dict[str, Tensor], batch: Batch, alpha: Tensor, gamma: Tensor
        ) -> tuple[Any, dict[str, Tensor]]:
            rollout = functional_call(self._model, parameters, (batch,))
            return rollout, self.task.losses(rollout, batch, alpha, gamma)

        arguments = (Batch(*(part[group] for part in batch)), self._alpha[group], gamma[group])
        if group.stop - group.start > 1:
            buffers = {name: buffer[group] for name, buffer in self._buffers.items()}
            stacked: tuple[Any, dict[str, Tensor]] = vmap(member)({**leaves, **buffers}, *arguments)
            return stacked
        only = Batch(*(part[0] for part in arguments[0]))
        # Views: what a model notes in its buffers (running statistics) is noted in ours.
        buffers = {name: buffer[group.start] for name, buffer in self._buffers.items()}
        rollout, terms = member({**leaves, **buffers}, only, arguments[1][0], arguments[2][0])
        return type(rollout)(*(part[None] for part in rollout)), {k: v[None] for k, v in terms.items()}

    @torch.no_grad()
    def _evaluate(self, steps: int) -> None:
        """`steps`: since the last evaluation."""
        task, count = self.task, len(self.members)
        images = len(task.validation.labels)
        # The same for all members, whenever: what is random in a model is no part of its score.
        draws = np.random.default_rng(0).random((images, task.draws), np.float32)
        self._model.eval()
        gammas = [m.hyperparameters.gamma_at(self.step - 1) for m in self.members]
        rollouts, terms, weights = [], [], []
        for start in range(0, images, EVALUATION_BATCH):
            rows = np.arange(start, min(start + EVALUATION_BATCH, images))
            batch = task.validation.rows(np.tile(rows, (count, 1)), np.tile(draws[rows], (count, 1, 1)))
            parts = [
                self._forward(group, leaves, batch, self._tensor(gammas))
                for group, leaves in zip(self._groups, self._leaves, strict=True)
            ]
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

    def _draws(self, batch: int) -> np.ndarray:
        """The model's random numbers of this step, [M,B,D]: from each member's seed and the step alone."""
        size = (batch, self.task.draws)
        if not size[1]:
            return np.zeros((len(self.members), *size), np.float32)
        rngs = (np.random.default_rng([DRAWS, member.seed, self.step]) for member in self.members)
        return np.stack([rng.random(size, np.float32) for rng in rngs])

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

    def named(self) -> dict[str, Tensor]:
        """[M, ...] each."""
        return self._blocks(self.values)

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
    def clip(self, most: float) -> None:
        """Scale each member's gradient to a norm of at most so much; drop it where it is not finite."""
        blocks = self._blocks(self.gradient)
        norm = torch.stack([block.flatten(1).square().sum(1) for block in blocks.values()]).sum(0).sqrt()
        share = torch.where(norm.isfinite(), most / norm.clamp_min(most), 0.0)
        for block in blocks.values():
            block.nan_to_num_(0.0, 0.0, 0.0).mul_(share.view(-1, *[1] * (block.dim() - 1)))

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


def probe(task: Task, members: Sequence[Member], training: TrainingSettings, seconds: float = 1.0) -> dict[str, float]:
    """Members' steps a second of each engine of the model's, timed for about `seconds` each after two warm-up steps."""
    rates = {}
    for engine in engines(task.settings.model):
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
