"""Every field of a study file, from the types that read it: `python -m seedsweep.sweeps.study.reference`."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from seedsweep.core.component import Choice, Metric, Range, bounds_of, chosen_fields, defaults, short_names
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.decision import Claim, Decision, SeedCounts, Sensitivity
from seedsweep.core.records.resources import Allocation, Resources
from seedsweep.core.records.study import Dimension, InitFrom, Search, Stop, Study, Training
from seedsweep.core.task import Task
from seedsweep.core.training.optimisers import Optimizer
from seedsweep.core.training.schedules import Schedule
from seedsweep.shards.data_set import HOME as DATA_SETS
from seedsweep.shards.data_set import DataSet

BEGINNING = """# Every field of a study file

Made from the types that read a study, by `python -m seedsweep.sweeps.study.reference`; a test holds it to them. What
the fields are for, with examples, is in [writing a study](studies.md).
"""
#: Sections of a study, by the field that holds them.
SECTIONS: dict[str, Any] = {
    "A study": Study, "training": Training, "training.stop": Stop, "search": Search, "search.space": Dimension,
    "seeds": SeedCounts, "criterion": Criterion, "claims": Claim, "decision": Decision, "sensitivity": Sensitivity,
    "init_from": InitFrom, "resources": Resources, "resources.allocation": Allocation,
}  # fmt: skip
#: Packages of built-in components, by what they are called.
COMPONENTS: dict[str, tuple[str, type]] = {
    "task": ("seedsweep.core.models", Task),
    "data.name": (DATA_SETS, DataSet),
    "optimizer.name": ("seedsweep.core.training.optimisers", Optimizer),
    "schedules.*.name": ("seedsweep.core.training.schedules", Schedule),
}
#: Not for a study file: they are filled in.
FILLED_IN = ("format", "scale", "measures", "direction", "low", "high")


def text() -> str:
    """The reference, in Markdown."""
    lines = [BEGINNING]
    for name, kind in SECTIONS.items():
        rows = [(_written(kind, field), *_of_field(kind, field)) for field in _names(kind)]
        fields = kind.model_fields if issubclass(kind, BaseModel) else [each.name for each in dataclasses.fields(kind)]
        whole, said = _described(kind.__doc__, names=[_written(kind, field) for field in fields])
        lines += [f"## {name}" if name == "A study" else f"## `{name}`", "", whole, "", *_table(rows, said), ""]
    seen: dict[str, tuple[list[str], dict[str, Any]]] = {}
    for field, (home, base) in COMPONENTS.items():
        lines += [f"## `{field}`: what is built in", ""]
        for short, kind in _built_in(home, base):
            lines += [f"### `{short}`", "", *_of_component(kind), ""]
            for name, each in chosen_fields(kind.Settings).items() if _has_settings(kind) else ():
                seen.setdefault(each.home, ([], each.built_in()))[0].append(f"`settings.{name}`")
    for names, parts in seen.values():
        lines += [f"## {', '.join(dict.fromkeys(names))}: what is built in", ""]
        for short, part in sorted(parts.items()):
            lines += [f"### `{short}`", "", *_of_component(part), ""]
    return "\n".join(lines).rstrip() + "\n"


def _names(kind: Any) -> list[str]:
    """Of the fields that a file may have."""
    if issubclass(kind, BaseModel):
        return [name for name in kind.model_fields if kind is not Study or name not in FILLED_IN]
    return [each.name for each in dataclasses.fields(kind) if each.name not in FILLED_IN]


def _written(kind: Any, name: str) -> str:
    """A field's name in a file."""
    return (kind.model_fields[name].alias or name) if issubclass(kind, BaseModel) else name


def _of_field(kind: Any, name: str) -> tuple[str, str, str]:
    """Type, default and range."""
    if issubclass(kind, BaseModel):
        field = kind.model_fields[name]
        # A file that does not say its study's name has one.
        required = "its file's" if (kind, name) == (Study, "name") else "*required*"
        default = required if field.is_required() else _value(field.get_default(call_default_factory=True))
        return _type(field.annotation), default, _range(field)
    known = defaults(kind)
    return _type(typing.get_type_hints(kind)[name]), _value(known[name]) if name in known else "*required*", ""


def _of_component(kind: Any) -> list[str]:
    """What it is, its settings, hyperparameters and metrics."""
    lines = [inspect.cleandoc(kind.__doc__ or "")]
    settings: Any = getattr(kind, "Settings", None)
    if _has_settings(kind):
        hints, bounds, chosen = typing.get_type_hints(settings), bounds_of(settings), chosen_fields(settings)
        rows = []
        for name in (each.name for each in dataclasses.fields(settings)):
            limits = "; ".join(_bound(bound) for bound in bounds.get(name, []))
            if name in chosen:
                limits = ", ".join(f"`{short}`" for short in (*chosen[name].besides, *chosen[name].built_in()))
            rows.append((name, _type(hints[name]), _of_field(settings, name)[1], limits))
        # A field is described where it is declared.
        _, said = _described(*(each.__dict__.get("__doc__") for each in settings.__mro__[:-1]), names=hints)
        lines += ["", *_table(rows, said)]
    for what, kept in (("Hyperparameters", Range), ("Metrics", Metric)):
        given = getattr(kind, what.lower(), None)
        if isinstance(given, dict) and given:
            words = ", ".join(f"`{name}` ({_bound(each)})" for name, each in given.items() if isinstance(each, kept))
            lines += ["", f"{what}: {words}."]
    return lines


def _has_settings(kind: Any) -> bool:
    settings = getattr(kind, "Settings", None)
    return dataclasses.is_dataclass(settings) and bool(dataclasses.fields(settings))


def _described(*docs: str | None, names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """What docstrings say of the whole, the first one's, and of each field: `name: text.  other, third: text.`"""
    known = "|".join(sorted(names, key=len, reverse=True))
    whole, said = "", dict[str, str]()
    for place, doc in enumerate(docs):
        first, *parts = re.split(rf"(?:^|\n|  )\s*((?:{known})(?:, (?:{known}))*):\s", inspect.cleandoc(doc or ""))
        whole = whole if place else first.strip()
        for them, text in zip(parts[::2], parts[1::2], strict=True):
            said = {**dict.fromkeys(them.split(", "), " ".join(text.split())), **said}
    return whole, said


def _table(rows: Iterable[tuple[str, str, str, str]], said: Mapping[str, str]) -> list[str]:
    """Of fields (name, type, default, range), and what is said of each."""
    lines = ["| field | type | default | range | |", "| --- | --- | --- | --- | --- |"]
    for name, *cells in rows:
        shown = " | ".join(cell.replace("|", "\\|") for cell in (f"`{name}`", *cells, said.get(name, "")))
        lines.append(f"| {shown} |")
    return lines


def _built_in(home: str, base: type) -> list[tuple[str, Any]]:
    package, names = importlib.import_module(home), short_names(home, base)
    modules = [package, *(m for m in vars(package).values() if inspect.ismodule(m))]
    found = {
        member.__name__.lower(): member
        for module in modules
        for member in vars(module).values()
        if inspect.isclass(member) and issubclass(member, base)
    }
    return [(name, found[name.replace("_", "")]) for name in names]


def _type(given: Any) -> str:
    """In words: `number`, `text or nothing`."""
    origin, inside = typing.get_origin(given), typing.get_args(given)
    if origin is typing.Annotated:
        return _type(inside[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(one) for one in inside))
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inside)
    if origin in (tuple, list):
        return f"list of {_type(inside[0])}"
    if origin is dict or given is dict:
        return "mapping"
    if (inspect.isclass(given) and issubclass(given, BaseModel)) or dataclasses.is_dataclass(given):
        return "section"
    words = {int: "whole number", float: "number", str: "text", bool: "true or false", type(None): "nothing"}
    return words.get(given, "mapping" if "Mapping" in str(given) else "anything")


def _value(value: Any) -> str:
    if value is None or value in ("", (), {}):
        return ""
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
        return "see there"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_value, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _range(field: FieldInfo) -> str:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    given = [(words[name], getattr(one, name)) for one in field.metadata for name in words if hasattr(one, name)]
    return ", ".join(f"{word} {bound:g}" for word, bound in given)


def _bound(bound: Any) -> str:
    if isinstance(bound, Choice):
        return ", ".join(f"`{value}`" for value in bound.values)
    low, high = (-math.inf if bound.low is None else bound.low), (math.inf if bound.high is None else bound.high)
    direction = f"{bound.direction}, " if isinstance(bound, Metric) else ""
    default = f", default {bound.default:g}" if isinstance(bound, Range) and bound.default is not None else ""
    if low == -math.inf and high == math.inf:
        return f"{direction}any number{default}"
    if high == math.inf:
        return f"{direction}at least {low:g}{default}"
    if low == -math.inf:
        return f"{direction}at most {high:g}{default}"
    return f"{direction}{low:g} to {high:g}{default}"


if __name__ == "__main__":
    print(text(), end="")
