"""The location losses, what gamma weighs: each takes LocationInputs to a scalar, the mean over the batch of a value of
each image. Measured are the images one by one, each as a batch of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from torch import Tensor

from seedsweep.core.component import Choice, Range
from seedsweep.core.models import losses
from seedsweep.core.models.losses import LocationInputs, LocationLoss


class Area(LocationLoss):
    """See `losses.area`."""

    @dataclass(frozen=True)
    class Settings:
        """floor: least coverage that the logarithm is taken of."""

        floor: Annotated[float, Range(1e-30, 1)] = losses.LEAST_COVERAGE

    def __call__(self, given: LocationInputs) -> Tensor:
        """See the class."""
        return losses.area(given.rollout.coverage, given.labels, self.settings.floor)


class Distance(LocationLoss):
    """See `losses.distance`."""

    @dataclass(frozen=True)
    class Settings:
        """pairs: which locations are to lie apart: `consecutive`, each and the next; `all`, every two glimpses'."""

        pairs: Annotated[str, Choice(*losses.DISTANCE_PAIRS)] = "consecutive"

    def __call__(self, given: LocationInputs) -> Tensor:
        """See the class."""
        return losses.distance(*losses.DISTANCE_PAIRS[self.settings.pairs](given.rollout.locations))


class Mse(LocationLoss):
    """See `losses.squared_error`."""

    def __call__(self, given: LocationInputs) -> Tensor:
        """See the class."""
        return losses.squared_error(given.rollout.locations[:-1], given.regions[:, 0], given.labels)


class Iou(LocationLoss):
    """See `losses.overlap`."""

    def __call__(self, given: LocationInputs) -> Tensor:
        """See the class."""
        rollout = given.rollout
        return losses.overlap(rollout.locations[:-1], rollout.linear[:-1, ..., ::3], given.regions[:, 1:], given.labels)


class Affine(LocationLoss):
    """See `losses.affine_error`."""

    def __call__(self, given: LocationInputs) -> Tensor:
        """See the class."""
        rollout = given.rollout
        return losses.affine_error(rollout.linear[:-1], rollout.locations[:-1], given.regions[:, 1:], given.labels)


class Combined(LocationLoss):
    """The report's alpha * area + (1 - alpha) * distance."""

    @dataclass(frozen=True)
    class Settings(Area.Settings, Distance.Settings):
        """Those of both."""

    def __init__(self, settings: Any = None):
        super().__init__(settings)
        self.parts: dict[str, LocationLoss] = {"area": Area(self.settings), "distance": Distance(self.settings)}

    def __call__(self, given: LocationInputs) -> Tensor:
        """See the class."""
        alpha: Tensor = given.hp.alpha
        return alpha * self.parts["area"](given) + (1 - alpha) * self.parts["distance"](given)

    def recorded(self) -> Mapping[str, LocationLoss]:
        """Both parts."""
        return self.parts


def none(given: LocationInputs) -> Tensor:
    """Nothing."""
    return given.rollout.logits.new_zeros(())
