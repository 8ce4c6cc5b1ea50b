"""Glimpse extraction: Gaussian filter banks (DRAW, Gregor et al. 2015, section 3.2) and the spatial transformer
(Jaderberg et al. 2015). Both take a window along the image's axes, so that both are one bank of filters an axis.

B batch, C,H,W image, G glimpse side, N = G filters an axis. Locations are (x, y) in [-1,1]^2: -1 is the centre of
the first pixel and 1 that of the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

#: Least standard deviation of a window that a model makes as small as it likes, in pixels: below it a Gaussian sees one
#: pixel, and its gradient grows without bound.
LEAST_SIGMA = 0.25


def gaussian_bank(location: Tensor, side: int, glimpse: int, window: float | Tensor, sigma: float) -> Tensor:
    """Filters along one axis, `F[i,a] = softmax_a(-(a - mu_i)^2 / (2 s^2))`, [..., G, side].

    location: [...] in [-1,1].  window: the glimpse's extent as a share of the image, one for all or [...], so that the
    centres `mu_i = centre + (i - (G-1)/2) * stride` are `stride = window * side / G` pixels apart.
    sigma: standard deviation in strides (0.5: neighbouring Gaussians overlap).
    The softmax keeps each row's sum at 1 and its gradient alive where the window leaves the image.
    """
    steps = torch.arange(glimpse, dtype=location.dtype, device=location.device) - (glimpse - 1) / 2
    centre = ((location + 1) * ((side - 1) / 2)).unsqueeze(-1)
    if isinstance(window, Tensor):
        stride = (window * (side / glimpse)).unsqueeze(-1)
        spread = (sigma * stride).clamp_min(LEAST_SIGMA).unsqueeze(-1)
        pixels = torch.arange(side, dtype=location.dtype, device=location.device)
        return torch.softmax(-0.5 * ((pixels - (centre + steps * stride).unsqueeze(-1)) / spread).square(), -1)
    stride_of_all = window * side / glimpse
    bank: Tensor = _Bank.apply(centre + steps * stride_of_all, side, sigma * stride_of_all)
    return bank


def bilinear_bank(location: Tensor, side: int, glimpse: int, window: float) -> Tensor:
    """Bilinear samples along one axis, `F[i,a] = max(0, 1 - |a - mu_i|)`, [..., G, side].

    location: [...] in [-1,1].  window: scale of the affine, so that the samples lie at `location + window * t` with t
    from -1 to 1 in G steps. Together with the other axis this is `grid_sample(affine_grid(...), align_corners=True,
    padding_mode="border")` for an affine without rotation: samples off the image are clipped to its border, where the
    location has no gradient; elsewhere the gradient comes from the two nearest pixels only.
    """
    steps = torch.linspace(-1, 1, glimpse, dtype=location.dtype, device=location.device)
    mu = ((location.unsqueeze(-1) + window * steps).clamp(-1, 1) + 1) * ((side - 1) / 2)
    pixels = torch.arange(side, dtype=location.dtype, device=location.device)
    return torch.relu(1 - (pixels - mu.unsqueeze(-1)).abs())


#: name -> bank from (location, side, glimpse, window, sigma).
EXTRACTIONS: dict[str, Callable[[Tensor, int, int, float, float], Tensor]] = {
    "gaussian": gaussian_bank,
    "spatial_transformer": lambda location, side, glimpse, window, sigma: bilinear_bank(
        location, side, glimpse, window
    ),
}


def extract(images: Tensor, bank_y: Tensor, bank_x: Tensor) -> Tensor:
    """`F_y @ image @ F_x^T`: images [B,C,H,W], banks [B,G,H] and [B,G,W] -> glimpses [B,C,G,G]."""
    return bank_y.unsqueeze(1) @ (images @ bank_x.unsqueeze(1).mT)


def affine_glimpse(
    images: Tensor, masks: Tensor, affine: Tensor, glimpse: int, extraction: str, sigma: float
) -> tuple[Tensor, Tensor]:
    """Glimpses [B,C,G,G] of images [B,C,H,W] and the mean of those of masks [B,1,H,W], [B], in windows given by an
    affine (a11, a12, tx, a21, a22, ty), [B,6], from [-1,1]^2 into the image.

    The spatial transformer takes all of it (`affine_grid` and `grid_sample` with align_corners and the border for what
    is off the image: EDRAM's clipping); the Gaussian banks lie along the axes and take the scales and the place.
    """
    if extraction == "gaussian":
        bank_x = gaussian_bank(affine[:, 2], images.shape[-1], glimpse, affine[:, 0], sigma)
        bank_y = gaussian_bank(affine[:, 5], images.shape[-2], glimpse, affine[:, 4], sigma)
        return extract(images, bank_y, bank_x), coverage(masks, bank_y, bank_x)
    steps = torch.linspace(-1, 1, glimpse, dtype=affine.dtype, device=affine.device)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], -1).view(-1, 3)
    grid = (points @ affine.view(-1, 2, 3).mT).view(-1, glimpse, glimpse, 2)
    both: Tensor = _Sample.apply(torch.cat([images, masks], 1), grid)
    return both[:, :-1], both[:, -1].mean((-2, -1))


def coverage(masks: Tensor, bank_y: Tensor, bank_x: Tensor) -> Tensor:
    """Mean of the mask's glimpse, [B], for masks [B,1,H,W].

    The mean over the glimpse's pixels is taken on the banks first, which makes a vector product of the matrix one.
    """
    rows = bank_y.mean(-2, keepdim=True)
    columns = bank_x.mean(-2, keepdim=True)
    # Row vector times matrix: the other way round is a slow matrix product on a CPU.
    return ((rows @ masks.squeeze(1)) * columns).sum((-2, -1))


class _Bank(torch.autograd.Function):
    """softmax over pixels of -(a - mu)^2 / (2 s^2), with the gradient to mu written out.

    With F the bank and g its incoming gradient, dL/dmu = (sum_a F g a - (sum_a F g)(sum_a F a)) / s^2: two passes
    over the bank in place of the nine that autograd makes.
    """

    @staticmethod
    def forward(mu: Tensor, side: int, sigma: float) -> Tensor:
        scale = 1 / (sigma * 2**0.5)
        pixels = torch.arange(side, dtype=mu.dtype, device=mu.device)
        distance = pixels * scale - (mu * scale).unsqueeze(-1)
        return torch.softmax(distance.square_().neg_(), -1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, float], output: Tensor) -> None:
        ctx.save_for_backward(output)
        ctx.sigma = inputs[2]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (bank,) = ctx.saved_tensors
        side = bank.shape[-1]
        # Pixels counted from the middle: smaller numbers, less cancellation.
        pixels = torch.arange(side, dtype=bank.dtype, device=bank.device) - (side - 1) / 2
        weighted = bank * grads[0]
        return (weighted @ pixels - weighted.sum(-1) * (bank @ pixels)) / ctx.sigma**2, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None, None], mu: Tensor, side: int, sigma: float) -> tuple[Tensor, int]:
        return _Bank.apply(mu.movedim(in_dims[0], 0), side, sigma), 0


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
