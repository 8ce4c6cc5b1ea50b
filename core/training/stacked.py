"""The parameters of several members as one matrix, and Adam on it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Adam (Kingma & Ba 2015), algorithm 1, with its authors' defaults.
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Stacked:
    """M members of W weights: values, first_moment and second_moment are [M,W], a row a member.

    So a member's are one block of memory, and the optimiser is a handful of large operations.
    """

    def __init__(self, members: Sequence[dict[str, Tensor]]):
        self.shapes = {name: value.shape for name, value in members[0].items()}
        self.values = torch.stack([torch.cat([value.detach().flatten() for value in m.values()]) for m in members])
        self.first_moment = torch.zeros_like(self.values)
        self.second_moment = torch.zeros_like(self.values)

    def named(self, values: Tensor) -> dict[str, Tensor]:
        """[M,W] -> views [M, ...] by the parameters' names; differentiable."""
        parts = values.split([shape.numel() for shape in self.shapes.values()], 1)
        return {name: part.unflatten(1, shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    @torch.no_grad()
    def adam(self, group: slice, gradient: Tensor, rate: Tensor, floor: Tensor) -> None:
        """One update of the members in `group`, m of them, by their gradient [m,W], which is used up.

        rate [m] and floor []: see `corrected`.
        """
        mean, square = self.first_moment[group], self.second_moment[group]
        mean.lerp_(gradient, 1 - BETA_1)
        square.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        spread = torch.sqrt(square, out=gradient).add_(floor)
        self.values[group].addcdiv_(mean * rate[:, None], spread, value=-1)


def corrected(lr: float, step: int) -> tuple[float, float]:
    """Of step 1, 2, ...: `lr sqrt(1 - beta_2^t) / (1 - beta_1^t)` and `epsilon sqrt(1 - beta_2^t)`, with which
    algorithm 1 needs no corrected moments (Kingma & Ba 2015, end of section 2)."""
    root = (1 - BETA_2**step) ** 0.5
    return lr * root / (1 - BETA_1**step), EPSILON * root


def clip(gradient: Tensor, most: float) -> None:
    """Scale each member's gradient, a row of [m,W], to a norm of at most so much; drop it where it is not finite."""
    norm = gradient.square().sum(1).sqrt()
    share = torch.where(norm.isfinite(), most / norm.clamp_min(most), 0.0)
    gradient.nan_to_num_(0.0, 0.0, 0.0).mul_(share[:, None])
