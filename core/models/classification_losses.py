"""The classification losses, from the cross-entropies of each glimpse's prediction [S,B] and of the final one [B]: a
scalar each, the mean over the batch."""

from __future__ import annotations

from torch import Tensor


def aggregated(per_glimpse: Tensor, final: Tensor) -> Tensor:
    """The mean over the glimpses plus the final prediction's."""
    return per_glimpse.mean() + final.mean()


def steps(per_glimpse: Tensor, final: Tensor) -> Tensor:
    """EDRAM's sum over its steps."""
    return per_glimpse.sum(0).mean()
