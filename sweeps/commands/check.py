"""A study tried out: every named configuration built, trained for two steps and evaluated once; a function or a command
run until its first report. Nothing is left."""

from __future__ import annotations

import contextlib
import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape
from torch import Tensor, nn

from seedsweep.core.errors import SeedsweepError, UserError
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths, runs_folder
from seedsweep.core.records.study import InitFrom, Study
from seedsweep.core.training import memory
from seedsweep.core.training.batch import SPLITS, Data
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.engine import choose_engine
from seedsweep.core.training.models import build, start_from
from seedsweep.core.user_modules import nothing_beside
from seedsweep.sweeps.commands.sampled import chosen_engine, sampled_task, training_samples
from seedsweep.sweeps.running import user_code
from seedsweep.sweeps.running.command_task import CommandRun
from seedsweep.sweeps.running.evaluations import warnings_of
from seedsweep.sweeps.running.function_task import FunctionRun
from seedsweep.sweeps.running.prepared_task import check_gpus
from seedsweep.sweeps.running.start_weights import sources
from seedsweep.sweeps.running.user_files import files_of
from seedsweep.sweeps.study.configuration import (
    Configuration,
    configuration,
    kind,
    make_optimizer,
    members,
    named,
    schedules_of,
)

STEPS = 2
#: Seconds between two looks at what a function or a command has reported.
LOOK = 0.1


def show(study: Study, folder: Path, console: Console, runs: Path | None = None) -> bool:
    """Print a line or more for each configuration: shapes, parameters, engine, time and memory, or what is wrong; of a
    function or a command its first report, and how long it took.

    Returns whether all went well. folder: of the study's file.  runs: folder of the runs, where members may start from
    another's weights; None: as a launch has it.  Errors: UserError of the study itself.
    """
    files_of(study, folder)
    check_gpus(study)
    torch.set_num_threads(study.resources.cpus)
    seen: set[str] = set()
    own = functools.partial(_lines, RunPaths.of(runs_folder(runs), study.name))
    trying = contextlib.nullcontext(own) if kind(study) == "task" else _own_loops(study, folder)
    with nothing_beside(), trying as lines_of:
        for each in named(study) or [configuration(study, study.name)]:
            try:
                with console.status(f"trying {escape(each.name)}"):
                    lines = lines_of(each)
                for line in lines:
                    console.print(escape(line), emoji=False)
            except SeedsweepError as error:
                line = "the same" if str(error) in seen else str(error)
                seen.add(str(error))
                # `train.py:train: ...` would become a tram.
                console.print(f"{escape(each.name)}: [red]{escape(line)}[/]", emoji=False)
    return not seen


@contextlib.contextmanager
def _own_loops(study: Study, folder: Path) -> Iterator[Callable[[Configuration], list[str]]]:
    """In a run directory that is removed again, with a copy of the user's files."""
    with tempfile.TemporaryDirectory(prefix="seedsweep-check-", ignore_cleanup_errors=True) as scratch:
        paths = RunPaths(Path(scratch) / study.name)
        try:
            user_code.use(paths, user_code.take(study, folder, paths))
            yield functools.partial(_first_report, paths)
        finally:
            user_code.use(paths, "")


def _first_report(paths: RunPaths, each: Configuration) -> list[str]:
    """Run a function's or a command's member until its first report. Errors: UserError."""
    study, steps = each.study, each.study.training.steps
    spec = CohortSpec("compare", 0, each.identity("", "", steps), each.name, each.overrides, each.values, (0,), steps)
    record = Ledger(paths.cohorts).record(spec)
    record.create(spec)
    start = time.perf_counter()
    member = record.claim(1), spec, study, user_code.folder_in_use(paths)
    run = FunctionRun(*member) if kind(study) == "function" else CommandRun(*member)
    try:
        while not run.advance(LOOK) and not run.curves().steps:
            pass
        seconds = time.perf_counter() - start
    finally:
        run.close()
    curves = run.curves()
    values = {name: curves.column(name)[0, 0] for name in curves.columns}
    reported = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
    said = [f"{each.name}: at step {curves.steps[0]}, after {seconds:.3g} s: {reported}"]
    return said + _warnings(study, values, f"at step {curves.steps[0]}")


def _lines(paths: RunPaths, each: Configuration) -> list[str]:
    """paths: of the run that a launch would make. Errors: UserError."""
    study = each.study
    samples = training_samples(study)
    steps = study.training.steps or (study.training.resolved(samples).steps if samples else 0)
    task, _ = sampled_task(study)
    data, optimizer, (member,) = task.data, make_optimizer(study), members(each, [0])
    training = study.training.resolved(data.count("train")).model_copy(update={"steps": STEPS, "evaluate_every": STEPS})
    model = build(task, 0)
    start = _start(study.init_from, paths, model)
    # Tried whichever the study names: what is wrong with the task or the optimiser is said here.
    tried = choose_engine(task, member, training, optimizer)
    engine = chosen_engine(study, lambda: tried)
    memory.release(data.device)
    memory.begin_peak(data.device)
    before = memory.peak(data.device)
    no_decay = study.optimizer.get("no_decay", ())
    made = functools.partial(
        Cohort, task, [member], training, optimizer, 1, no_decay=no_decay, start=start, criterion=study.criterion
    )
    cohort = made()
    began = time.perf_counter()
    for _ in range(STEPS):
        cohort.train_step()
    seconds = (time.perf_counter() - began) / STEPS
    # Before the next is made, or two would be held at once.
    del cohort
    cohort = made()
    cohort.advance()
    (diverged,) = cohort.diverged_at
    lost = _not_finite(data)
    if diverged is not None:
        raise UserError(f"the loss is not finite at step {diverged}{f'; {lost}' if lost else ''}")
    values = dict(zip(cohort.columns, cohort.evaluations[-1][0].tolist(), strict=True))
    shapes = ", ".join(f"{name} {list(shape)}" for name, shape in data.shapes.items())
    plain = ", not compiled" if engine.name == "compiled" else ""
    mebibytes = (memory.peak(data.device) - before) / 2**20
    said = [
        f"{each.name}: {sum(p.numel() for p in model.parameters()):,} parameters; {engine.name}: {engine.reason}",
        f"  a sample: {shapes}; {data.classes} classes" if data.classes else f"  a sample: {shapes}",
        f"  {seconds * 1000:.3g} ms a step of {training.batch}{plain}, at most {mebibytes:.0f} MB more than before it",
        f"  after {STEPS} steps: " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()),
    ]
    said += [*_warnings(study, values, f"after {STEPS} steps"), *_long_warm_ups(study, steps)]
    return [*said, f"  warning: {lost}"] if lost else said


def _start(init: InitFrom | None, paths: RunPaths, model: nn.Module) -> list[dict[str, Tensor]]:
    """The weights that the first seed starts from; none where it draws its own. All that may be started from are put
    into the model. Errors: UserError."""
    if init is None:
        return []
    first: list[dict[str, Tensor]] = []
    for record, outcome, weights in sources(init, paths):
        try:
            start_from(model, weights)
        except ValueError as error:
            which = f"{record.spec().name}, seed {outcome.seed}, of {init.run}"
            raise UserError(f"init_from: {which}: {error}") from None
        first = first or [weights]
    return first


def _long_warm_ups(study: Study, steps: int) -> list[str]:
    """steps: of the whole training; 0 where that is not known."""
    found = {name: schedule.settings.warmup_steps for name, schedule in schedules_of(study).items()}
    return [
        f"  warning: schedules.{name}.warmup_steps: {own} is the whole training, {steps} steps, or more: {name} never "
        "reaches its value"
        for name, own in found.items()
        if steps and own >= steps
    ]


def _not_finite(data: Data) -> str:
    """Which arrays of the samples hold NaN or an infinity, in words; empty: none."""
    splits = {split: getattr(data, split).items() for split in SPLITS}
    found = [f"{name!r} of {of}" for of, arrays in splits.items() for name, v in arrays if not v.isfinite().all()]
    return f"the data hold values that are not finite: {', '.join(found)}" if found else ""


def _warnings(study: Study, values: Mapping[str, float], when: str) -> list[str]:
    """Of the values of one member's first evaluation."""
    first = {name: [value] for name, value in values.items()}
    return [f"  warning: {line}" for line in warnings_of(study, first, when)]
