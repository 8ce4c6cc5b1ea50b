"""How long workers took for a study's cohorts, by the ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from seedsweep.core.records import lease
from seedsweep.core.records.ledger import CohortRecord


def seconds_spent(records: Iterable[CohortRecord]) -> float:
    """What workers took for cohorts, by their records: all of a finished one; of another its last attempt, up to what
    it wrote last. Errors: LedgerError."""
    finished, attempts = 0.0, dict[tuple[str, int, str], float]()
    for record in records:
        if record.finished:
            finished += seconds_of(record)
        elif owner := record.owner():
            # Cohorts of one trial have one worker.
            worker = owner["host"], owner["pid"], owner["since"]
            attempts[worker] = max(attempts.get(worker, 0.0), _last_written(record) - lease.started_at(owner))
    return finished + sum(attempts.values())


def _last_written(record: CohortRecord) -> float:
    """When an attempt at it wrote last, in seconds since 1970."""
    last = 0.0
    for path in record.folder.iterdir():
        # What a cohort is may be written anew by a later launch. Others go while a worker writes.
        if path.name != "cohort.json":
            with contextlib.suppress(FileNotFoundError):
                last = max(last, path.stat().st_mtime)
    return last


def seconds_of(record: CohortRecord) -> float:
    """Of a finished cohort. Errors: LedgerError."""
    return float(record.run().get("seconds", 0.0))
