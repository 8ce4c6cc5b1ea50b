"""Compiles what a launch will train, in processes of its own, while Ray and its workers start.

A worker that comes first waits for them: of each program one process compiles on a machine.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study
from seedsweep.core.training.cohort import Cohort
from seedsweep.sweeps.running import engines, user_code
from seedsweep.sweeps.running.prepared_task import device_of, load_task, resolved_training
from seedsweep.sweeps.running.ray_session import cores
from seedsweep.sweeps.study.configuration import Configuration, configuration, make_optimizer, members


@contextlib.contextmanager
def compiling_ahead(
    study: Study, named: Sequence[Configuration], paths: RunPaths, code: str, data: Mapping[str, str]
) -> Iterator[int]:
    """Inside, the steps and the measures of the named configurations' compiled programs are compiled. Yields how many
    programs that are. code: name of the copy of the user's files.  data: of each configuration by its name, the folder
    of the data set."""
    programs: dict[Path, Configuration] = {}
    for each in named:
        found = engines.read_measured(paths, each.study)
        if (found.engine if found else each.study.resources.engine) == "compiled":
            programs.setdefault(engines.file_of(paths, each.study), each)
    context = get_context("spawn")
    # Of a program the step and the measures side by side; no more programs than keep the cores busy: workers compile
    # the others when they come to them.
    processes = [
        context.Process(
            target=_compile, args=(what, study, each.name, each.overrides, paths, code, data[each.name]), daemon=True
        )
        for each in list(programs.values())[: max(1, cores() // 2)]
        for what in ("step", "measures")
    ]
    try:
        for process in processes:
            process.start()
        yield len(programs)
    finally:
        for process in processes:
            if process.pid is not None:
                process.terminate()
                process.join()


def _compile(
    what: str, study: Study, name: str, overrides: Mapping[str, object], paths: RunPaths, code: str, data: str
) -> None:
    """By a step, or by an evaluation and a test, of one member. What goes wrong does so again where a cohort is
    trained, and is told there."""
    # What compilers say is nothing for a user.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    user_code.use(paths, code)
    torch.set_num_threads(study.resources.cpus)
    own = configuration(study, name, overrides)
    with contextlib.suppress(SeedsweepError, OSError):
        task = load_task(own.study, data, device_of(own.study))
        training = resolved_training(own.study, task)
        members_of_one = [replace(each, schedules={}) for each in members(own, [0])]
        cohort = Cohort(
            task,
            members_of_one,
            training if what == "step" else training.model_copy(update={"steps": 0}),
            make_optimizer(own.study),
            1,
            no_decay=own.study.optimizer.get("no_decay", ()),
            compiler=engines.compiler(),
        )
        if what == "step":
            cohort.train_step()
        else:
            cohort.advance()
            cohort.test()
