"""Overrides: dotted path -> value. A hyperparameter's path is its bare name; `hyperparameters.NAME` is the same.

They may stand in `task`, `settings`, `data`, `training`, `optimizer`, `schedules`, `hyperparameters` and `init_from`,
nested or dotted; a value `null` takes a field back to its default. What decides how a study is judged is no part of a
configuration.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from seedsweep.core.component import choose
from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Dimension, Study
from seedsweep.sweeps.study.components import (
    DEFAULT_OPTIMIZER,
    OPTIMIZER_FIELDS,
    canonical,
    declared,
    names_component,
    settings_class,
)
from seedsweep.sweeps.study.parsing import parse, scalar
from seedsweep.sweeps.study.resolution import given, resolve

#: Sections that a configuration may change.
SECTIONS = ("task", "settings", "data", "training", "optimizer", "schedules", "hyperparameters", "init_from")
_HYPERPARAMETERS = "hyperparameters."
_DIMENSION = frozenset(field.alias or name for name, field in Dimension.model_fields.items())


def apply(study: Study, overrides: Mapping[str, Any]) -> Study:
    """A resolved study with overrides, resolved again; without configurations, claims and search of its own.

    Where a component's name changes, what the study says of the old one stays where the new one has such a field; the
    rest are the new one's defaults.  Errors: UserError that begins with the field.
    """
    applied: Study = parse(lay_over(given(study), nested(overrides)))
    return resolve(applied)


def dotted(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Overrides, nested or dotted, by their dotted paths. where: of the overrides, for messages. Errors: UserError."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        for path, leaf in _leaves(key, value):
            own = path.removeprefix(_HYPERPARAMETERS)
            problem = _no_path(path) or _no_value(own, leaf)
            if not problem and own in found:
                problem = "is given twice"
            if problem:
                raise UserError(f"{where}.{path}: {problem}")
            found[own] = leaf
    return found


def nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides by dotted paths as sections of a study."""
    sections: dict[str, Any] = {}
    for path, value in overrides.items():
        section, *rest = path.split(".") if path.partition(".")[0] in SECTIONS else ("hyperparameters", path)
        below = sections
        for part in (section, *rest)[:-1]:
            below = below.setdefault(part, {})
        below[(section, *rest)[-1]] = value
    return sections


def normalised(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A study's values as read, with overrides and searched paths dotted. Errors: UserError."""
    values = dict(layer)
    if isinstance(configurations := values.get("configurations"), dict):
        values["configurations"] = {
            name: dotted(own, f"configurations.{name}") if isinstance(own, dict) else own
            for name, own in configurations.items()
        }
    search = values.get("search")
    if isinstance(search, dict) and isinstance(search.get("space"), dict):
        values["search"] = {**search, "space": _space(search["space"])}
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
        whole = isinstance(value, dict | list) or value is None
        if above and (last in _DIMENSION or not whole):
            return {"search": {"space": {above: {last: value}}}}
        return {"search": {"space": {path: value}}}
    if not rest and section not in Study.model_fields:
        return {"hyperparameters": {section: value}}
    for part in reversed(field.split(".")):
        value = {part: value}
    return dict(value)


def merge(base: Mapping[str, Any], over: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """`over` laid over `base`, mapping by mapping; lists are replaced whole, and `null` takes away what is there.

    where: dotted path of both.  Errors: UserError that begins with a field.
    """
    merged = dict(base)
    configurations, override = where == "configurations", where.startswith("configurations.")
    for key, value in over.items():
        path, below = f"{where}.{key}" if where else str(key), merged.get(key)
        if value is None and not override:
            if merged.pop(key, None) is None and configurations:
                merged[key] = {}
        elif isinstance(value, dict) and not override:
            merged[key] = merge(below if isinstance(below, dict) else {}, value, path)
        elif isinstance(below, dict):
            raise UserError(f"{path}: expected a mapping of fields, not {value!r}")
        else:
            merged[key] = value
    return merged


def lay_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """As `merge`, for a whole study: where a component's name changes, what the new one lacks of the old one's goes.

    Errors: UserError that begins with a field.
    """
    merged = merge(base, over)
    sections = [("task", "settings"), ("data.name", "data"), ("optimizer.name", "optimizer")]
    sections += [(f"schedules.{name}.name", f"schedules.{name}") for name in _mapping(over.get("schedules"))]
    changed = [(path, section) for path, section in sections if _changes(base, merged, path)]
    for path, section in changed:
        fields = _fields(path, _at(merged, path))
        _keep(_at(merged, section), _at(over, section), fields)
    if {"task", "optimizer.name"} & {path for path, _ in changed}:
        names = _declared(merged)
        for section in ("hyperparameters", "schedules"):
            _keep(_at(merged, section), _at(over, section), names)
    _one_length(merged, over)
    _one_kind(merged, over)
    return merged


def canonical_names(paths: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Values by dotted path, with the names of components in the one way to write them. Errors: UserError."""
    return {path: canonical_value(path, value, f"{where}.{path}") for path, value in paths.items()}


def canonical_value(path: str, value: Any, where: str) -> Any:
    """Of a path, which is a component's name or not. where: what is wrong in an error. Errors: UserError."""
    if not names_component(path) or not isinstance(value, str):
        return value
    try:
        return canonical(path, value)
    except UserError as error:
        raise UserError(str(error).replace(path, where, 1)) from error.__cause__


def _leaves(path: str, value: Any) -> Iterable[tuple[str, Any]]:
    """What stands below a path. An empty section says nothing."""
    if isinstance(value, dict) and (value or path in SECTIONS):
        for key, below in value.items():
            yield from _leaves(f"{path}.{key}", below)
    else:
        yield path, value


def _no_path(path: str) -> str | None:
    """Why a path cannot be overridden, in words, or None."""
    section, _, rest = path.partition(".")
    if section in SECTIONS:
        if section == "task":
            return "is a name, and has no fields" if rest else None
        if section == "init_from":
            return None
        return None if rest else "expected a mapping of fields"
    if section in Study.model_fields:
        return f"no configuration changes it; it may change {', '.join(SECTIONS)}, or a hyperparameter by its name"
    if rest:
        return f"there is no such field; {choose(section, SECTIONS)}"
    return None


def _no_value(path: str, value: Any) -> str | None:
    """Why a value cannot be one, in words, or None. path: the bare name of a hyperparameter."""
    if path.partition(".")[0] in SECTIONS or value is None or scalar(value):
        return None
    return f"is one value, not {value!r}; several are searched: search.space.{path}: {{choices: [...]}}"


def _space(space: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in space.items():
        for path, dimension in _dimensions(key, value):
            own = path.removeprefix(_HYPERPARAMETERS)
            where = f"search.space.{path}"
            if problem := _no_path(path):
                raise UserError(f"{where}: {problem}")
            if own in found:
                raise UserError(f"{where}: is given twice")
            found[own] = dimension
            if isinstance(dimension, dict) and isinstance(dimension.get("if"), dict):
                found[own] = {**dimension, "if": dotted(dimension["if"], f"{where}.if")}
    return found


def _dimensions(path: str, value: Any) -> Iterable[tuple[str, Any]]:
    """Dotted path -> what is searched of it, from nested sections."""
    nests = isinstance(value, dict) and path.partition(".")[0] in SECTIONS
    if nests and not any(key in _DIMENSION and (key == "if" or not isinstance(value[key], dict)) for key in value):
        for key, below in value.items():
            yield from _dimensions(f"{path}.{key}", below)
    else:
        yield path, value


def _at(values: Mapping[str, Any], path: str) -> Any:
    """What stands at a dotted path, or None."""
    found: Any = values
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _mapping(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _changes(base: Mapping[str, Any], merged: Mapping[str, Any], path: str) -> bool:
    """Whether a component's name differs, and there was one before."""
    before, after = _at(base, path), _at(merged, path)
    if path == "optimizer.name":
        before, after = before or DEFAULT_OPTIMIZER, after or DEFAULT_OPTIMIZER
    return bool(before) and bool(after) and before != after


def _fields(path: str, name: Any) -> set[str] | None:
    """Of a component's section; None where that cannot be said, which is reported when the study is resolved."""
    try:
        settings = settings_class(path, name)
    except UserError:
        return None
    own = set(OPTIMIZER_FIELDS) if path == "optimizer.name" else {"name"}
    return own | ({field.name for field in dataclasses.fields(settings)} if settings else set())


def _declared(merged: Mapping[str, Any]) -> set[str] | None:
    sections = {key: merged[key] for key in ("task", "optimizer") if key in merged}
    try:
        return set(declared(Study.model_construct(**{"command": "", "optimizer": {}, **sections})))
    except UserError:
        return None


def _keep(section: Any, over: Any, fields: set[str] | None) -> None:
    """Of a section the fields that there are, and those that were said with the new name."""
    if not isinstance(section, dict) or fields is None:
        return
    for field in [field for field in section if field not in fields and field not in (over or {})]:
        del section[field]


def _one_length(merged: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Epochs take the place of steps, and steps that of epochs."""
    lengths = [length for length in ("steps", "epochs") if _at(over, f"training.{length}")]
    if len(lengths) == 1:
        merged["training"].pop("epochs" if lengths == ["steps"] else "steps", None)


def _one_kind(merged: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Choices take the place of a range, and a range that of choices."""
    for path, dimension in _mapping(_at(over, "search.space")).items():
        mine = merged["search"]["space"].get(path)
        if isinstance(dimension, dict) and isinstance(mine, dict):
            gone = {"low", "high", "log", "step", "points"} if "choices" in dimension else {"choices"}
            for field in gone - set(dimension):
                mine.pop(field, None)
