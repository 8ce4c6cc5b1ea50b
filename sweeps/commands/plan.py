"""What a launch would run, and how long it would take here."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seedsweep.core.errors import UserError
from seedsweep.core.records.origins import in_words, taken_by
from seedsweep.core.records.resources import AUTO
from seedsweep.core.records.study import Study, Training
from seedsweep.core.training import memory
from seedsweep.core.training.engine import choose_engine
from seedsweep.core.training.probe import Rate, expected_rate, probe
from seedsweep.slurm import detect
from seedsweep.slurm.settings import asked
from seedsweep.sweeps.commands import power
from seedsweep.sweeps.commands.gpu_hours import SUSTAINED, operations
from seedsweep.sweeps.commands.sampled import sampled_task, training_samples
from seedsweep.sweeps.commands.truths import Assumed
from seedsweep.sweeps.running.engines import THE_STUDY, Measured, most_members
from seedsweep.sweeps.running.group_size import cohort_size
from seedsweep.sweeps.running.progress import duration
from seedsweep.sweeps.running.ray_session import cores
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.slots import device_share, slots_of_allocation, slots_of_machine
from seedsweep.sweeps.search.company import program
from seedsweep.sweeps.study.configuration import Configuration, configuration, kind, make_optimizer, members, named

#: Starting Ray and its workers, and writing the report; seen on 2 cores.
OVERHEAD_SECONDS = 20.0


@dataclass(frozen=True)
class _Timed:
    """A configuration, its rates, how it trains, and the validation samples of an evaluation."""

    of: Configuration
    measured: Measured
    training: Training
    validation: int


def show(study: Study, run: RunDirectory, on: str, console: Console, asked_of: Assumed | None = None) -> None:
    """Print the configurations, seeds and cohorts, where they run, the estimated time, and what the seeds would tell
    apart. asked_of: the differences of which that is asked."""
    what = kind(study)
    timed: list[_Timed] = []
    if what == "task":
        with console.status("timing a few steps"):
            timed = [_time(each, most_members(study)) for each in named(study) or [configuration(study, study.name)]]
    most = _most(study, timed, on)
    scale = f" ({study.scale} scale)" if study.scale else ""
    console.print(f"[bold]{escape(study.name)}[/]{scale}: {escape(study.question.strip())}")
    console.print(_phases(study, most))
    for name, overrides in study.configurations.items():
        said = ", ".join(f"{path} {value}" for path, value in overrides.items()) or "the study as it is"
        console.print(f"  {escape(name)}: {escape(said)}")
    for path, dimension in study.search.space.items() if study.found else ():
        if dimension.choices:
            values = ", ".join(map(str, dimension.choices))
        else:
            values = f"{dimension.low:g} to {dimension.high:g}{' (log)' if dimension.log else ''}"
        console.print(f"  search {escape(path)}: {escape(values)}")
    finished = [record for record in run.ledger.records() if record.finished]
    parallel = 1 if on == "inline" else max(1, cores() // study.resources.cpus)
    here = "on this node of the allocation" if detect.in_allocation() else "on this machine"
    console.print(
        f"where: {here if on in ('here', 'inline') else on}, {parallel} trials at once of {study.resources.cpus} cpus; "
        f"results in {escape(str(run.paths.folder))}"
    )
    if finished:
        taken = f" ({said})" if (said := in_words(taken_by(finished))) else ""
        console.print(escape(f"{len(finished)} cohorts are finished already and will not run again{taken}"))
    cost = None
    if what != "task":
        console.print(f"estimated time: not known of a {what}: the launch says it once a member has ended")
    else:
        cost = _Cost(study, timed, on, parallel)
        at_most = "at most " if study.seeds.until == "decided" and not cost.counted else ""
        console.print(f"estimated time: {at_most}{escape(cost.said(min(study.seeds.compare, most)))}")
    with console.status("simulating studies"):
        lines = power.lines(study, asked_of or Assumed(), cost.words if cost else None)
    for line in lines:
        console.print(escape(textwrap.fill(line, console.width)) if isinstance(line, str) else line)


def _phases(study: Study, most: int) -> Table:
    search, seeds, count = study.search, study.seeds, len(study.configurations)
    table = Table("phase", "configurations", "seeds of each", "cohorts", "members")
    phases = [
        ("compare", f"{count} named{' and the best found' if study.found else ''}", study.compared, seeds.compare)
    ]
    if study.found:
        phases.insert(0, ("explore", f"{search.explore} by {search.sampler}", search.explore, seeds.search))
    for phase, what, configurations, each in phases:
        least = f"{seeds.sizes[0]} to " if phase == "compare" and seeds.until == "decided" else ""
        up_to = "up to " if least else ""
        cohorts, members = configurations * -(-each // most), configurations * each
        table.add_row(phase, what, f"{least}{each}", f"{up_to}{cohorts}", f"{up_to}{members}")
    return table


def _most(study: Study, timed: list[_Timed], on: str) -> int:
    """Members of a cohort."""
    if not timed:
        return 1
    if study.resources.cohort != AUTO:
        return int(study.resources.cohort)
    slots = slots_of_allocation(study) if on == "slurm" else 1 if on == "inline" else slots_of_machine(study)
    return cohort_size([one.measured for one in timed], study, slots)


def _time(each: Configuration, most: int) -> _Timed:
    """By a timed probe of this machine's cores, of so many members at most."""
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
    if study.resources.gpus and not torch.cuda.is_available():
        rate = SUSTAINED / operations(task, member, training, optimizer)
        return _Timed(each, Measured(chosen, reason, [Rate(1, rate, 0.0)]), _whole(study), validation)
    at_once = most if chosen == "fused" else 1
    rates = probe(task, member, training, optimizer, at_once, share=device_share(study))
    return _Timed(each, Measured(chosen, reason, rates), _whole(study), validation)


def _whole(study: Study) -> Training:
    """With steps in place of epochs, of the whole training split; steps are 0 where its size is not known."""
    if study.training.steps:
        return study.training.resolved(0)
    total = training_samples(study)
    return study.training.resolved(total) if total else study.training


@dataclass(frozen=True)
class _Cost:
    """What a study takes, by the comparison's seeds of each configuration. parallel: trials at once here."""

    study: Study
    timed: list[_Timed]
    on: str
    parallel: int

    def seconds(self, seeds: int) -> float:
        """On one worker, or, where the rates are counted, on one card. What the search asks takes as long as the first
        named configuration."""
        study = self.study.model_copy(update={"seeds": self.study.seeds.model_copy(update={"compare": seeds})})
        most, search = _most(study, self.timed, self.on), study.search
        first = self.timed[0]
        found = sum(_seconds_of(one, seeds, min(seeds, most)) for one in self.timed)
        found += study.found * _seconds_of(first, seeds, min(seeds, most))
        if not study.found:
            return found
        # What is asked together trains together.
        company = min(search.together, search.explore) if search.together > 1 and _one_program(study) else 1
        size = company * min(study.seeds.search, most)
        return found + search.explore * _seconds_of(first, study.seeds.search, size)

    def said(self, size: int) -> str:
        """Of the whole study, in cohorts of `size`, and how that is known."""
        seconds = self.seconds(self.study.seeds.compare)
        if self.counted:
            # A card has its rate once, however many trials share it.
            hours = seconds / 3600
            most = ", if it takes all its seeds" if self.study.seeds.until == "decided" else ""
            return (
                f"about {hours:.{0 if hours > 10 else 1}f} GPU hours of operations at {SUSTAINED / 1e12:g} TFLOP/s, "
                f"which small networks do not reach{most} (operations are counted; nothing is timed here)"
            )
        words = _rates_in_words(self.timed, size)
        if self.study.resources.engine == "compiled":
            words.append("timed before compiling, which takes a minute or two once on a machine")
        return f"{duration(seconds / self.parallel + OVERHEAD_SECONDS)} ({'; '.join(words)})"

    @property
    def counted(self) -> bool:
        """Whether the rates are of a GPU that is not here."""
        return bool(self.study.resources.gpus) and not torch.cuda.is_available()

    def words(self, seeds: int) -> tuple[str, str]:
        """Time here, and hours of a node: of the allocation that the study asks for, or else this machine."""
        wanted, seconds = asked(self.study.resources), self.seconds(seeds)
        given = self.study.resources.allocation.cpus is not None or self.on == "slurm"
        slots: float = max(1, slots_of_allocation(self.study) // wanted.nodes) if given else self.parallel
        if self.counted:
            # The rate is that of a whole card, and of this machine's cores none.
            slots = slots * device_share(self.study) if given else 1
        here = seconds / self.parallel + OVERHEAD_SECONDS
        hours = (seconds / slots + OVERHEAD_SECONDS) / 3600
        return "not timed" if self.counted else duration(here), f"{hours:.{0 if hours > 10 else 2}f}"


def _one_program(study: Study) -> bool:
    """Whether all that the search asks can train together: tried on the ends of its space."""
    space = study.search.space.items()
    ends = [
        {path: one.choices[end] if one.choices else (one.low, one.high)[end] for path, one in space} for end in (0, -1)
    ]
    try:
        first, last = (program(configuration(study, overrides=overrides).study) for overrides in ends)
    except UserError:
        return False
    return first == last


def _seconds_of(one: _Timed, seeds: int, size: int) -> float:
    """Of so many seeds, in trials of `size` members."""
    steps: float = one.training.steps or 1
    # An evaluation is a forward pass: for each sample about a third of a training step.
    steps += -(-steps // max(1, one.training.evaluate_every)) * one.validation / one.training.batch / 3
    return seeds * steps / _rate(one, size)


def _rate(one: _Timed, size: int) -> float:
    return expected_rate(one.measured.rates, one.measured.at_once(size))


def _rates_in_words(timed: list[_Timed], size: int) -> list[str]:
    """One range where the configurations are alike in this."""
    rates, groups = [_rate(one, size) for one in timed], [one.measured.at_once(size) for one in timed]
    if len(timed) > 1 and len(set(groups)) == 1 and max(rates) < 2 * min(rates):
        return [f"{min(rates):.0f} to {max(rates):.0f} members' steps a second, {groups[0]} of {size} at once"]
    return [
        f"{one.of.name}: {rate:.0f} members' steps a second, {group} of {size} at once"
        for one, rate, group in zip(timed, rates, groups, strict=True)
    ]
