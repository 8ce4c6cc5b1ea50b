"""What configurations are called: by the study's name for them, or by what varies. Values are by dotted path."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.study import Study

#: Values that a label names.
MOST_VALUES = 4
_HYPERPARAMETERS = "hyperparameters."


def varying(configurations: Iterable[Mapping[str, Any]]) -> list[str]:
    """Paths whose value differs between configurations, or that some do not have; in the order of their appearance."""
    every = list(configurations)
    seen: dict[str, set[str]] = {}
    count: Counter[str] = Counter()
    for values in every:
        for path, value in values.items():
            # 1 and 1.0 are the same value.
            plain = float(value) if is_number(value) else value
            seen.setdefault(path, set()).add(json.dumps(plain, sort_keys=True, default=str))
            count[path] += 1
    return [path for path, found in seen.items() if len(found) > 1 or count[path] < len(every)]


def is_number(value: Any) -> bool:
    """Whether a value has a place on an axis; True and False have none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Of each path the last part, or as many as tell it from the others: `settings.width` -> `width`."""
    parts = {path: _parts(path) for path in paths}
    short = {}
    for path, own in parts.items():
        others = [other for name, other in parts.items() if name != path]
        enough = next((n for n in range(1, len(own)) if not any(other[-n:] == own[-n:] for other in others)), len(own))
        short[path] = ".".join(own[-enough:])
    return short


def shown(value: Any) -> str:
    """A value in few characters: of a number three digits after the point, or, of a small one, three that say
    something."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.3g}" if 0 < abs(value) < 0.1 else f"{round(value, 3):.7g}"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def searched(study: Study, specs: Sequence[CohortSpec]) -> list[str]:
    """Paths that tell a configuration that the search found: those of its space in which configurations differ; where
    there are none, the whole space."""
    space = [path.removeprefix(_HYPERPARAMETERS) for path in study.search.space]
    asked = varying({spec.configuration: spec.values for spec in specs}.values())
    return [path for path in space if path in asked] or space


def label(spec: CohortSpec, number: int, paths: Sequence[str]) -> str:
    """Of a named configuration its name; of another its number in the search and its values of the paths."""
    if spec.name:
        return spec.name
    found = "best found" if spec.phase == "compare" else "explored"
    return f"{found} ({', '.join([f'no. {number}', *_words(spec, paths)])})"


def short_label(spec: CohortSpec, paths: Sequence[str]) -> str:
    """As `label`, where phase and number are said beside it."""
    words = ", ".join(_words(spec, paths))
    return spec.name or (f"best found ({words})" if spec.phase == "compare" else words)


def _words(spec: CohortSpec, paths: Sequence[str]) -> list[str]:
    """A configuration's values of the paths."""
    names = short_names(paths)
    words = [f"{names[path]} {shown(spec.values[path])}" for path in paths if path in spec.values]
    return [*words[:MOST_VALUES], "..."] if len(words) > MOST_VALUES else words


def _parts(path: str) -> list[str]:
    """`optimizer.name` says which optimiser: its section is its name."""
    own = path.split(".")
    if own[-1] != "name" or len(own) == 1:
        return own
    return [*own[1:-1], "schedule"] if own[0] == "schedules" else own[:-1]
