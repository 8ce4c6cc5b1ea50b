"""Members that were trained in another run of the same folder: which, and how that is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedsweep.core.records.cohort_record import CohortRecord


def origins_of(run: Mapping[str, Any]) -> dict[int, str]:
    """Of what `CohortRecord.run` gave: the run that trained each member that was taken from another, by its seed."""
    return {seed: source["run"] for source in run.get("taken_from", ()) for seed in source["seeds"]}


def taken_by(records: Iterable[CohortRecord]) -> Counter[str]:
    """How many members of these cohorts were taken, by the run that trained them. Errors: LedgerError."""
    return Counter(run for record in records if record.finished for run in record.origins().values())


def in_words(taken: Mapping[str, int]) -> str:
    """`12 members taken from A, 6 from B`; empty where none were."""
    if not taken:
        return ""
    (first, count), *others = sorted(taken.items())
    member = "member" if count == 1 else "members"
    return ", ".join([f"{count} {member} taken from {first}", *(f"{number} from {run}" for run, number in others)])
