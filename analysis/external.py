"""Results that were not made here: a CSV file of scores."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis.cells import read_cells
from seedsweep.analysis.errors import TableError
from seedsweep.analysis.results import Results
from seedsweep.analysis.tables import outcome_cells, typed
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.decision import SeedCounts
from seedsweep.core.records.study import Study, Training

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
