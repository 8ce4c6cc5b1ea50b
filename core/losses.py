"""The loss terms of one member, each a function to a scalar, the mean over the batch.

P glimpses after glimpse 0, B batch, K classes. y_i is 1 for tumour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from core.models.attention import Rollout


@dataclass(frozen=True)
class LossSettings:
    """Which terms make the total.

    rank:        weight of the rank loss in the total.
    rank_margin: its margin.
    location:    a key of LOCATION_LOSSES: what gamma weighs.
    distance:    a key of DISTANCE_READINGS.
    area_floor:  clamp inside the area loss's logarithm.
    """

    rank: float = 1.0
    rank_margin: float = 0.05
    location: str = "combined"
    distance: str = "consecutive"
    area_floor: float = 1e-6


def surprise(logits: Tensor, labels: Tensor) -> Tensor:
    """-ln of the true class's probability, [...,B], for logits [...,B,K] and labels int64 [B]."""
    return -torch.log_softmax(logits, -1).gather(-1, labels.expand(logits.shape[:-1]).unsqueeze(-1)).squeeze(-1)


def classification(per_glimpse: Tensor, aggregated: Tensor) -> Tensor:
    """Cross-entropy averaged over glimpses [P+1,B] plus that of the aggregated prediction [B], from `surprise`."""
    return per_glimpse.mean() + aggregated.mean()


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
DISTANCE_READINGS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "consecutive": _consecutive,
    "all": _all_pairs,
}


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


def overlap(locations: Tensor, corners: Tensor, labels: Tensor, window: float) -> Tensor:
    """(1/B) sum_i y_i (1 - IoU(window at l, box_i)), summed over glimpses. Without overlap there is no gradient.

    locations: [P,B,2].  corners: [B,2,2], the box's first and last.  window: the glimpse's extent as a share of the
    image, so that it reaches `window` to either side of its centre in units of locations.
    """
    first, last = corners[:, 0], corners[:, 1]
    shared = F.relu(torch.minimum(locations + window, last) - torch.maximum(locations - window, first)).prod(-1)
    union = (2 * window) ** 2 + (last - first).prod(-1) - shared
    return ((1 - shared / union).sum(0) * labels).mean()


#: The location loss from alpha and the terms by name.
LOCATION_LOSSES: dict[str, Callable[[Tensor, dict[str, Tensor]], Tensor]] = {
    "combined": lambda alpha, terms: alpha * terms["loss_area"] + (1 - alpha) * terms["loss_distance"],
    "area": lambda alpha, terms: terms["loss_area"],
    "distance": lambda alpha, terms: terms["loss_distance"],
    "mse": lambda alpha, terms: terms["loss_mse"],
    "iou": lambda alpha, terms: terms["loss_iou"],
    "none": lambda alpha, terms: torch.zeros_like(terms["loss_area"]),
}

#: Names of what `losses` gives, the total first.
TERMS = (
    *("loss", "loss_classification", "loss_rank", "loss_location"),
    *("loss_area", "loss_distance", "loss_mse", "loss_iou"),
)


def losses(
    rollout: Rollout,
    labels: Tensor,
    regions: Tensor,
    alpha: Tensor,
    gamma: Tensor,
    window: float,
    settings: LossSettings,
) -> dict[str, Tensor]:
    """Every term by its name in TERMS; `loss` is the total, classification + rank + gamma * location.

    labels: int64 [B].  regions: [B,3,2], centre and corners of the masks.  window: of the glimpses.
    """
    per_glimpse = surprise(rollout.glimpse_logits, labels)
    looked_at = rollout.locations[:-1]
    terms = {
        "loss_classification": classification(per_glimpse, surprise(rollout.logits, labels)),
        "loss_rank": rank(torch.exp(-per_glimpse), settings.rank_margin),
        "loss_area": area(rollout.coverage, labels, settings.area_floor),
        "loss_distance": distance(*DISTANCE_READINGS[settings.distance](rollout.locations)),
        "loss_mse": squared_error(looked_at, regions[:, 0], labels),
        "loss_iou": overlap(looked_at, regions[:, 1:], labels, window),
    }
    terms["loss_location"] = LOCATION_LOSSES[settings.location](alpha, terms)
    terms["loss"] = terms["loss_classification"] + settings.rank * terms["loss_rank"] + gamma * terms["loss_location"]
    return {name: terms[name] for name in TERMS}
