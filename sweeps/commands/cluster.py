"""A study on a cluster, seen from the login node: submitted, followed, cancelled, its logs read."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from submitit import SlurmExecutor

from seedsweep.core.errors import UserError
from seedsweep.core.records import lease
from seedsweep.core.records.files import replace
from seedsweep.core.records.resources import Allocation
from seedsweep.core.records.study import Study
from seedsweep.core.source import PACKAGE
from seedsweep.slurm import allocation
from seedsweep.slurm.allocation import Job
from seedsweep.slurm.ray_cluster import RayAllocation, exited
from seedsweep.slurm.settings import SlurmError, asked, minutes
from seedsweep.sweeps.commands.notify import notify as tell
from seedsweep.sweeps.commands.status import summary
from seedsweep.sweeps.running import user_code
from seedsweep.sweeps.running.progress import LINE_SECONDS
from seedsweep.sweeps.running.run_directory import LEASE, RunDirectory
from seedsweep.sweeps.running.source_copy import copy_source
from seedsweep.sweeps.running.user_files import files_of

#: Seconds between two looks at the queue while waiting.
LOOK = 5.0
#: A job that the time limit or a lost node sent back to the queue is not over; squeue may call it so for a moment.
SETTLE = 15.0


def launch(
    study: Study,
    study_folder: Path,
    run: RunDirectory,
    console: Console,
    *,
    max_jobs: int = 1,
    fresh: bool = False,
    notify: str = "",
) -> list[str]:
    """Submit as many allocations as are missing to `max_jobs`. Returns the numbers of all that live.

    study_folder: of the study's file, with the user's files, of which a copy travels.  notify: whom the job that ends
    the study tells (`commands.notify`); of jobs that live already too.
    Errors: UserError, SlurmError with SLURM's words and what to change.
    """
    # Imports torch, which `status` and `logs` need not wait for.
    from seedsweep.sweeps.study.growth import grown

    living = live_jobs(run)
    if not living and (holder := lease.alive(run.paths.leases, LEASE)) and not holder["job"]:
        raise UserError(f"{study.name} is being run by {lease.describe(holder)}: look with `seedsweep status`")
    if living and fresh:
        raise UserError(f"{study.name} runs as job {_list(living)}: `seedsweep cancel {study.name}` first")
    if not living:
        run.begin(study, fresh=fresh)
        _Copies(str(copy_source(run.paths)), user_code.take(study, study_folder, run.paths), notify).save(run)
    elif _without_allocation(grown(begun := run.study(), study)) != _without_allocation(begun):
        raise UserError(
            f"{study.name} runs as job {_list(living)} with other settings: launch this when it has ended, or "
            f"`seedsweep cancel {study.name}` first; nothing finished is lost"
        )
    elif notify:
        dataclasses.replace(_Copies.load(run), notify=notify).save(run)
    for job in living:
        console.print(f"job {job.number} is in the queue already: {describe(job)}")
    return _fill(study, run, [job.number for job in living], max_jobs, console)


def dry_run(study: Study, study_folder: Path, run: RunDirectory) -> str:
    """The batch script and the command that would run in it. Errors: UserError, SlurmError."""
    copies = _Copies(str(run.paths.source_copy("COPY")), "CODE" if files_of(study, study_folder) else "")
    script = allocation.script(_executor(study, run, Path(copies.source), elsewhere=True))
    command = " ".join(_driver(run, copies))
    return f"{script.rstrip()}\n\n# on the allocation's first node, beside Ray's head:\n# {command}"


def notified(run: RunDirectory) -> str:
    """Whom the job that ends the study tells; empty where nobody asked for it. Errors: UserError."""
    return _Copies.load(run).notify if run.paths.copies.exists() else ""


def forget_notified(run: RunDirectory) -> None:
    """Whom a job told is not kept: it may be a secret address. Errors: UserError."""
    if notified(run):
        dataclasses.replace(_Copies.load(run), notify="").save(run)


def again(run: RunDirectory, console: Console, *, notify: str = "") -> None:
    """Submit a job that resumes a run with the settings of its last launch, and tries failed cohorts again. A job that
    is in the queue already does the same: none is added.

    notify: as of `launch`.  Errors: UserError, SlurmError.
    """
    copies, living = _Copies.load(run), live_jobs(run)
    if not living:
        copies = dataclasses.replace(copies, source=str(copy_source(run.paths)), code=run.last_launch()[1])
    dataclasses.replace(copies, notify=notify or copies.notify).save(run)
    for job in living:
        console.print(f"job {job.number} is in the queue already, and tries them again: {describe(job)}")
    _fill(run.study(), run, [job.number for job in living], 1, console)


def next_launch(run: RunDirectory) -> int:
    """Number of the launch that runs now, or of the next: to tell its end from an earlier one's."""
    return lease.newest(run.paths.leases, LEASE)[0] + (run.holder() is None)


def wait(study: Study, run: RunDirectory, console: Console, *, since: int, max_jobs: int = 1) -> int | None:
    """Follow the study until a launch from number `since` on has ended (its exit code) or its jobs are gone (None).

    What a partition cancelled to make room is submitted again. Of jobs that are gone, whom the launch named is told.
    """
    progress, gone_since = _Lines(console), None
    while True:
        try:
            found = jobs(run)
        except SlurmError as error:
            console.print(f"[yellow]{escape(str(error))}; asking again[/]")
            time.sleep(LOOK * 3)
            continue
        living = [job for job in found if not job.over]
        end = exited(run.paths.cluster)
        if end and end[0] >= since:
            return end[1]
        last = found[-max_jobs:]
        states = [f"job {job.number} {describe(job)}" for job in living or last]
        progress.show(states, run)
        if living:
            gone_since = None
        elif gone_since is None:
            gone_since = time.monotonic()
        elif time.monotonic() - gone_since > SETTLE:
            if not any(job.state.startswith("PREEMPTED") for job in last):
                _tell(run, ", ".join(["the jobs ended before the study did", *states]), console)
                return None
            console.print("preempted by another job: submitting again")
            _fill(study, run, [], max_jobs, console)
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
            self._console.print("; ".join(filter(None, [", ".join(states), result])))


def cancel(run: RunDirectory) -> list[str]:
    """Cancel the run's jobs, and tell whom their launch named: a job that SLURM ends tells nobody. Returns their
    numbers. Errors: UserError, SlurmError."""
    numbers = [job.number for job in live_jobs(run)]
    if numbers:
        allocation.cancel(numbers)
        _tell(run, f"job {', '.join(numbers)} cancelled", Console(stderr=True, soft_wrap=True))
    return numbers


def _tell(run: RunDirectory, line: str, console: Console) -> None:
    """Tell whom the launch named, once."""
    if to := notified(run):
        forget_notified(run)
        line = f"{run.name}: {line}; {summary(run.ledger.records())}; launching it again goes on"
        tell(to, line, console)


def jobs(run: RunDirectory) -> list[Job]:
    """Every job of the run that SLURM still knows, in the order of submission. Errors: SlurmError."""
    return allocation.jobs(run.name, run.paths.jobs())


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
    # Of a job that was cancelled it is what it waited for.
    reason = "" if job.reason == "None" or job.state.startswith("CANCELLED") else job.reason
    return job.state.lower() + (f" ({reason})" if reason else "")


def log_files(run: RunDirectory) -> list[Path]:
    """What the run's jobs printed, the newest job first, first tasks first."""
    return [log for job in reversed(run.paths.jobs()) for log in run.paths.job_logs(job)]


@dataclass(frozen=True)
class _Copies:
    """The copies of the code that all jobs of a run use. They are made anew once no job is left.

    source: folder with the copy of this package.  code: name of the copy of the user's files, or empty.  notify: whom
    the job that ends the study tells.
    """

    source: str
    code: str
    notify: str = ""

    def save(self, run: RunDirectory) -> None:
        """For the jobs that join, or go on with what a partition cancelled."""
        run.paths.cluster.mkdir(parents=True, exist_ok=True)
        # The address of a webhook is a secret: who knows it can post.
        replace(run.paths.copies, json.dumps(asdict(self)).encode(), 0o600)

    @staticmethod
    def load(run: RunDirectory) -> _Copies:
        """As they were saved. Errors: UserError."""
        file = run.paths.copies
        try:
            return _Copies(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{file} cannot be read ({error}): cancel the run's jobs and launch again") from None


def _fill(study: Study, run: RunDirectory, living: list[str], max_jobs: int, console: Console) -> list[str]:
    """Submit what is missing to `max_jobs`. Returns the numbers of all. Errors: SlurmError."""
    numbers = list(living)
    while len(numbers) < max_jobs:
        copies = _Copies.load(run)
        command = tuple(_driver(run, copies))
        made = _executor(study, run, Path(copies.source))
        job = RayAllocation(run.paths.cluster, run.paths.leases, LEASE, command)
        numbers.append(allocation.submit(made, job))
        console.print(f"submitted job {numbers[-1]}: {_shape(study)}")
    return numbers


def _executor(study: Study, run: RunDirectory, source: Path, *, elsewhere: bool = False) -> SlurmExecutor:
    return allocation.executor(asked(study.resources), study.name, run.paths.cluster, source, elsewhere=elsewhere)


def _driver(run: RunDirectory, copies: _Copies) -> list[str]:
    launcher = Path(copies.source) / PACKAGE.name / "sweeps" / "launch.py"
    # The resolved study: options of the command line hold for every restart of the job.
    command = [sys.executable, "-u", str(launcher), str(run.paths.study), "--on", "here"]
    return [*command, "--runs", str(run.paths.runs), *(["--code", copies.code] if copies.code else [])]


def _shape(study: Study) -> str:
    wanted = asked(study.resources)
    each = " and ".join(_count(number, what) for number, what in ((wanted.cpus, "CPU"), (wanted.gpus, "GPU")) if number)
    return f"{_count(wanted.nodes, 'node')} of {each}, {minutes(wanted.time)} min at a time"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _without_allocation(study: Study) -> Study:
    """What allocations of one study may differ in is left out."""
    same = study.resources.model_copy(update={"allocation": Allocation()})
    return study.model_copy(update={"resources": same})


def _list(living: list[Job]) -> str:
    return ", ".join(job.number for job in living)
