"""Differences from the registration, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.registration import Registration
from seedsweep.core.records.study import Study

#: Configurations that a sentence names.
MOST_LABELS = 6


def said(
    study: Study, members: pd.DataFrame, registered: Registration | None, accepted: Sequence[Mapping[str, Any]]
) -> list[str]:
    """A sentence each. members: as `Results` has them, with their code and their outcome at the registered length.
    registered: None where it is lost.  accepted: the changes of code, the oldest first."""
    found = []
    if registered is None:
        found.append(
            "What this run registered is lost (registered.json is missing): nothing here counts as registered, and its "
            "claims are exploratory."
        )
    elif members.registered_outcome.notna().any():
        found.append(_longer(study, members, registered))
    if accepted or members.code.nunique() > 1:
        found.append(_other_code(members, accepted))
    return found


def left_out(shorter: Sequence[tuple[str, CohortSpec]]) -> list[str]:
    """A sentence for each label whose cohorts have not been trained on since steps were added."""
    labels = dict.fromkeys((label, spec.steps) for label, spec in shorter)
    return [f"Left out: {label}, whose members have {steps} steps and not the study's." for label, steps in labels]


def superseded(cohorts: Sequence[tuple[str, CohortSpec]]) -> list[str]:
    """One sentence of all cohorts, with their labels, that are of what the study does not have any more."""
    if not cohorts:
        return []
    members: Counter[str] = Counter()
    for label, spec in cohorts:
        members[label if spec.phase == "compare" else "the search"] += len(spec.seeds)
    whose = ", ".join(f"{label} {count}" for label, count in members.most_common(MOST_LABELS))
    more = ", ..." if len(members) > MOST_LABELS else ""
    return [
        f"Left out: {members.total()} members ({whose}{more}) that were begun before the data, the weights to start "
        "from, or this program's defaults changed."
    ]


def never_long_enough(hold: int, evaluations: Mapping[str, int]) -> list[str]:
    """A sentence where members were evaluated less often than the criterion is to be held. evaluations: by label, of
    members of the comparison that did not diverge, the fewest."""
    short = [f"{label} ({count})" for label, count in evaluations.items() if count < hold]
    if not short:
        return []
    where = ", ".join(short[:MOST_LABELS]) + (", ..." if len(short) > MOST_LABELS else "")
    return [f"Fewer evaluations than the {hold} that the criterion is to be held for, so never met: {where}."]


def _longer(study: Study, members: pd.DataFrame, registered: Registration) -> str:
    unit, before, now = "steps", f"{registered.steps}", f"{study.training.steps}"
    if registered.epochs:
        unit, before, now = "epochs", f"{registered.epochs:g}", f"{study.training.epochs:g}"
    deciding = members[(members.phase == "compare") & ~members.exploratory]
    met = deciding.registered_outcome.fillna(deciding.outcome) == "converged"
    then = f"Converged at {before} {unit}: {_shares(deciding, met)}. " if len(deciding) else ""
    return f"{before} {unit} were registered, and {now} are trained since. {then}The answer is of {now} {unit}."


def _other_code(members: pd.DataFrame, accepted: Sequence[Mapping[str, Any]]) -> str:
    files = ", ".join(sorted({name for entry in accepted for name in entry["files"]})) or "the user's files"
    codes = set(members.code)
    first = next((entry["old"] for entry in accepted if entry["old"] in codes), None)
    changed = f"The code changed after members were begun, and was accepted ({files})"
    if len(codes) < 2:
        return f"{changed}: all members that have finished are of the same code."
    if first is None:
        return f"Members are of {len(codes)} versions of the code; which was the first is not on record."
    compared = members[members.phase == "compare"]
    shares = _shares(compared, compared.code != first)
    where = "the column code of tables/members"
    return f"{changed}: of other code than the registered members are {shares} (see {where})."


def _shares(members: pd.DataFrame, holds: pd.Series) -> str:
    """`a 3 of 12, b 0 of 12 seeds`."""
    groups = holds.groupby(members.label, sort=False)
    return ", ".join(f"{label} {own.sum()} of {len(own)}" for label, own in groups) + " seeds"
