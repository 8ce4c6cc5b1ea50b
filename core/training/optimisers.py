"""Optimisers of many members at once: each works on a matrix [m,W], a row a member, with hyperparameters of each
row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from seedsweep.core.component import Component, Range


class Optimizer(Component):
    """Subclass it for an own one.

    hyperparameters: name -> Range with a default; a study may set, search and schedule each.
    slots: names of the matrices [M,W] that it keeps beside the weights, zero at the start.
    """

    hyperparameters: ClassVar[Mapping[str, Range]] = {"lr": Range(0, default=1e-3)}
    slots: ClassVar[tuple[str, ...]] = ()

    def scales(self, values: Mapping[str, float], step: int) -> tuple[float, ...]:
        """What `update` needs of a member's present hyperparameters at step 1, 2, ...: S numbers, made on the host in
        float64."""
        raise NotImplementedError

    def update(
        self, weights: Tensor, gradient: Tensor, state: Mapping[str, Tensor], scales: Tensor, decayed: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weights and state after one step; the arguments stay as they are. weights, gradient and each of state: [m,W].
        scales: [m,S].  decayed: [W], 1 where weight decay acts and 0 elsewhere; None where no member has any."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, as torch.optim.SGD without dampening."""

    @dataclass(frozen=True)
    class Settings:
        """nesterov: Nesterov's momentum (Sutskever et al. 2013)."""

        nesterov: bool = False

    hyperparameters: ClassVar[Mapping[str, Range]] = {
        "lr": Range(0, default=1e-2),
        "momentum": Range(0, 1, default=0.0),
        "weight_decay": Range(0, default=0.0),
    }
    slots = ("momentum",)

    def scales(self, values: Mapping[str, float], step: int) -> tuple[float, ...]:
        """lr, momentum, weight decay."""
        return values["lr"], values["momentum"], values["weight_decay"]

    def update(
        self, weights: Tensor, gradient: Tensor, state: Mapping[str, Tensor], scales: Tensor, decayed: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See the base."""
        lr, momentum, decay = scales.unsqueeze(-1).unbind(1)
        if decayed is not None:
            gradient = torch.addcmul(gradient, weights, decay * decayed)
        moving = state["momentum"] * momentum + gradient
        direction = torch.addcmul(gradient, moving, momentum) if self.settings.nesterov else moving
        return torch.addcmul(weights, direction, lr, value=-1), {"momentum": moving}


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1); weight decay is added to the gradient, as in torch.optim.Adam."""

    @dataclass(frozen=True)
    class Settings:
        """epsilon: added to the root of the second moment."""

        epsilon: Annotated[float, Range(0)] = 1e-8

    hyperparameters: ClassVar[Mapping[str, Range]] = {
        "lr": Range(0, default=1e-3),
        "beta1": Range(0, 1, default=0.9),
        "beta2": Range(0, 1, default=0.999),
        "weight_decay": Range(0, default=0.0),
    }
    slots = ("first_moment", "second_moment")

    def scales(self, values: Mapping[str, float], step: int) -> tuple[float, ...]:
        """`lr sqrt(1 - beta2^t) / (1 - beta1^t)` and `epsilon sqrt(1 - beta2^t)`, with which algorithm 1 needs no
        moments without bias (Kingma & Ba 2015, end of section 2); 1 - beta1, beta2, 1 - beta2; lr, weight decay."""
        beta1, beta2 = values["beta1"], values["beta2"]
        root = (1 - beta2**step) ** 0.5
        rate = values["lr"] * root / (1 - beta1**step)
        return rate, self.settings.epsilon * root, 1 - beta1, beta2, 1 - beta2, values["lr"], values["weight_decay"]

    def update(
        self, weights: Tensor, gradient: Tensor, state: Mapping[str, Tensor], scales: Tensor, decayed: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See the base."""
        rate, floor, new_mean, old_square, new_square, lr, decay = scales.unsqueeze(-1).unbind(1)
        if decayed is not None:
            weights, gradient = self._decay(weights, gradient, lr, decay * decayed)
        mean = torch.lerp(state["first_moment"], gradient, new_mean)
        square = torch.addcmul(state["second_moment"] * old_square, gradient * new_square, gradient)
        weights = torch.addcdiv(weights, mean * rate, square.sqrt() + floor, value=-1)
        return weights, {"first_moment": mean, "second_moment": square}

    def _decay(self, weights: Tensor, gradient: Tensor, lr: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and gradient with weight decay [m,W]."""
        return weights, torch.addcmul(gradient, weights, decay)


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov & Hutter 2019), as torch.optim.AdamW."""

    hyperparameters: ClassVar[Mapping[str, Range]] = {
        **Adam.hyperparameters,
        "weight_decay": Range(0, default=1e-2),
    }

    def _decay(self, weights: Tensor, gradient: Tensor, lr: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
        return weights * (1 - lr * decay), gradient


def clipped(gradient: Tensor, most: float) -> Tensor:
    """Each member's gradient, a row of [m,W], scaled to a norm of at most so much, as by torch's `clip_grad_norm_`; but
    zero where it is not finite."""
    norm = gradient.square().sum(1).sqrt()
    share = torch.where(norm.isfinite(), (most / (norm + 1e-6)).clamp_max(1), 0.0)
    return gradient.nan_to_num(0.0, 0.0, 0.0) * share[:, None]
