"""The task of a configuration on its packed data, in the process that trains it."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study, Training
from seedsweep.core.task import Task
from seedsweep.core.training.batch import on_device
from seedsweep.core.training.evaluation import prepared
from seedsweep.shards.index import read_index
from seedsweep.shards.read import read
from seedsweep.sweeps.running import user_code
from seedsweep.sweeps.study.configuration import make_task

#: The last one that was asked for, by what it was made of: cohorts of one configuration follow one another.
_last: dict[str, Task] = {}


def device_of(study: Study) -> str:
    """Where its members train in this process."""
    return "cuda" if study.resources.gpus and torch.cuda.is_available() else "cpu"


def check_gpus(study: Study) -> None:
    """Errors: UserError where this machine has fewer GPUs than one trial asks for."""
    there = torch.cuda.device_count()
    if study.resources.gpus > there:
        raise UserError(
            f"resources.gpus: {study.resources.gpus:g}, but this machine has {there or 'none'}; launch where there are "
            "more, or --set resources.gpus=0"
        )


def load_task(study: Study, data: str, device: str) -> Task:
    """The task of a study as one configuration has it, prepared. data: folder of its packed data set.

    Errors: UserError for what does not fit; ShardError.
    """
    parts = (study.task, study.settings, study.training.batch, data, device, user_code.code_in_use())
    key = json.dumps(parts, sort_keys=True, default=str)
    if key not in _last:
        # Before the next is made, or two would be held at once.
        _last.clear()
        classes = read_index(Path(data)).classes
        on = on_device(read(Path(data)), device, classes=classes, batch=study.training.batch)
        _last[key] = prepared(make_task(study, on))
    return _last[key]


def forget_task() -> None:
    """Let go of the task that is kept, and of its data."""
    _last.clear()


def resolved_training(study: Study, task: Task, steps: int = 0) -> Training:
    """The training of a study on its data, for so many steps; 0: as many as it says."""
    training = study.training.resolved(task.data.count("train"))
    if not steps:
        return training
    return training.model_copy(update={"steps": steps, "evaluate_every": min(training.evaluate_every, steps)})
