"""Results that were not made here, through the same judge."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results import reading, table
from seedsweep.analysis.imported_results.columns import BY_DEFAULT, Columns, name_of
from seedsweep.analysis.imported_results.rows import Rows
from seedsweep.analysis.results import Results
from seedsweep.analysis.tables import outcome_cells, typed, with_values
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.decision import SeedCounts
from seedsweep.core.records.study import Study, Training


def read(path: str | Path, threshold: float, hold: int = 1, columns: Columns = BY_DEFAULT) -> Results:
    """The results of a table (`reading.read`, `results_of`). Errors: TableError, one line."""
    return results_of(reading.read(str(path), columns), threshold, hold, columns)


def results_of(rows: Rows, threshold: float, hold: int, columns: Columns) -> Results:
    """The results of rows, one an evaluation or one a seed.

    A member converges where its score is at `threshold` or better in its last `hold` evaluations. An empty, NaN or
    infinite score says that it diverged there. Names of configurations are what stands there, `None` and `NA` too.
    Errors: TableError, one line.
    """
    if not math.isfinite(threshold):
        raise TableError(f"a threshold of {threshold:g} decides nothing: give a number")
    if hold < 1:
        raise TableError(f"a criterion that holds for {hold} evaluations is none: give 1 or more")
    found = table.of(rows, columns)
    criterion = Criterion(found.scores[0], threshold, hold, found.direction)
    budget, what, name = int(found.rows.step.max()), rows.what, name_of(rows.what)
    members: list[dict[str, Any]] = []
    numbers = {label: number for number, label in enumerate(found.rows.configuration.unique())}
    for _, own in found.rows.groupby(["configuration", "seed"]):
        label, seed = str(own.configuration.iloc[0]), int(own.seed.iloc[0])
        values = own[criterion.metric]
        finite = np.isfinite(values)
        if finite.all() and own.step.max() < budget:
            raise TableError(
                f"{what}: seed {seed} of {label!r} ends at step {own.step.max()}, others at {budget}: cut all at one "
                "step, or, where it diverged, give it a last row without a score"
            )
        if finite.all() and len(own) < hold:
            raise TableError(
                f"{what}: {len(own)} evaluations of seed {seed} of {label!r} can never hold for {hold}: hold fewer"
            )
        # Scores after a divergence do not count.
        out = None if finite.all() else int(own.step[~finite].iloc[0])
        kept = own if out is None else own[own.step <= out]
        scores = np.where(np.isfinite(kept[criterion.metric]), kept[criterion.metric], np.nan)
        outcome = judge(seed, kept.step.tolist(), scores, out, criterion)
        identity = {"configuration": label, "label": label, "name": label, "phase": "compare", "origin": "named"}
        members.append({**identity, "exploratory": False, "number": numbers[label], **outcome_cells(outcome)})
    members.sort(key=lambda member: (member["number"], member["seed"]))
    fewest = int(pd.DataFrame(members).groupby("label").size().min())
    study = Study(
        name=re.sub(r"[^A-Za-z0-9_.-]", "-", Path(name).stem).lstrip("_.-") or "table",
        question=f"Which configuration of {name} is better, and which only luckier?",
        configurations={label: dict(found.values.get(label, {})) for label in numbers},
        training=Training(steps=budget),
        seeds=SeedCounts(compare=fewest),
        criterion=criterion,
        secondary=found.scores[1:],
    )
    evaluations = found.rows.drop(columns="row").assign(label=found.rows.configuration, phase="compare")
    judged = with_values(typed(pd.DataFrame(members)), found.values)
    return Results(study, judged, evaluations, values=found.values, designed=False)
