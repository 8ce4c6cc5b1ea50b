"""What a shell completes: names of studies, of runs, of their cohorts, and of places."""

from __future__ import annotations

from pathlib import Path

import typer

from seedsweep.core.records.paths import RunPaths, runs_folder
from seedsweep.sweeps.places import PLACES

_STUDIES = Path(__file__).parents[1] / "studies"


def studies(incomplete: str) -> list[str]:
    """The built-in ones, and the files and folders that begin so."""
    known = [path.stem for path in _STUDIES.glob("*.yaml")]
    above = Path(incomplete if incomplete.endswith("/") else incomplete.rpartition("/")[0] or ".")
    beside = sorted(above.iterdir()) if above.is_dir() else []
    files = [str(path) for path in beside if path.suffix in (".yaml", ".yml")]
    folders = [f"{path}/" for path in beside if path.is_dir() and not path.name.startswith(".")]
    return [each for each in (*sorted(known), *files, *folders) if each.startswith(incomplete)]


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Those of the folder that the command names."""
    found = RunPaths.all_of(runs_folder(ctx.params.get("runs")))
    return [each.name for each in found if each.name.startswith(incomplete)]


def cohorts(ctx: typer.Context, incomplete: str) -> list[str]:
    """Those of the run that the command names."""
    runs = runs_folder(ctx.params.get("runs"))
    below = RunPaths.of(runs, ctx.params.get("name") or "").cohorts
    names = sorted(str(folder.relative_to(below)) for folder in below.glob("*/*") if folder.is_dir())
    return [each for each in names if each.startswith(incomplete)]


def places(incomplete: str) -> list[str]:
    """Those that have a name."""
    return [each for each in PLACES if each.startswith(incomplete)]
