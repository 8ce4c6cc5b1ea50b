"""The loss terms of models that take glimpses, each a function to a scalar, the mean over the batch.

P glimpses after glimpse 0, B batch, K classes. y_i is 1 for tumour.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from seedsweep.core.component import Component, Range, short_name
from seedsweep.core.models.rollout import Rollout
from seedsweep.core.task import Values

#: Mean of a glimpse of the mask that counts as nothing of it.
LEAST_COVERAGE = 1e-6


@dataclass(frozen=True)
class LocationInputs:
    """What a location loss sees of a batch.

    rollout: of the B images.  labels: int64 [B].  regions: [B,3,2], centre and the box's first and last corner of each
    mask, as locations.  hp: the hyperparameters, [] each.
    """

    rollout: Rollout
    labels: Tensor
    regions: Tensor
    hp: Values


class LocationLoss(Component, ABC):
    """Where glimpses should be. Subclass it for an own one; a function of LocationInputs does where nothing is set.

    hyperparameters: that it reads beside the task's.
    """

    hyperparameters: ClassVar[Mapping[str, Range]] = {}

    @abstractmethod
    def __call__(self, given: LocationInputs) -> Tensor:
        """A scalar, the mean over the batch."""

    def recorded(self) -> Mapping[str, LocationLoss]:
        """What is measured as `loss_NAME` where it is trained: itself."""
        return {short_name(type(self).__name__): self}


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-ln of the true class's probability, [...,B], for logits [...,B,K] and labels int64 [B]."""
    return -torch.log_softmax(logits, -1).gather(-1, labels.expand(logits.shape[:-1]).unsqueeze(-1)).squeeze(-1)


def rank(truth: Tensor, margin: float) -> Tensor:
    """L_a = sum_p max(0, p_y^(p-1) - p_y^(p) + margin): the true class's probability [P+1,B] should grow.

    BenTaieb & Hamarneh 2018, equation 4; the margin is inferred.
    """
    return F.relu(truth[:-1] - truth[1:] + margin).sum(0).mean()


def distance(first: Tensor, second: Tensor) -> Tensor:
    """L_d = sum over pairs of exp(-|dx|) + exp(-|dy|), for pairs of locations [pairs,B,2].

    A coincident pair gives 2, and no gradient: it is a stationary point.
    """
    return torch.exp(-(first - second).abs()).sum((0, 2)).mean()


def _consecutive(locations: Tensor) -> tuple[Tensor, Tensor]:
    return locations[:-1], locations[1:]


def _all_pairs(locations: Tensor) -> tuple[Tensor, Tensor]:
    i, j = torch.triu_indices(len(locations) - 1, len(locations) - 1, 1, device=locations.device)
    return locations[i], locations[j]


#: The pairs of the distance loss, from locations [P+1,B,2]. Both give the report's constant 6 at P = 3:
#: `consecutive` pairs (p, p+1) up to the next, unused location, or `all` pairs of 1..P.
DISTANCE_PAIRS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {"consecutive": _consecutive, "all": _all_pairs}


def area(coverage: Tensor, labels: Tensor, floor: float) -> Tensor:
    """L_omega = -(1/B) sum_i y_i ln(mean of the mask glimpse_i), summed over glimpses like L_d (inferred).

    coverage: [P,B] in [0,1], clamped from below at `floor`.
    """
    return -(torch.log(coverage.clamp_min(floor)).sum(0) * labels).mean()


def squared_error(locations: Tensor, centres: Tensor, labels: Tensor) -> Tensor:
    """(1/B) sum_i y_i |l - c_i|^2, summed over glimpses (the report's MSE to the mask's centre).

    locations: [P,B,2].  centres: [B,2].
    """
    return ((locations - centres).square().sum((0, 2)) * labels).mean()


def overlap(locations: Tensor, windows: Tensor, corners: Tensor, labels: Tensor) -> Tensor:
    """(1/B) sum_i y_i (1 - IoU(window at l, box_i)), summed over glimpses. Without overlap there is no gradient.

    See `iou`.
    """
    return ((1 - iou(locations, windows, corners)).sum(0) * labels).mean()


def iou(locations: Tensor, windows: Tensor, corners: Tensor) -> Tensor:
    """Of each glimpse's window and the mask's box the intersection over the union, [P,B]; 0 where a mask is empty.

    locations: [P,B,2].  windows: [P,B,2], the glimpses' extents as shares of the image, so that one reaches so far to
    either side of its centre in units of locations.  corners: [B,2,2], the box's first and last.
    """
    first, last = corners[:, 0], corners[:, 1]
    shared = F.relu(torch.minimum(locations + windows, last) - torch.maximum(locations - windows, first)).prod(-1)
    union = (2 * windows).prod(-1) + (last - first).prod(-1) - shared
    return shared / union.clamp_min(1e-12)


#: Of (a11, a12, tx, a21, a22, ty) in EDRAM's supervision: its authors' code.
AFFINE_WEIGHTS = (1.0, 0.5, 1.0, 0.5, 1.0, 1.0)


def affine_error(linear: Tensor, locations: Tensor, corners: Tensor, labels: Tensor) -> Tensor:
    """(1/B) sum_i y_i sum_k w_k (A*_ik - A_ik)^2, summed over glimpses: EDRAM's supervision of the window by the box.

    linear: [P,B,4] and locations [P,B,2] of the affine A.  corners: [B,2,2], the box's first and last; A* is the affine
    that maps [-1,1]^2 to it.
    """
    w11, w12, wx, w21, w22, wy = AFFINE_WEIGHTS
    width, height = ((corners[:, 1] - corners[:, 0]) / 2).unbind(-1)
    a11, a12, a21, a22 = linear.unbind(-1)
    of_place = (locations - corners.mean(1)).square()
    error = (
        w11 * (a11 - width).square()
        + w12 * a12.square()
        + w21 * a21.square()
        + w22 * (a22 - height).square()
        + wx * of_place[..., 0]
        + wy * of_place[..., 1]
    )
    return (error.sum(0) * labels).mean()
