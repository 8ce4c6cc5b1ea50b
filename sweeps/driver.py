"""One launch of a study on this machine: pack, search and train, report. The same launch again goes on."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rich.console import Console

from core.ledger import replace
from shards.pack import pack
from shards.read import data_fingerprint, read
from sweeps.agenda import Agenda
from sweeps.errors import UserError
from sweeps.progress import Progress, describe, last_error
from sweeps.run_directory import RunDirectory
from sweeps.study import Study

#: Object store of the local Ray, bytes: cohorts pass nothing through it.
OBJECT_STORE = 100_000_000
#: Beginning of the name of a launch's folder for Ray, followed by the launch's process number.
SCRATCH = "seedsweep-ray-"


def launch(study: Study, run: RunDirectory, fresh: bool, console: Console) -> list[str]:
    """Run what the study still misses, and write tables, figures and the report.

    Returns what failed, a line each. Errors: UserError; KeyboardInterrupt after the workers have stopped.
    """
    # `kill` and SLURM's SIGTERM end a launch as Ctrl-C does: the workers stop, nothing is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with run.hold():
        run.begin(study, fresh)
        data = _prepare(study, run, console)
        fingerprint = data_fingerprint(data)
        agenda = Agenda(study, run.ledger, fingerprint)
        cohorts, members = agenda.total
        done = len(agenda.finished)
        console.print(
            f"[bold]{study.name}[/] ({study.scale} scale): {cohorts} cohorts, {members} members of "
            f"{study.training.steps} steps" + (f"; {done} cohorts were finished before" if done else ""),
            highlight=False,
        )
        run.record_provenance(fingerprint, [f"{cores()} cores"])
        train(study, run, data, agenda, console)
        _write_views(study, run, agenda)
        return [f"{describe(spec)}: {last_error(agenda, spec)}" for spec in agenda.failed]


def _prepare(study: Study, run: RunDirectory, console: Console) -> Path:
    """The study's packed and checked data set: a damaged shard is best found before anything starts."""
    what = study.data.name
    with console.status(f"packing {what}") as status:
        data = pack(study.data, run.data_root, lambda n, of: status.update(f"packing {what}: {n} of {of} images"))
        status.update(f"checking {what}")
        read(data)
    return data


def cohort_trial() -> type:
    """The trainable, imported when it is asked for: with it comes Ray."""
    from sweeps.trainable import CohortTrial

    return CohortTrial


def train(
    study: Study,
    run: RunDirectory,
    data: Path,
    agenda: Agenda,
    console: Console,
    trainable: Callable[[], type] = cohort_trial,
) -> None:
    """Hand the agenda's cohorts to Ray Tune until none is left. `data`: folder of the shards."""
    if not agenda.anything_left():
        return
    with local_ray() as scratch, Progress(console, study, agenda) as progress:
        # Ray reads its settings when it is imported: not before `local_ray` has made them.
        import ray
        from ray import tune

        from sweeps.searcher import CohortSearcher
        from sweeps.tensorboard import TensorBoard

        resources = study.resources
        _check_resources(study, ray.cluster_resources())
        tuner = tune.Tuner(
            tune.with_resources(trainable(), {"cpu": resources.cpus, "gpu": resources.gpus}),
            tune_config=tune.TuneConfig(
                search_alg=CohortSearcher(agenda, run, data, [progress, TensorBoard(run.ledger, run.tensorboard)]),
                num_samples=-1,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=str(scratch),
                verbose=0,
                # The agenda tries again: Tune's own retries do not cover a worker that dies between two cohorts.
                failure_config=tune.FailureConfig(max_failures=0),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        tuner.fit()


def _check_resources(study: Study, available: Mapping[str, float]) -> None:
    """Refuse what no trial could ever get: Ray would wait for it without end."""
    for name, field, asked in (("CPU", "cpus", study.resources.cpus), ("GPU", "gpus", study.resources.gpus)):
        there = available.get(name, 0)
        if asked > there:
            raise UserError(
                f"resources.{field}: a trial asks for {asked:g} {name}s and this machine has {there:g}: "
                f"--set resources.{field}={there:g}"
            )


@contextlib.contextmanager
def local_ray() -> Iterator[Path]:
    """A Ray of this launch's own on this machine, on the loopback and with a token; gone at the end.

    Yields a scratch folder for Ray's files, removed at the end: nothing in it is a result.
    """
    _sweep_up()
    # A short path: Ray's sockets are below it, and a socket's path is limited to 107 bytes.
    scratch = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-", dir="/tmp"))
    token = scratch / "token"
    with open(os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    os.environ.update(
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN_PATH=str(token),
        # Ray then takes the loopback for this node's address and listens on nothing else (it was made for the
        # firewalls of other systems, but holds on all).
        RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
        RAY_USAGE_STATS_ENABLED="0",
        RAY_AIR_NEW_OUTPUT="0",
        TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
        # Ctrl-C ends the launch at once: the checkpoints are there already.
        TUNE_DISABLE_SIGINT_HANDLER="1",
        # The ledger is what is resumed from: Tune's own snapshots are never read.
        TUNE_GLOBAL_CHECKPOINT_S="100000000",
        # With one trial pending at a time a short trial's worker takes the next before another worker has started.
        TUNE_MAX_PENDING_TRIALS_PG=str(cores()),
        # The workers import this source, installed or not.
        PYTHONPATH=os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]).rstrip(":"),
    )
    # One launch's leftovers of a launcher around it (torchrun, srun) are no business of a trial's.
    for leaked in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "RAY_ADDRESS"):
        os.environ.pop(leaked, None)
    import ray

    warnings.filterwarnings("ignore", module="ray")
    try:
        ray.init(
            num_cpus=cores(),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=OBJECT_STORE,
            _temp_dir=str(scratch / "ray"),
            _node_ip_address="127.0.0.1",
        )
        # A cohort's failure is recorded in its folder and shown by the progress; Tune's own words add nothing to it.
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        yield scratch / "tune"
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


def _sweep_up() -> None:
    """Remove what launches of this user left that were killed with SIGKILL: their scratch folders, and those of Ray's
    agents that have not yet noticed. Their open log files, in that folder, tell them from every other Ray's."""
    for stale in Path("/tmp").glob(f"{SCRATCH}*"):
        if stale.stat().st_uid != os.getuid() or Path(f"/proc/{stale.name.split('-')[2]}").exists():
            continue
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if any(os.readlink(file).startswith(f"{stale}/") for file in (process / "fd").iterdir()):
                    os.kill(int(process.name), signal.SIGKILL)
        shutil.rmtree(stale, ignore_errors=True)


def _write_views(study: Study, run: RunDirectory, agenda: Agenda) -> None:
    """What is derived from the ledger and needs Optuna or torch to write."""
    from sweeps.tensorboard import write_all

    agenda.exploration.write_view(run.optuna_db, study.name)
    importances = agenda.exploration.importances()
    lines = ["parameter,importance", *(f"{name},{value!r}" for name, value in importances.items())]
    replace(run.importance, ("\n".join(lines) + "\n").encode())
    write_all(run.ledger, run.tensorboard)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))
