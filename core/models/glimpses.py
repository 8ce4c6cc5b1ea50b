"""Glimpses of images: what an extraction is, and how glimpses are cut from a whole split's bytes.

An extraction takes a window along the image's axes as one bank of filters an axis; `core.models.extractions` has them.

B batch, N images of a split, C,H,W image, G glimpse side = filters an axis, K pixels of an axis that a window can see.
Locations are (x, y) in [-1,1]^2: -1 is the centre of the first pixel and 1 that of the last.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from seedsweep.core.component import Component

#: The pixels that are read of a line are a multiple of it.
VECTOR = 16


class Extraction(Component, ABC):
    """A kind of filters along one axis. Subclass it for an own one.

    Its methods take a location [...], the axis' side and a Window, and are differentiable.
    """

    @abstractmethod
    def centres(self, location: Tensor, side: int, w: Window) -> Tensor:
        """Of the filters, pixels [...,G]."""

    @abstractmethod
    def weights(self, distance: Tensor, side: int, w: Window) -> Tensor:
        """The filters, from the pixels' distances to those centres, [...,G,K]."""

    @abstractmethod
    def extent(self, side: int, w: Window) -> float:
        """Pixels that all filters of a window can see, more or less than the side."""

    def bank(self, location: Tensor, side: int, w: Window) -> Tensor:
        """The filters over a whole axis, [..., G, side]."""
        pixels = torch.arange(side, dtype=location.dtype, device=location.device)
        return self.weights(pixels - self.centres(location, side, w).unsqueeze(-1), side, w)

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

    Only the pixels that a window can see are read, as bytes from the whole split: `F_y @ crop @ F_x^T`.
    """
    (height, width), channels = images.shape[-2:], images.shape[1]
    first_x, bank_x = _seen(location[:, 0], width, window)
    first_y, bank_y = _seen(location[:, 1], height, window)
    places = rows, first_x, first_y, bank_x.shape[-1], bank_y.shape[-1]
    # [B, lines, C, columns]: both products are one matrix product an image, whatever the channels.
    seen = bank_y @ _crop(images, *places).to(bank_y.dtype).flatten(2)
    seen = seen.view(len(rows), -1, bank_x.shape[-1]) @ bank_x.mT
    glimpse = seen.view(len(rows), window.glimpse, channels, -1).transpose(1, 2) * (1 / 255)
    covered = coverage(_crop(masks, *places).squeeze(2).unsqueeze(1).to(bank_y.dtype), bank_y, bank_x)
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


def _seen(location: Tensor, side: int, window: Window) -> tuple[Tensor, Tensor]:
    """Of one axis: the first of the K pixels that a window at location [B] can see, int64 [B], and the filters over
    those, [B,G,K]."""
    extraction = window.extraction
    # One pixel more for the rounding of the first, and whole vectors of a processor.
    extent = min(side, VECTOR * math.ceil((extraction.extent(side, window) + 2) / VECTOR))
    centre = (location.detach() + 1) * ((side - 1) / 2)
    # A diverged member's location may not be a number; its company goes on.
    first = (centre - (extent - 1) / 2).nan_to_num().round().clamp(0, side - extent)
    mu = extraction.centres(location, side, window)
    pixels = torch.arange(extent, dtype=location.dtype, device=location.device)
    distance = pixels + (first.unsqueeze(-1) - mu).unsqueeze(-1)
    return first.long(), extraction.weights(distance, side, window)


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
