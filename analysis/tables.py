"""The ledger as two tables: one row a member, one row a member's evaluation."""

from __future__ import annotations

import functools
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

    @functools.cached_property
    def span(self) -> tuple[float, float]:
        """Between which values a score can be: 0 and 1, or, where some are beyond, a quarter of their range more."""
        scores = self.members.final.dropna().to_numpy(float)
        low, high = min(scores, default=0.0), max(scores, default=1.0)
        if low >= 0 and high <= 1:
            return 0.0, 1.0
        return float(low - (high - low) / 4), float(high + (high - low) / 4)

    def scores(self, members: pd.DataFrame) -> np.ndarray:
        """The last score of each of some members; of one that diverged, a failure and not a gap, 0, or the lowest there
        is where some are not between 0 and 1."""
        worst = 0.0 if self.span == (0.0, 1.0) else float(self.members.final.min())
        return members.final.fillna(worst).to_numpy(float)


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
        frame = typed(frame.sort_values(order, ignore_index=True))
    else:
        frame = pd.DataFrame(columns=["configuration", "label", "outcome", "final", *order])
    return Results(study, frame, pd.concat(evaluations, ignore_index=True) if evaluations else pd.DataFrame())


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
    words = ", ".join(f"{name.replace('_', ' ')} {np.round(spec.hyperparameters[name], 3):g}" for name in varied)
    return words if spec.origin == "named" else f"best found (no. {spec.number}, {words})"
