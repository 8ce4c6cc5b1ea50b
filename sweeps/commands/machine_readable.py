"""`--json`: what a command found, as one JSON object on standard output, and nothing else there."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console

from seedsweep.analysis import answer_record
from seedsweep.analysis.as_json import as_json
from seedsweep.core.records.paths import ReportPaths


@contextlib.contextmanager
def alone(console: Console, *, asked: bool) -> Iterator[None]:
    """Where it is asked for, nothing else is printed meanwhile; errors go to standard error all the same."""
    before, console.quiet = console.quiet, console.quiet or asked
    try:
        yield
    finally:
        console.quiet = before


def say(value: Any) -> None:
    """Print a dataclass or a dict."""
    sys.stdout.write(as_json(value))


def say_report(report: ReportPaths) -> None:
    """Print the record of a report that was written, and where its files are."""
    files = {"page": report.page, "tables": report.tables, "figures": report.figures}
    say({**(answer_record.read(report) or {}), **{name: str(path.absolute()) for name, path in files.items()}})
