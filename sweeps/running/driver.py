"""One launch of a study: pack, search and train, report. The same launch again resumes it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

from rich.console import Console
from rich.markup import escape

from seedsweep.core.errors import UserError
from seedsweep.core.records.files import replace
from seedsweep.core.records.origins import in_words, taken_by
from seedsweep.core.records.study import Study
from seedsweep.slurm import detect
from seedsweep.sweeps.places import CLIENT, HERE, INLINE
from seedsweep.sweeps.running.budget import Budget
from seedsweep.sweeps.running.compiling_ahead import compiling_ahead
from seedsweep.sweeps.running.executor import Job, execute
from seedsweep.sweeps.running.group_size import sizes
from seedsweep.sweeps.running.inputs import Inputs
from seedsweep.sweeps.running.launch_code import UserFiles, use_files
from seedsweep.sweeps.running.log_elsewhere import LogElsewhere
from seedsweep.sweeps.running.log_places import MODULES, TENSORBOARD, wanted
from seedsweep.sweeps.running.prepared_task import check_gpus
from seedsweep.sweeps.running.progress import describe, doing, last_error, left_out, say_where
from seedsweep.sweeps.running.ray_session import check_answers, cores
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.slots import slots_of_allocation, slots_of_machine
from seedsweep.sweeps.running.tensorboard import TensorBoard
from seedsweep.sweeps.search.agenda import Agenda
from seedsweep.sweeps.search.interim import registration_of
from seedsweep.sweeps.study.components import metrics_of
from seedsweep.sweeps.study.configuration import Configuration, configuration, kind, named
from seedsweep.sweeps.study.validation import problems_with_data


@dataclass(frozen=True)
class Ended:
    """How a launch ended. failed: cohorts that did, a line each, which the progress has shown.  budget: why the budget
    ended it before the study was done; empty where it did not."""

    failed: list[str]
    budget: str = ""


def launch(
    study: Study,
    run: RunDirectory,
    files: UserFiles,
    console: Console,
    *,
    on: str = HERE,
    fresh: bool = False,
    verbose: bool = False,
) -> Ended:
    """Run what the study still misses on `on` (see `execute`), and write what is derived from the ledger.

    verbose: say of each cohort that it has finished.
    Errors: UserError; RayDiedError; KeyboardInterrupt after the workers have stopped.
    """
    head, places = detect.head(), wanted()
    with _interruptible() as stop, run.hold(head["number"] if head else None) as number:
        # Before anything is packed or measured.
        if on not in (HERE, INLINE):
            check_answers(on)
        elif not head:
            check_gpus(study)
        study = run.begin(study, fresh=fresh)
        copy, code = use_files(study, run, files)
        if on.startswith(CLIENT):
            return Ended(_on_client(run, number, copy, on, console))
        say_where(run.paths, console)
        inputs = Inputs(run, console)
        # Where nothing is named, the search varies the study itself.
        configurations = named(study) or [configuration(study)]
        data = {each.name: inputs.data_of(each.study) for each in configurations}
        members = _members_together(study, configurations, data, run, inputs, copy, console, on)

        def agenda() -> Agenda:
            data, start = inputs.fingerprint_of, inputs.start_fingerprint
            decides = registration_of(study, run.paths)
            return Agenda(study, run.ledger, data, start, members, code, inputs.samples_of, decides)

        first = agenda()
        run.ledger.supersede(first.superseded)
        _say_what(study, first, console)
        if first.superseded:
            of = [record.spec().configuration for record in run.ledger.records(superseded=True)]
            console.print(left_out(sum(each in first.superseded for each in of)), highlight=False)
        run.record_launch(on, copy, inputs.fingerprints, [f"{cores()} cores"])
        budget = Budget(study, run.ledger)
        begins = first.waiting and budget.allows(first)
        # Not for a worker on another machine, nor for what is asked one after another.
        ahead = configurations if on == HERE and begins and kind(study) == "task" else []
        log = LogElsewhere(run.paths, [place for place in places if place in MODULES], console)
        boards = (
            [TensorBoard(study, metrics_of(study), run.ledger, run.paths.tensorboard)] if TENSORBOARD in places else []
        )
        job = Job(study, run, number, copy, inputs, agenda, console, stop, verbose=verbose, watchers=[log, *boards])
        with compiling_ahead(study, ahead, run.paths, copy, data) as compiling, contextlib.closing(log):
            if compiling:
                console.print("compiling the training steps: a minute or two the first time on a machine, else seconds")
            # Without a budget there is nothing to count.
            try:
                done = execute(dataclasses.replace(job, budget=budget) if study.resources.most_hours else job, on)
            except KeyboardInterrupt:
                if stop.is_set() or not budget.used_up:
                    raise
                # The cohorts that ran resume from their last checkpoints.
                budget.end_all()
                done = agenda()
        before = {spec.key for spec in first.finished}
        if said := in_words(taken_by([run.ledger.record(spec) for spec in done.finished if spec.key not in before])):
            console.print(escape(said), highlight=False, soft_wrap=True)
        _write_views(study, run, done)
        for board in boards:
            board.write_all()
        failed = [f"{describe(done, spec)}: {last_error(done, spec)}" for spec in done.failed]
        return Ended(failed, budget.said() if done.waiting and not budget.allows(done) else "")


def _on_client(run: RunDirectory, number: int, copy: str, on: str, console: Console) -> list[str]:
    """On a cluster that this machine is no node of: what failed, a line each."""
    from seedsweep.sweeps.running.ray_client import launch_there

    code = launch_there(run, number, copy, on, console)
    records = [record for record in run.ledger.records() if not record.finished]
    failed = [f"{r.spec().phase} {r.spec().name or r.spec().number}: {r.reason() or 'did not end'}" for r in records]
    if code and not failed:
        console.print(f"the driver on {on} ended with code {code}", highlight=False, soft_wrap=True)
        return [f"the driver on {on}: code {code}"]
    return failed


def _members_together(
    study: Study,
    configurations: Sequence[Configuration],
    data: Mapping[str, str],
    run: RunDirectory,
    inputs: Inputs,
    copy: str,
    console: Console,
    on: str,
) -> int:
    """Most members of one cohort; says which engine trains them, and why. Errors: UserError for what does not fit the
    data, or the device."""
    if kind(study) != "task":
        return 1
    for each in configurations:
        for problem in problems_with_data(each.study, inputs.samples_of(each.study)):
            raise UserError(f"configurations.{each.name}.{problem}" if each.name else problem)
    of_ray = slots_of_allocation if detect.head() else slots_of_machine
    slots = 1 if on == INLINE else of_ray(study)
    with doing(console, "trying which engine trains the members, and how many together"):
        found = sizes(study, configurations, run.paths, copy, data, slots)
    # One line where all configurations are alike, else one each.
    same = len(set(found.engines.values())) == 1
    for name, line in list(found.engines.items())[: 1 if same else None]:
        said = f"engine: {line}" if same else f"engine of {name}: {line}"
        console.print(escape(said), highlight=False, soft_wrap=True)
    return found.members


def _say_what(study: Study, agenda: Agenda, console: Console) -> None:
    cohorts, members = agenda.total
    done = len(agenda.finished)
    before = f"; {done} cohorts were finished before" if done else ""
    scale = f" ({study.scale} scale)" if study.scale else ""
    length = f"{study.training.steps} steps" if study.training.steps else f"{study.training.epochs:g} epochs"
    of = f" of {length}" if kind(study) == "task" else ""
    console.print(
        f"[bold]{escape(study.name)}[/]{scale}: {cohorts} cohorts, {members} members{of}{before}", highlight=False
    )


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """SIGTERM, from `kill` or SLURM, ends a launch as Ctrl-C does: the workers stop, nothing is left behind. Yields an
    event that is set then: Python drops an exception that a signal raises while an object is finalised. No handler is
    changed outside the main thread."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        stop.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    # SLURM's warning before a time limit may reach every process; `slurm.ray_cluster` answers it.
    before[signal.SIGUSR2] = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_views(study: Study, run: RunDirectory, agenda: Agenda) -> None:
    """What the search shows of itself, which needs Optuna."""
    if not agenda.exploration.asked:
        return
    agenda.exploration.write_view(run.paths.optuna_db, study.name)
    importances = agenda.exploration.importances()
    lines = ["parameter,importance", *(f"{name},{value!r}" for name, value in importances.items())]
    replace(run.paths.importance, ("\n".join(lines) + "\n").encode())
    if (sure := agenda.certainty()) is not None:
        replace(run.paths.search, json.dumps({"share": sure.share}).encode())
