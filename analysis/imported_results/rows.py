"""Rows as a tool wrote them, before anybody says which column is what."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: A cell as it is written, empty where it is; None where nothing was measured, which says nothing of the run.
Cell = str | None


@dataclass(frozen=True)
class Rows:
    """columns: name -> cells [N].  place: where a row stands, for messages: `scores.csv line 3`.

    what:       it was read from.
    digest:     `sha256 ...` of all that was read.
    parameters: columns of what was set, not measured: configurations differ in these where nothing is said.
    run:        the column of runs' names, empty where there is none.
    each:       the column that tells runs apart, where each must have a score; empty where no cell is None.
    step, score: columns, where nothing is said of them.
    directions: `max` or `min` of a score, where the tool knows.
    comma:      whether a comma may stand for the point.
    """

    columns: Mapping[str, Sequence[Cell]]
    place: Callable[[int], str]
    what: str
    digest: str
    parameters: tuple[str, ...] = ()
    run: str = ""
    each: str = ""
    step: str = "step"
    score: str = "score"
    directions: Mapping[str, str] = field(default_factory=dict)
    comma: bool = False


def of_records(records: Iterable[Mapping[str, Any]]) -> dict[str, Sequence[Cell]]:
    """Columns of rows that are mappings: None where one has no such name."""
    rows = list(records)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [cell(row[name]) if name in row else None for row in rows] for name in names}


def cell(value: Any) -> str:
    """A value as it is written. A 32-bit number has the digits that it was given: 0.9, not 0.8999999761581421."""
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, str | int | np.number):
        return str(value)
    return json.dumps(value, default=str)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Mappings in mappings as `outer/inner`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}/") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def hashed(contents: Iterable[bytes]) -> str:
    """`sha256 ...` of one file or some."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return f"sha256 {digest.hexdigest()}"
