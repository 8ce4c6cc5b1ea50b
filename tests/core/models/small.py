"""The built-in tasks, small, and all that they choose from at once."""

from torch import Tensor, nn

from seedsweep.core.component import Chosen, resolve, settings_from
from seedsweep.core.models.glimpse_task import CLASSIFICATION_LOSS, LOCATION_LOSS
from seedsweep.core.models.losses import LocationInputs
from seedsweep.core.models.recurrent_attention import LOCATION_MAP
from seedsweep.core.models.standard import LOSS
from seedsweep.core.task import Task

HOME = "seedsweep.core.models"
SMALL_EDRAM = {
    "glimpses": 2, "glimpse_size": 14, "state": 32, "features": 24, "classifier": 16, "convolutions": [4, 4, 6, 6, 8, 8]
}  # fmt: skip
#: A small one of each, by name and settings.
TASKS = {
    "recurrent_attention": ("recurrent_attention", {"glimpses": 2, "glimpse_size": 8, "window": 0.4, "state": 16}),
    "without glimpses": ("recurrent_attention", {"glimpses": 0, "glimpse_size": 8, "state": 16}),
    "edram": ("edram", {**SMALL_EDRAM, "classification": "steps", "rank": 0.0, "location": "affine"}),
    "edram of the report": (
        "edram", {**SMALL_EDRAM, "extraction": "gaussian", "initial": "overview", "prediction": "all"},
    ),
    "edram of a backbone": (
        "edram",
        {**SMALL_EDRAM, "glimpse_size": 8, "backbone": {"name": "small", "widths": [4, 6]}, "extraction": "gaussian",
         "initial": "overview", "prediction": "all", "rank": 0.0},
    ),
    "unet of the whole": ("unet", {"level": 1, "depth": 2, "width": 4}),
    "unet of a crop": ("unet", {"level": 2, "depth": 2, "width": 4}),
    "multilevel_unet": ("multilevel_unet", {"levels": 3, "depth": 2, "width": 4}),
}  # fmt: skip


def make(name: str, settings: dict, data=None) -> Task:
    kind = resolve(name, HOME, Task)
    return kind(settings_from(kind.Settings, settings, "settings"), data)


def _all_of(chosen: Chosen, *given) -> Tensor:
    """The mean of what the built-in ones give."""
    values = [chosen.make(name)(*given) for name in chosen.built_in()]
    return sum(values) / len(values)


def every_location_loss(given: LocationInputs) -> Tensor:
    return _all_of(LOCATION_LOSS, given)


def every_classification_loss(per_glimpse: Tensor, final: Tensor) -> Tensor:
    return _all_of(CLASSIFICATION_LOSS, per_glimpse, final)


def every_location_map(raw: Tensor) -> Tensor:
    return _all_of(LOCATION_MAP, raw)


def every_loss_of_images(output: Tensor, target: Tensor) -> Tensor:
    """Of the standard tasks' losses those of numbers in [0,1]."""
    return sum(LOSS.make(name)(output, target) for name in LOSS.built_in() if name != "cross_entropy")


class Flat(nn.Sequential):
    """From an image of some pixels to one of as many, or to logits."""

    def __init__(self, pixels: int, outputs: int = 0):
        shape = () if outputs else (nn.Unflatten(1, (1, int(pixels**0.5), -1)),)
        super().__init__(nn.Flatten(), nn.Linear(pixels, 8), nn.Tanh(), nn.Linear(8, outputs or pixels), *shape)
