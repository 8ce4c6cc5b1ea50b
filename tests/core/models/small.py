"""The built-in tasks, small."""

from seedsweep.core.component import resolve, settings_from
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
    "unet of the whole": ("unet", {"level": 1, "depth": 2, "width": 4}),
    "unet of a crop": ("unet", {"level": 2, "depth": 2, "width": 4}),
    "multilevel_unet": ("multilevel_unet", {"levels": 3, "depth": 2, "width": 4}),
}  # fmt: skip


def make(name: str, settings: dict, data=None) -> Task:
    kind = resolve(name, HOME, Task)
    return kind(settings_from(kind.Settings, settings, "settings"), data)
