"""From a glimpse to its features: what a backbone is. B batch, C channels, G glimpse side."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import nn


class Backbone(nn.Module):
    """A network from glimpses [B,C,G,G] to features [B, features]. Subclass it for an own one.

    own_scale: whether it takes pixels in [0,1]; else they come less the training pixels' mean, over their deviation.
    fused: whether members can train together.
    """

    own_scale: ClassVar[bool] = False
    fused: ClassVar[bool] = True
    features: int

    def __init__(self, channels: int, glimpse: int, weights: str = ""):
        """channels: of the glimpse.  glimpse: its side.  weights: empty, a random start; or a name or file of some."""
        super().__init__()

    @classmethod
    def check(cls, channels: int | None, glimpse: int, weights: str, frozen: bool) -> Iterable[str]:
        """What it cannot be made of, a line each that begins with a field, `glimpse_size: ...`. channels: None where
        the data are not known.  frozen: whether nobody trains it."""
        return ()


def shared(kind: type[Backbone], channels: int, glimpse: int, weights: str, device: torch.device) -> Backbone:
    """One network for all members of this process, whose parameters nobody trains. Errors: UserError."""
    made: Backbone = _made(kind, channels, glimpse, weights, device)  # type: ignore[arg-type]  # classes are hashable
    return made


@functools.lru_cache(maxsize=2)
def _made(kind: type[Backbone], channels: int, glimpse: int, weights: str, device: torch.device) -> Backbone:
    with torch.random.fork_rng(devices=[]):
        # A random start is the same in each process.
        torch.manual_seed(0)
        network = kind(channels, glimpse, weights)
    return network.requires_grad_(False).eval().to(device)
