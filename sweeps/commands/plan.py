"""What a launch would run, and how long it would take here."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seedsweep.core.errors import UserError
from seedsweep.core.records.origins import in_words, taken_by
from seedsweep.core.records.resources import AUTO
from seedsweep.core.records.study import Dimension, Study, Training
from seedsweep.core.training import memory
from seedsweep.core.training.engine import choose_engine
from seedsweep.core.training.models import build
from seedsweep.core.training.probe import Rate, expected_rate, probe
from seedsweep.core.training.weights import Weights
from seedsweep.slurm import detect
from seedsweep.slurm.settings import asked
from seedsweep.sweeps.commands import power, shown_table
from seedsweep.sweeps.commands.gpu_hours import SUSTAINED, operations
from seedsweep.sweeps.commands.sampled import chosen_engine, sampled_task, training_samples
from seedsweep.sweeps.commands.truths import Assumed
from seedsweep.sweeps.running.budget import Budget
from seedsweep.sweeps.running.engines import Measured, most_members
from seedsweep.sweeps.running.group_size import cohort_size
from seedsweep.sweeps.running.progress import duration
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.slots import device_share, slots_of_allocation, slots_of_machine
from seedsweep.sweeps.running.start_weights import sources
from seedsweep.sweeps.search.company import program
from seedsweep.sweeps.study.configuration import Configuration, configuration, kind, make_optimizer, members, named

#: Of how much of each other the slowest and the fastest seed are alike.
ALIKE = 1.5
#: Starting Ray and its workers, and writing the report; seen on 2 cores.
OVERHEAD_SECONDS = 20.0
#: Below so many seconds they are a part of the whole that is worth saying.
SHORT = 10 * OVERHEAD_SECONDS


@dataclass(frozen=True)
class _Timed:
    """A configuration, its rates, how it trains, and the validation samples of an evaluation."""

    of: Configuration
    measured: Measured
    training: Training
    validation: int


@dataclass(frozen=True)
class Phase:
    """What one phase runs. seeds: of each of so many configurations, and least: where they may end with fewer."""

    phase: str
    what: str
    configurations: int
    least: int
    seeds: int
    cohorts: int
    members: int


@dataclass(frozen=True)
class OneSeed:
    """What a seed of a configuration takes. together: seeds that train at once on one worker.  seconds: of one of them
    here, or on a GPU that is not here by its operations."""

    configuration: str
    engine: str
    together: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What a launch would run. on: where.  trials: at once here, each of so many cpus.  finished: cohorts that are
    done already, and taken: members of them from other runs, by the run.

    seconds: estimated of the whole here, None where it is not known; gpu_hours in its place where GPUs are asked for
    that are not here.  at_most: whether it may take less.  budget: in words, where there is one.  power: what the
    seeds would tell apart.
    """

    name: str
    scale: str
    question: str
    phases: tuple[Phase, ...]
    configurations: dict[str, dict[str, Any]]
    search: dict[str, Dimension]
    on: str
    trials: int
    cpus: int
    folder: str
    finished: int
    taken: dict[str, int]
    seconds: float | None
    gpu_hours: float | None
    at_most: bool
    one_seed: tuple[OneSeed, ...]
    budget: str | None
    power: power.Power | None


def find(study: Study, run: RunDirectory, on: str, console: Console, asked_of: Assumed | None = None) -> Plan:
    """What a launch would run, and what its seeds would tell apart. asked_of: the differences of which that is
    asked."""
    return _find(study, run, on, console, asked_of or Assumed())[0]


def show(study: Study, run: RunDirectory, on: str, console: Console, asked_of: Assumed | None = None) -> None:
    """Print the configurations, seeds and cohorts, where they run, the estimated time, and what the seeds would tell
    apart. asked_of: the differences of which that is asked."""
    asked_of = asked_of or Assumed()
    plan, cost = _find(study, run, on, console, asked_of)
    scale = f" ({plan.scale} scale)" if plan.scale else ""
    console.print(f"[bold]{escape(plan.name)}[/]{scale}: {escape(plan.question)}")
    shown_table.show(_table(plan), console)
    for name, overrides in plan.configurations.items():
        said = ", ".join(f"{path} {value}" for path, value in overrides.items()) or "the study as it is"
        console.print(f"  {escape(name)}: {escape(said)}")
    for path, dimension in plan.search.items():
        if dimension.choices:
            values = ", ".join(map(str, dimension.choices))
        else:
            values = f"{dimension.low:g} to {dimension.high:g}{' (log)' if dimension.log else ''}"
        where = " and ".join(f"{other} is {value}" for other, value in dimension.condition.items())
        console.print(escape(f"  search {path}: {values}{f', if {where}' if where else ''}"))
    here = "on this node of the allocation" if detect.in_allocation() else "on this machine"
    at_once = f"{_count(plan.trials, 'trial')} at once, {_count(plan.cpus, 'CPU')} each"
    console.print(f"where: {here if on in ('here', 'inline') else on}, {at_once}; results in {escape(plan.folder)}")
    if plan.finished:
        taken = f" ({said})" if (said := in_words(plan.taken)) else ""
        console.print(escape(f"{plan.finished} cohorts are finished already and will not run again{taken}"))
    for line in (*_missing_starts(study, run), *_time_in_words(study, plan), plan.budget, *_strict(study, cost)):
        if line:
            console.print(escape(line))
    for part in power.said(plan.power, study, asked_of, cost.words if cost else None):
        if not isinstance(part, str):
            shown_table.show(part, console)
            continue
        # Wrapped for eyes alone: a file or a pipe gets a line each.
        console.print(escape(textwrap.fill(part, console.width) if console.is_terminal else part))


def _find(study: Study, run: RunDirectory, on: str, console: Console, asked_of: Assumed) -> tuple[Plan, _Cost | None]:
    what = kind(study)
    timed: list[_Timed] = []
    if what == "task":
        with console.status("timing a few steps"):
            timed = [_time(each, most_members(study)) for each in named(study) or [configuration(study, study.name)]]
    most = _most(study, timed, on)
    parallel = _slots(study, on)
    cost = _Cost(study, timed, on, parallel) if timed else None
    seconds = cost.seconds(study.seeds.compare) if cost else None
    counted = cost is not None and cost.counted
    size = min(study.seeds.compare, most)
    finished = [record for record in run.ledger.records() if record.finished]
    with console.status("simulating studies"):
        shown = power.find(study, asked_of, cost.words if cost else None)
    plan = Plan(
        study.name,
        study.scale,
        study.question.strip(),
        _phases(study, most),
        study.configurations,
        dict(study.search.space) if study.found else {},
        on,
        parallel,
        study.resources.cpus,
        str(run.paths.folder),
        len(finished),
        dict(taken_by(finished)),
        None if seconds is None or counted else seconds / parallel + OVERHEAD_SECONDS,
        # A card has its rate once, however many trials share it.
        seconds / 3600 if seconds is not None and counted else None,
        study.seeds.until == "decided",
        tuple(
            OneSeed(one.of.name, one.measured.engine, one.measured.at_once(size), _seconds_of(one, 1, size))
            for one in timed
        ),
        Budget(study, run.ledger).planned(None if counted else seconds) or None,
        shown,
    )
    return plan, cost


def _phases(study: Study, most: int) -> tuple[Phase, ...]:
    search, seeds, count = study.search, study.seeds, len(study.configurations)
    least = seeds.sizes[0] if seeds.until == "decided" else seeds.compare
    named_ones = f"{count} named{' and the best found' if study.found else ''}"
    wanted = [("compare", named_ones, study.compared, least, seeds.compare)]
    if study.found:
        wanted.insert(
            0, ("explore", f"{search.explore} by {search.sampler}", search.explore, seeds.search, seeds.search)
        )
    return tuple(
        Phase(phase, what, configurations, fewest, each, configurations * -(-each // most), configurations * each)
        for phase, what, configurations, fewest, each in wanted
    )


def _table(plan: Plan) -> Table:
    table = Table("phase", "configurations", "seeds of each", "cohorts", "members")
    for one in plan.phases:
        least, up_to = (f"{one.least} to ", "up to ") if plan.at_most and one.phase == "compare" else ("", "")
        table.add_row(one.phase, one.what, f"{least}{one.seeds}", f"{up_to}{one.cohorts}", f"{up_to}{one.members}")
    return table


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _time_in_words(study: Study, plan: Plan) -> list[str]:
    """Of the whole, of one seed, and how both are known."""
    if plan.gpu_hours is not None:
        most = ", if it takes all its seeds" if plan.at_most else ""
        return [
            f"estimated time: about {plan.gpu_hours:.{0 if plan.gpu_hours > 10 else 1}f} GPU hours of operations at "
            f"{SUSTAINED / 1e12:g} TFLOP/s, which small networks do not reach{most} (operations are counted; nothing "
            "is timed here)"
        ]
    if plan.seconds is None:
        return [f"estimated time: not known of a {kind(study)}: the launch says it once a member has ended"]
    most = "at most " if plan.at_most else ""
    of_which = f", of which start and report about {OVERHEAD_SECONDS:.0f} s" if plan.seconds < SHORT else ""
    lines = [f"estimated time: {most}{duration(plan.seconds)}{of_which}"]
    fastest, slowest = (best(plan.one_seed, key=lambda one: one.seconds) for best in (min, max))
    takes = duration(slowest.seconds) if slowest.seconds >= 1 else "less than a second"
    if slowest.seconds >= max(1, ALIKE * fastest.seconds):
        takes = f"{duration(fastest.seconds)} ({fastest.configuration}) to {takes} ({slowest.configuration})"
    fewest, many = (best(one.together for one in plan.one_seed) for best in (min, max))
    company = f"{fewest} to {many} together" if fewest < many else f"{many} together"
    company = "one after another" if many == 1 else company
    lines.append(f"  a seed takes a worker {takes}; seeds train {company}; a few steps were timed just now")
    if any(one.engine == "compiled" for one in plan.one_seed):
        lines.append("  compiled they are faster; compiling takes a minute or two, once on a machine")
    return lines


def _strict(study: Study, cost: _Cost | None) -> list[str]:
    """A line where the criterion asks for every evaluation, the first one, after little training, among them."""
    hold, trainings = study.criterion.hold, [one.training for one in cost.timed] if cost else []
    if hold == 1 or hold not in [each.evaluations for each in trainings]:
        return []
    return [f"hold {hold} of {hold} evaluations: a seed must be good at every one of them"]


def _most(study: Study, timed: list[_Timed], on: str) -> int:
    """Members of a cohort."""
    if not timed:
        return 1
    if study.resources.cohort != AUTO:
        return int(study.resources.cohort)
    return cohort_size([one.measured for one in timed], study, _slots(study, on))


def _slots(study: Study, on: str) -> int:
    """Trials at once."""
    return 1 if on == "inline" else slots_of_allocation(study) if on == "slurm" else slots_of_machine(study)


def _time(each: Configuration, most: int) -> _Timed:
    """By a timed probe of this machine's cores, of so many members at most."""
    study = each.study
    torch.set_num_threads(study.resources.cpus)
    memory.keep_freed()
    try:
        task, validation = sampled_task(study)
        # A pattern that fits no parameter is refused here, as by a launch.
        Weights([build(task, 0)]).mask(study.optimizer.get("no_decay", ()))
    except UserError as error:
        raise UserError(f"{each.name}: {error}") from error
    optimizer, (member,) = make_optimizer(study), members(each, [0])
    training = study.training.resolved(task.data.count("train"))
    engine = chosen_engine(study, lambda: choose_engine(task, member, training, optimizer))
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


def _missing_starts(study: Study, run: RunDirectory) -> list[str]:
    """What a launch would refuse now: a run with weights to start from may still be made."""
    found = {}
    for init in (each.study.init_from for each in named(study) or [configuration(study)]):
        try:
            next(sources(init, run.paths)) if init else None
        except UserError as error:
            found[str(error)] = f"before a launch: {error}"
    return list(found.values())


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
    steps += (one.training.evaluations or 1) * one.validation / one.training.batch / 3
    return seeds * steps / _rate(one, size)


def _rate(one: _Timed, size: int) -> float:
    return expected_rate(one.measured.rates, one.measured.at_once(size))
