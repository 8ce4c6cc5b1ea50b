"""From what a task measures of each sample to the values of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from seedsweep.core.errors import UserError
from seedsweep.core.task import Task

#: Samples that are measured at once.
BATCH = 64


def summarised(task: Task, kept: Mapping[str, Tensor]) -> dict[str, float]:
    """A member's values of a whole split, by name. Errors: UserError for what is no number."""
    values = {}
    for name, value in task.summarise(kept).items():
        if isinstance(value, Tensor) and value.numel() != 1:
            raise UserError(
                f"{type(task).__name__}.summarise gives {name} of shape {list(value.shape)}: a number is needed"
            )
        values[name] = float(value)
    return values


def prepared(task: Task) -> Task:
    """A task whose data have all that its batches need: checked, `prepare` and `derive` done. Once a process.

    Errors: UserError with the first line of `Task.check`.
    """
    for problem in task.check():
        raise UserError(problem)
    task.prepare()
    with torch.no_grad():
        for split in (task.data.train, task.data.validation, task.data.test):
            if split:
                more = task.derive(split)
                if taken := split.keys() & more.keys():
                    raise UserError(f"{type(task).__name__}.derive gives {min(taken)}, which the data have already")
                split.update(more)
    return task
