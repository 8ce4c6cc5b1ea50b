"""Overrides: dotted path -> value. A hyperparameter's path is its bare name; `hyperparameters.NAME` is the same.

They may stand in `task`, `settings`, `data`, `training`, `optimizer`, `schedules`, `hyperparameters` and `init_from`,
nested or dotted; a value `null` takes a field back to its default. What decides how a study is judged is no part of a
configuration.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from seedsweep.core.component import choose
from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Dimension, Study
from seedsweep.sweeps.study.components import (
    DEFAULT_OPTIMIZER,
    chosen_settings,
    declared,
    settings_fields,
)

#: Sections that a configuration may change.
SECTIONS = ("task", "settings", "data", "training", "optimizer", "schedules", "hyperparameters", "init_from")
_HYPERPARAMETERS = "hyperparameters."
_RANGE = {"low", "high", "log", "step", "points"}
_DIMENSION = frozenset(field.alias or name for name, field in Dimension.model_fields.items())


def dotted(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Overrides, nested or dotted, by their dotted paths. where: of the overrides, for messages. Errors: UserError."""
    found: dict[str, Any] = {}
    for path, value in leaves(values):
        if value == {} and path in SECTIONS:
            continue
        own = _own(path, found, where)
        if isinstance(value, list | dict) and own.partition(".")[0] not in SECTIONS:
            raise UserError(
                f"{where}.{path}: is one value, not {value!r}; several are searched: search.space.{own}: "
                "{choices: [...]}"
            )
        found[own] = value
    return found


def leaves(values: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    """What stands in nested mappings, by dotted path; an empty one stands for itself."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides by dotted paths as sections of a study."""
    sections: dict[str, Any] = {}
    # A component's name before its settings: `settings.backbone`, then `settings.backbone.widths`.
    for path, value in sorted(overrides.items(), key=lambda item: item[0].count(".")):
        section, *rest = path.split(".") if path.partition(".")[0] in SECTIONS else ("hyperparameters", path)
        below = sections
        for part in (section, *rest)[:-1]:
            if isinstance(below.get(part), str):
                below[part] = {"name": below[part]}
            below = below.setdefault(part, {})
        below[(section, *rest)[-1]] = value
    return sections


def normalised(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A study's values as read, with overrides and the conditions of a search dotted. Errors: UserError."""
    values = dict(layer)
    if isinstance(configurations := values.get("configurations"), dict):
        values["configurations"] = {
            name: dotted(own, f"configurations.{name}") if isinstance(own, dict) else own
            for name, own in configurations.items()
        }
    if isinstance(space := _at(values, "search.space"), dict):
        paths: dict[str, Any] = {}
        for path, dimension in space.items():
            own = _own(path, paths, "search.space")
            paths[own] = dimension
            if isinstance(condition := _at(dimension, "if"), dict):
                paths[own] = {**dimension, "if": dotted(condition, f"search.space.{path}.if")}
        values["search"] = {**values["search"], "space": paths}
    return values


def one_setting(field: str, value: Any, configurations: Iterable[str]) -> dict[str, Any]:
    """`--set field=value` as values of a study. configurations: names of those that are there."""
    section, _, rest = field.partition(".")
    if section == "configurations" and rest:
        name = max((n for n in configurations if f"{rest}.".startswith(f"{n}.")), key=len, default=rest.split(".")[0])
        path = rest[len(name) + 1 :]
        return {"configurations": {name: {path: value} if path else value}}
    if field.startswith("search.space."):
        path = field.removeprefix("search.space.")
        above, _, last = path.rpartition(".")
        return {"search": {"space": {above: {last: value}} if above and last in _DIMENSION else {path: value}}}
    if not rest and section not in Study.model_fields:
        return {"hyperparameters": {section: value}}
    for part in reversed(field.split(".")):
        value = {part: value}
    return dict(value)


def override(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A study's values with others in their place, mapping by mapping; lists are replaced whole, and `null` takes away
    what is there. Where a component's name changes, what the new one lacks of the old one's goes.

    Errors: UserError that begins with a field.
    """
    chosen = [f"settings.{field}" for field in chosen_settings(over.get("task") or base.get("task"))]
    merged = _merged(base, over, "", chosen)
    components = [("task", "settings"), ("data.name", "data"), ("optimizer.name", "optimizer")]
    components += [(f"schedules.{name}.name", f"schedules.{name}") for name in _at(over, "schedules") or ()]
    for path, section in components:
        if _name(base, path) and _name(base, path) != _name(merged, path):
            _drop(base, merged, over, (section,), functools.partial(_fields, path))
    # Settings may choose a component that declares a hyperparameter.
    if {"task", "settings", "optimizer"} & over.keys():
        _drop(base, merged, over, ("hyperparameters", "schedules"), _declared)
    _one_of_two(_at(merged, "training"), _at(over, "training"), {"steps"}, {"epochs"})
    for path, dimension in (_at(over, "search.space") or {}).items():
        _one_of_two(merged["search"]["space"].get(path), dimension, {"choices"}, _RANGE)
    return merged


def _own(path: str, found: Mapping[str, Any], where: str) -> str:
    """A path with the bare name of a hyperparameter. Errors: UserError where no configuration may change it, or it was
    found already."""
    own, (section, _, rest) = path.removeprefix(_HYPERPARAMETERS), path.partition(".")
    problem = ""
    if own in found:
        problem = "is given twice"
    elif section == "task" and rest:
        problem = "is a name, and has no fields"
    elif section in SECTIONS and section not in ("task", "init_from") and not rest:
        problem = "expected a mapping of fields"
    elif section in Study.model_fields and section not in SECTIONS:
        problem = f"no configuration changes it; it may change {', '.join(SECTIONS)}, or a hyperparameter by its name"
    elif section not in SECTIONS and rest:
        problem = f"there is no such field; {choose(section, SECTIONS)}"
    if problem:
        raise UserError(f"{where}.{path}: {problem}")
    return own


def _merged(base: Mapping[str, Any], over: Mapping[str, Any], where: str, chosen: Sequence[str]) -> dict[str, Any]:
    """where: dotted path of both.  chosen: paths of the settings that choose a component, which another one replaces
    whole."""
    merged = dict(base)
    # The values of a configuration are its overrides, by dotted path, and null is one of them.
    overrides = where.startswith("configurations.")
    for key, value in over.items():
        path, below = f"{where}.{key}".removeprefix("."), merged.get(key)
        if value is None and not overrides:
            if merged.pop(key, None) is None and where == "configurations":
                merged[key] = {}
        elif isinstance(value, dict) and not overrides:
            if path in chosen and isinstance(below, str):
                below = {"name": below}
            same = path not in chosen or "name" not in value or value["name"] == (below or {}).get("name")
            merged[key] = _merged(below if isinstance(below, dict) and same else {}, value, path, chosen)
        elif isinstance(below, dict) and path not in chosen:
            raise UserError(no_mapping(path, value))
        else:
            merged[key] = value
    return merged


def _at(values: Any, path: str) -> Any:
    """What stands at a dotted path, or None."""
    for part in path.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _name(values: Mapping[str, Any], path: str) -> Any:
    """Of the component that a path names."""
    return _at(values, path) or (DEFAULT_OPTIMIZER if path == "optimizer.name" else None)


def _fields(path: str, values: Mapping[str, Any]) -> list[str]:
    """Of the settings of the component that a path names."""
    return [field.name for field in settings_fields(path, _name(values, path))]


def _declared(values: Mapping[str, Any]) -> Iterable[str]:
    """The hyperparameters of a task and an optimiser."""
    sections: dict[str, Any] = {section: values.get(section) or {} for section in ("settings", "optimizer")}
    return declared(Study.model_construct(**sections, task=values.get("task", ""), command=""))


def _drop(
    base: Mapping[str, Any],
    merged: Mapping[str, Any],
    over: Mapping[str, Any],
    sections: Iterable[str],
    names: Callable[[Mapping[str, Any]], Iterable[str]],
) -> None:
    """From sections of `merged` the names that `base` had and `merged` has not, but for those that `over` says."""
    try:
        gone = set(names(base)) - set(names(merged))
    except UserError:
        # Said when the study is resolved.
        return
    for section in sections:
        there, said = _at(merged, section), _at(over, section) or {}
        for name in gone.intersection(there) - set(said) if isinstance(there, dict) else ():
            del there[name]


def _one_of_two(section: Any, said: Any, one: set[str], other: set[str]) -> None:
    """Either takes the place of the other, as steps and epochs."""
    if isinstance(section, dict) and isinstance(said, dict):
        given = {field for field, value in said.items() if value is not None}
        for these, those in ((one, other), (other, one)):
            if these & given and not those & given:
                for field in those:
                    section.pop(field, None)


def no_mapping(path: str, value: Any) -> str:
    """What is wrong with a value in place of a section."""
    hint = f"; write {{compare: {value}}}" if path == "seeds" and isinstance(value, int) else ""
    return f"{path}: expected a mapping of fields, not {value!r}{hint}"
