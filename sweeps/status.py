"""How far a study is, from its ledger."""

from __future__ import annotations

from collections import Counter, defaultdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.ledger import CohortRecord
from sweeps.run_directory import RunDirectory


def show(run: RunDirectory, console: Console) -> None:
    """Print one line a configuration and phase, and the last error of each failed cohort."""
    study = run.study()
    holder = run.holder()
    groups: dict[tuple[str, int], list[CohortRecord]] = defaultdict(list)
    for record in run.ledger.records():
        spec = record.spec()
        groups[spec.phase, spec.number].append(record)
    columns = ("phase", "no.", "alpha", "seeds", "cohorts", "converged", "fell back", "never", "diverged", "step")
    table = Table(*columns, box=None, padding=(0, 1, 0, 0))
    errors = []
    for (phase, number), records in sorted(groups.items(), key=lambda item: (item[0][0] != "explore", item[0][1])):
        finished = [record for record in records if record.finished]
        counts = Counter(o.outcome for record in finished for o in record.outcomes())
        steps = [curves.steps[-1] for record in records if not record.finished and (curves := record.curves())]
        errors += [(record, text) for record in records if (text := record.error())]
        table.add_row(
            phase,
            str(number),
            f"{records[0].spec().hyperparameters['alpha']:.3g}",
            str(sum(len(record.spec().seeds) for record in records)),
            f"{len(finished)}/{len(records)}",
            *(str(counts[outcome]) for outcome in ("converged", "fell_back", "never", "diverged")),
            str(steps[-1]) if steps else "",
        )
    console.print(
        f"[bold]{study.name}[/] ({study.scale} scale), {escape(str(run.folder))}", highlight=False, soft_wrap=True
    )
    console.print(f"running: {holder}" if holder else "not running", highlight=False)
    console.print(table)
    console.print(summary(run), highlight=False, soft_wrap=True)
    for record, text in errors:
        console.print(
            f"[red]failed[/] {escape(str(record.folder))}\n  {escape(text.strip().splitlines()[-1])}",
            highlight=False,
            soft_wrap=True,
        )


def summary(run: RunDirectory) -> str:
    """Finished cohorts and their members' outcomes in a line."""
    finished = [record for record in run.ledger.records() if record.finished]
    total = Counter(outcome.outcome for record in finished for outcome in record.outcomes())
    return (
        f"{len(finished)} cohorts finished; members: {total['converged']} converged, "
        f"{total['fell_back']} fell back, {total['never']} never, {total['diverged']} diverged"
    )
