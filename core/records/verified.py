"""A cohort's results, believed once they were judged anew."""

from __future__ import annotations

from dataclasses import asdict

from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.criterion import Criterion, Outcome, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.record_files import LedgerError


def verified(record: CohortRecord, criterion: Criterion) -> tuple[list[Outcome], Curves]:
    """Outcomes and curves of a finished cohort, whose outcomes are what its curves come to by the study's criterion.

    When a member diverged or was stopped, and what it reaches on the test split, no curve says: of these the record's
    own hash alone. Errors: LedgerError.
    """
    outcomes, curves = record.outcomes(), record.verified_curves()
    if criterion.metric not in curves.columns or [outcome.seed for outcome in outcomes] != curves.seeds:
        raise LedgerError(f"{record.folder}: its outcomes are of others than its curves: remove it and launch again")
    for committed, scores in zip(outcomes, curves.column(criterion.metric).T, strict=True):
        judged = judge(
            committed.seed,
            curves.steps,
            scores,
            committed.diverged_at,
            criterion,
            committed.stopped_at,
            committed.test,
        )
        if judged != committed:
            raise LedgerError(
                f"{record.folder}: of seed {committed.seed} the record says {_first(committed, judged)}, its curve "
                f"{_first(judged, committed)}: outcome.json or the study's criterion was changed; put it back, or "
                "remove the folder and launch again"
            )
    return outcomes, curves


def _first(one: Outcome, other: Outcome) -> str:
    """The first field in which they differ, in words."""
    own, others = asdict(one), asdict(other)
    return next(f"{name} {value}" for name, value in own.items() if value != others[name])
