"""Results that were not made here: a CSV file of scores, or two runs together."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.results import Results
from seedsweep.analysis.tables import outcome_cells, typed, with_values
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.study import Search, SeedCounts, Study, Training

COLUMNS = ("configuration", "seed", "step", "score")


def read_csv(path: Path, threshold: float, hold: int = 1) -> Results:
    """The results of a CSV file with COLUMNS, a row an evaluation, more being better.

    A member converges where its score is at or above `threshold` in its last `hold` evaluations. An empty, NaN or
    infinite score says that it diverged there. Errors: TableError, one line.
    """
    table = _parsed(path)
    criterion = Criterion("score", threshold, hold)
    budget = int(table.step.max())
    members: list[dict[str, Any]] = []
    numbers = {label: number for number, label in enumerate(table.configuration.unique())}
    for _, own in table.groupby(["configuration", "seed"]):
        label, seed = str(own.configuration.iloc[0]), int(own.seed.iloc[0])
        finite = np.isfinite(own.score)
        if finite.all() and own.step.max() < budget:
            raise TableError(
                f"{path}: seed {seed} of {label!r} ends at step {own.step.max()}, others at {budget}: cut all at one "
                "step, or, where it diverged, give it a last row without a score"
            )
        # Scores after a divergence do not count.
        out = None if finite.all() else int(own.step[~finite].iloc[0])
        kept = own if out is None else own[own.step <= out]
        scores = np.where(np.isfinite(kept.score), kept.score, np.nan)
        outcome = judge(seed, kept.step.tolist(), scores, out, criterion)
        identity = {"configuration": label, "label": label, "name": label, "phase": "compare", "origin": "named"}
        members.append({**identity, "exploratory": False, "number": numbers[label], **outcome_cells(outcome)})
    members.sort(key=lambda member: (member["number"], member["seed"]))
    fewest = int(pd.DataFrame(members).groupby("label").size().min())
    study = Study(
        name=path.stem,
        question=f"Which configuration of {path.name} is better, and which only luckier?",
        configurations={label: {} for label in numbers},
        training=Training(steps=budget),
        seeds=SeedCounts(compare=fewest),
        criterion=criterion,
    )
    evaluations = table.assign(label=table.configuration, phase="compare")
    return Results(study, typed(pd.DataFrame(members)), evaluations)


def _differing(first: Criterion, second: Criterion) -> str:
    """`threshold 0.85 and 0.76`."""
    one, other = asdict(first), asdict(second)
    return ", ".join(f"{name} {one[name]} and {other[name]}" for name in one if one[name] != other[name])


def together(first: Results, second: Results) -> Results:
    """The comparisons of two runs as one: a configuration's label begins with its run's name.

    Errors: TableError where they have different criteria or scores, or nothing is finished in one.
    """
    runs = (first, second)
    names = [run.study.name for run in runs]
    criteria, scores = [run.study.criterion for run in runs], [run.study.score for run in runs]
    if criteria[0] != criteria[1]:
        raise TableError(
            f"{names[0]} and {names[1]} have different criteria ({_differing(*criteria)}): what converged in one did "
            "not need to in the other; launch one anew under another --name with the other's criterion"
        )
    if scores[0] != scores[1]:
        raise TableError(
            f"{names[0]} and {names[1]} have different scores: one takes the {scores[0]} evaluation, the other the "
            f"{scores[1]}"
        )
    members: list[pd.DataFrame] = []
    evaluations: list[pd.DataFrame] = []
    for name, run in zip(names, runs, strict=True):
        if run.compared.empty:
            raise TableError(f"{name}: no member of its comparison has finished")
        ahead = 1 + max((int(table.number.max()) for table in members), default=-1)
        compared = run.evaluations[run.evaluations.phase == "compare"]
        members.append(_of(name, run.compared).assign(number=run.compared.number + ahead))
        evaluations.append(_of(name, compared))
    joined = pd.concat(members, ignore_index=True)
    decided = joined[~joined.exploratory]
    study = first.study.model_copy(
        update={
            "name": f"{names[0]} and {names[1]}",
            "question": f"{names[0]} or {names[1]}: which configuration is better?",
            "configurations": {label: {} for label in decided.label.unique()},
            "claims": (),
            "search": Search(),
            "training": Training(steps=max(run.budget for run in runs)),
            "seeds": SeedCounts(compare=int(decided.groupby("number").size().min())),
        }
    )
    values = {
        f"{name}: {configuration}": of
        for name, run in zip(names, runs, strict=True)
        for configuration, of in run.values.items()
        if (run.compared.configuration == configuration).any()
    }
    curves = {
        (f"{name}: {configuration}", seed): own
        for name, run in zip(names, runs, strict=True)
        for (configuration, seed), own in run.curves.items()
    }
    joined = with_values(joined, values)
    changes = [f"{name}: {change}" for name, run in zip(names, runs, strict=True) for change in run.changes]
    return Results(study, joined, pd.concat(evaluations, ignore_index=True), curves, values, changes=changes)


def _of(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a run, told apart from another's."""
    told_apart = {column: f"{name}: " + table[column].astype(str) for column in ("label", "configuration")}
    return table.assign(**told_apart)


def _parsed(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype={"configuration": str})
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise TableError(f"{path} is no CSV file: {str(error).splitlines()[0]}") from None
    if missing := [name for name in COLUMNS if name not in table]:
        raise TableError(f"{path}: there is no column {missing[0]!r}; it needs {', '.join(COLUMNS)}")
    table = table[list(COLUMNS)]
    for name in ("seed", "step", "score"):
        numbers = pd.to_numeric(table[name], errors="coerce")
        unread = numbers.isna() & table[name].notna()
        # A score may be missing, where its member diverged.
        if name != "score":
            unread |= numbers.isna() | (numbers % 1 != 0)
        if unread.any():
            place = int(np.flatnonzero(unread)[0])
            kind = "number" if name == "score" else "whole number"
            raise TableError(f"{path} line {place + 2}: {name} is {str(table[name].iloc[place])!r}, not a {kind}")
        table = table.assign(**{name: numbers if name == "score" else numbers.astype("int64")})
    if table.empty:
        raise TableError(f"{path} has no rows")
    if table.configuration.isna().any():
        raise TableError(f"{path} line {int(np.flatnonzero(table.configuration.isna())[0]) + 2}: no configuration")
    twice = table.duplicated(["configuration", "seed", "step"])
    if twice.any():
        row = table[twice].iloc[0]
        raise TableError(f"{path}: step {row.step} of seed {row.seed} of {row.configuration!r} is there twice")
    return table.sort_values("step", kind="stable")
