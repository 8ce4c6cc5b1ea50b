"""What the host says of each step, brought to the device for many steps at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Training
from seedsweep.core.training.failures import named, told
from seedsweep.core.training.optimisers import Optimizer
from seedsweep.core.training.seeds import Member, batch_orders, draw_key

#: Steps whose inputs are brought to the device together.
STRETCH = 64


class Inputs(NamedTuple):
    """Of one step: step [], its number from 1 on; rows int64 [M,B] of the training split; keys int64 [M] of what is
    drawn; values [M,H] of the hyperparameters; scales [M,S], the optimiser's."""

    step: Tensor
    rows: Tensor
    keys: Tensor
    values: Tensor
    scales: Tensor

    def at(self, place: int) -> Inputs:
        """Of one of several steps, which lie along a first axis."""
        return Inputs(*(part[place] for part in self))

    def of(self, group: slice) -> Inputs:
        """Of one step and some members."""
        return Inputs(self.step, *(part[group] for part in self[1:]))


def inputs_of(
    steps: range,
    members: Sequence[Member],
    names: Sequence[str],
    training: Training,
    optimizer: Optimizer,
    samples: int,
    device: torch.device,
    *,
    draws: bool,
) -> Inputs:
    """Of all these steps, counted from 0. names: of the H hyperparameters.  samples: of the training split.  draws:
    whether keys are needed; else they are 0.  Errors: UserError for what the optimiser or a schedule does wrong."""
    present = [
        [{name: m.value(name, step, training.steps) for name in m.hyperparameters} for m in members] for step in steps
    ]
    values = [[[each[name] for name in names] for each in now] for now in present]
    keys = np.zeros((len(steps), len(members)), np.int64)
    if draws:
        keys[:] = [[draw_key(member.parts.draws, step) for member in members] for step in steps]
    parts = (
        np.arange(steps.start, steps.stop) + 1,
        np.stack([batch_orders(m.parts.order, samples, training.batch, steps, m.parts.sample) for m in members], 1),
        keys,
        np.array(values, np.float32).reshape(len(steps), len(members), -1),
        scales_of(optimizer, steps, present),
    )
    return Inputs(*(torch.from_numpy(part).to(device) for part in parts))


def scales_of(optimizer: Optimizer, steps: range, present: Sequence[Sequence[Mapping[str, float]]]) -> np.ndarray:
    """What an optimiser makes of the members' present hyperparameters, float32 [steps,M,S]. steps: counted from 0.

    Errors: UserError where it gives something else.
    """
    with told(optimizer, "scales"):
        scales = [[optimizer.scales(each, step + 1) for each in now] for step, now in zip(steps, present, strict=True)]
    first = scales[0][0]
    if isinstance(first, Iterable) and not any(each is None for each in first):
        with contextlib.suppress(TypeError, ValueError):
            return np.array(scales, np.float32).reshape(len(scales), len(scales[0]), -1)
    raise UserError(f"{named(optimizer, 'scales')} gives {first!r}: a tuple of numbers is needed, always of one length")
