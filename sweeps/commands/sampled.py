"""The first samples of a data set, without packing it: enough to build a task, to time it and to choose its engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seedsweep.core.errors import UserError
from seedsweep.core.records.resources import AUTO
from seedsweep.core.records.study import Study
from seedsweep.core.task import Task
from seedsweep.core.training.batch import Data, on_device
from seedsweep.core.training.compiled import CompileError
from seedsweep.core.training.engine import Engine
from seedsweep.core.training.evaluation import prepared
from seedsweep.shards import data_set
from seedsweep.shards.data_set import DataSet
from seedsweep.shards.index import read_index
from seedsweep.shards.layout import Arrays, count
from seedsweep.shards.read import read
from seedsweep.shards.samples import Samples, classes_of
from seedsweep.sweeps.running.engines import THE_STUDY, compiler
from seedsweep.sweeps.study.configuration import make_task
from seedsweep.sweeps.study.validation import problems_with_data

#: Samples that are taken of each split.
SAMPLES = 64


def sampled_task(study: Study) -> tuple[Task, int]:
    """The task of a study, as one configuration has it, on the first samples of its data set, prepared; and how many
    samples its validation split has, 0 where that is not known. Errors: UserError, ShardError."""
    made = data_set.make(study.data)
    data, validation = _first(made, max(SAMPLES, study.training.batch), study.training.batch)
    if (total := data.count("train")) < study.training.batch:
        for problem in problems_with_data(study, total):
            raise UserError(problem)
    return prepared(make_task(study, data)), validation


def training_samples(study: Study) -> int:
    """Of the whole training split, which the study fits; 0 where that is known when the data are packed. Errors:
    UserError for what does not fit."""
    made = data_set.make(study.data)
    folder = made.folder()
    split = Samples(made).open("train") if folder is None else None
    total = (split.total if split else read_index(folder).samples("train") if folder else 0) or 0
    for problem in problems_with_data(study, total) if total else ():
        raise UserError(problem)
    return total


def chosen_engine(study: Study, tried: Callable[[], Engine]) -> Engine:
    """Which engine trains a configuration, and why or what stops the one that the study names, as a launch says it.

    tried: makes the one that `auto` would take, where that is asked for.  Errors: as of `tried`.
    """
    named = study.resources.engine
    if named == AUTO:
        return tried()
    if named == "compiled":
        try:
            compiler()
        except CompileError as error:
            found = tried()
            return Engine(found.name, f"{error}; {found.reason}")
    if named == "fused" and (found := tried()).name != named:
        return Engine(named, f"{THE_STUDY}, where auto would not: {found.reason}")
    return Engine(named, THE_STUDY)


def _first(made: DataSet, most: int, batch: int) -> tuple[Data, int]:
    folder = made.folder()
    if folder is not None:
        about = read_index(folder)
        splits = {name: {key: array[:most] for key, array in split.items()} for name, split in read(folder).items()}
        return on_device(splits, classes=about.classes, batch=batch), about.samples("validation")
    samples, splits, totals = Samples(made), dict[str, Arrays](), dict[str, int]()
    for name in ("train", "validation", "test"):
        opened = samples.open(name)
        if opened is None:
            continue
        blocks: list[Arrays] = []
        for block in opened.blocks:
            blocks.append(block)
            if sum(map(count, blocks)) >= most:
                break
        splits[name] = {key: np.concatenate([block[key] for block in blocks])[:most] for key in blocks[0]}
        totals[name] = opened.total
    return on_device(splits, classes=classes_of(made), batch=batch), totals["validation"]
