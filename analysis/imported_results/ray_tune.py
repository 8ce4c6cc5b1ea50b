"""The folder of an experiment of Ray Tune: a folder a trial, with its parameters and its results."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.rows import Rows, flat, hashed, of_records

RESULTS, PROGRESS, PARAMETERS = "result.json", "progress.csv", "params.json"
#: Columns beside parameters and results: a trial's folder, and its place among them.
RUN, NUMBER, STEP = "run", "number", "training_iteration"


def folders(folder: Path) -> list[Path]:
    """Those of trials."""
    return sorted({path.parent for name in (RESULTS, PROGRESS) for path in folder.rglob(name)})


def read(folder: Path) -> Rows:
    """A row a result of a trial, of what `result.json` says, or `progress.csv` where there is none; mappings in
    mappings are `outer/inner`. Errors: TableError, one line."""
    records: list[dict[str, Any]] = []
    places: list[str] = []
    contents: list[bytes] = []
    parameters: dict[str, None] = {}
    for number, trial in enumerate(folders(folder)):
        given = _parameters(trial, contents)
        parameters |= dict.fromkeys(given)
        own = {RUN: trial.relative_to(folder).as_posix() if trial != folder else folder.name, NUMBER: number, **given}
        results = _results(trial, contents)
        if not results:
            raise TableError(f"{trial} has no result: the trial ended before its first one; run it again, or move it")
        for place, result in results:
            records.append({**result, **own})
            places.append(place)
    return Rows(
        of_records(records),
        lambda row: places[row],
        str(folder),
        hashed(contents),
        parameters=tuple(parameters),
        run=RUN,
        each=RUN,
        step=STEP,
    )


def _parameters(trial: Path, contents: list[bytes]) -> dict[str, Any]:
    path = trial / PARAMETERS
    if not path.is_file():
        return {}
    contents.append(path.read_bytes())
    return flat(_mapping(contents[-1], str(path)))


def _results(trial: Path, contents: list[bytes]) -> list[tuple[str, dict[str, Any]]]:
    """Each result with its place."""
    path = trial / RESULTS
    if path.is_file() and path.stat().st_size:
        contents.append(path.read_bytes())
        lines = enumerate(contents[-1].splitlines(), 1)
        read = [(f"{path} line {number}", line) for number, line in lines if line.strip()]
        return [(place, _without_settings(flat(_mapping(line, place)))) for place, line in read]
    path = trial / PROGRESS
    if not path.is_file():
        return []
    contents.append(path.read_bytes())
    try:
        rows = list(csv.DictReader(io.StringIO(contents[-1].decode())))
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(f"{path} is no CSV file: {error}") from None
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise TableError(f"{path} line {number}: has not as many cells as the first line")
    return [(f"{path} line {number}", _without_settings(row)) for number, row in enumerate(rows, 2)]


def _mapping(text: bytes, place: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise TableError(f"{place} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise TableError(f"{place} is no JSON object")
    return found


def _without_settings(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result repeats its trial's parameters."""
    return {name: value for name, value in result.items() if not name.startswith("config/")}
