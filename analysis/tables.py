"""The ledger read as two tables: one row a member, one row a member's evaluation."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis import changes, labels
from seedsweep.analysis.evaluation_columns import COLUMNS, WHOSE
from seedsweep.analysis.results import CHANGED, IDENTITY, OUTCOME, STEPS, TESTED, Results, column_of, is_fixed
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion, Outcome, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.details import is_detail
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.origins import origins_of
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.provenance import read_provenance
from seedsweep.core.records.registration import Registration, read_registration
from seedsweep.core.records.study import Study, read_study
from seedsweep.core.records.verified import verified


def read(run_folder: Path) -> Results:
    """The tables of a run directory.

    Errors: core.records.study.RecordError, core.records.record_files.LedgerError for a damaged record.
    """
    return Reader(run_folder).read()


class Reader:
    """Reads one run directory again and again: a finished cohort, which does not change, once."""

    def __init__(self, run_folder: Path):
        self._paths = RunPaths(run_folder)
        self._finished: dict[Path, tuple[float, _Cohort]] = {}

    def read(self) -> Results:
        """The tables as of now. Errors: as of `read`."""
        study = read_study(self._paths.study)
        ledger = Ledger(self._paths.cohorts)
        cohorts = [self._cohort(record, study.criterion) for record in ledger.records()]
        specs = [cohort.spec for cohort in cohorts]
        numbers = numbers_of(specs)
        names = _labels(study, specs, numbers)
        values = {spec.configuration: spec.values for spec in specs}
        kept = [not shorter for shorter in untrained(study, specs)]
        left_out = changes.left_out([(n, spec) for n, spec, own in zip(names, specs, kept, strict=True) if not own])
        left_out += changes.superseded(_superseded(study, ledger))
        cohorts = list(itertools.compress(cohorts, kept))
        names, numbers = list(itertools.compress(names, kept)), list(itertools.compress(numbers, kept))
        registered, provenance = read_registration(self._paths), read_provenance(self._paths)

        def late(spec: CohortSpec, number: int, seed: int) -> bool:
            return spec.phase == "compare" and registered is not None and not registered.covers(spec, number, seed)

        members = pd.DataFrame(
            [
                {
                    **_identity(cohort.spec, name),
                    "exploratory": late(cohort.spec, number, member["seed"]),
                    **member,
                    "code": cohort.spec.code,
                    "registered_outcome": outcome,
                }
                for cohort, name, number in zip(cohorts, names, numbers, strict=True)
                for member, outcome in zip(cohort.members, _registered_outcomes(cohort, study, registered), strict=True)
            ]
        )
        left_out += changes.never_long_enough(study.criterion.hold, _fewest(cohorts, names))
        lost, changed = registered is None and self._paths.has_finished(), left_out
        if len(members):
            members = typed(members.sort_values(["phase", "number", "seed"], ignore_index=True))
            changed = changes.said(study, members, registered, provenance["accepted_code"]) + left_out
            members = with_values(_without_the_unchanged(members), values)
        else:
            members = pd.DataFrame(columns=[*IDENTITY, *OUTCOME])
        curves = {
            (cohort.spec.configuration, seed): (cohort.curves, place)
            for cohort in cohorts
            if cohort.curves is not None and cohort.spec.phase == "compare"
            for place, seed in enumerate(cohort.curves.seeds)
        }
        evaluations, regrown = _evaluations(cohorts, names), self._paths.has_finished(with_fewer_steps=True)
        return Results(
            study,
            members,
            evaluations,
            curves,
            values,
            registered,
            lost,
            changed,
            regrown,
            same_best=_same_best(self._paths),
        )

    def _cohort(self, record: CohortRecord, criterion: Criterion) -> _Cohort:
        finished_at = record.finished_at if record.finished else 0.0
        known_at, known = self._finished.get(record.folder, (0.0, None))
        # One that was opened again for more steps finishes twice.
        if known is not None and known_at == finished_at:
            return known
        spec = record.spec()
        if not finished_at:
            return _Cohort(spec, [], record.curves())
        run = record.run()
        where = {name: run[name] for name in ("host", "device", "engine")}
        where |= {"cohort_seconds": run["seconds"], "cohort_members": len(spec.seeds)}
        outcomes, curves = verified(record, criterion)
        origins = origins_of(run)
        members = [
            {**outcome_cells(outcome), **where, "taken_from": origins.get(outcome.seed, "")} for outcome in outcomes
        ]
        cohort = _Cohort(spec, members, curves)
        self._finished[record.folder] = finished_at, cohort
        return cohort


def _superseded(study: Study, ledger: Ledger) -> list[tuple[str, CohortSpec]]:
    """Cohorts of what the study does not have any more, with their labels."""
    gone = ledger.superseded()
    every = ledger.records(superseded=True) if gone else []
    specs = [record.spec() for record in every if record.folder.parent.name in gone]
    return list(zip(_labels(study, specs, numbers_of(specs)), specs, strict=True))


def _fewest(cohorts: Sequence[_Cohort], names: Sequence[str]) -> dict[str, int]:
    """By label, the fewest evaluations of a finished cohort of the comparison in which not all diverged."""
    fewest: dict[str, int] = {}
    for cohort, name in zip(cohorts, names, strict=True):
        trained = any(member["diverged_at"] is None for member in cohort.members)
        if cohort.spec.phase == "compare" and cohort.curves is not None and trained:
            fewest[name] = min(fewest.get(name, len(cohort.curves.steps)), len(cohort.curves.steps))
    return fewest


def _same_best(paths: RunPaths) -> float | None:
    """As `Results` has it. It is a view, written anew by each launch: one that cannot be read says nothing."""
    try:
        share = float(json.loads(paths.search.read_text())["share"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return share if 0 <= share <= 1 else None


def untrained(study: Study, specs: Sequence[CohortSpec]) -> list[bool]:
    """Whether each is a compared cohort that has not been trained on since steps were added to the study: it is not
    there yet, or is the best found no more. Of epochs the number of steps is each configuration's own."""
    wanted: dict[str, int] = {}
    for spec in specs:
        own = {"training.steps", "training.epochs"}.isdisjoint(spec.overrides)
        least = study.training.steps if own else 0
        wanted[spec.configuration] = max(wanted.get(spec.configuration, least), spec.steps)
    return [spec.phase == "compare" and spec.steps < wanted[spec.configuration] for spec in specs]


def with_values(members: pd.DataFrame, values: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Members with a column for each path that varies, behind IDENTITY: numbers where all that have it are numbers,
    else text; missing where a configuration has no such path. `values`: by configuration, as `Results` has them."""
    columns = {}
    for path in labels.varying(values.values()):
        own = {configuration: of[path] for configuration, of in values.items() if of.get(path) is not None}
        if not all(map(labels.is_number, own.values())):
            own = {configuration: labels.shown(value) for configuration, value in own.items()}
        columns[column_of(path)] = members.configuration.map(own)
    fixed = members[[name for name in members if is_fixed(str(name))]]
    identity, rest = fixed[list(IDENTITY)], fixed.drop(columns=list(IDENTITY))
    return pd.concat([identity, pd.DataFrame(columns, index=members.index), rest], axis=1)


def outcome_cells(outcome: Outcome) -> dict[str, Any]:
    """A member's seed, OUTCOME and measures of the test split, without their details."""
    cells = {name: getattr(outcome, name) for name in ("seed", *OUTCOME)}
    for when, measures in outcome.test.items():
        cells |= {f"test_{when}_{name}": value for name, value in measures.items() if not is_detail(name)}
    return cells


def typed(members: pd.DataFrame) -> pd.DataFrame:
    """With steps as whole numbers, missing where there is none."""
    tested = [name for name in members if str(name).startswith(TESTED)]
    return members.astype({**dict.fromkeys(STEPS, "Int64"), **dict.fromkeys(("final", "best", *tested), float)})


@dataclass(frozen=True)
class _Cohort:
    spec: CohortSpec
    members: list[dict[str, Any]]
    curves: Curves | None


def numbers_of(specs: Sequence[CohortSpec]) -> list[int]:
    """Of each cohort's configuration, the number that it has in the search where it was explored."""
    asked = {spec.configuration: spec.number for spec in specs if spec.phase == "explore"}
    return [asked.get(spec.configuration, spec.number) for spec in specs]


def _labels(study: Study, specs: Sequence[CohortSpec], numbers: Sequence[int]) -> list[str]:
    paths = labels.searched(study, specs) or labels.varying(spec.values for spec in specs)
    return [labels.label(spec, number, paths) for spec, number in zip(specs, numbers, strict=True)]


def _registered_outcomes(cohort: _Cohort, study: Study, registered: Registration | None) -> list[str | None]:
    """Of each member of a finished cohort, its outcome at the length that was registered; None where it has no more."""
    length = cohort.spec.steps if registered is None else registered.steps_of(cohort.spec, study)
    if cohort.curves is None or length >= cohort.spec.steps:
        return [None] * len(cohort.members)
    steps, scores = cohort.curves.steps, cohort.curves.column(study.criterion.metric)
    seen = sum(step <= length for step in steps)

    def until(step: int | None) -> int | None:
        return step if step is not None and step <= length else None

    return [
        judge(
            member["seed"],
            steps[:seen],
            own[:seen],
            until(member["diverged_at"]),
            study.criterion,
            until(member["stopped_at"]),
        ).outcome
        for member, own in zip(cohort.members, scores.T, strict=True)
    ]


def _without_the_unchanged(members: pd.DataFrame) -> pd.DataFrame:
    """Without those columns of CHANGED that say nothing."""
    same = {
        "code": members.code.nunique() == 1,
        "registered_outcome": members.registered_outcome.isna().all(),
        "taken_from": (members.taken_from == "").all(),
    }
    return members.drop(columns=[name for name in CHANGED if same[name]])


def _identity(spec: CohortSpec, label: str) -> dict[str, Any]:
    own = {name: getattr(spec, name) for name in ("configuration", "name", "phase", "number", "origin")}
    return {**own, "label": label}


def _evaluations(cohorts: Sequence[_Cohort], names: Sequence[str]) -> pd.DataFrame:
    """Of many cohorts at once: a table a cohort would take most of a report's time."""
    named = [
        (cohort.curves, (cohort.spec.configuration, cohort.spec.phase, label))
        for cohort, label in zip(cohorts, names, strict=True)
        if cohort.curves is not None
    ]
    every = [pd.factorize(np.array(column, object)) for column in zip(*(own for _, own in named), strict=True)]
    tables, start = [], 0
    for columns, group in itertools.groupby((curves for curves, _ in named), lambda curves: tuple(curves.columns)):
        some = list(group)
        rows = [len(curves.steps) * len(curves.seeds) for curves in some]
        table: dict[str, Any] = {
            name: pd.Categorical.from_codes(np.repeat(codes[start : start + len(some)], rows), pd.Index(kinds))
            for name, (codes, kinds) in zip(WHOSE, every, strict=True)
        }
        table["seed"] = np.concatenate([np.repeat(curves.seeds, len(curves.steps)) for curves in some])
        table["step"] = np.concatenate([np.tile(curves.steps, len(curves.seeds)) for curves in some])
        values = np.concatenate([curves.values.transpose(1, 0, 2).reshape(-1, len(columns)) for curves in some])
        # A measure that no class declares may be called anything.
        measures = [f"measures.{name}" if name in COLUMNS else name for name in columns]
        tables.append(pd.DataFrame({**table, **dict(zip(measures, values.T, strict=True))}))
        start += len(some)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
