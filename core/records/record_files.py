"""The formats of a cohort's files, and what is said of one that cannot be read."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.curves import Curves


class LedgerError(SeedsweepError):
    """A record that cannot be trusted; the text names the file."""


def members_hash(members: Any) -> str:
    """Of what became of a cohort's members, which nobody changes by hand."""
    return hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()


def as_json(values: Any) -> bytes:
    """A record as the content of its file."""
    return (json.dumps(values, indent=1) + "\n").encode()


def read_json(path: Path) -> dict[str, Any]:
    """A record. Errors: OSError; ValueError where it is no JSON."""
    # Of tens of thousands of files, opening each through `pathlib` takes as long as the rest.
    with open(path, "rb") as file:
        values: dict[str, Any] = json.loads(file.read())
    return values


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Reads a record of a cohort. Errors: LedgerError where it is not there, or damaged."""
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LedgerError(f"{path} cannot be read ({error}): remove its folder and launch again") from None


def curves_of(content: bytes, path: Path) -> Curves:
    """The curves of this file with this content. Errors: LedgerError."""
    try:
        return Curves.from_bytes(content)
    except ValueError as error:
        raise LedgerError(f"{path} is damaged ({error}): remove its folder and launch again") from None
