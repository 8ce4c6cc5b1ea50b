"""Why cohorts did not finish, on record in their folders until they do.

Of several cohorts of one trial nobody knows whose fault it was: each is tried again alone, and its record says with
which others it failed.
"""

from __future__ import annotations

from collections.abc import Sequence

from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec

_IN_COMPANY = "in a trial with "


def record_failure(records: Sequence[CohortRecord], text: str) -> None:
    """Leave the reason in the folder of each cohort of a trial. text: its last line says what it was.

    Errors: OSError; LedgerError.
    """
    names = [_name(record.spec()) for record in records] if len(records) > 1 else [""]
    before, _, reason = text.strip().rpartition("\n")
    for place, record in enumerate(records):
        others = [name for other, name in enumerate(names) if other != place]
        company = f"{_IN_COMPANY}{', '.join(others)}: " if others else ""
        record.fail(f"{before}\n{company}{reason}\n".lstrip("\n"))


def failed_in_company(record: CohortRecord) -> bool:
    """Whether its last failure was that of a trial with others, and says nothing about itself."""
    return (record.reason() or "").startswith(_IN_COMPANY)


def _name(spec: CohortSpec) -> str:
    return spec.name or f"no. {spec.number}"
