"""The parameters of several members as one matrix."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seedsweep.core.component import choose
from seedsweep.core.errors import UserError


class Weights:
    """M members of W trained weights: `values` is [M,W], a row a member, so that a member's are one block of memory and
    an optimiser is a handful of large operations.

    fixed: what is not trained, by name, [M, ...]; shared: the same, where all members have the same values.
    """

    def __init__(self, models: Sequence[nn.Module]):
        # A tensor that is there under two names is one parameter, under its first.
        each = [dict(model.named_parameters()) for model in models]
        trained = [name for name, value in each[0].items() if value.requires_grad]
        self.shapes = {name: each[0][name].shape for name in trained}
        self.dtypes = {name: each[0][name].dtype for name in trained}
        flat = [torch.cat([member[name].detach().flatten() for name in trained]) for member in each]
        self.values = torch.stack(flat)
        self.fixed: dict[str, Tensor] = {}
        self.shared: dict[str, Tensor] = {}
        for name in each[0].keys() - set(trained):
            values = [member[name].detach() for member in each]
            if all(torch.equal(values[0], other) for other in values[1:]):
                self.shared[name] = values[0]
            else:
                self.fixed[name] = torch.stack(values)

    def named(self, values: Tensor) -> dict[str, Tensor]:
        """[M,W] -> [M, ...] by the parameters' names, views where all have one type; differentiable."""
        parts = values.split([shape.numel() for shape in self.shapes.values()], 1)
        return {
            name: part.unflatten(1, shape).to(self.dtypes[name])
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def mask(self, without: Sequence[str]) -> Tensor:
        """[W]: 0 where a parameter's name fits one of the patterns (`*.bias`), 1 elsewhere.

        Errors: UserError for a pattern that fits none.
        """
        for pattern in without:
            if not fnmatch.filter(self.shapes, pattern):
                raise UserError(
                    f"optimizer.no_decay: {pattern!r} fits no trained parameter; {choose(pattern, self.shapes)}"
                )
        parts = [
            torch.full((shape.numel(),), float(not any(fnmatch.fnmatchcase(name, pattern) for pattern in without)))
            for name, shape in self.shapes.items()
        ]
        return torch.cat(parts).to(self.values)
