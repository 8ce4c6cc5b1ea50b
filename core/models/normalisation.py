"""Batch normalisation of a recurrent model."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Weight of a batch in the running statistics (inferred).
MOMENTUM = 0.1


class StepNorm(nn.Module):
    """Batch normalisation with statistics of their own for every step (Cooijmans et al. 2016, section 3), one scale and
    shift. In training by the batch's, which go into running ones; in evaluation by those."""

    mean: Tensor
    variance: Tensor

    def __init__(self, steps: int, features: int):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(steps, features))
        self.register_buffer("variance", torch.ones(steps, features))

    def forward(self, x: Tensor, step: int) -> Tensor:
        """[B,F,...] at a step, of the same shape."""
        if not self.training:
            return F.batch_norm(x, self.mean[step], self.variance[step], self.scale, self.shift)
        with torch.no_grad():
            # In place, on a view: `batch_norm` would do so on a copy under `vmap`.
            over = [axis for axis in range(x.dim()) if axis != 1]
            self.mean[step].mul_(1 - MOMENTUM).add_(x.mean(over), alpha=MOMENTUM)
            self.variance[step].mul_(1 - MOMENTUM).add_(x.var(over), alpha=MOMENTUM)
        return F.batch_norm(x, None, None, self.scale, self.shift, training=True)
