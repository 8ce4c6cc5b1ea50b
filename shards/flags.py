"""A command line that is made from the fields of a settings dataclass."""

from __future__ import annotations

import argparse
import dataclasses
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seedsweep.core.component import Choice, bounds_of


def parser(name: str, text: str | None) -> argparse.ArgumentParser:
    """Of `python -m seedsweep.shards.pack NAME`, with the flag that all have. text: what `--help` says."""
    made = argparse.ArgumentParser(
        prog=f"python -m seedsweep.shards.pack {name}".rstrip(),
        description=text,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    made.add_argument("--to", type=Path, default=Path("runs/_data"), help="folder of the data sets")
    return made


def parse(made: argparse.ArgumentParser, kind: type, arguments: Sequence[str]) -> dict[str, Any]:
    """What was given, by name, with a flag for each field of `kind`; one that is left out is not among it. A value out
    of the range of its field ends the program with a line that names it."""
    hints, bounds = typing.get_type_hints(kind), bounds_of(kind)
    for field in dataclasses.fields(kind):
        hint, default = hints[field.name], field.default
        more: dict[str, Any] = {"help": "" if default is dataclasses.MISSING else f"default {default!r}"}
        if hint is bool:
            more["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(hint) in (tuple, list):
            more["nargs"] = "*"
        elif hint in (int, float):
            more["type"] = hint
        for bound in bounds[field.name]:
            if isinstance(bound, Choice):
                more["choices"] = bound.values
        made.add_argument(_flag(field.name), default=argparse.SUPPRESS, **more)
    given = vars(made.parse_args(arguments))
    for name in given.keys() & bounds.keys():
        for bound in bounds[name]:
            if problem := bound.problem(given[name]):
                made.error(f"{_flag(name)}: {problem}")
    return given


def _flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"
