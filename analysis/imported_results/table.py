"""Rows with their columns told apart: a configuration, a seed, a step and scores, as numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from seedsweep.analysis import labels
from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.columns import (
    COLUMNS,
    CONFIGURATION,
    RUN_NAME,
    SCORE,
    SEED,
    STEP,
    Columns,
)
from seedsweep.analysis.imported_results.rows import Cell, Rows
from seedsweep.core.component import near

#: Names that an error shows.
MOST_NAMES = 20


@dataclass(frozen=True)
class Table:
    """rows: configuration, seed, step, each of `scores`, and `row`, its place among the rows, by the step.

    values: of each configuration what its columns say, where they are none but names.  direction: `max`, more is
    better, or `min`.
    """

    rows: pd.DataFrame
    values: Mapping[str, Mapping[str, Any]]
    scores: tuple[str, ...]
    direction: str


def of(rows: Rows, columns: Columns) -> Table:
    """Rows as a table; those without the first score, where a tool wrote none, are passed over.

    Errors: TableError, one line, for a column that is not there, a cell that is not of its kind, and a step that is
    there twice.
    """
    rows = _with_run_names(rows, columns)
    scores = _scores(rows, columns)
    measured = [place for place, cell in enumerate(rows.columns[scores[0]]) if cell is not None]
    _check_all_measured(rows, scores[0], measured)
    configurations, values = _configurations(rows, _configuration(rows, columns), measured)
    stepped = rows.step in rows.columns and any(rows.columns[rows.step][place] is not None for place in measured)
    step = columns.step or (rows.step if stepped else "")
    seed = _known(rows, columns.seed or SEED, "seed")
    table = pd.DataFrame({CONFIGURATION: configurations})
    table[SEED] = _read(rows, seed, measured, lambda text: _whole("seed", text))
    table[STEP] = _read(rows, _known(rows, step, "step"), measured, _step) if step else 0
    for name in scores:
        table[name] = _read(rows, name, measured, _score)
    table = table.assign(row=measured).astype({SEED: "int64", STEP: "int64", **dict.fromkeys(scores, float)})
    _check_once(rows, table, stepped=bool(step))
    direction = columns.direction or rows.directions.get(scores[0], "max")
    return Table(table.sort_values(STEP, kind="stable"), values, scores, direction)


def _with_run_names(rows: Rows, columns: Columns) -> Rows:
    """With columns of what runs' names say, where a column is missing or something is said of the names."""
    # What was set says more than a name.
    wanted = {SEED} if columns.configuration or rows.parameters else {CONFIGURATION, SEED}
    missing = wanted - rows.columns.keys() - ({SEED} if columns.seed else set())
    if columns.run_name and not rows.run:
        raise TableError(f"{rows.what}: there is no column of runs' names for --run-name; call it run")
    if not rows.run or not (columns.run_name or missing):
        return rows
    try:
        pattern = re.compile(columns.run_name or RUN_NAME)
    except re.error as error:
        raise TableError(f"--run-name is no regular expression: {error}") from None
    found: dict[str, list[Cell]] = {name: [] for name in pattern.groupindex if columns.run_name or name in missing}
    if not found:
        raise TableError("--run-name has no named group: write (?P<configuration>...) and (?P<seed>...)")
    for place, cell in enumerate(rows.columns[rows.run]):
        match = pattern.fullmatch(cell or "")
        if match is None:
            said = (
                "does not fit --run-name" if columns.run_name else f"does not say its {' and '.join(sorted(missing))}"
            )
            raise TableError(
                f"{rows.place(place)}: the run's name {cell!r} {said}; give a regular expression of the whole name, "
                r"such as --run-name '(?P<configuration>.*)-s(?P<seed>\d+)', or say --configuration and --seed-column"
            )
        for name, cells in found.items():
            cells.append(match[name] or "")
    return replace(
        rows, columns={**rows.columns, **found}, parameters=() if CONFIGURATION in found else rows.parameters
    )


def _configuration(rows: Rows, columns: Columns) -> list[str]:
    """The columns by which configurations are told apart."""
    if columns.configuration:
        return [_known(rows, name, "configuration") for name in columns.configuration]
    if CONFIGURATION in rows.columns or not rows.parameters:
        return [_known(rows, CONFIGURATION, "configuration")]
    others = [name for name in rows.parameters if name not in (columns.seed, SEED)]
    return [name for name in others if len(set(rows.columns[name])) > 1] or others[:1]


def _scores(rows: Rows, columns: Columns) -> tuple[str, ...]:
    names = columns.scores or (rows.score or SCORE,)
    for name in names:
        _known(rows, name, "score")
        if name in (CONFIGURATION, SEED, STEP, "row", "label", "phase"):
            raise TableError(f"{rows.what}: a score cannot be called {name!r} here; rename the column")
    if len(set(names)) < len(names):
        raise TableError(f"--score-column names {', '.join(names)}: name each once")
    return tuple(names)


def _known(rows: Rows, name: str, what: str) -> str:
    if name in rows.columns:
        return name
    there = [column for column in rows.columns if column not in (*COLUMNS, rows.run)] or list(rows.columns)
    shown = ", ".join(there[:MOST_NAMES]) + (", ..." if len(there) > MOST_NAMES else "")
    option = "--configuration" if what == CONFIGURATION else f"--{what}-column"
    # One that the user named is a slip; else nobody knows which it is.
    meant = near(name, map(str, rows.columns)) if name not in COLUMNS else ""
    said = f"{rows.what}: there is no column {name!r}; {meant or f'which is the {what}?'} Say {option} NAME, of {shown}"
    # Of a search of Optuna or Ray Tune nothing can be said, whatever the column.
    searched = name == SEED and bool(rows.parameters)
    raise TableError(f"{said}; a search has no second seed: repeat the best ones with several" if searched else said)


def _check_all_measured(rows: Rows, score: str, measured: Sequence[int]) -> None:
    """Errors: TableError for a run that has nothing of the score."""
    if not rows.each:
        return
    runs = rows.columns[rows.each]
    having = {runs[place] for place in measured}
    for place, run in enumerate(runs):
        if run not in having:
            raise TableError(
                f"{rows.place(place)}: {rows.each} {run!r} has no {score!r}; move it away, or run it again"
            )


def _configurations(
    rows: Rows, names: Sequence[str], measured: Sequence[int]
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Of each row its configuration's label, and of each label the values of the columns: none where it is a name."""
    cells = [[rows.columns[name][place] or "" for name in names] for place in measured]
    plain = len(names) == 1 and (
        names[0] == CONFIGURATION or not all(_NUMBER.fullmatch(own) for (own,) in cells if own)
    )
    found: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for own, place in zip(map(tuple, cells), measured, strict=True):
        if own in found:
            continue
        if not any(own):
            raise TableError(f"{rows.place(place)}: no {' nor '.join(names)}")
        if bad := next((text for text in own if not text.isprintable()), None):
            raise TableError(
                f"{rows.place(place)}: {CONFIGURATION} {bad!r} is no name: it is shown in figures and tables"
            )
        found[own] = tuple(map(_value, own))
    if plain:
        return [own for (own,) in cells], {}
    # 0.1 and 0.10 are one configuration.
    given = [dict(zip(names, values, strict=True)) for values in dict.fromkeys(found.values())]
    told = labels.varying(given) or list(names)
    of_values: dict[tuple[Any, ...], str] = {}
    known: dict[str, dict[str, Any]] = {}
    for values in given:
        label = _label({name: values[name] for name in told}, known)
        of_values[tuple(values.values())] = label
        known[label] = {name: value for name, value in values.items() if value is not None}
    return [of_values[found[tuple(own)]] for own in cells], known


def _label(values: Mapping[str, Any], taken: Collection[str]) -> str:
    """`lr 0.1, dropout 0.5`; with all digits where another has the same label."""
    short = labels.short_names(values)
    label = ", ".join(f"{short[name]} {labels.shown(value)}" for name, value in values.items())
    return label if label not in taken else ", ".join(f"{short[name]} {value}" for name, value in values.items())


def _value(text: str) -> Any:
    """A cell as a value of a configuration; None where there is none."""
    if not text or not _NUMBER.fullmatch(text):
        return text or None
    return int(text) if text.lstrip("+-").isdigit() and len(text) <= _MOST_DIGITS else float(text)


def _check_once(rows: Rows, table: pd.DataFrame, *, stepped: bool) -> None:
    twice = table.duplicated([CONFIGURATION, SEED, STEP])
    if not twice.any():
        return
    row = table[twice].iloc[0]
    which, member = rows.place(int(row.row)), f"seed {row.seed} of {row[CONFIGURATION]!r}"
    if stepped:
        raise TableError(f"{which}: step {row.step} of {member} is there twice")
    raise TableError(
        f"{which}: {member} is there twice; without steps each seed has one row: say --step-column NAME, or tell the "
        "configurations apart by --configuration NAME,NAME"
    )


def _read(rows: Rows, name: str, measured: Sequence[int], read: Callable[[str], float | int]) -> list[float | int]:
    """The cells of a column as numbers."""
    cells = [rows.columns[name][place] or "" for place in measured]
    # Where cells end at a semicolon, a comma may stand for the point.
    if rows.comma and read is _score and not any("." in text for text in cells):
        cells = [text.replace(",", ".") for text in cells]
    known: dict[str, float | int] = {}
    for text, place in zip(cells, measured, strict=True):
        if text not in known:
            try:
                known[text] = read(text)
            except ValueError as error:
                raise TableError(f"{rows.place(place)}: {error}") from None
    return [known[text] for text in cells]


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
