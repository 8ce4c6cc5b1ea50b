"""From a glimpse to its features: what a backbone is. B batch, C channels, G glimpse side."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from seedsweep.core.component import Chosen, Named, NoSettings


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


BACKBONE: Chosen[Backbone] = Chosen("seedsweep.core.models.backbones", Backbone)


class WithBackbone(nn.Module):
    """A network that sees glimpses through a backbone: `backbone`, a member's own, or a frozen one that all share.

    features: how many it gives of a glimpse.
    """

    def __init__(self, chosen: Named, channels: int, glimpse: int, mean: float, std: float, *, frozen: bool):
        """channels: of the image.  glimpse: its side.  mean, std: of the training images' pixels, by which glimpses are
        centred and scaled (the banks' rows sum to one, so that this equals doing it to the image). Errors:
        UserError."""
        super().__init__()
        self.mean, self.std, self.frozen = mean, std, frozen
        _, self.kind, self.own = BACKBONE.read(chosen)
        if frozen:
            self.features = shared(self.kind, self.own, channels, glimpse, torch.device("cpu")).features
        else:
            self.backbone = self.kind(self.own, channels, glimpse)
            self.features = self.backbone.features

    def see(self, glimpse: Tensor) -> Tensor:
        """[B,C,G,G] in [0,1] -> [B, features]; what are features already, as a frozen backbone's of glimpse 0 are
        (`GlimpseTask.overview`), stay as they are."""
        if glimpse.dim() == 2:
            return glimpse
        if self.frozen:
            return seen_by_all(self.kind, self.own, glimpse, self.mean, self.std)
        given = glimpse if self.kind.own_scale else (glimpse - self.mean) / self.std
        features: Tensor = self.backbone(given.to(next(self.backbone.parameters()).dtype))
        return features.float()


def seen_by_all(kind: Any, settings: Any, glimpse: Tensor, mean: float, std: float) -> Tensor:
    """The features [B, features] of glimpses [B,C,G,G] in [0,1], by the network that all members share. Errors:
    UserError."""
    given = glimpse if kind.own_scale else (glimpse - mean) / std
    features: Tensor = shared(kind, settings, glimpse.shape[1], glimpse.shape[-1], glimpse.device)(given)
    return features


@functools.lru_cache(maxsize=2)
def shared(kind: Any, settings: Any, channels: int, glimpse: int, device: torch.device) -> Backbone:
    """One network for all members of this process, whose parameters nobody trains. kind: its class.  Errors:
    UserError."""
    with torch.random.fork_rng(devices=[]):
        # A random start is the same in each process.
        torch.manual_seed(0)
        network: Backbone = kind(settings, channels, glimpse)
    return network.requires_grad_(requires_grad=False).eval().to(device)
