"""Values of a study, as they were read, to a typed Study; or one line that says what is wrong with them."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from seedsweep.core.component import choose
from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study

#: Sections that name a component.
_NAMED = ("data", "optimizer")


def parse(values: Mapping[str, Any], kind: type[BaseModel] = Study) -> Any:
    """A Study, or another part of one. Errors: UserError that begins with the field."""
    if kind is Study:
        for problem in _slips(values):
            raise UserError(problem)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise UserError(_line(error, kind)) from None


def scalar(given: Any) -> bool:
    """Whether it is one value."""
    return isinstance(given, bool | int | float | str)


def _slips(values: Mapping[str, Any]) -> Iterable[str]:
    """What is easily written in place of what is meant."""
    for section in _NAMED:
        if isinstance(given := values.get(section), str):
            yield f"{section}: is a mapping: write {{name: {given}}}"
    for section in ("schedules", "configurations"):
        below = values.get(section)
        for name, given in below.items() if isinstance(below, dict) else ():
            if section == "schedules" and isinstance(given, str):
                yield f"schedules.{name}: is a mapping: write {{name: {given}}}"
            elif not isinstance(given, dict):
                yield f"{section}.{name}: expected a mapping of fields, not {given!r}"
    hyperparameters = values.get("hyperparameters")
    for name, given in hyperparameters.items() if isinstance(hyperparameters, dict) else ():
        if not scalar(given):
            yield f"hyperparameters.{name}: is one value, not {given!r}; {_several(name)}"
    search = values.get("search")
    space = search.get("space") if isinstance(search, dict) else None
    for path, given in space.items() if isinstance(space, dict) else ():
        yield from _slips_of_dimension(f"search.space.{path}", given)


def _several(name: str) -> str:
    return f"several are compared (configurations) or searched (search.space.{name}: {{choices: [...]}})"


def _slips_of_dimension(where: str, given: Any) -> Iterable[str]:
    if isinstance(given, list | tuple):
        yield f"{where}: write {{choices: {_shown(given)}}} for a list of values"
    elif not isinstance(given, dict):
        yield f"{where}: expected {{low: ..., high: ...}} or {{choices: [...]}}, not {given!r}"
    elif "choices" in given:
        choices = given["choices"]
        if not isinstance(choices, list | tuple):
            yield f"{where}.choices: is a list, not {choices!r}"
            return
        for place, choice in enumerate(choices):
            if not scalar(choice):
                yield (
                    f"{where}.choices.{place}: a choice is one number, text or boolean, not {choice!r}; what is more "
                    "than one value is a component of its own, or a named configuration"
                )


def _shown(values: Any) -> str:
    return f"[{', '.join(str(value) for value in values)}]"


def _line(error: ValidationError, kind: type[BaseModel]) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = _fields(_at(kind, first["loc"][:-1]))
        return f"{where}: there is no such field; {choose(str(first['loc'][-1]), known)}"
    if first["type"] in ("missing", "missing_argument"):
        return f"{where}: is missing"
    if first["type"] in ("model_type", "dict_type", "dataclass_type"):
        return f"{where}: expected a mapping of fields, not {first['input']!r}"
    words = f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}, not {first['input']!r}"
    return words + ("; put it in quotes" if first["type"] == "string_type" and scalar(first["input"]) else "")


def _at(kind: Any, location: Iterable[int | str]) -> Any:
    """The type of a field below a type."""
    for part in location:
        kind = _plain(kind)
        arguments = typing.get_args(kind)
        if arguments:
            kind = arguments[1] if typing.get_origin(kind) is dict else arguments[0]
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            by_name = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
            kind = by_name[str(part)]
        else:
            return None
    return _plain(kind)


def _plain(kind: Any) -> Any:
    """Of a type or none, the type."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next(each for each in typing.get_args(kind) if each is not type(None))
    return kind


def _fields(kind: Any) -> list[str]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [field.alias or name for name, field in kind.model_fields.items()]
    return [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
