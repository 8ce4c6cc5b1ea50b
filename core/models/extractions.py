"""Glimpse extraction: Gaussian filter banks (DRAW, Gregor et al. 2015, section 3.2) and the spatial transformer
(Jaderberg et al. 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

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
        """sigma: standard deviation of the Gaussians, in strides (0.5: neighbouring ones overlap)."""

        sigma: Annotated[float, Range(1e-2, 100)] = 0.5

    def centres(self, location: Tensor, side: int, w: Window) -> Tensor:
        """`mu_i = centre + (i - (G-1)/2) * stride`, `stride = window * side / G` pixels."""
        steps = torch.arange(w.glimpse, dtype=location.dtype, device=location.device) - (w.glimpse - 1) / 2
        return ((location + 1) * ((side - 1) / 2)).unsqueeze(-1) + steps * (w.window * side / w.glimpse)

    def weights(self, distance: Tensor, side: int, w: Window) -> Tensor:
        """`F[i,a] = softmax_a(-(a - mu_i)^2 / (2 s^2))`.

        The softmax keeps each row's sum at 1 and its gradient alive where the window leaves the image.
        """
        spread = self.settings.sigma * w.window * side / w.glimpse
        return torch.softmax((distance * (0.5**0.5 / spread)).square().neg(), -1)

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

    def centres(self, location: Tensor, side: int, w: Window) -> Tensor:
        """The samples lie at `location + window * t` with t from -1 to 1 in G steps, clipped to the image, where the
        location has no gradient."""
        steps = torch.linspace(-1, 1, w.glimpse, dtype=location.dtype, device=location.device)
        return ((location.unsqueeze(-1) + w.window * steps).clamp(-1, 1) + 1) * ((side - 1) / 2)

    def weights(self, distance: Tensor, side: int, w: Window) -> Tensor:
        """`F[i,a] = max(0, 1 - |a - mu_i|)`: the gradient comes from the two nearest pixels only."""
        return torch.relu(1 - distance.abs())

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
        both = sampled(torch.cat([images, masks], 1), grid)
        return both[:, :-1], both[:, -1].mean((-2, -1))


def sampled(images: Tensor, grid: Tensor) -> Tensor:
    """`F.grid_sample(images, grid, padding_mode="border", align_corners=True)` for images [B,C,H,W] without a gradient
    and a grid [B,G,G,2], of gathers, which `vmap` takes as they are: [B,C,G,G]."""
    width = images.shape[-1]
    (left, right, to_right), (above, below, downwards) = (
        _neighbours(grid[..., axis].flatten(1), side) for axis, side in ((0, width), (1, images.shape[-2]))
    )
    pixels = images.flatten(2)

    def at(line: Tensor, column: Tensor) -> Tensor:
        return pixels.gather(2, (line * width + column).unsqueeze(1).expand(-1, images.shape[1], -1))

    upper = torch.lerp(at(above, left), at(above, right), to_right)
    lower = torch.lerp(at(below, left), at(below, right), to_right)
    glimpse: Tensor = torch.lerp(upper, lower, downwards).unflatten(2, grid.shape[1:3])
    return glimpse


def _neighbours(location: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of an axis: the two pixels between which a location [B,N] lies, int64 [B,N], and how near to the second, [B,1,N].
    Off the image it is at the border, without a gradient."""
    place = (location.clamp(-1, 1) + 1) * ((side - 1) / 2)
    # A diverged member's location may not be a number.
    first = place.detach().nan_to_num().floor().clamp(0, max(side - 2, 0))
    return first.long(), (first.long() + 1).clamp_max(side - 1), (place - first).unsqueeze(1)
