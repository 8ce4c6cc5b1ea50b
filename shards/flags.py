"""Flags of a command line, made from the fields of a settings dataclass."""

from __future__ import annotations

import argparse
import dataclasses
import typing
from collections.abc import Sequence
from typing import Any

from seedsweep.core.component import Choice, bounds_of


def add_flags(parser: argparse.ArgumentParser, kind: type) -> None:
    """A flag for each field; one that is left out is not among what is parsed."""
    hints, bounds = typing.get_type_hints(kind), bounds_of(kind)
    for field in dataclasses.fields(kind):
        flag, hint = f"--{field.name.replace('_', '-')}", hints[field.name]
        default = "" if field.default is dataclasses.MISSING else f"default {field.default!r}"
        more: dict[str, Any] = {"default": argparse.SUPPRESS, "help": default}
        if hint is bool:
            more["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(hint) in (tuple, list):
            more["nargs"] = "*"
        elif hint in (int, float):
            more["type"] = hint
        for bound in bounds[field.name]:
            if isinstance(bound, Choice):
                more["choices"] = bound.values
        parser.add_argument(flag, **more)


def parse(parser: argparse.ArgumentParser, kind: type, arguments: Sequence[str]) -> dict[str, Any]:
    """What was given, by name. A value out of the range of its field ends the program with a line that names it."""
    given = vars(parser.parse_args(arguments))
    for field, bounds in bounds_of(kind).items():
        if field in given:
            for bound in bounds:
                if problem := bound.problem(given[field]):
                    parser.error(f"--{field.replace('_', '-')}: {problem}")
    return given
