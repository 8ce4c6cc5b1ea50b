"""What a run's jobs printed, and why a cohort failed."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import CohortRecord
from seedsweep.sweeps.commands.cluster import log_files
from seedsweep.sweeps.running.run_directory import RunDirectory


def show(run: RunDirectory, cohort: str | None, lines: int, console: Console) -> None:
    """Print the last lines of every job's log, or of one cohort what its folder knows. Errors: UserError."""
    if cohort is not None:
        _show_cohort(_find(run, cohort), console)
        return
    files = log_files(run)
    if not files:
        console.print("no job of this run has printed anything: a launch on this machine prints to its terminal")
    for file in files:
        console.print(f"[bold]{escape(str(file))}[/]")
        for line in file.read_text(errors="replace").splitlines()[-lines:]:
            console.print(escape(line))


def _find(run: RunDirectory, cohort: str) -> CohortRecord:
    """The cohort whose folder, or its end `<configuration>/<seeds>`, begins so."""
    below = str(run.ledger.folder)
    wanted = cohort.removeprefix(below).strip("/")
    found = [r for r in run.ledger.records() if str(r.folder.relative_to(below)).startswith(wanted)]
    if len(found) != 1:
        names = ", ".join(str(r.folder.relative_to(below)) for r in (found or run.ledger.records())[:4])
        raise UserError(f"{len(found)} cohorts begin with {cohort!r}; write more of one of: {names} ...")
    return found[0]


def _show_cohort(record: CohortRecord, console: Console) -> None:
    spec, owner = record.spec(), record.owner()
    state = "finished" if record.finished else "failed" if record.error() else "not finished"
    values = ", ".join(f"{path} {value}" for path, value in spec.overrides.items()) or "the study as it is"
    for line in (
        f"{record.folder}: {state}",
        f"{spec.phase} {spec.number} {spec.name}".rstrip() + f", seeds {spec.seeds[0]} to {spec.seeds[-1]}, {values}",
        f"ran on {owner['host']}, job {owner['job']}, from {owner['since']}" if owner else "never ran",
        record.error() or "",
        *(str(path) for path in sorted(Path(record.folder).iterdir())),
    ):
        console.print(escape(line.rstrip()))
