"""A database of Optuna in SQLite, of its versions 3.6 to 5; it is read as it is, and nothing is changed."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.rows import Rows, hashed, of_records

#: An SQLite file begins with these bytes.
MAGIC = b"SQLite format 3\0"
#: Columns beside parameters and user attributes: a trial's number and final value, and the values that it reported.
STUDY, NUMBER, VALUE, STEP, REPORTED = "study", "number", "value", "step", "intermediate_value"
TRIAL = "trial"
_SPECIAL = {"INF_POS": float("inf"), "INF_NEG": float("-inf"), "NAN": float("nan")}


def read(path: Path) -> Rows:
    """A row a value that a trial reported, and one without a step for its final value.

    A trial that failed, was pruned or is not finished has no final value, and is refused, but where another with the
    same parameters and user attributes is complete. Errors: TableError, one line.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            return _rows(path, database)
    except (sqlite3.Error, ValueError, KeyError, IndexError) as error:
        raise TableError(f"{path} is no database of Optuna, or a damaged one: {error}") from None


def _rows(path: Path, database: sqlite3.Connection) -> Rows:
    studies = dict(database.execute("SELECT study_id, study_name FROM studies"))
    settings, parameters = _settings(database)
    finals = _numbers(database, "trial_values", "objective", "value")
    reported = _numbers(database, "trial_intermediate_values", "step", "intermediate_value")
    trials = database.execute("SELECT trial_id, study_id, number, state FROM trials ORDER BY trial_id").fetchall()
    complete = {json.dumps([study, settings[trial]], sort_keys=True) for trial, study, _, state in trials if _ok(state)}
    records: list[dict[str, Any]] = []
    places: list[str] = []
    for trial, study, number, state in trials:
        place = f"{path} trial {number}" + (f" of {studies[study]!r}" if len(studies) > 1 else "")
        if not _ok(state):
            if json.dumps([study, settings[trial]], sort_keys=True) in complete:
                continue
            raise TableError(
                f"{place} is {state.lower()}, not complete: finish it, or write study.trials_dataframe() to a CSV file "
                "and say there what its score is (empty: it diverged)"
            )
        own = {**settings[trial], STUDY: studies[study], NUMBER: number, TRIAL: f"{studies[study]} {number}"}
        values = {VALUE if len(finals[trial]) == 1 else f"{VALUE}_{n}": value for n, value in finals[trial].items()}
        steps = [{**own, STEP: step, REPORTED: value} for step, value in sorted(reported[trial].items())]
        steps.append({**own, **values})
        records += steps
        places += [place] * len(steps)
    if not records:
        raise TableError(f"{path} has no trial")
    columns = of_records(records)
    return Rows(
        columns,
        lambda row: places[row],
        str(path),
        hashed([path.read_bytes()]),
        parameters=(STUDY, *parameters),
        each=TRIAL,
        score=REPORTED if REPORTED in columns else VALUE,
        directions=_directions(path, database),
    )


def _ok(state: str) -> bool:
    return state == "COMPLETE"


def _settings(database: sqlite3.Connection) -> tuple[dict[int, dict[str, Any]], list[str]]:
    """Of each trial its parameters and, where no parameter has the name, its user attributes; names of parameters."""
    settings: dict[int, dict[str, Any]] = defaultdict(dict)
    for trial, name, text in database.execute("SELECT trial_id, key, value_json FROM trial_user_attributes"):
        settings[trial][name] = json.loads(text)
    names: dict[str, None] = {}
    query = "SELECT trial_id, param_name, param_value, distribution_json FROM trial_params ORDER BY param_id"
    for trial, name, number, text in database.execute(query):
        kind = json.loads(text)
        value = number
        if kind["name"] == "CategoricalDistribution":
            value = kind["attributes"]["choices"][int(number)]
        elif kind["name"].startswith("Int"):
            value = int(number)
        settings[trial][name] = value
        names[name] = None
    return settings, list(names)


def _numbers(database: sqlite3.Connection, table: str, key: str, column: str) -> dict[int, dict[int, Any]]:
    """Of each trial its numbers, by objective or step."""
    found: dict[int, dict[int, Any]] = defaultdict(dict)
    query = f"SELECT trial_id, {key}, {column}, {column}_type FROM {table} ORDER BY {key}"
    for trial, at, value, kind in database.execute(query):
        found[trial][at] = _SPECIAL.get(kind, value)
    return found


def _directions(path: Path, database: sqlite3.Connection) -> dict[str, str]:
    """Of each score, where all studies agree."""
    found: dict[int, set[str]] = defaultdict(set)
    for objective, direction in database.execute("SELECT objective, direction FROM study_directions"):
        found[objective].add(direction)
    known = {"MAXIMIZE": "max", "MINIMIZE": "min"}
    one = {objective: known[next(iter(own))] for objective, own in found.items() if len(own) == 1 and own <= {*known}}
    named = {f"{VALUE}_{objective}": direction for objective, direction in one.items()}
    if len(found) == 1 and 0 in one:
        named |= {VALUE: one[0], REPORTED: one[0]}
    return named
