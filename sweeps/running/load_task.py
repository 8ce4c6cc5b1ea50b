"""The task of a study on its packed data, in the process that trains it."""

from __future__ import annotations

import functools
from pathlib import Path

import torch

from seedsweep.core.task import Task, TaskSettings, make_task
from seedsweep.core.training.batch import Slides, Split
from seedsweep.shards.read import read, slides
from seedsweep.sweeps.study.schema import Study


def device_of(study: Study) -> str:
    """Where its members train in this process."""
    return "cuda" if study.resources.gpus and torch.cuda.is_available() else "cpu"


@functools.lru_cache(maxsize=1)
def load_task(settings: TaskSettings, data: Path, device: str = "cpu") -> Task:
    """The task on a packed data set, kept for the next cohort of the same process."""
    splits = read(data)
    of_slides = slides(data)
    train, validation = (
        Split(part.image, part.mask, part.label, Slides(*of_slides[name]) if of_slides else None)
        for name, part in splits.items()
    )
    return make_task(settings, train, validation, device)
