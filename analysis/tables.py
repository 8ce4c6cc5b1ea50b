"""The ledger as two tables: one row a member, one row a member's evaluation."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from seedsweep.core.records.ledger import CohortRecord, CohortSpec, Curves, Ledger


@dataclass(frozen=True)
class Results:
    """A study's settings (as resolved in study.yaml) and its tables.

    members:     configuration, label, phase, number, origin, the hyperparameters, seed, and what became of it
                 (`core.records.criterion.Outcome`), with the host, engine and seconds of its cohort.
    evaluations: configuration, phase, seed, step and every measure; unfinished cohorts are here up to their checkpoint.
    curves:      of the comparison's members, by configuration and seed: the cohort's, and the member's place in it.
    """

    study: dict[str, Any]
    members: pd.DataFrame
    evaluations: pd.DataFrame
    curves: Mapping[tuple[str, int], tuple[Curves, int]] = field(default_factory=dict)

    @functools.cached_property
    def compared(self) -> pd.DataFrame:
        """Members of the comparison alone: only these decide the answer."""
        return self.members[self.members.phase == "compare"]

    @functools.cached_property
    def configurations(self) -> list[pd.DataFrame]:
        """The comparison's members by configuration, the named ones first, in the order of their numbers."""
        if self.compared.empty:
            return []
        return [group for _, group in self.compared.groupby("number", sort=True)]

    @functools.cached_property
    def span(self) -> tuple[float, float]:
        """Between which values a score can be: 0 and 1, or, where some are beyond, a quarter of their range more."""
        scores = self.members.final.dropna().to_numpy(float)
        low, high = min(scores, default=0.0), max(scores, default=1.0)
        if low >= 0 and high <= 1:
            return 0.0, 1.0
        return float(low - (high - low) / 4), float(high + (high - low) / 4)

    def few(self, most: int) -> tuple[Results, str]:
        """With the comparison of so many configurations at most, those that converged most often, and what to say of
        the others."""
        groups = self.configurations
        if len(groups) <= most:
            return self, ""
        ranked = sorted(groups, key=lambda group: (-(group.outcome == "converged").mean(), group.number.iloc[0]))
        chosen = {int(group.number.iloc[0]) for group in ranked[:most]}
        kept = self.members[(self.members.phase != "compare") | self.members.number.isin(chosen)]
        note = f" Of {len(groups)} configurations the {most} that converged most often; all are in tables/."
        return replace(self, members=kept), note

    def scores(self, members: pd.DataFrame) -> np.ndarray:
        """The last score of each of some members; of one that diverged, a failure and not a gap, 0, or the lowest there
        is where some are not between 0 and 1."""
        worst = 0.0 if self.span == (0.0, 1.0) else float(self.members.final.min())
        return members.final.fillna(worst).to_numpy(float)


def read(run_folder: Path) -> Results:
    """The tables of a run directory. Errors: core.records.ledger.LedgerError for a damaged record."""
    return Reader(run_folder).read()


class Reader:
    """Reads one run directory again and again: a finished cohort, which does not change, once."""

    def __init__(self, run_folder: Path):
        self._folder = run_folder
        self._finished: dict[Path, _Cohort] = {}

    def read(self) -> Results:
        """The tables as of now. Errors: core.records.ledger.LedgerError for a damaged record."""
        study = yaml.safe_load((self._folder / "study.yaml").read_text())
        cohorts = [self._cohort(record) for record in Ledger(self._folder).records()]
        varied = _varied([cohort.spec for cohort in cohorts if cohort.spec.origin == "named"])
        labels = [_label(cohort.spec, varied) for cohort in cohorts]
        order = ["phase", "number", "seed"]
        members = pd.DataFrame(
            [
                {"configuration": cohort.spec.configuration, "label": label, **member}
                for cohort, label in zip(cohorts, labels, strict=True)
                for member in cohort.members
            ]
        )
        if len(members):
            members = typed(members.sort_values(order, ignore_index=True))
        else:
            members = pd.DataFrame(columns=["configuration", "label", "outcome", "final", *order])
        curves = {
            (cohort.spec.configuration, seed): (cohort.curves, place)
            for cohort in cohorts
            if cohort.curves is not None and cohort.spec.phase == "compare"
            for place, seed in enumerate(cohort.curves.seeds)
        }
        return Results(study, members, _evaluations(cohorts, labels), curves)

    def _cohort(self, record: CohortRecord) -> _Cohort:
        if known := self._finished.get(record.folder):
            return known
        spec = record.spec()
        if not record.finished:
            return _Cohort(spec, [], record.curves())
        run = record.run()
        members = [
            {
                "phase": spec.phase,
                "number": spec.number,
                "variant": spec.variant,
                "origin": spec.origin,
                **spec.hyperparameters,
                **asdict(outcome),
                "host": run["host"],
                "device": run["device"],
                "engine": run["engine"],
                "cohort_seconds": run["seconds"],
                "cohort_members": len(spec.seeds),
            }
            for outcome in record.outcomes()
        ]
        cohort = self._finished[record.folder] = _Cohort(spec, members, record.verified_curves())
        return cohort


@dataclass(frozen=True)
class _Cohort:
    spec: CohortSpec
    members: list[dict[str, Any]]
    curves: Curves | None


def _evaluations(cohorts: Sequence[_Cohort], labels: Sequence[str]) -> pd.DataFrame:
    """Of many cohorts at once: a table a cohort would take most of a report's time."""
    named = [
        (cohort.curves, (cohort.spec.configuration, cohort.spec.phase, label))
        for cohort, label in zip(cohorts, labels, strict=True)
        if cohort.curves is not None
    ]
    every = [pd.factorize(np.array(names, object)) for names in zip(*(identity for _, identity in named), strict=True)]
    tables, start = [], 0
    for columns, group in itertools.groupby((curves for curves, _ in named), lambda curves: tuple(curves.columns)):
        some = list(group)
        rows = [len(curves.steps) * len(curves.seeds) for curves in some]
        table: dict[str, Any] = {
            name: pd.Categorical.from_codes(np.repeat(codes[start : start + len(some)], rows), pd.Index(names))
            for name, (codes, names) in zip(("configuration", "phase", "label"), every, strict=True)
        }
        table["seed"] = np.concatenate([np.repeat(curves.seeds, len(curves.steps)) for curves in some])
        table["step"] = np.concatenate([np.tile(curves.steps, len(curves.seeds)) for curves in some])
        values = np.concatenate([curves.values.transpose(1, 0, 2).reshape(-1, len(columns)) for curves in some])
        tables.append(pd.DataFrame({**table, **dict(zip(columns, values.T, strict=True))}))
        start += len(some)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def typed(members: pd.DataFrame) -> pd.DataFrame:
    """With steps as whole numbers, missing where there is none."""
    steps = ("first_met", "converged_at", "lost_at", "diverged_at")
    return members.astype({**dict.fromkeys(steps, "Int64"), "final": float, "best": float})


def convergence_steps(members: pd.DataFrame) -> np.ndarray:
    """The step at which each member converged for good, NaN for one that did not."""
    return members.converged_at.astype("Float64").to_numpy(float, na_value=np.nan)


def _varied(specs: list[CohortSpec]) -> list[str]:
    """Hyperparameters in which the named configurations differ."""
    if not specs:
        return []
    names = list(specs[0].hyperparameters)
    return [name for name in names if len({spec.hyperparameters[name] for spec in specs}) > 1] or names[:1]


def _label(spec: CohortSpec, varied: list[str]) -> str:
    if spec.variant:
        return spec.variant
    words = ", ".join(f"{name.replace('_', ' ')} {_short(spec.hyperparameters[name])}" for name in varied)
    return words if spec.origin == "named" else f"best found (no. {spec.number}, {words})"


def _short(value: float) -> str:
    """With three digits after the point, or, of a small number, three that say something."""
    return f"{value:.3g}" if 0 < abs(value) < 0.1 else f"{round(value, 3):g}"
