"""Results that were not made here: a CSV file of scores, or two runs together."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis.cells import read_cells
from seedsweep.analysis.errors import TableError
from seedsweep.analysis.results import Results
from seedsweep.analysis.tables import outcome_cells, typed, with_values
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.decision import SeedCounts
from seedsweep.core.records.study import Search, Study, Training

COLUMNS = ("configuration", "seed", "step", "score")


def read_csv(path: Path, threshold: float, hold: int = 1) -> Results:
    """The results of a CSV file with COLUMNS, a row an evaluation, more being better.

    A member converges where its score is at or above `threshold` in its last `hold` evaluations. An empty, NaN or
    infinite score says that it diverged there. Cells may be parted by commas, semicolons or tabs, and names of
    configurations are what stands there, `None` and `NA` too. Errors: TableError, one line.
    """
    if not math.isfinite(threshold):
        raise TableError(f"a threshold of {threshold:g} decides nothing: give a number")
    if hold < 1:
        raise TableError(f"a criterion that holds for {hold} evaluations is none: give 1 or more")
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
        if finite.all() and len(own) < hold:
            raise TableError(
                f"{path}: {len(own)} evaluations of seed {seed} of {label!r} can never hold for {hold}: hold fewer"
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
    evaluations = table.drop(columns="line").assign(label=table.configuration, phase="compare")
    return Results(study, typed(pd.DataFrame(members)), evaluations, designed=False)


def _differing(first: Criterion, second: Criterion) -> str:
    """`threshold 0.85 and 0.76`."""
    one, other = dataclasses.asdict(first), dataclasses.asdict(second)
    return ", ".join(f"{name} {one[name]} and {other[name]}" for name in one if one[name] != other[name])


def together(first: Results, second: Results) -> Results:
    """The comparisons of two runs as one: a configuration's label begins with its run's name.

    Errors: TableError where they have different criteria or scores, or nothing is finished in one.
    """
    runs = (first, second)
    names = [run.study.name for run in runs]
    if names[0] == names[1]:
        raise TableError(f"both runs are called {names[0]}: launch one under another --name")
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
    for name, run in zip(names, runs, strict=True):
        if run.compared.empty:
            raise TableError(f"{name}: no member of its comparison has finished")
    twice = _left_out(first.compared, second.compared)
    runs = (_without(first, twice[0]), _without(second, twice[1]))
    members: list[pd.DataFrame] = []
    evaluations: list[pd.DataFrame] = []
    for name, run in zip(names, runs, strict=True):
        if run.compared.empty:
            continue
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
    if runs[0].budget != runs[1].budget:
        steps = f"{names[0]} trained {runs[0].budget} steps and {names[1]} {runs[1].budget}"
        changes.insert(0, f"{steps}: a difference may be that alone.")
    for place, left in enumerate(twice):
        if left:
            labels = ", ".join(f"{names[place]}: {label}" for label in left.values())
            changes.insert(0, f"Left out, as {names[1 - place]} has the same members: {labels}.")
    table = pd.concat(evaluations, ignore_index=True)
    return Results(study, joined, table, curves, values, changes=changes, designed=False)


def _left_out(first: pd.DataFrame, second: pd.DataFrame) -> tuple[dict[str, str], dict[str, str]]:
    """Labels by configuration of what each run has that the other has, too, with as many seeds or more: the same
    configuration with the same results. Two copies are no two samples."""
    left: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for configuration, own in second.groupby("configuration"):
        other = first[first.configuration == configuration]
        both = own.merge(other, on="seed", suffixes=("", "_of_first"))
        same = (both.final == both.final_of_first) | (both.final.isna() & both.final_of_first.isna())
        if len(both) and same.all():
            place, fewer = (1, own) if len(own) <= len(other) else (0, other)
            left[place][str(configuration)] = str(fewer.label.iloc[0])
    return left


def _without(run: Results, configurations: Collection[str]) -> Results:
    """A run without some of its configurations."""
    members, evaluations = (
        table[~table.configuration.isin(configurations)] for table in (run.members, run.evaluations)
    )
    return dataclasses.replace(run, members=members, evaluations=evaluations) if configurations else run


def _of(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a run, told apart from another's."""
    told_apart = {column: f"{name}: " + table[column].astype(str) for column in ("label", "configuration")}
    return table.assign(**told_apart)


def _parsed(path: Path) -> pd.DataFrame:
    """The rows of a file, by their steps: COLUMNS, and the `line` of each. Errors: TableError."""
    cells = read_cells(path, COLUMNS)
    scores = cells.columns["score"]
    # Where cells end at a semicolon, a comma may stand for the point.
    if cells.delimiter == ";" and not any("." in text for text in scores):
        scores = [text.replace(",", ".") for text in scores]
    texts = {**cells.columns, "score": scores}
    known: dict[str, dict[str, float | int | str]] = {name: {} for name in COLUMNS}
    for name in COLUMNS:
        for text, line in zip(texts[name], cells.lines, strict=True):
            if text not in known[name]:
                try:
                    known[name][text] = _READ[name](text)
                except ValueError as error:
                    raise TableError(f"{path} line {line}: {error}") from None
    table = pd.DataFrame({name: [known[name][text] for text in texts[name]] for name in COLUMNS})
    table = table.assign(line=cells.lines).astype({"seed": "int64", "step": "int64", "score": float})
    twice = table.duplicated(["configuration", "seed", "step"])
    if twice.any():
        row = table[twice].iloc[0]
        raise TableError(
            f"{path} line {row.line}: step {row.step} of seed {row.seed} of {row.configuration!r} is there twice"
        )
    return table.sort_values("step", kind="stable")


def _label(text: str) -> str:
    """Errors: ValueError."""
    if not text:
        raise ValueError("no configuration")
    if not text.isprintable():
        raise ValueError(f"configuration {text!r} is no name: it is shown in figures and tables")
    return text


def _seed(text: str) -> int:
    """Errors: ValueError."""
    return _whole("seed", text)


def _step(text: str) -> int:
    """Errors: ValueError."""
    step = _whole("step", text)
    if step < 0:
        raise ValueError(f"step is {step}; it must be 0 or more")
    return step


def _whole(name: str, text: str) -> int:
    """`3`, `3.0` and `3e2`. Errors: ValueError for what is no whole number, or has more than 64 bits."""
    value: int | None = None
    # Not by way of a float, which has 53 bits.
    if found := _WHOLE.fullmatch(text):
        value = int(found[1]) if len(text) <= _MOST_DIGITS else 1 << 64
    elif _NUMBER.fullmatch(text) and float(text).is_integer():
        value = int(float(text))
    if value is None:
        raise ValueError(f"{name} is {text!r}, not a whole number")
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"{name} is {text[:_MOST_DIGITS]}, which has more than 64 bits; number them anew")
    return value


def _score(text: str) -> float:
    """NaN where there is none. Errors: ValueError."""
    if text.lower() in _NONE:
        return math.nan
    if not _NUMBER.fullmatch(text) and text.lower().lstrip("+-") not in ("inf", "infinity"):
        raise ValueError(f"score is {text!r}, not a number")
    return float(text)


#: What stands in the place of a missing score, in lower case.
_NONE = frozenset(["", "na", "n/a", "#n/a", "nan", "+nan", "-nan", "none", "null", "<na>"])
_MOST_DIGITS = 40
_WHOLE = re.compile(r"([-+]?[0-9]+)(?:\.0*)?")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_READ: Mapping[str, Callable[[str], float | int | str]] = {
    "configuration": _label, "seed": _seed, "step": _step, "score": _score,
}  # fmt: skip
