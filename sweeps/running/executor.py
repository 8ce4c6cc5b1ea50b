"""Who runs the agenda's cohorts: this process, a Ray of its own, or a Ray that is there. All leave the same ledger."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study
from seedsweep.slurm import detect
from seedsweep.sweeps.running.dispatcher import Dispatcher, Inputs, Watcher
from seedsweep.sweeps.running.progress import Progress
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.search.agenda import Agenda

#: Where a launch may run, beside an address.
HERE, INLINE, SLURM = "here", "inline", "slurm"


def cohort_trial() -> type:
    """The trainable, imported when it is asked for: with it comes Ray."""
    from seedsweep.sweeps.running.trainable import CohortTrial

    return CohortTrial


@dataclass(frozen=True)
class Job:
    """A launch's cohorts. number: of the launch.  code: name of the copy of the user's files.  agenda: the one that the
    ledger gives now.  metrics: that the task declares.  stop: set when the launch is to end."""

    study: Study
    run: RunDirectory
    number: int
    code: str
    inputs: Inputs
    agenda: Callable[[], Agenda]
    console: Console
    metrics: Sequence[str] = ()
    stop: threading.Event = field(default_factory=threading.Event)
    trainable: Callable[[], type] = cohort_trial


def execute(job: Job, on: str) -> Agenda:
    """Run all that is left. Returns the agenda as it is then.

    on: `here`, `inline`, or the address of a Ray cluster; inside an allocation whose Ray waits for this launch, that.
    Errors: UserError; KeyboardInterrupt once the launch is to stop; RayDiedError.
    """
    agenda = job.agenda()
    if not agenda.waiting:
        return agenda
    if on == INLINE:
        return _inline(job, agenda)
    # Ray is imported where it is needed alone.
    from seedsweep.sweeps.running.ray_watch import GONE, RayDiedError, RayLostError

    try:
        return _on_ray(job, agenda, on)
    except RayLostError:
        job.console.print(f"[yellow]{GONE}; going on from the last checkpoints with another[/]", highlight=False)
    try:
        return _on_ray(job, job.agenda(), on)
    except RayLostError:
        raise RayDiedError(f"{GONE}, for the second time; the same command goes on from the last checkpoints") from None


def _inline(job: Job, agenda: Agenda) -> Agenda:
    from seedsweep.sweeps.running.inline import run_inline

    with _watchers(job, agenda) as watchers:
        run_inline(_dispatcher(job, agenda, watchers, lambda: [socket.gethostname()]))
    return agenda


def _on_ray(job: Job, agenda: Agenda, on: str) -> Agenda:
    from seedsweep.sweeps.running import ray_session
    from seedsweep.sweeps.running.ray_watch import watched
    from seedsweep.sweeps.running.source_copy import copy_source

    head, allocation = detect.head(), job.study.resources.allocation
    if head and on == HERE:
        session = ray_session.joined_ray(head, allocation.min_nodes)
    elif on == HERE:
        session = ray_session.local_ray(copy_source(job.run.paths))
    else:
        session = ray_session.existing_ray(on, copy_source(job.run.paths))
    with session as there, _watchers(job, agenda) as watchers:
        _check_resources(job.study)
        dispatcher = _dispatcher(job, agenda, watchers, ray_session.living_hosts)
        with watched(there.alive) if there.alive else contextlib.nullcontext():
            _tune(job, dispatcher, there.scratch)
    return agenda


def _tune(job: Job, dispatcher: Dispatcher, scratch: Path) -> None:
    # Ray reads its settings when it is imported: not before the session has made them.
    from ray import tune

    from seedsweep.sweeps.running.ray_searcher import CohortSearcher, Reasons

    searcher = CohortSearcher(dispatcher)
    resources = job.study.resources
    tuner = tune.Tuner(
        tune.with_resources(job.trainable(), {"cpu": resources.cpus, "gpu": resources.gpus}),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(scratch),
            verbose=0,
            callbacks=[Reasons(searcher)],
            # The agenda tries again: Tune's own retries do not cover a worker that dies between two cohorts.
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    tuner.fit()


@contextlib.contextmanager
def _watchers(job: Job, agenda: Agenda) -> Iterator[list[Watcher]]:
    from seedsweep.sweeps.running.live_report import LiveReport
    from seedsweep.sweeps.running.tensorboard import TensorBoard

    paths = job.run.paths
    live_report = LiveReport(paths.folder)
    tensorboard = TensorBoard(job.study, job.metrics, job.run.ledger, paths.tensorboard)
    with contextlib.closing(live_report), Progress(job.console, agenda) as progress:
        yield [progress, tensorboard, live_report]


def _dispatcher(
    job: Job, agenda: Agenda, watchers: Sequence[Watcher], living_hosts: Callable[[], Sequence[str]]
) -> Dispatcher:
    return Dispatcher(agenda, job.run, job.number, job.code, job.inputs, watchers, living_hosts, job.stop)


def _check_resources(study: Study) -> None:
    """Refuse what no trial could ever get: Ray would wait for it without end."""
    from seedsweep.sweeps.running.ray_session import largest_node

    for name, asked_for, asked in (("CPU", "cpus", study.resources.cpus), ("GPU", "gpus", study.resources.gpus)):
        there = largest_node(name)
        if asked > there:
            raise UserError(
                f"resources.{asked_for}: a trial asks for {asked:g} {name}s and no node has more than {there:g}: "
                f"--set resources.{asked_for}={there:g}"
            )
