"""From a glimpse to its features: what a backbone is. B batch, C channels, G glimpse side."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import nn

from seedsweep.core.component import NoSettings


class Backbone(nn.Module):
    """A network from glimpses [B,C,G,G] to features [B, features]. Subclass it for an own one.

    Settings: a frozen dataclass, as a task's.
    own_scale: whether it takes pixels in [0,1]; else they come less the training pixels' mean, over their deviation.
    fused: whether members can train together.
    """

    Settings: ClassVar[type] = NoSettings
    own_scale: ClassVar[bool] = False
    fused: ClassVar[bool] = True
    features: int

    def __init__(self, settings: Any, channels: int, glimpse: int):
        """settings: an instance of Settings.  channels: of the glimpse.  glimpse: its side."""
        super().__init__()

    @classmethod
    def check(cls, settings: Any, channels: int | None, glimpse: int, *, frozen: bool) -> Iterable[str]:
        """What it cannot be made of, a line each that begins with a field of the task's, `glimpse_size: ...`, or of its
        own, `backbone.width: ...`. channels: None where the data are not known.  frozen: whether nobody trains it."""
        return ()


@functools.lru_cache(maxsize=2)
def shared(kind: Any, settings: Any, channels: int, glimpse: int, device: torch.device) -> Backbone:
    """One network for all members of this process, whose parameters nobody trains. kind: its class.  Errors:
    UserError."""
    with torch.random.fork_rng(devices=[]):
        # A random start is the same in each process.
        torch.manual_seed(0)
        network: Backbone = kind(settings, channels, glimpse)
    return network.requires_grad_(requires_grad=False).eval().to(device)
