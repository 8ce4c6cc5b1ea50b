"""The loss terms of one member, each a function to a scalar, the mean over the batch.

P glimpses after glimpse 0, B batch, K classes. y_i is 1 for tumour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from seedsweep.core.models.rollout import Rollout
from seedsweep.core.models.unet import Segmentation


@dataclass(frozen=True)
class LossSettings:
    """Which terms make the total.

    classification: a key of CLASSIFICATION_LOSSES.
    rank:        weight of the rank loss in the total.
    rank_margin: its margin.
    location:    a key of LOCATION_LOSSES: what gamma weighs.
    distance:    a key of DISTANCE_READINGS.
    area_floor:  clamp inside the area loss's logarithm.
    """

    classification: str = "aggregated"
    rank: float = 1.0
    rank_margin: float = 0.05
    location: str = "combined"
    distance: str = "consecutive"
    area_floor: float = 1e-6


def surprise(logits: Tensor, labels: Tensor) -> Tensor:
    """-ln of the true class's probability, [...,B], for logits [...,B,K] and labels int64 [B]."""
    return -torch.log_softmax(logits, -1).gather(-1, labels.expand(logits.shape[:-1]).unsqueeze(-1)).squeeze(-1)


#: Of cross-entropies, from `surprise`, of each glimpse [P+1,B] and of the prediction [B]: the mean over glimpses plus
#: the prediction's, or EDRAM's sum over its steps.
CLASSIFICATION_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "aggregated": lambda per_glimpse, aggregated: per_glimpse.mean() + aggregated.mean(),
    "steps": lambda per_glimpse, aggregated: per_glimpse.sum(0).mean(),
}


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


def overlap(locations: Tensor, windows: Tensor, corners: Tensor, labels: Tensor) -> Tensor:
    """(1/B) sum_i y_i (1 - IoU(window at l, box_i)), summed over glimpses. Without overlap there is no gradient.

    locations: [P,B,2].  windows: [P,B,2], the glimpses' extents as shares of the image, so that one reaches so far to
    either side of its centre in units of locations.  corners: [B,2,2], the box's first and last.
    """
    first, last = corners[:, 0], corners[:, 1]
    shared = F.relu(torch.minimum(locations + windows, last) - torch.maximum(locations - windows, first)).prod(-1)
    union = (2 * windows).prod(-1) + (last - first).prod(-1) - shared
    return ((1 - shared / union.clamp_min(1e-12)).sum(0) * labels).mean()


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


#: The location loss from alpha and the terms by name.
LOCATION_LOSSES: dict[str, Callable[[Tensor, dict[str, Tensor]], Tensor]] = {
    "combined": lambda alpha, terms: alpha * terms["loss_area"] + (1 - alpha) * terms["loss_distance"],
    "area": lambda alpha, terms: terms["loss_area"],
    "distance": lambda alpha, terms: terms["loss_distance"],
    "mse": lambda alpha, terms: terms["loss_mse"],
    "iou": lambda alpha, terms: terms["loss_iou"],
    "affine": lambda alpha, terms: terms["loss_affine"],
    "none": lambda alpha, terms: torch.zeros_like(terms["loss_area"]),
}

#: Names of what `losses` gives, the total first.
TERMS = (
    *("loss", "loss_classification", "loss_rank", "loss_location"),
    *("loss_area", "loss_distance", "loss_mse", "loss_iou", "loss_affine"),
)


def losses(
    rollout: Rollout,
    labels: Tensor,
    regions: Tensor,
    alpha: Tensor,
    gamma: Tensor,
    settings: LossSettings,
) -> dict[str, Tensor]:
    """Every term by its name in TERMS; `loss` is the total, classification + rank + gamma * location.

    labels: int64 [B].  regions: [B,3,2], centre and corners of the masks.
    """
    per_glimpse = surprise(rollout.glimpse_logits, labels)
    looked_at, linear = rollout.locations[:-1], rollout.linear[:-1]
    terms = {
        "loss_classification": CLASSIFICATION_LOSSES[settings.classification](
            per_glimpse, surprise(rollout.logits, labels)
        ),
        "loss_rank": rank(torch.exp(-per_glimpse), settings.rank_margin),
        "loss_area": area(rollout.coverage, labels, settings.area_floor),
        "loss_distance": distance(*DISTANCE_READINGS[settings.distance](rollout.locations)),
        "loss_mse": squared_error(looked_at, regions[:, 0], labels),
        "loss_iou": overlap(looked_at, linear[..., ::3], regions[:, 1:], labels),
        "loss_affine": affine_error(linear, looked_at, regions[:, 1:], labels),
    }
    terms["loss_location"] = LOCATION_LOSSES[settings.location](alpha, terms)
    terms["loss"] = terms["loss_classification"] + settings.rank * terms["loss_rank"] + gamma * terms["loss_location"]
    return {name: terms[name] for name in TERMS}


#: Names of what `segmentation_losses` gives, the total first.
SEGMENTATION_TERMS = ("loss", "loss_segmentation", "loss_reinforce")


def reinforce(log_probability: Tensor, reward: Tensor) -> Tensor:
    """-(1/B) sum_i (R_i - b_i) log pi(a_i), summed over the choices: its gradient is, in expectation, that of the mean
    reward, negated (Williams 1992).

    log_probability, reward: [choices, B]. b_i, the mean reward of the batch's other images, does not depend on a_i, and
    so keeps the expectation and lowers the variance; 0 for a batch of one.
    """
    count = reward.shape[-1]
    reward = reward.detach()
    baseline = (reward.sum(-1, keepdim=True) - reward) / max(count - 1, 1)
    return -((reward - baseline) * log_probability).sum(0).mean()


def segmentation_losses(rollout: Segmentation, gamma: Tensor) -> dict[str, Tensor]:
    """Every term by its name in SEGMENTATION_TERMS. `loss` is the total, the levels' pixelwise cross-entropies +
    gamma * REINFORCE; the reward for a level's centre is the next level's Dice (inferred)."""
    terms = {
        "loss_segmentation": rollout.cross_entropy.sum(0).mean(),
        "loss_reinforce": reinforce(rollout.log_probability, rollout.dice[1:]),
    }
    return {"loss": terms["loss_segmentation"] + gamma * terms["loss_reinforce"], **terms}
