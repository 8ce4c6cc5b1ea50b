"""What a notebook or a script calls: run a study in this process, and take its tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from seedsweep.analysis import tables
from seedsweep.analysis.comparison import compare
from seedsweep.analysis.figures import convergence
from seedsweep.analysis.page.report import importance_of, write
from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import RunPaths, runs_folder
from seedsweep.sweeps.places import SLURM, check_place
from seedsweep.sweeps.running.driver import launch
from seedsweep.sweeps.running.launch_code import UserFiles
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.study.loading import STUDIES, load


@dataclass(frozen=True)
class Report:
    """What a run has found so far. answer: in words, with a line for each claim.  page: one file that opens in a
    browser.  members: a row a member.  evaluations: a row a member's evaluation.  figures: by name."""

    answer: str
    page: Path
    members: pd.DataFrame
    evaluations: pd.DataFrame
    figures: dict[str, Figure]


def run_study(
    study: str | Path | Mapping[str, Any],
    *,
    on: str = "inline",
    runs: str | Path | None = None,
    scale: str | None = None,
    overrides: Sequence[str] = (),
    name: str | None = None,
    fresh: bool = False,
    accept_code: bool = False,
    quiet: bool = False,
) -> Report:
    """Run what a study still misses, in this process unless `on` says otherwise, and report.

    study: name of a built-in one, path of a YAML file, or its fields as a dict; a dict's task may be
    `__main__:Name`, a class of the notebook, which runs inline alone.  overrides: `path.to.field=value`.
    runs: folder of the runs.  fresh: start anew; what is there is set aside.  accept_code: go on although the user's
    code changed.  quiet: print nothing.
    Errors: SeedsweepError, whose text is one line; UserError if cohorts failed.
    """
    check_place(on)
    if on == SLURM:
        raise UserError("--on slurm: only `seedsweep launch STUDY --on slurm` submits; leave it out here")
    console = Console(quiet=quiet, emoji=False, highlight=False, soft_wrap=True)
    if isinstance(study, Mapping):
        loaded, folder = load(study, scale, overrides, name, on), Path.cwd()
    else:
        loaded = load(str(study), scale, overrides, name, on)
        of_file = Path(study).absolute().parent
        folder = of_file if Path(study).suffix and of_file != STUDIES else Path.cwd()
    run = _run(loaded.name, runs)
    ended = launch(loaded, run, UserFiles(folder, accept=accept_code), console, on=on, fresh=fresh)
    if ended.failed:
        raise UserError(f"{len(ended.failed)} cohorts failed; the same call tries them again: {ended.failed[0]}")
    if ended.budget:
        raise UserError(ended.budget)
    return _report(run)


def report(run: str, runs: str | Path | None = None) -> Report:
    """The report of a run, by name, written anew. Errors: SeedsweepError."""
    return _report(_existing(run, runs))


def read_members(run: str, runs: str | Path | None = None) -> pd.DataFrame:
    """A row a member of a run: its configuration, its seed, and what became of it. Errors: SeedsweepError."""
    return tables.read(_existing(run, runs).paths.folder).members


def read_evaluations(run: str, runs: str | Path | None = None) -> pd.DataFrame:
    """A row a member's evaluation of a run. Errors: SeedsweepError."""
    return tables.read(_existing(run, runs).paths.folder).evaluations


def _run(name: str, runs: str | Path | None) -> RunDirectory:
    return RunDirectory(RunPaths.of(runs_folder(Path(runs) if runs else None), name))


def _existing(name: str, runs: str | Path | None) -> RunDirectory:
    run = _run(name, runs)
    run.check_begun()
    return run


def _report(run: RunDirectory) -> Report:
    said, results = write(run.paths.folder), tables.read(run.paths.folder)
    drawn = convergence.draw(results, compare(results).configurations, importance_of(run.paths))
    figures = {name: one.figure for name, one in drawn.items()}
    answer = "\n".join(said.lines)
    return Report(answer, run.paths.report.page, results.members, results.evaluations, figures)
