"""What a launch would run, and how long it would take here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seedsweep.core.task import make_task
from seedsweep.core.training import memory
from seedsweep.core.training.batch import Split
from seedsweep.core.training.probe import Rate, at_once, expected_rate, probe
from seedsweep.shards.catalog import GENERATORS
from seedsweep.shards.read import read
from seedsweep.slurm import detect
from seedsweep.sweeps.running.group_size import cohort_size, device_share, most_members
from seedsweep.sweeps.running.progress import duration
from seedsweep.sweeps.running.ray_session import cores
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.study.schema import Study

#: Starting Ray and its workers, and writing the report; seen on 2 cores.
OVERHEAD_SECONDS = 20.0


def show(study: Study, run: RunDirectory, console: Console) -> None:
    """Print the configurations, seeds and cohorts, where they run, and the estimated time."""
    search, seeds = study.search, study.seeds
    found = search.explore - len(search.first)
    named = len(study.variants) or len(search.first)
    with console.status("timing a few steps"):
        timed = {name: _rates(study.variant(name)) for name in study.variants or [""]}
    most = study.resources.cohort
    if not isinstance(most, int):
        most = cohort_size(list(timed.values()), study)
    console.print(f"[bold]{study.name}[/] ({study.scale} scale): {escape(study.question.strip())}", highlight=False)
    table = Table("phase", "configurations", "seeds of each", "cohorts", "members")
    phases = [("compare", f"{named} named{' and the best found' if found else ''}", named + (found > 0), seeds.compare)]
    if search.explore:
        what = f"{len(search.first)} named, {found} by {search.sampler}"
        phases.insert(0, ("explore", what, search.explore, seeds.search))
    most_of = f"{seeds.start} to " if seeds.race else ""
    for phase, what, count, each in phases:
        table.add_row(
            phase,
            what,
            f"{most_of if phase == 'compare' else ''}{each}",
            str(count * -(-each // most)),
            str(count * each),
        )
    console.print(table)
    if seeds.race:
        console.print("  seeds are raced: cohorts, members and time are the most that it can take", highlight=False)
    for name, over in study.variants.items():
        console.print(f"  {escape(name)}: {escape(str(over))}", highlight=False, soft_wrap=True)
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
    seconds, words = 0.0, []
    for name, rates in timed.items():
        count = 1 if name else len(search.first) + (found > 0)
        more, rate = _seconds(study.variant(name), rates, count, seeds.compare, most)
        seconds += more
        words.append(f"{name + ': ' if name else ''}{rate}")
    if search.explore:
        more, rate = _seconds(study, timed[""], search.explore, seeds.search, most)
        seconds += more
        words.append(f"exploring: {rate}")
    if study.resources.gpus:
        words.append("on this machine's cores: on a GPU both the rate and the size of cohorts are measured there")
    total = duration(seconds / parallel + OVERHEAD_SECONDS)
    console.print(f"estimated time: {total} ({'; '.join(words)})", highlight=False, soft_wrap=True)


def _seconds(study: Study, rates: Sequence[Rate], count: int, seeds: int, most: int) -> tuple[float, str]:
    """Seconds of so many configurations of so many seeds on one worker, and its rate in words."""
    size = min(seeds, most)
    group = {"fused": size, "loop": 1}.get(study.resources.engine) or at_once(rates, size)
    rate = expected_rate(rates, group)
    # An evaluation is a forward pass, about a third of a training step an image.
    evaluations = -(-study.training.steps // study.training.evaluate_every)
    steps = study.training.steps + evaluations * study.data.validation / study.training.batch / 3
    return count * seeds * steps / rate, f"{rate:.0f} members' steps a second, {group} of {size} at once"


def _rates(study: Study) -> list[Rate]:
    """By a timed probe of this machine's cores."""
    torch.set_num_threads(study.resources.cpus)
    settings = study.data
    count = max(64, study.training.batch)
    if settings.folder:
        arrays = read(Path(settings.folder))["train"]
        first = slice(count)
        split = Split(arrays.image[first], arrays.mask[first], arrays.label[first])
    else:
        generate = GENERATORS[settings.name]
        samples = [generate(settings, "train", i) for i in range(count)]
        split = Split(
            np.stack([s.image for s in samples]),
            np.stack([s.mask for s in samples]),
            np.array([s.label for s in samples], np.int64),
        )
    memory.keep_freed()
    task = make_task(study.task, split, split)
    return probe(task, study.hyperparameters, study.training, most_members(study), device_share(study))
