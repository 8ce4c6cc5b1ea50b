"""A launch on this machine, from its first line to its last."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.study import Study
from seedsweep.slurm import detect
from seedsweep.sweeps.commands import machine_readable, results
from seedsweep.sweeps.commands.notify import notify
from seedsweep.sweeps.running.driver import Ended
from seedsweep.sweeps.running.driver import launch as run_study
from seedsweep.sweeps.running.launch_code import UserFiles
from seedsweep.sweeps.running.run_directory import RunDirectory


def launch_here(
    study: Study,
    run: RunDirectory,
    files: UserFiles,
    console: Console,
    *,
    on: str,
    fresh: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    to: Callable[[], str] = str,
) -> bool:
    """Run a study, and say its answer. Returns whether all that it asks for is done.

    quiet: say the answer and what went wrong alone.  verbose: say of each cohort that it has finished.  to: asked at
    the end, whom it is told (`commands.notify`); empty: nobody. Any end is, but that of a job which SLURM stops: it
    goes on.
    Errors: as of `running.driver.launch`; SystemExit 130 where it is stopped.
    """
    trained = False
    try:
        with machine_readable.alone(console, asked=quiet):
            ended = run_study(study, run, files, console, on=on, fresh=fresh, verbose=verbose)
        trained = True
        verdict = results.show_results(run.paths, study, console, quiet=quiet)
    except KeyboardInterrupt:
        stopped = (
            f"stopped while the report was written: all else is done, and `seedsweep report {run.name}` writes it"
            if trained
            else "stopped; nothing finished is lost, and the same command goes on from the last checkpoints"
        )
        console.print(f"\n{stopped}")
        if not detect.head():
            _tell(to(), study, stopped, console)
        sys.exit(130)
    except Exception as error:
        _tell(to(), study, str(error) if isinstance(error, SeedsweepError) else repr(error), console)
        raise
    # The progress has shown these one by one.
    for line in ended.failed if quiet else ():
        console.print(f"[red]failed[/]: {escape(line)}")
    undone = _undone(ended, run, seen=not quiet)
    for line in undone:
        console.print(escape(line))
    _tell(to(), study, " ".join([verdict, *undone, f"({run.paths.report.page})"]), console)
    return not undone


def _tell(to: str, study: Study, line: str, console: Console) -> None:
    if to:
        notify(to, f"{study.name}: {line}", console)


def _undone(ended: Ended, run: RunDirectory, *, seen: bool) -> list[str]:
    """What is left, and how to go on, a line each."""
    lines = [ended.budget] if ended.budget else []
    if count := len(ended.failed):
        what = f"{count} cohort{'s' if count > 1 else ''} failed"
        where = f" (see above, or `seedsweep status {run.name}`)" if seen else ""
        own = "; where you changed your files since, with --accept-code" if run.last_launch()[1] else ""
        lines.append(f"{what}{where}; the same command tries them again{own}")
    return lines
