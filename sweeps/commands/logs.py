"""What a run's jobs printed, and why a cohort failed."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seedsweep.core.errors import UserError
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.sweeps.commands.cluster import log_files
from seedsweep.sweeps.running.progress import which
from seedsweep.sweeps.running.run_directory import RunDirectory

#: Cohorts that are named where it is not clear which is meant.
MOST_NAMES = 4
#: Cohorts that are listed where none is asked for.
MOST_COHORTS = 40


def show(run: RunDirectory, cohort: str | None, lines: int, console: Console) -> None:
    """Print the last lines of every job's log, and which cohorts there are, or of one cohort what its folder knows.
    Errors: UserError."""
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
    records = run.ledger.records()
    for record in records[:MOST_COHORTS]:
        spec = record.spec()
        name = record.folder.relative_to(run.ledger.folder)
        what = f"{spec.phase} {spec.name or spec.number}, {which(spec.seeds)}, {_state(record)}"
        console.print(escape(f"{name}: {what}"))
    if len(records) > MOST_COHORTS:
        console.print(f"and {len(records) - MOST_COHORTS} more cohorts")
    if records:
        first = records[0].folder.relative_to(run.ledger.folder)
        console.print(f"more of one cohort: seedsweep logs {escape(run.name)} {first}")


def _find(run: RunDirectory, cohort: str) -> CohortRecord:
    """The cohort whose folder, or its end `<configuration>/<seeds>`, begins so. Errors: UserError."""
    below = str(run.ledger.folder)
    wanted = cohort.removeprefix(below).strip("/")
    known = {str(record.folder.relative_to(below)): record for record in run.ledger.records()}
    found = [name for name in known if name.startswith(wanted)]
    if len(found) == 1:
        return known[found[0]]
    said = f"no cohort of {run.name} begins" if not found else f"{len(found)} cohorts of {run.name} begin"
    names = found or list(known)
    there = f"{', '.join(names[:MOST_NAMES])}{' ...' if len(names) > MOST_NAMES else ''}" if names else "none"
    raise UserError(f"{said} with {cohort!r}; {'write more of one' if found else 'there are'}: {there}")


def _show_cohort(record: CohortRecord, console: Console) -> None:
    spec, owner = record.spec(), record.owner()
    job = f", job {owner['job']}" if owner.get("job") else ""
    values = ", ".join(f"{path} {value}" for path, value in spec.overrides.items()) or "the study as it is"
    for line in (
        f"{record.folder}: {_state(record)}",
        f"{spec.phase} {spec.number} {spec.name}".rstrip() + f", {which(spec.seeds)}, {values}",
        f"ran on {owner['host']}{job}, from {owner['since']}" if owner else "never ran",
        record.error() or "",
        *(str(path) for path in sorted(Path(record.folder).iterdir())),
    ):
        console.print(escape(line.rstrip()))


def _state(record: CohortRecord) -> str:
    return "finished" if record.finished else "failed" if record.error() else "not finished"
