"""What a launch would run, and how long it would take here."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seedsweep.core.records.resources import AUTO
from seedsweep.core.records.study import Study
from seedsweep.core.training import memory
from seedsweep.core.training.engine import choose_engine
from seedsweep.core.training.probe import expected_rate, probe
from seedsweep.slurm import detect
from seedsweep.sweeps.commands.sampled import sampled_task
from seedsweep.sweeps.running.engines import THE_STUDY, Measured, most_members
from seedsweep.sweeps.running.group_size import cohort_size
from seedsweep.sweeps.running.progress import duration
from seedsweep.sweeps.running.ray_session import cores
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.slots import device_share, slots_of_allocation, slots_of_machine
from seedsweep.sweeps.study.configuration import Configuration, configuration, kind, make_optimizer, members, named

#: Starting Ray and its workers, and writing the report; seen on 2 cores.
OVERHEAD_SECONDS = 20.0


@dataclass(frozen=True)
class _Timed:
    """A configuration, its rates, and the validation samples of an evaluation."""

    of: Configuration
    measured: Measured
    validation: int


def show(study: Study, run: RunDirectory, on: str, console: Console) -> None:
    """Print the configurations, seeds and cohorts, where they run, and the estimated time."""
    what = kind(study)
    timed: list[_Timed] = []
    if what == "task":
        with console.status("timing a few steps"):
            timed = [_time(each) for each in named(study) or [configuration(study, study.name)]]
    most = _most(study, timed, on)
    scale = f" ({study.scale} scale)" if study.scale else ""
    console.print(f"[bold]{escape(study.name)}[/]{scale}: {escape(study.question.strip())}")
    console.print(_phases(study, most))
    if study.seeds.race:
        console.print("  seeds are raced: cohorts, members and time are the most that it can take")
    for name, overrides in study.configurations.items():
        said = ", ".join(f"{path} {value}" for path, value in overrides.items()) or "the study as it is"
        console.print(f"  {escape(name)}: {escape(said)}")
    for path, dimension in study.search.space.items() if study.found else ():
        if dimension.choices:
            values = ", ".join(map(str, dimension.choices))
        else:
            values = f"{dimension.low:g} to {dimension.high:g}{' (log)' if dimension.log else ''}"
        console.print(f"  search {escape(path)}: {escape(values)}")
    finished = sum(record.finished for record in run.ledger.records())
    parallel = 1 if on == "inline" else max(1, cores() // study.resources.cpus)
    here = "on this node of the allocation" if detect.in_allocation() else "on this machine"
    console.print(
        f"where: {here if on in ('here', 'inline') else on}, {parallel} trials at once of {study.resources.cpus} cpus; "
        f"results in {escape(str(run.paths.folder))}"
    )
    if finished:
        console.print(f"{finished} cohorts are finished already and will not run again")
    if what != "task":
        console.print(f"estimated time: not known of a {what}: the launch says it once a member has ended")
        return
    seconds = _seconds(study, timed, most) / parallel + OVERHEAD_SECONDS
    words = [f"{one.of.name}: {_rate_in_words(one, min(study.seeds.compare, most))}" for one in timed]
    if study.resources.gpus:
        words.append("on this machine's cores: on a GPU both the rate and the size of cohorts are measured there")
    elif study.resources.engine == "compiled":
        words.append("timed before compiling, which takes a minute or two once on a machine")
    console.print(f"estimated time: {duration(seconds)} ({escape('; '.join(words))})")


def _phases(study: Study, most: int) -> Table:
    search, seeds, count = study.search, study.seeds, len(study.configurations)
    table = Table("phase", "configurations", "seeds of each", "cohorts", "members")
    phases = [
        ("compare", f"{count} named{' and the best found' if study.found else ''}", study.compared, seeds.compare)
    ]
    if study.found:
        phases.insert(0, ("explore", f"{search.explore} by {search.sampler}", search.explore, seeds.search))
    raced = f"{seeds.start} to " if seeds.race else ""
    for phase, what, configurations, each in phases:
        of_each = f"{raced if phase == 'compare' else ''}{each}"
        table.add_row(phase, what, of_each, str(configurations * -(-each // most)), str(configurations * each))
    return table


def _most(study: Study, timed: list[_Timed], on: str) -> int:
    """Members of a cohort."""
    if not timed:
        return 1
    if study.resources.cohort != AUTO:
        return int(study.resources.cohort)
    slots = slots_of_allocation(study) if on == "slurm" else 1 if on == "inline" else slots_of_machine(study)
    return cohort_size([one.measured for one in timed], study, slots)


def _time(each: Configuration) -> _Timed:
    """By a timed probe of this machine's cores."""
    study = each.study
    torch.set_num_threads(study.resources.cpus)
    memory.keep_freed()
    task, validation = sampled_task(study)
    optimizer, (member,) = make_optimizer(study), members(each, [0])
    training = study.training.resolved(task.data.count("train"))
    chosen, reason = str(study.resources.engine), THE_STUDY
    if chosen == AUTO:
        engine = choose_engine(task, member, training, optimizer)
        chosen, reason = engine.name, engine.reason
    most = most_members(study) if chosen == "fused" else 1
    rates = probe(task, member, training, optimizer, most, share=device_share(study))
    return _Timed(each, Measured(chosen, reason, rates), validation)


def _seconds(study: Study, timed: list[_Timed], most: int) -> float:
    """Of the whole study on one worker. What the search asks takes as long as the first named configuration."""
    seconds = sum(_seconds_of(one, study.seeds.compare, most) for one in timed)
    first = timed[0]
    seconds += study.found * _seconds_of(first, study.seeds.compare, most)
    return seconds + study.found * study.search.explore * _seconds_of(first, study.seeds.search, most)


def _seconds_of(one: _Timed, seeds: int, most: int) -> float:
    training = one.of.study.training
    steps: float = training.steps or 1
    # An evaluation is a forward pass: for each sample about a third of a training step.
    every = training.evaluate_every or max(1.0, steps // 100)
    steps += -(-steps // every) * one.validation / training.batch / 3
    return seeds * steps / _rate(one, min(seeds, most))


def _rate(one: _Timed, size: int) -> float:
    return expected_rate(one.measured.rates, one.measured.at_once(size))


def _rate_in_words(one: _Timed, size: int) -> str:
    group = one.measured.at_once(size)
    return f"{_rate(one, size):.0f} members' steps a second, {group} of {size} at once"
