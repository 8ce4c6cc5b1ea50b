"""The runs of a folder, a line each: state, progress, verdict, age."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from seedsweep.analysis import answer_record
from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.paths import STUDY_FILE, RunPaths
from seedsweep.core.records.registration import read_registration
from seedsweep.core.records.study import RecordError
from seedsweep.slurm.settings import SlurmError
from seedsweep.sweeps.commands import cluster, run_state, shown_table, watching
from seedsweep.sweeps.running.progress import duration
from seedsweep.sweeps.running.run_directory import RunDirectory

UNREADABLE = "unreadable"
#: Seconds from which an age is said in days.
TWO_DAYS = 2 * 86400


@dataclass(frozen=True)
class Listed:
    """A run. state: one of `run_state`'s words, or UNREADABLE.  done, members: that have finished, and that the study
    has at most.  failed: cohorts.

    verdict: of its report, as that was written.  current: whether it is of all members that are done.  Both are None
    where there is none.  changed: when a cohort was finished last, or the run begun.  problem: why nothing of it is
    believed.
    """

    name: str
    state: str
    done: int | None
    members: int | None
    failed: int | None
    verdict: str | None
    current: bool | None
    changed: datetime.datetime | None
    folder: str
    problem: str | None = None


def in_queue(run: RunDirectory) -> bool:
    """Whether a job of a run waits or runs; no where SLURM does not answer."""
    with contextlib.suppress(SlurmError):
        return bool(cluster.live_jobs(run))
    return False


def find(runs: Path, queued: Callable[[RunDirectory], bool] = in_queue) -> list[Listed]:
    """Every run of a folder, by name. What cannot be read is a row that says why.

    queued: whether a job of a run waits; asked of those alone that neither run nor have finished.
    """
    return [_listed(RunDirectory(RunPaths(folder)), queued) for folder in folders(runs)]


def folders(runs: Path) -> list[Path]:
    """Those of runs, also where the study's record is lost; not what --fresh set aside."""
    found = {path.parent for name in (STUDY_FILE, "cohorts") for path in runs.glob(f"*/{name}")}
    return sorted(folder for folder in found if not folder.name.startswith("."))


def show(runs: Path, console: Console) -> list[Listed]:
    """Print them; returns them."""
    found = find(runs)
    if not found:
        console.print(f"{escape(str(runs))} has no runs: `seedsweep launch STUDY` makes one")
        return found
    table = Table(box=None, padding=(0, 2, 0, 0))
    # On a terminal verdicts alone are cut.
    for column in ("run", "state", "members", "age", "verdict"):
        table.add_column(column, no_wrap=column != "verdict")
    for one in found:
        # What is only a part of a line on a terminal is whole elsewhere.
        said = Text(_verdict(one), style="red" if one.problem else "", no_wrap=True, overflow="ellipsis")
        table.add_row(escape(one.name), _state(one), _progress(one), _age(one), said)
    shown_table.show(table, console)
    return found


def watch(runs: Path, console: Console) -> None:
    """`show` again, until nothing runs or waits, or Ctrl-C."""

    def again() -> bool:
        return any(one.state in (run_state.RUNNING, run_state.WAITING) for one in show(runs, console))

    watching.watch(again, console)


def _listed(run: RunDirectory, queued: Callable[[RunDirectory], bool]) -> Listed:
    folder = str(run.paths.folder)
    try:
        if not run.exists:
            raise RecordError(f"{run.paths.study.name}, which names its study, is missing")
        study = run.study()
        read_registration(run.paths)
        running = run.holder() is not None
        cohorts = run_state.read(run.ledger.records())
        last = [cohort.record.finished_at for cohort in cohorts if cohort.outcomes is not None]
        changed = max(last, default=run.paths.study.stat().st_mtime)
    except (SeedsweepError, OSError) as error:
        return Listed(run.name, UNREADABLE, None, None, None, None, None, None, folder, str(error))
    done, answer = run_state.members_done(cohorts), answer_record.read(run.paths.report)
    state = run_state.state(study, done, answer, running=running, waiting=False)
    if state == run_state.STOPPED and queued(run):
        state = run_state.WAITING
    return Listed(
        run.name,
        state,
        done,
        study.members,
        sum(cohort.outcomes is None and cohort.record.error() is not None for cohort in cohorts),
        None if answer is None else answer.get("verdict"),
        None if answer is None else run_state.is_current(answer, done),
        datetime.datetime.fromtimestamp(round(changed)).astimezone(),
        folder,
    )


def _state(one: Listed) -> str:
    return f"{one.state}, {one.failed} failed" if one.failed else one.state


def _progress(one: Listed) -> str:
    if one.done is None or one.members is None:
        return ""
    # One that ended before all its seeds were needed has no rest.
    early = one.state == run_state.FINISHED and one.done < one.members
    return f"{one.done}" if early else f"{one.done}/{one.members}"


def _age(one: Listed) -> str:
    if one.changed is None:
        return ""
    seconds = max(0.0, time.time() - one.changed.timestamp())
    return duration(seconds) if seconds < TWO_DAYS else f"{seconds / 86400:.0f} d"


def _verdict(one: Listed) -> str:
    if one.problem:
        return one.problem.removeprefix(f"{one.folder}/")
    return f"{'' if one.current else 'so far: '}{one.verdict}" if one.verdict else ""
