"""What a run is at: running, waiting, finished or stopped, and how far; from its ledger, its lease and its report."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.study import Study

RUNNING, WAITING, FINISHED, STOPPED = "running", "waiting", "finished", "stopped"


@dataclass(frozen=True)
class Cohort:
    """What the ledger has of a cohort, read once. outcomes: None where it is not finished."""

    record: CohortRecord
    spec: CohortSpec
    outcomes: list[Outcome] | None

    @property
    def name(self) -> str:
        """As `seedsweep logs` takes it."""
        return f"{self.record.folder.parent.name}/{self.record.folder.name}"


@dataclass(frozen=True)
class Used:
    """What a run used. gpu_hours, core_hours: of all its cohorts, as its budget counts them (`CohortRecord.spent`).
    bytes, files: of its folder."""

    gpu_hours: float
    core_hours: float
    bytes: int
    files: int

    @property
    def words(self) -> str:
        """`1.2 GPU hours, 3.4 core hours; 40 MB in 230 files`."""
        gpus = f"{hours(self.gpu_hours)} GPU hours, " if self.gpu_hours else ""
        return f"{gpus}{hours(self.core_hours)} core hours; {size(self.bytes)} in {self.files} files"


def read(records: Iterable[CohortRecord]) -> list[Cohort]:
    """Of these cohorts. Errors: LedgerError."""
    return [Cohort(record, record.spec(), record.outcomes() if record.finished else None) for record in records]


def members_done(cohorts: Sequence[Cohort]) -> int:
    """Of the finished ones."""
    return sum(len(cohort.spec.seeds) for cohort in cohorts if cohort.outcomes is not None)


def state(study: Study, done: int, answer: dict[str, Any] | None, *, running: bool, waiting: bool) -> str:
    """Of a run of which so many members are done. answer: of its report, which knows where a study ended early."""
    if running:
        return RUNNING
    # A job is in the queue for some seconds after its end.
    if waiting and done < study.members:
        return WAITING
    # With fewer members it ends where all is decided, or where the search has nothing to add to the comparison.
    may_end_early = study.seeds.until == "decided" or study.found > 0
    ended = may_end_early and is_current(answer, done) and bool(answer and answer.get("finished"))
    return FINISHED if done >= study.members or ended else STOPPED


def is_current(answer: dict[str, Any] | None, done: int) -> bool:
    """Whether an answer is of all members that are done."""
    return answer is not None and answer.get("members") == done


def used(study: Study, records: Iterable[CohortRecord], folder: Path) -> Used:
    """By a run. records: the superseded ones, too.  Errors: LedgerError."""
    seconds = sum(record.spent() for record in records)
    count, total = on_disk(folder)
    return Used(seconds / 3600 * study.resources.gpus, seconds / 3600 * study.resources.cpus, total, count)


def on_disk(folder: Path) -> tuple[int, int]:
    """Files below a folder, and their bytes; links are not followed."""
    count = total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            # A run writes and removes files meanwhile.
            with contextlib.suppress(OSError):
                found = os.lstat(os.path.join(place, name))
                if stat.S_ISREG(found.st_mode):
                    count, total = count + 1, total + found.st_size
    return count, total


def size(count: float) -> str:
    """`340 kB`, `1.2 GB`."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while count >= 1000 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return f"{count:.0f} {units[0]}" if count >= 10 or units[0] == "bytes" else f"{count:.1f} {units[0]}"


def hours(count: float) -> str:
    """`0.03`, `1.2`, `340`."""
    return f"{count:.2g}" if count < 10 else f"{count:.0f}"
