"""From what a task measures of each sample to the values of an evaluation."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from seedsweep.core.component import problems_of
from seedsweep.core.errors import UserError
from seedsweep.core.task import Task
from seedsweep.core.training.batch import Split
from seedsweep.core.training.compiled import CompiledProgram
from seedsweep.core.training.failures import named, told
from seedsweep.core.training.groups import Groups
from seedsweep.core.training.models import seeded
from seedsweep.core.training.program import Constants, Program, State
from seedsweep.core.training.seeds import measure_key, prepare_seed

#: Samples that are measured at once.
BATCH = 64


def measured(
    program: Program | CompiledProgram, groups: Groups, state: State, constants: Constants, split: str, values: Tensor
) -> list[dict[str, Tensor]]:
    """Of each member, what its task measures of every sample of a split, [N, ...] by name, on the host; of the training
    split, of no more samples than the validation split has.

    values: present values of the hyperparameters, [M,H].  Errors: OutOfMemoryError, UserError.
    """
    data = program.task.data
    # Of the validation split's size, so that one compiled program measures both.
    count = min(data.count(split), data.count("validation")) if split == "train" else data.count(split)
    arrays = Split({name: value[:count] for name, value in getattr(data, split).items()})
    batches = torch.arange(count, device=data.device).split(BATCH)
    # The same for all members, whenever: what is random in a model is no part of its score.
    keys = torch.tensor([measure_key(number) for number in range(len(batches))], device=data.device)

    def of_group(group: slice) -> dict[str, Tensor]:
        own, fixed, size = state.of(group), constants.of(group), group.stop - group.start
        parts = [
            program.measure(own, fixed, arrays, rows.expand(size, -1), values[group], key.expand(size))
            for rows, key in zip(batches, keys, strict=True)
        ]
        return {name: torch.cat([part[name] for part in parts], 1).cpu() for name in parts[0]}

    return [
        Split({name: value[place] for name, value in kept.items()})
        for kept in groups.each(of_group)
        for place in range(len(next(iter(kept.values()))))
    ]


def summarised(task: Task, kept: Mapping[str, Tensor]) -> dict[str, float]:
    """A member's values of a whole split, by name. Errors: UserError for what is no number."""
    with told(task, "summarise"):
        given = task.summarise(kept)
    if not isinstance(given, Mapping):
        words = f"{type(given).__name__}: a dict of numbers by name is needed"
        raise UserError(f"{named(task, 'summarise')} gives {words}")
    return {name: _number(task, name, value) for name, value in given.items()}


def prepared(task: Task) -> Task:
    """A task whose data have all that its batches need: checked, `prepare` and `derive` done. Once a process.

    Errors: UserError with the first line of `Task.check`, or for what the task's own methods do wrong.
    """
    with told(task, "check"):
        problems = problems_of(task)
    for problem in problems:
        raise UserError(problem)
    # What they draw is the same in every process.
    with seeded(prepare_seed()):
        with told(task, "prepare"):
            task.prepare()
        _derive(task)
    return task


def _derive(task: Task) -> None:
    with torch.no_grad():
        for split in (task.data.train, task.data.validation, task.data.test):
            if split:
                split.update(_derived(task, split))


def _derived(task: Task, split: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    with told(task, "derive"):
        more = task.derive(split)
    where, samples = named(task, "derive"), len(next(iter(split.values())))
    if not isinstance(more, Mapping):
        raise UserError(f"{where} gives {type(more).__name__}: a dict of tensors by name is needed")
    if taken := split.keys() & more.keys():
        raise UserError(f"{where} gives {min(taken)}, which the data have already")
    for name, value in more.items():
        if not isinstance(value, Tensor) or not value.dim() or len(value) != samples:
            shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise UserError(f"{where} gives {name} as {shape}: one value a sample is needed, [{samples}, ...]")
    return more


def _number(task: Task, name: str, value: Any) -> float:
    """Of a value that `summarise` gave."""
    said = f"as {type(value).__name__}"
    if isinstance(value, Tensor):
        said = f"of shape {list(value.shape)}"
    if not isinstance(value, str | bytes):
        # A tensor of several entries is none.
        with contextlib.suppress(TypeError, ValueError, RuntimeError):
            return float(value)
    raise UserError(f"{named(task, 'summarise')} gives {name} {said}: a number is needed")
