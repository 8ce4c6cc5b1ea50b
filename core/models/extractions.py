"""Glimpse extraction: Gaussian filter banks (DRAW, Gregor et al. 2015, section 3.2) and the spatial transformer
(Jaderberg et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seedsweep.core.component import Range
from seedsweep.core.models.glimpses import Extraction, Window, coverage, extract

#: Least standard deviation of a window that a model makes as small as it likes, in pixels: below it a Gaussian sees one
#: pixel, and its gradient grows without bound.
LEAST_SIGMA = 0.25
#: Standard deviations from its centre at which a Gaussian is less than float32 can add to it: exp(-18) = 1.5e-8.
REACH = 6.0


class Gaussian(Extraction):
    """Each pixel of a glimpse is the image under a Gaussian."""

    @dataclass(frozen=True)
    class Settings:
        """sigma: of the Gaussians, in strides (0.5: neighbouring ones overlap)."""

        sigma: Annotated[float, Range(1e-2, 100)] = 0.5

    def centres(self, location: Tensor, side: int, w: Window) -> tuple[Tensor, float]:
        """`mu_i = centre + (i - (G-1)/2) * stride`, `stride = window * side / G` pixels."""
        steps = torch.arange(w.glimpse, dtype=location.dtype, device=location.device) - (w.glimpse - 1) / 2
        scale = (side - 1) / 2
        return ((location + 1) * scale).unsqueeze(-1) + steps * (w.window * side / w.glimpse), scale

    def weights(self, distance: Tensor, side: int, w: Window) -> tuple[Tensor, Callable[[], Tensor]]:
        """`F[i,a] = softmax_a(-(a - mu_i)^2 / (2 s^2))`, and `dF/dmu = F (d - sum_a F d) / s^2` with `d = a - mu_i`.

        The softmax keeps each row's sum at 1 and its gradient alive where the window leaves the image.
        """
        spread = self.settings.sigma * w.window * side / w.glimpse
        filters = torch.softmax((distance * (0.5**0.5 / spread)).square().neg(), -1)

        def slope() -> Tensor:
            middle = (filters * distance).sum(-1, keepdim=True)
            return (distance - middle).mul_(filters).mul_(spread**-2)

        return filters, slope

    def extent(self, side: int, w: Window) -> float:
        """From the first to the last Gaussian's reach."""
        sigma: float = self.settings.sigma
        return w.window * side / w.glimpse * (w.glimpse - 1 + 2 * REACH * sigma)

    def affine(self, images: Tensor, masks: Tensor, affine: Tensor, glimpse: int) -> tuple[Tensor, Tensor]:
        """The banks lie along the axes and take the scales and the place."""
        bank_x = self.scaled_bank(affine[:, 2], images.shape[-1], glimpse, affine[:, 0])
        bank_y = self.scaled_bank(affine[:, 5], images.shape[-2], glimpse, affine[:, 4])
        return extract(images, bank_y, bank_x), coverage(masks, bank_y, bank_x)

    def scaled_bank(self, location: Tensor, side: int, glimpse: int, window: Tensor) -> Tensor:
        """The filters of windows [...] that a model makes as large as it likes, [..., G, side]."""
        steps = torch.arange(glimpse, dtype=location.dtype, device=location.device) - (glimpse - 1) / 2
        centre = ((location + 1) * ((side - 1) / 2)).unsqueeze(-1)
        stride = (window * (side / glimpse)).unsqueeze(-1)
        spread = (self.settings.sigma * stride).clamp_min(LEAST_SIGMA).unsqueeze(-1)
        pixels = torch.arange(side, dtype=location.dtype, device=location.device)
        return torch.softmax(-0.5 * ((pixels - (centre + steps * stride).unsqueeze(-1)) / spread).square(), -1)


class SpatialTransformer(Extraction):
    """Each pixel of a glimpse is a bilinear sample of the image.

    With these filters along both axes a glimpse is `grid_sample(affine_grid(...), align_corners=True,
    padding_mode="border")` for an affine without rotation.
    """

    def centres(self, location: Tensor, side: int, w: Window) -> tuple[Tensor, Tensor]:
        """The samples lie at `location + window * t` with t from -1 to 1 in G steps, clipped to the image, where the
        location has no gradient."""
        steps = torch.linspace(-1, 1, w.glimpse, dtype=location.dtype, device=location.device)
        free = location.unsqueeze(-1) + w.window * steps
        scale = (side - 1) / 2
        return (free.clamp(-1, 1) + 1) * scale, (free.abs() <= 1) * scale

    def weights(self, distance: Tensor, side: int, w: Window) -> tuple[Tensor, Callable[[], Tensor]]:
        """`F[i,a] = max(0, 1 - |a - mu_i|)`: the gradient comes from the two nearest pixels only."""
        filters = torch.relu(1 - distance.abs())
        return filters, lambda: distance.sign() * (filters > 0)

    def extent(self, side: int, w: Window) -> float:
        """From the first to the last sample's neighbours."""
        return w.window * (side - 1) + 2

    def affine(self, images: Tensor, masks: Tensor, affine: Tensor, glimpse: int) -> tuple[Tensor, Tensor]:
        """All of the affine is taken, as by `affine_grid` and `grid_sample` with align_corners and the border for what
        is off the image: EDRAM's clipping."""
        steps = torch.linspace(-1, 1, glimpse, dtype=affine.dtype, device=affine.device)
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        points = torch.stack([x, y, torch.ones_like(x)], -1).view(-1, 3)
        grid = (points @ affine.view(-1, 2, 3).mT).view(-1, glimpse, glimpse, 2)
        both: Tensor = _Sample.apply(torch.cat([images, masks], 1), grid)
        return both[:, :-1], both[:, -1].mean((-2, -1))


class _Sample(torch.autograd.Function):
    """Bilinear samples of [B,C,H,W] at a grid [B,G,G,2], with the gradient to the grid alone. Under `vmap` the members
    are folded into the batch: torch has no batching rule for it, and would go through them one by one."""

    @staticmethod
    def forward(images: Tensor, grid: Tensor) -> Tensor:
        return F.grid_sample(images, grid, "bilinear", "border", align_corners=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        images, grid = ctx.saved_tensors
        # 0: bilinear, 1: border.
        _, to_grid = torch.ops.aten.grid_sampler_2d_backward(grads[0], images, grid, 0, 1, True, (False, True))
        return None, to_grid

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, int | None], images: Tensor, grid: Tensor) -> tuple[Tensor, int]:
        folded = (
            (part.expand(info.batch_size, *part.shape) if dim is None else part.movedim(dim, 0)).flatten(0, 1)
            for part, dim in zip((images, grid), in_dims, strict=True)
        )
        return _Sample.apply(*folded).unflatten(0, (info.batch_size, -1)), 0
