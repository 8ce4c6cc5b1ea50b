"""A run removed: its folder, and nothing outside of it."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps.commands import cluster, run_state
from seedsweep.sweeps.commands.listing import folders
from seedsweep.sweeps.running.run_directory import RunDirectory


def remove(name: str, runs: Path, console: Console, *, yes: bool = False) -> bool:
    """Remove a run of a folder, an old or damaged one too; whether it was. What is packed for all runs stays.

    yes: without asking.  Errors: UserError where there is no such run, it is a link, runs, or waits in the queue.
    """
    # Compared with what is there: no name leads out of the folder.
    known = {folder.name: folder for folder in folders(runs)}
    if name not in known:
        there = f"; there are {', '.join(known)}" if known else ", nor any other"
        raise UserError(f"{runs} has no run of {name!r}{there}")
    folder = known[name]
    if folder.is_symlink():
        raise UserError(f"{folder} is a link to {folder.resolve()}: remove the link yourself, or the run where it is")
    run = RunDirectory(RunPaths(folder))
    if holder := run.holder():
        raise UserError(f"{name} is being run by {holder}: stop it first (Ctrl-C there, or `seedsweep cancel {name}`)")
    # A run that was brought here from a cluster is in no queue.
    if shutil.which("squeue") and (jobs := cluster.live_jobs(run)):
        raise UserError(f"{name} waits or runs as job {jobs[0].number}: `seedsweep cancel {name}` first")
    count, total = run_state.on_disk(folder)
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(f"rm {name}: nobody can be asked here; say --yes to remove {folder}")
        console.print(f"{escape(str(folder))}: {_done(run)}{run_state.size(total)} in {count} files")
        try:
            agreed = typer.confirm("Remove it for good?")
        except typer.Abort:
            # Ctrl-C, which typer would end with code 1.
            raise KeyboardInterrupt from None
        if not agreed:
            console.print("nothing was removed")
            return False
    # Held meanwhile, and moved away at once: no launch begins in half a run.
    with run.hold():
        gone = folder.with_name(f".{name}.removed")
        if gone.exists():
            # Left by a removal that was interrupted.
            _delete(gone)
        folder.rename(gone)
        _delete(gone)
    console.print(f"removed {escape(str(folder))}: {run_state.size(total)} in {count} files")
    return True


def _delete(folder: Path) -> None:
    """With all that is below it; of a link the link alone."""
    for place, _, _ in os.walk(folder):
        # Copies of the user's files are read-only.
        os.chmod(place, os.stat(place).st_mode | stat.S_IRWXU)
    shutil.rmtree(folder)


def _done(run: RunDirectory) -> str:
    records = [record for record in run.ledger.records(superseded=True) if record.finished]
    return f"{len(records)} finished cohorts, " if records else ""
