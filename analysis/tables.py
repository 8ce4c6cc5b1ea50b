"""The ledger as two tables: one row a member, one row a member's evaluation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from core.ledger import CohortSpec, Ledger


@dataclass(frozen=True)
class Results:
    """A study's settings (as resolved in study.yaml) and its tables.

    members:     configuration, label, phase, number, origin, the hyperparameters, seed, and what became of it
                 (`core.criterion.Outcome`), with the host, engine and seconds of its cohort.
    evaluations: configuration, phase, seed, step and every measure; unfinished cohorts are here up to their checkpoint.
    """

    study: dict[str, Any]
    members: pd.DataFrame
    evaluations: pd.DataFrame

    @property
    def compared(self) -> pd.DataFrame:
        """Members of the comparison alone: only these decide the answer."""
        return self.members[self.members.phase == "compare"]

    @property
    def configurations(self) -> list[pd.DataFrame]:
        """The comparison's members by configuration, the named ones first, in the order of their numbers."""
        if self.compared.empty:
            return []
        return [group for _, group in self.compared.groupby("number", sort=True)]


def read(run_folder: Path) -> Results:
    """The tables of a run directory. Errors: core.ledger.LedgerError for a damaged record."""
    study = yaml.safe_load((run_folder / "study.yaml").read_text())
    members: list[dict[str, Any]] = []
    evaluations: list[pd.DataFrame] = []
    records = [(record.spec(), record) for record in Ledger(run_folder).records()]
    varied = _varied([spec for spec, _ in records if spec.origin == "named"])
    for spec, record in records:
        identity: dict[str, Any] = {
            "configuration": spec.configuration,
            "label": _label(spec, varied),
            "phase": spec.phase,
            "number": spec.number,
            "variant": spec.variant,
            "origin": spec.origin,
        }
        curves = record.verified_curves() if record.finished else record.curves()
        if record.finished:
            run = record.run()
            for outcome in record.outcomes():
                members.append(
                    {
                        **identity,
                        **spec.hyperparameters,
                        **asdict(outcome),
                        "host": run["host"],
                        "device": run["device"],
                        "engine": run["engine"],
                        "cohort_seconds": run["seconds"],
                        "cohort_members": len(spec.seeds),
                    }
                )
        if curves is not None:
            for place, seed in enumerate(curves.seeds):
                table = pd.DataFrame(curves.values[:, place], columns=curves.columns)
                table.insert(0, "step", curves.steps)
                table.insert(0, "seed", seed)
                for name in ("label", "phase", "configuration"):
                    table.insert(0, name, identity[name])
                evaluations.append(table)
    order = ["phase", "number", "seed"]
    frame = pd.DataFrame(members)
    if len(frame):
        frame = frame.sort_values(order, ignore_index=True)
        for column in ("first_met", "converged_at", "lost_at", "diverged_at"):
            frame[column] = frame[column].astype("Int64")
    else:
        frame = pd.DataFrame(columns=["configuration", "label", "outcome", "final", *order])
    return Results(study, frame, pd.concat(evaluations, ignore_index=True) if evaluations else pd.DataFrame())


def final_scores(members: pd.DataFrame) -> np.ndarray:
    """The last score of each member, 0 for one that has none: a diverged member is a failure, not a gap."""
    return members.final.fillna(0.0).to_numpy(float)


def span(results: Results) -> tuple[float, float]:
    """Between which values a score can be: 0 and 1, or, where some are beyond, a quarter of their range more."""
    scores = results.members.final.dropna().to_numpy(float)
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return float(low - (high - low) / 4), float(high + (high - low) / 4)


def convergence_steps(members: pd.DataFrame) -> np.ndarray:
    """The step at which each member converged for good, NaN for one that did not."""
    return members.converged_at.astype("Float64").to_numpy(float, na_value=np.nan)


def write(results: Results, folder: Path) -> None:
    """Both tables as parquet and CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("members", "evaluations"):
        table: pd.DataFrame = getattr(results, name)
        table.to_parquet(folder / f"{name}.parquet", index=False)
        table.to_csv(folder / f"{name}.csv", index=False)


def _varied(specs: list[CohortSpec]) -> list[str]:
    """Hyperparameters in which the named configurations differ."""
    if not specs:
        return []
    names = list(specs[0].hyperparameters)
    return [name for name in names if len({spec.hyperparameters[name] for spec in specs}) > 1] or names[:1]


def _label(spec: CohortSpec, varied: list[str]) -> str:
    if spec.variant:
        return spec.variant
    words = ", ".join(f"{name.replace('_', ' ')} {np.round(spec.hyperparameters[name], 3):g}" for name in varied)
    return words if spec.origin == "named" else f"best found (no. {spec.number}, {words})"
