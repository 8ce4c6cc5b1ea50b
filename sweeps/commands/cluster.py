"""A study on a cluster, seen from the login node: submitted, followed, cancelled, its logs read."""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from submitit import SlurmExecutor

from seedsweep.core.errors import UserError
from seedsweep.core.records import lease
from seedsweep.core.records.ledger import replace
from seedsweep.core.source import COMMIT_FILE, PACKAGE, git_commit
from seedsweep.slurm import allocation
from seedsweep.slurm.allocation import Job
from seedsweep.slurm.ray_cluster import RayAllocation, ended
from seedsweep.slurm.settings import AllocationSettings, SlurmError, minutes
from seedsweep.sweeps.commands.status import summary
from seedsweep.sweeps.running.progress import LINE_SECONDS
from seedsweep.sweeps.running.run_directory import LEASE, RunDirectory

if TYPE_CHECKING:
    from seedsweep.sweeps.study.schema import Study

#: Seconds between two looks at the queue while waiting.
LOOK = 5.0
#: A job that the time limit or a lost node sent back to the queue is not over; squeue may call it so for a moment.
SETTLE = 15.0


def launch(study: Study, run: RunDirectory, fresh: bool, max_jobs: int, console: Console) -> list[str]:
    """Submit as many allocations as are missing to `max_jobs`. Returns the numbers of all that live.

    Errors: UserError with SLURM's words and what to change.
    """
    living = live_jobs(run)
    if not living and (holder := lease.alive(run.leases, LEASE)) and not holder["job"]:
        raise UserError(f"{study.name} is being run by {lease.describe(holder)}: look with `seedsweep status`")
    if living and fresh:
        raise UserError(f"{study.name} runs as job {_list(living)}: `seedsweep cancel {study.name}` first")
    if not living:
        run.begin(study, fresh)
    elif _without_allocation(study) != _without_allocation(run.study()):
        raise UserError(
            f"{study.name} runs as job {_list(living)} with other settings: launch this when it has ended, or "
            f"`seedsweep cancel {study.name}` first; nothing finished is lost"
        )
    for job in living:
        console.print(f"job {job.number} is in the queue already: {describe(job)}", highlight=False)
    numbers = [job.number for job in living]
    while len(numbers) < max_jobs:
        number = _submit(study, run)
        numbers.append(number)
        console.print(f"submitted job {number}: {_asked(study)}", highlight=False)
    return numbers


def dry_run(study: Study, run: RunDirectory) -> str:
    """The batch script and the command that would run in it. Errors: UserError."""
    script = allocation.script(_executor(study, run, run.source / "SNAPSHOT"))
    return (
        f"{script.rstrip()}\n\n# on the allocation's first node, beside Ray's head:\n# {' '.join(_driver(study, run))}"
    )


def next_launch(run: RunDirectory) -> int:
    """Number of the launch that runs now, or of the next: to tell its end from an earlier one's."""
    return lease.newest(run.leases, LEASE)[0] + (run.holder() is None)


def wait(study: Study, run: RunDirectory, since: int, max_jobs: int, console: Console) -> int | None:
    """Follow the study until a launch from number `since` on has ended (its exit code) or its jobs are gone (None).

    What a partition cancelled to make room is submitted again.
    """
    progress, gone_since = _Lines(console), None
    while True:
        try:
            found = jobs(run)
        except SlurmError as error:
            console.print(f"[yellow]{escape(str(error))}; asking again[/]", highlight=False)
            time.sleep(LOOK * 3)
            continue
        living = [job for job in found if not job.over]
        end = ended(run.cluster)
        if end and end[0] >= since:
            return end[1]
        progress.show([f"job {job.number} {describe(job)}" for job in living], run)
        if living:
            gone_since = None
        elif gone_since is None:
            gone_since = time.monotonic()
        elif time.monotonic() - gone_since > SETTLE:
            if not any(job.state.startswith("PREEMPTED") for job in found[-max_jobs:]):
                return None
            console.print("set aside for another job: submitting again", highlight=False)
            launch(study, run, False, max_jobs, console)
            gone_since = None
        time.sleep(LOOK)


class _Lines:
    """A line when the queue's state has changed, and else when results have, but not too often."""

    def __init__(self, console: Console):
        self._console, self._shown, self._at = console, ("", ""), 0.0

    def show(self, states: list[str], run: RunDirectory) -> None:
        queue = ", ".join(state.partition(", ")[0] for state in states)
        if queue == self._shown[0] and time.monotonic() - self._at < LINE_SECONDS:
            return
        result = summary(run.ledger.records())
        if (queue, result) != self._shown:
            self._shown, self._at = (queue, result), time.monotonic()
            self._console.print(f"{', '.join(states)}; {result}", highlight=False, soft_wrap=True)


def cancel(run: RunDirectory) -> list[str]:
    """Cancel the run's jobs. Returns their numbers. Errors: UserError."""
    numbers = [job.number for job in live_jobs(run)]
    if numbers:
        allocation.cancel(numbers)
    return numbers


def jobs(run: RunDirectory) -> list[Job]:
    """Every job of the run that SLURM still knows, in the order of submission. Errors: SlurmError."""
    return allocation.jobs(run.folder.name, _numbers(run))


def live_jobs(run: RunDirectory) -> list[Job]:
    """Those that wait or run."""
    return [job for job in jobs(run) if not job.over]


def queue_lines(run: RunDirectory) -> list[str]:
    """The run's jobs that wait or run, a line each; SLURM's words where it does not answer."""
    try:
        return [f"{job.number} {describe(job)}" for job in live_jobs(run)]
    except SlurmError as error:
        return [str(error)]


def describe(job: Job) -> str:
    """A job's state in words."""
    if job.state == "RUNNING":
        return f"running on {job.nodes}, {job.left} left"
    return job.state.lower() + (f" ({job.reason})" if job.reason not in ("None", "") else "")


def log_files(run: RunDirectory) -> list[Path]:
    """What the run's jobs printed, the newest job first, first tasks first."""
    return [log for job in reversed(_numbers(run)) for log in sorted((run.cluster / job).glob(f"{job}_*_log.out"))]


def _numbers(run: RunDirectory) -> list[str]:
    # submitit makes a folder a job.
    names = (entry.name for entry in run.cluster.glob("*") if entry.name.isdecimal())
    return sorted(names, key=int)


def _submit(study: Study, run: RunDirectory) -> str:
    source = _snapshot(run)
    made = _executor(study, run, source)
    return allocation.submit(made, RayAllocation(run.cluster, run.leases, LEASE, tuple(_driver(study, run, source))))


def _executor(study: Study, run: RunDirectory, source: Path) -> SlurmExecutor:
    run.cluster.mkdir(parents=True, exist_ok=True)
    return allocation.executor(study.resources.allocation, study.name, run.cluster, source)


def _driver(study: Study, run: RunDirectory, source: Path | None = None) -> list[str]:
    # The study as resolved, so that what was said on the command line holds for every restart of the job.
    launcher = (source or run.source / "SNAPSHOT") / PACKAGE.name / "sweeps" / "launch.py"
    where = ["--scale", study.scale, "--runs", str(run.folder.parent)]
    return [sys.executable, "-u", str(launcher), str(run.study_file), *where]


def _snapshot(run: RunDirectory) -> Path:
    """The source as it is now, in the run directory: what is edited while the job waits does not change it."""
    files = [
        file
        # The rooms may be links, which `rglob` follows at its beginning alone.
        for room in sorted(PACKAGE.iterdir())
        for file in ([room] if room.is_file() else sorted(room.rglob("*")))
        if file.is_file() and "__pycache__" not in file.parts
    ]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(PACKAGE)}\0".encode() + file.read_bytes() + b"\0")
    snapshot = run.source / digest.hexdigest()[:12]
    if not snapshot.exists():
        partial = run.source / f".{snapshot.name}"
        shutil.rmtree(partial, ignore_errors=True)
        for file in files:
            copy = partial / PACKAGE.name / file.relative_to(PACKAGE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        replace(partial / COMMIT_FILE, git_commit().encode())
        partial.rename(snapshot)
    return snapshot


def _asked(study: Study) -> str:
    asked = study.resources.allocation
    gpus = f", {asked.gpus} GPUs" if asked.gpus else ""
    return f"{asked.nodes} nodes of {asked.cpus} CPUs{gpus}, {minutes(asked.time)} min at a time"


def _without_allocation(study: Study) -> Study:
    """What allocations of one study may differ in is left out."""
    same = study.resources.model_copy(update={"allocation": AllocationSettings()})
    return study.model_copy(update={"resources": same})


def _list(living: list[Job]) -> str:
    return ", ".join(job.number for job in living)
