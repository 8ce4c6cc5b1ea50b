"""The location losses, what gamma weighs: each a function of LocationInputs to a scalar, the mean over the batch of a
value of each image. Measured are the images one by one, each as a batch of its own."""

from __future__ import annotations

from torch import Tensor

from seedsweep.core.models import losses
from seedsweep.core.models.losses import LocationInputs


def combined(given: LocationInputs) -> Tensor:
    """The report's alpha * area + (1 - alpha) * distance."""
    of_area, of_distance = area(given), distance(given)
    return given.alpha * of_area + (1 - given.alpha) * of_distance


def area(given: LocationInputs) -> Tensor:
    """See `losses.area`."""
    return losses.area(given.rollout.coverage, given.labels, given.settings.area_floor)


def distance(given: LocationInputs) -> Tensor:
    """See `losses.distance`."""
    return losses.distance(*losses.DISTANCE_PAIRS[given.settings.distance](given.rollout.locations))


def mse(given: LocationInputs) -> Tensor:
    """See `losses.squared_error`."""
    return losses.squared_error(given.rollout.locations[:-1], given.regions[:, 0], given.labels)


def iou(given: LocationInputs) -> Tensor:
    """See `losses.overlap`."""
    rollout = given.rollout
    return losses.overlap(rollout.locations[:-1], rollout.linear[:-1, ..., ::3], given.regions[:, 1:], given.labels)


def affine(given: LocationInputs) -> Tensor:
    """See `losses.affine_error`."""
    rollout = given.rollout
    return losses.affine_error(rollout.linear[:-1], rollout.locations[:-1], given.regions[:, 1:], given.labels)


def none(given: LocationInputs) -> Tensor:
    """Nothing."""
    return given.rollout.logits.new_zeros(())
