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
    """How little of the mask the glimpses see: of tumour images minus the logarithm of its mean in each, summed."""

    @dataclass(frozen=True)
    class Settings:
        """floor: least coverage that the logarithm is taken of."""

        floor: Annotated[float, Range(1e-30, 1)] = losses.LEAST_COVERAGE

    def __call__(self, given: LocationInputs) -> Tensor:
        """See the class."""
        return losses.area(given.rollout.coverage, given.labels, self.settings.floor)


class Distance(LocationLoss):
    """How near each other the locations are: exp(-|dx|) + exp(-|dy|), summed over pairs."""

    @dataclass(frozen=True)
    class Settings:
        """pairs: which locations are to lie apart: `consecutive`, each and the next; `all`, every two glimpses'."""

        pairs: Annotated[str, Choice(*losses.DISTANCE_PAIRS)] = "consecutive"

    def __call__(self, given: LocationInputs) -> Tensor:
        """See the class."""
        return losses.distance(*losses.DISTANCE_PAIRS[self.settings.pairs](given.rollout.locations))


class Mse(LocationLoss):
    """Squared distance of each location from the mask's centre, summed over glimpses, of tumour images."""

    def __call__(self, given: LocationInputs) -> Tensor:
        """See the class."""
        return losses.squared_error(given.rollout.locations[:-1], given.regions[:, 0], given.labels)


class Iou(LocationLoss):
    """1 - IoU of each glimpse's window and the mask's box, summed, of tumour images; without overlap no gradient."""

    def __call__(self, given: LocationInputs) -> Tensor:
        """See the class."""
        rollout = given.rollout
        return losses.overlap(rollout.locations[:-1], rollout.linear[:-1, ..., ::3], given.regions[:, 1:], given.labels)


class Affine(LocationLoss):
    """EDRAM's squared error of each window's affine against the one onto the mask's box, summed, of tumour images."""

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
    """No such loss: only the classification says where glimpses should be."""
    return given.rollout.logits.new_zeros(())
