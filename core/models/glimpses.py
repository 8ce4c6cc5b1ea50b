"""Glimpses of images: what an extraction is, and how glimpses are cut from a whole split's bytes.

An extraction takes a window along the image's axes as one bank of filters an axis; `core.models.extractions` has them.

B batch, N images of a split, C,H,W image, G glimpse side = filters an axis, K pixels of an axis that a window can see.
Locations are (x, y) in [-1,1]^2: -1 is the centre of the first pixel and 1 that of the last.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seedsweep.core.component import Component

#: The pixels that are read of a line are a multiple of it.
VECTOR = 16


class Extraction(Component, ABC):
    """A kind of filters along one axis. Subclass it for an own one.

    Its methods take a location [...], the axis' side and a Window.
    """

    @abstractmethod
    def centres(self, location: Tensor, side: int, w: Window) -> tuple[Tensor, Tensor | float]:
        """Of the filters, pixels [...,G], and their derivative to the location."""

    @abstractmethod
    def weights(self, distance: Tensor, side: int, w: Window) -> tuple[Tensor, Callable[[], Tensor]]:
        """From the pixels' distances to those centres, [...,G,K]: the filters, and their derivative to the centres."""

    @abstractmethod
    def extent(self, side: int, w: Window) -> float:
        """Pixels that all filters of a window can see, more or less than the side."""

    def bank(self, location: Tensor, side: int, w: Window) -> Tensor:
        """The filters over a whole axis, [..., G, side]; differentiable."""
        mu, _ = self.centres(location, side, w)
        pixels = torch.arange(side, dtype=location.dtype, device=location.device)
        return self.weights(pixels - mu.unsqueeze(-1), side, w)[0]

    def affine(self, images: Tensor, masks: Tensor, affine: Tensor, glimpse: int) -> tuple[Tensor, Tensor]:
        """Glimpses [B,C,G,G] of images [B,C,H,W] and the means of those of masks [B,1,H,W], [B], in windows given by an
        affine (a11, a12, tx, a21, a22, ty), [B,6], from [-1,1]^2 into the image. Only models that move and scale their
        windows need it."""
        raise NotImplementedError


class Window(NamedTuple):
    """What a glimpse sees, and how.

    glimpse: G.  window: its extent as a share of the image.
    """

    extraction: Extraction
    glimpse: int
    window: float


def glimpses(images: Tensor, masks: Tensor, rows: Tensor, location: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Glimpses [B,C,G,G] in [0,1] of the images of `rows`, int64 [B], and the means of those of their masks, [B].

    images: uint8 [N,C,H,W].  masks: uint8 [N,1,H,W] in {0,1}.  location: [B,2], with a gradient.

    Only the pixels that a window can see are read, as bytes from the whole split: `F_y @ crop @ F_x^T`. The derivatives
    to the two coordinates of the location are taken forwards in the same two products, `dF_y @ crop @ F_x^T` and
    `F_y @ crop @ dF_x^T`, so that there is nothing to keep and no product to take backwards.
    """
    glimpse, covered, *_ = _Look.apply(location, images, masks, rows, window, torch.is_grad_enabled())
    return glimpse, covered


def overview(images: Tensor, window: Window) -> Tensor:
    """The glimpse of whole images [B,C,H,W] from their middle, [B,C,G,G]."""
    middle = images.new_zeros(len(images))
    return extract(images, *(window.extraction.bank(middle, side, window) for side in images.shape[-2:]))


def extract(images: Tensor, bank_y: Tensor, bank_x: Tensor) -> Tensor:
    """`F_y @ image @ F_x^T`: images [B,C,H,W], banks [B,G,H] and [B,G,W] -> glimpses [B,C,G,G]."""
    return bank_y.unsqueeze(1) @ (images @ bank_x.unsqueeze(1).mT)


def coverage(masks: Tensor, bank_y: Tensor, bank_x: Tensor) -> Tensor:
    """Mean of the mask's glimpse, [B], for masks [B,1,H,W].

    The mean over the glimpse's pixels is taken on the banks first, which makes a vector product of the matrix one.
    """
    rows = bank_y.mean(-2, keepdim=True)
    columns = bank_x.mean(-2, keepdim=True)
    # Row vector times matrix: the other way round is a slow matrix product on a CPU.
    return ((rows @ masks.squeeze(1)) * columns).sum((-2, -1))


class _Look(torch.autograd.Function):
    """`glimpses` with its derivatives to the location, [B,2,C,G,G] and [B,2]."""

    @staticmethod
    def forward(
        location: Tensor, images: Tensor, masks: Tensor, rows: Tensor, window: Window, slopes: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        height, width = images.shape[-2:]
        first_x, bank_x, slope_x = _seen(location[:, 0], width, window, slopes=slopes)
        first_y, bank_y, slope_y = _seen(location[:, 1], height, window, slopes=slopes)
        x, y = (
            torch.cat([bank, slope], 1) if slopes else bank for bank, slope in ((bank_x, slope_x), (bank_y, slope_y))
        )
        batch, channels, g = len(rows), images.shape[1], window.glimpse
        places = rows, first_x, first_y, bank_x.shape[-1], bank_y.shape[-1]
        # [B, rows, C, columns]: both products then are one matrix product an image, whatever the channels.
        seen = (y @ _crop(images, *places).to(y.dtype).flatten(2)).view(batch, -1, bank_x.shape[-1]) @ x.mT
        seen = seen.view(batch, y.shape[1], channels, -1).transpose(1, 2) * (1 / 255)
        rows_of_mask, columns_of_mask = (bank.unflatten(1, (-1, g)).mean(2) for bank in (y, x))
        covered = rows_of_mask @ _crop(masks, *places).to(y.dtype).squeeze(2) @ columns_of_mask.mT
        # The blocks of the products: value, slope along x; slope along y, and a mixed one that nobody needs.
        glimpse = seen[..., :g, :g].contiguous()
        if not slopes:
            return glimpse, covered[:, 0, 0], glimpse.new_zeros(0), glimpse.new_zeros(0)
        moved = torch.stack([seen[..., :g, g:], seen[..., g:, :g]], 1)
        return glimpse, covered[:, 0, 0], moved, torch.stack([covered[:, 0, 1], covered[:, 1, 0]], 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(output[2], output[3])
        ctx.mark_non_differentiable(output[2], output[3])
        # Else zeros would be made for the gradients that are not.
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        moved, covered_moved = ctx.saved_tensors
        to_location = torch.zeros_like(covered_moved)
        if grads[0] is not None:
            to_location += (moved * grads[0].unsqueeze(1)).flatten(2).sum(-1)
        if grads[1] is not None:
            to_location += covered_moved * grads[1].unsqueeze(1)
        return to_location, None, None, None, None, None

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        location: Tensor,
        images: Tensor,
        masks: Tensor,
        rows: Tensor,
        *rest: Any,
    ) -> tuple[Any, tuple[int | None, ...]]:
        assert in_dims[1] is None, "members look at the images of one split"
        assert in_dims[2] is None, "members look at the masks of one split"
        folded = []
        for part, dim in ((location, in_dims[0]), (rows, in_dims[3])):
            stacked = part.expand(info.batch_size, *part.shape) if dim is None else part.movedim(dim, 0)
            folded.append(stacked.flatten(0, 1))
        results = _Look.apply(folded[0], images, masks, folded[1], *rest)
        # Without slopes their places are empty.
        dims = tuple(0 if len(part) else None for part in results)
        return tuple(p.unflatten(0, (info.batch_size, -1)) if len(p) else p for p in results), dims


def _seen(location: Tensor, side: int, window: Window, *, slopes: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Of one axis: the first of the K pixels that a window at location [B] can see, int64 [B], the filters over those,
    [B,G,K], and their derivative to the location."""
    extraction = window.extraction
    # One pixel more for the rounding of the first, and whole vectors of a processor.
    extent = min(side, VECTOR * math.ceil((extraction.extent(side, window) + 2) / VECTOR))
    centre = (location + 1) * ((side - 1) / 2)
    # A diverged member's location may not be a number; its company goes on.
    first = (centre - (extent - 1) / 2).nan_to_num().round().clamp(0, side - extent)
    mu, scale = extraction.centres(location, side, window)
    pixels = torch.arange(extent, dtype=location.dtype, device=location.device)
    distance = pixels + (first.unsqueeze(-1) - mu).unsqueeze(-1)
    filters, slope = extraction.weights(distance, side, window)
    if not slopes:
        return first.long(), filters, filters
    if isinstance(scale, Tensor):
        scale = scale.unsqueeze(-1)
    return first.long(), filters, slope().mul_(scale)


def _crop(images: Tensor, rows: Tensor, first_x: Tensor, first_y: Tensor, columns: int, lines: int) -> Tensor:
    """Rectangles of uint8 [N,C,H,W], [B,lines,C,columns], from their first pixels, int64 [B], on."""
    channels, height, width = images.shape[1:]
    device = images.device
    line = (first_y[:, None] + torch.arange(lines, device=device)) * width + first_x[:, None]
    start = ((rows * (channels * height * width))[:, None] + line)[:, :, None]
    start = start + torch.arange(channels, device=device) * (height * width)
    # Every run of so many bytes as a row of an overlapping view: each is one copy.
    runs = images.as_strided((images.numel() - columns + 1, columns), (1, 1))
    return runs.index_select(0, start.flatten()).view(*start.shape, columns)
