"""The runs of a folder as a page, a row each, with links to their reports."""

from __future__ import annotations

import contextlib
import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console

from seedsweep.analysis.page.render import TEMPLATES, render
from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.files import replace
from seedsweep.core.records.paths import ReportPaths, RunPaths
from seedsweep.core.records.study import read_study
from seedsweep.sweeps.commands import listing, results

MINUTE = "%Y-%m-%d %H:%M"


def show(runs: Path, console: Console) -> Path:
    """Write the page, and say where it is; returns its path. Reports are linked as they are: none is written anew."""
    # That of no report, but in the folder above them all.
    page = ReportPaths(runs).page
    found = listing.find(runs)
    own = {Path(one.folder) for one in found}
    several = [path for path in sorted(runs.glob("[!._]*/index.html")) if path.parent not in own]
    text = render(
        TEMPLATES / "runs.html",
        folder=runs,
        now=datetime.datetime.now().astimezone().strftime(MINUTE),
        runs=[_row(one, runs) for one in found],
        others=[(path.parent.name, _link(path, runs)) for path in several],
    )
    runs.mkdir(parents=True, exist_ok=True)
    replace(page, text.encode())
    results.say("runs", page, console)
    return page


def _row(one: listing.Listed, runs: Path) -> dict[str, Any]:
    paths = RunPaths(Path(one.folder))
    question = ""
    with contextlib.suppress(SeedsweepError, OSError):
        question = read_study(paths.study).question
    page = _link(paths.report.page, runs) if paths.report.page.exists() else ""
    changed = one.changed.strftime(MINUTE) if one.changed else ""
    return {**vars(one), "question": question, "page": page, "changed": changed}


def _link(page: Path, runs: Path) -> str:
    return quote(page.relative_to(runs).as_posix())
