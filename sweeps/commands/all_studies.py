"""Every study of `sweeps/studies`, one after another: those that start from another's weights last."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study
from seedsweep.core.source import PACKAGE
from seedsweep.shards.data_set import make
from seedsweep.sweeps.running.progress import duration
from seedsweep.sweeps.study.configuration import named
from seedsweep.sweeps.study.loading import DEFAULT_SCALE, STUDIES, load


def launch_all(
    on: str,
    scale: str | None,
    overrides: Sequence[str],
    runs: Path,
    options: Sequence[str],
    console: Console,
    *,
    leaves: bool = False,
) -> bool:
    """Launch each study with these options of `launch`; what fails does not stop the others.

    leaves: each is submitted and left, so that what starts from another's weights has to be launched later.
    Returns whether all went well.
    """
    first, last, problems = in_order(on, scale, overrides)
    absent = {path: reason for path, study in first.items() if (reason := _absent(study))}
    studies = [path for path in (first if leaves else [*first, *last]) if path not in absent]
    well = []
    for number, path in enumerate(studies):
        name = path.stem
        console.print(f"\n[bold]study {number + 1} of {len(studies)}: {name}[/]")
        begun = time.monotonic()
        # Each in a process of its own: Ray cannot be configured twice in one process.
        command = [sys.executable, str(PACKAGE / "sweeps" / "launch.py"), str(path)]
        # So that the runs of several scales are side by side in one folder.
        own = [] if scale in (None, DEFAULT_SCALE) else ["--name", f"{name}-{scale}"]
        code = subprocess.run([*command, *own, "--runs", str(runs), *options], check=False).returncode
        took = duration(time.monotonic() - begun)
        if code == 0:
            well.append(f"{name}: {took}")
        else:
            problems.append(f"{name}: ended with code {code} after {took} (see above)")
    console.print()
    for line in well:
        console.print(f"[green]done[/]:   {escape(line)}")
    for path in last if leaves else ():
        console.print(f"later:  {escape(path.stem)}, when the run that it starts from has ended")
    for path, reason in absent.items():
        console.print(f"not run: {escape(f'{path.stem}: {reason}')}")
    for line in problems:
        console.print(f"[red]failed[/]: {escape(line)}")
    console.print(f"runs:   {escape(str(runs))}")
    if problems:
        console.print(
            f"{len(problems)} of {len(well) + len(problems)} studies failed; the same command goes on with them"
        )
    return not problems


def in_order(
    on: str, scale: str | None, overrides: Sequence[str]
) -> tuple[dict[Path, Study], dict[Path, Study], list[str]]:
    """The studies that can run here, by their files: those that start anew, and those that start from another's
    weights; and why others cannot run, a line each."""
    first: dict[Path, Study] = {}
    last: dict[Path, Study] = {}
    problems: list[str] = []
    for path in sorted(STUDIES.glob("*.yaml")):
        try:
            study = load(str(path), scale, overrides, on=on)
        except UserError as error:
            problems.append(str(error))
            continue
        starts = study.init_from or any(each.study.init_from for each in named(study))
        (last if starts else first)[path] = study
    return first, last, problems


def _absent(study: Study) -> str:
    """Why a study's data are not here; empty where they are, or can be made."""
    return make(study.data).absent() if study.data else ""
