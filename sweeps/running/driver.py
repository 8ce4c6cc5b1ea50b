"""One launch of a study on this machine: pack, search and train, report. The same launch again goes on."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, MappingProxyType

from rich.console import Console

from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import replace
from seedsweep.shards.pack import pack
from seedsweep.shards.read import data_fingerprint, read
from seedsweep.shards.samples import DataSettings
from seedsweep.slurm import detect
from seedsweep.sweeps.running.group_size import sized
from seedsweep.sweeps.running.progress import Progress, describe, last_error
from seedsweep.sweeps.running.ray_session import cores, joined_ray, largest_node, living_hosts, local_ray
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.start_weights import Start, take
from seedsweep.sweeps.search.agenda import Agenda
from seedsweep.sweeps.study.schema import InitFrom, Study


def launch(study: Study, run: RunDirectory, fresh: bool, console: Console) -> list[str]:
    """Run what the study still misses, and write tables, figures and the report.

    Returns what failed, a line each. Errors: UserError; KeyboardInterrupt after the workers have stopped.
    """
    # `kill` and SLURM's SIGTERM end a launch as Ctrl-C does: the workers stop, nothing is left behind.
    stop = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        # Python drops what is raised while an object is finalised: the searcher looks at the event.
        stop.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    # SLURM's warning before a time limit may reach every process: it is `slurm.ray_cluster`'s to answer.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    head = detect.head()
    with run.hold(head["number"] if head else None) as number:
        run.begin(study, fresh)
        data = {settings: _prepare(settings, run, console) for settings in study.data_sets}
        with console.status("timing how many members train best together"):
            study = sized(study, run, data)
        run.begin(study, fresh=False)
        fingerprints = {settings: data_fingerprint(folder) for settings, folder in data.items()}
        starts = {start: take(start, run) for varied in study.varied if (start := varied.init_from)}
        start_fingerprints = {start: taken.fingerprint for start, taken in starts.items()}
        agenda = Agenda(study, run.ledger, fingerprints, start_fingerprints)
        cohorts, members = agenda.total
        done = len(agenda.finished)
        console.print(
            f"[bold]{study.name}[/] ({study.scale} scale): {cohorts} cohorts, {members} members of "
            f"{study.training.steps} steps" + (f"; {done} cohorts were finished before" if done else ""),
            highlight=False,
        )
        run.record_provenance(list(fingerprints.values()), [f"{cores()} cores"])
        train(study, run, number, data, agenda, console, starts, stop)
        _write_views(study, run, agenda)
        return [f"{describe(spec)}: {last_error(agenda, spec)}" for spec in agenda.failed]


def _prepare(settings: DataSettings, run: RunDirectory, console: Console) -> Path:
    """A packed and checked data set: a damaged shard is best found before anything starts."""
    what = settings.name
    with console.status(f"packing {what}") as status:
        data = pack(settings, run.data_root, lambda n, of: status.update(f"packing {what}: {n} of {of} images"))
        status.update(f"checking {what}")
        read(data)
    return data


def cohort_trial() -> type:
    """The trainable, imported when it is asked for: with it comes Ray."""
    from seedsweep.sweeps.running.trainable import CohortTrial

    return CohortTrial


def train(
    study: Study,
    run: RunDirectory,
    launch_number: int,
    data: Mapping[DataSettings, Path],
    agenda: Agenda,
    console: Console,
    starts: Mapping[InitFrom, Start] = MappingProxyType({}),
    stop: threading.Event | None = None,
    trainable: Callable[[], type] = cohort_trial,
) -> None:
    """Hand the agenda's cohorts to Ray Tune until none is left. `data`: folder of each data set's shards; `starts`: of
    each `init_from` the weights.

    Errors: KeyboardInterrupt once `stop` is set.
    """
    stop = stop or threading.Event()
    if not agenda.anything_left():
        return
    head = detect.head()
    ray_session = joined_ray(head, study.resources.allocation.min_nodes) if head else local_ray()
    with ray_session as scratch, Progress(console, study, agenda) as progress:
        # Ray reads its settings when it is imported: not before the session has made them.
        from ray import tune

        from seedsweep.sweeps.running.live_report import LiveReport
        from seedsweep.sweeps.running.searcher import CohortSearcher, Reasons, Watcher
        from seedsweep.sweeps.running.tensorboard import TensorBoard

        resources = study.resources
        _check_resources(study)
        live_report = LiveReport(run.folder)
        watchers: list[Watcher] = [progress, TensorBoard(run.ledger, run.tensorboard), live_report]
        searcher = CohortSearcher(agenda, run, launch_number, data, starts, watchers, living_hosts, stop)
        tuner = tune.Tuner(
            tune.with_resources(trainable(), {"cpu": resources.cpus, "gpu": resources.gpus}),
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
        with contextlib.closing(live_report):
            tuner.fit()


def _check_resources(study: Study) -> None:
    """Refuse what no trial could ever get: Ray would wait for it without end."""
    for name, field, asked in (("CPU", "cpus", study.resources.cpus), ("GPU", "gpus", study.resources.gpus)):
        there = largest_node(name)
        if asked > there:
            raise UserError(
                f"resources.{field}: a trial asks for {asked:g} {name}s and no node has more than {there:g}: "
                f"--set resources.{field}={there:g}"
            )


def _write_views(study: Study, run: RunDirectory, agenda: Agenda) -> None:
    """What is derived from the ledger and needs Optuna or torch to write."""
    from seedsweep.sweeps.running.tensorboard import write_all

    agenda.exploration.write_view(run.optuna_db, study.name)
    importances = agenda.exploration.importances()
    lines = ["parameter,importance", *(f"{name},{value!r}" for name, value in importances.items())]
    replace(run.importance, ("\n".join(lines) + "\n").encode())
    write_all(run.ledger, run.tensorboard)
