"""A study tried out: every named configuration built, trained for two steps and evaluated once. Nothing is left."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.study import Study
from seedsweep.core.training import memory
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.engine import choose_engine
from seedsweep.core.training.models import build
from seedsweep.sweeps.commands.sampled import sampled_task
from seedsweep.sweeps.running.user_files import files_of
from seedsweep.sweeps.study.configuration import (
    Configuration,
    configuration,
    kind,
    make_optimizer,
    members,
    named,
)

STEPS = 2


def show(study: Study, folder: Path, console: Console) -> bool:
    """Print a line or more for each configuration: shapes, parameters, engine, time and memory, or what is wrong.
    Returns whether all went well. folder: of the study's file.  Errors: UserError of the study itself."""
    files_of(study, folder)
    what = kind(study)
    configurations = named(study) or [configuration(study, study.name)]
    if what != "task":
        console.print(
            f"{escape(study.name)}: a {what} is called for each member, and only by a launch; its study is well formed "
            f"({len(configurations)} configurations, criterion on {escape(study.criterion.metric)})"
        )
        return True
    torch.set_num_threads(study.resources.cpus)
    well = True
    for each in configurations:
        try:
            for line in _lines(each):
                console.print(escape(line))
        except SeedsweepError as error:
            well = False
            console.print(f"{escape(each.name)}: [red]{escape(str(error))}[/]")
    return well


def _lines(each: Configuration) -> list[str]:
    study = each.study
    task, _ = sampled_task(study)
    data, optimizer, (member,) = task.data, make_optimizer(study), members(each, [0])
    training = study.training.resolved(data.count("train")).model_copy(update={"steps": STEPS, "evaluate_every": STEPS})
    model = build(task, 0)
    engine = choose_engine(task, member, training, optimizer)
    memory.begin_peak(data.device)
    cohort = Cohort(task, [member], training, optimizer, 1, criterion=study.criterion)
    start = time.perf_counter()
    for _ in range(STEPS):
        cohort.train_step()
    stepped = time.perf_counter()
    cohort = Cohort(task, [member], training, optimizer, 1, criterion=study.criterion)
    cohort.advance()
    seconds = (stepped - start) / STEPS
    values = dict(zip(cohort.columns, cohort.evaluations[-1][0].tolist(), strict=True))
    shapes = ", ".join(f"{name} {list(shape)}" for name, shape in data.shapes.items())
    said = [
        f"{each.name}: {sum(p.numel() for p in model.parameters()):,} parameters; {engine.name}: {engine.reason}",
        f"  a sample: {shapes}; {data.classes} classes" if data.classes else f"  a sample: {shapes}",
        f"  {seconds * 1000:.3g} ms a step of {training.batch}, at most {memory.peak(data.device) / 2**20:.0f} MB",
        f"  after {STEPS} steps: " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()),
    ]
    metric = study.criterion.metric
    if metric in values and not torch.isfinite(torch.tensor(values[metric])):
        said.append(f"  warning: the criterion's {metric} is {values[metric]} at the start, where it has to be finite")
    return said
