"""What a launch would run, and how long it would take here."""

from __future__ import annotations

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.cohort import probe
from core.schedules import Member
from core.task import GlimpseTask, Split
from shards.catalog import GENERATORS
from slurm import detect
from sweeps.progress import duration
from sweeps.run_directory import RunDirectory
from sweeps.session import cores
from sweeps.study import Study

#: Starting Ray and its workers, and writing the report; seen on 2 cores.
OVERHEAD_SECONDS = 20.0


def show(study: Study, run: RunDirectory, console: Console) -> None:
    """Print the configurations, seeds and cohorts, where they run, and the estimated time."""
    search, seeds, most = study.search, study.seeds, study.resources.cohort
    found = search.explore - len(search.first)
    console.print(f"[bold]{study.name}[/] ({study.scale} scale): {escape(study.question.strip())}", highlight=False)
    table = Table("phase", "configurations", "seeds of each", "cohorts", "members")
    compared = len(search.first) + (found > 0)
    for phase, what, count, each in (
        ("explore", f"{len(search.first)} named, {found} by {search.sampler}", search.explore, seeds.search),
        ("compare", f"the named ones{' and the best found' if found else ''}", compared, seeds.compare),
    ):
        table.add_row(phase, what, str(each), str(count * -(-each // most)), str(count * each))
    console.print(table)
    for number, first in enumerate(study.first):
        console.print(
            f"  {number}: alpha {first.alpha:g}, lr {first.lr:g} x{first.lr_decay_factor:g} every "
            f"{first.lr_decay_steps}, gamma {first.gamma:g} x{first.gamma_decay_factor:g} every "
            f"{first.gamma_decay_steps}",
            highlight=False,
        )
    for name, d in search.space.items():
        console.print(f"  search {name}: {d.low:g} to {d.high:g}{' (log)' if d.log else ''}", highlight=False)
    finished = sum(record.finished for record in run.ledger.records())
    parallel = max(1, cores() // study.resources.cpus)
    where = "on this node of the allocation" if detect.in_allocation() else "on this machine"
    console.print(
        f"where: {where}, {parallel} trials at once of {study.resources.cpus} cpus; "
        f"results in {escape(str(run.folder))}",
        soft_wrap=True,
    )
    if finished:
        console.print(f"{finished} cohorts are finished already and will not run again")
    with console.status("timing a few steps"):
        estimate = _estimate(study, search.explore, compared, parallel)
    console.print(estimate, highlight=False, soft_wrap=True)


def _estimate(study: Study, explored: int, compared: int, parallel: int) -> str:
    """Seconds of the whole study by the rates of a timed probe."""
    torch.set_num_threads(study.resources.cpus)
    settings = study.data
    generate = GENERATORS[settings.name]
    samples = [generate(settings, "train", i) for i in range(max(64, study.training.batch))]
    split = Split(
        np.stack([s.image for s in samples]),
        np.stack([s.mask for s in samples]),
        np.array([s.label for s in samples], np.int64),
    )
    task = GlimpseTask(study.task, split, split)
    seconds, words = 0.0, []
    for phase, count, each in (("explore", explored, study.seeds.search), ("compare", compared, study.seeds.compare)):
        size = min(each, study.resources.cohort)
        rates = probe(task, [Member(seed, study.hyperparameters) for seed in range(size)], study.training)
        engine = max(rates, key=lambda name: rates[name])
        if study.resources.engine != "auto":
            engine = study.resources.engine
        # An evaluation is a forward pass, about a third of a training step an image.
        evaluations = -(-study.training.steps // study.training.evaluate_every)
        steps = study.training.steps + evaluations * settings.validation / study.training.batch / 3
        seconds += count * each * steps / rates[engine]
        words.append(f"{phase} {rates[engine]:.0f} members' steps a second with {size} together ({engine})")
    total = seconds / parallel + OVERHEAD_SECONDS
    return f"estimated time: {duration(total)} ({'; '.join(words)})"
