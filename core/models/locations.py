"""From the emission layer's raw output to a location in the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class LocationMap(NamedTuple):
    """An increasing or decreasing map of the real line into (low, high), per coordinate."""

    function: Callable[[Tensor], Tensor]
    low: float
    high: float

    def saturation(self, locations: Tensor) -> Tensor:
        """Whether each coordinate is within 1 % of the range's ends: 1.0 or 0.0, same shape."""
        margin = 0.01 * (self.high - self.low)
        return ((locations < self.low + margin) | (locations > self.high - margin)).to(locations.dtype)


#: name -> map. `report_2019` is the report's `l = lower * sigmoid + upper` with lower -1 and upper 0.5: it decreases,
#: reaches only the middle of the image, and saturates at (-0.5, -0.5). `sigmoid` reaches every place.
LOCATION_MAPS: dict[str, LocationMap] = {
    "tanh": LocationMap(torch.tanh, -1.0, 1.0),
    "sigmoid": LocationMap(lambda raw: 2 * torch.sigmoid(raw) - 1, -1.0, 1.0),
    "report_2019": LocationMap(lambda raw: -torch.sigmoid(raw) + 0.5, -0.5, 0.5),
}
