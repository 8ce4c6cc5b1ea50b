"""A task on images that are made here, and members to train, without a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedsweep.core.task import Task
from seedsweep.core.training.batch import SPLITS, on_device
from seedsweep.core.training.evaluation import prepared
from seedsweep.core.training.optimisers import Adam
from seedsweep.core.training.schedules import Step
from seedsweep.core.training.seeds import Member
from seedsweep.shards.data_set import make
from seedsweep.shards.samples import arrays_of, classes_of

OPTIMIZER, LEARNING_RATE = Adam(), 2e-3
#: The report's decays: of which hyperparameter, and every so many steps, to a tenth.
DECAYS = {"lr": 7000, "gamma": 5000}


def task_on(data: Mapping[str, Any], kind: type[Task], settings: Any, device: str, batch: int) -> Task:
    """A prepared task. data: as the section `data` of a study."""
    data_set = make(data)
    splits = {split: arrays for split in SPLITS if (arrays := arrays_of(data_set, split)) is not None}
    return prepared(kind(settings, on_device(splits, device, classes_of(data_set), batch)))


def members_of(task: Task, count: int) -> list[Member]:
    """With the seeds from 0 on, and the defaults of every hyperparameter but the learning rate."""
    declared = {**task.hyperparameters, **OPTIMIZER.hyperparameters}
    values = {**{name: bounds.default for name, bounds in declared.items()}, "lr": LEARNING_RATE}
    schedules = {name: Step(Step.Settings(every=every)) for name, every in DECAYS.items() if name in values}
    return [Member(seed, values, schedules) for seed in range(count)]
