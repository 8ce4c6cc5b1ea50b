"""How far a study is, from its ledger."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core import lease
from core.ledger import CohortRecord
from sweeps.agenda import total as total_of
from sweeps.progress import duration
from sweeps.run_directory import LEASE, RunDirectory
from sweeps.study import Study

WATCH_SECONDS = 2.0


def show(run: RunDirectory, jobs: Iterable[str], console: Console) -> None:
    """Print who runs the study, its `jobs`, one line a configuration and phase, the time left, and the last error of
    each failed cohort."""
    study = run.study()
    holder = lease.alive(run.leases, LEASE)
    groups: dict[tuple[str, int], list[CohortRecord]] = defaultdict(list)
    all_records = run.ledger.records()
    for record in all_records:
        spec = record.spec()
        groups[spec.phase, spec.number].append(record)
    columns = (
        "phase",
        "no.",
        "variant" if study.variants else "alpha",
        "seeds",
        "cohorts",
        "converged",
        "fell back",
        "never",
        "diverged",
        "step",
    )
    table = Table(*columns, box=None, padding=(0, 1, 0, 0))
    errors = []
    for (phase, number), records in sorted(groups.items(), key=lambda item: (item[0][0] != "explore", item[0][1])):
        finished = [record for record in records if record.finished]
        counts = Counter(o.outcome for record in finished for o in record.outcomes())
        steps = [curves.steps[-1] for record in records if not record.finished and (curves := record.curves())]
        errors += [(record, text) for record in records if (text := record.reason())]
        table.add_row(
            phase,
            str(number),
            records[0].spec().variant or f"{records[0].spec().hyperparameters['alpha']:.3g}",
            str(sum(len(record.spec().seeds) for record in records)),
            f"{len(finished)}/{len(records)}",
            *(str(counts[outcome]) for outcome in ("converged", "fell_back", "never", "diverged")),
            str(steps[-1]) if steps else "",
        )
    console.print(
        f"[bold]{study.name}[/] ({study.scale} scale), {escape(str(run.folder))}", highlight=False, soft_wrap=True
    )
    console.print(f"running: {lease.describe(holder)}" if holder else "not running", highlight=False)
    for job in jobs:
        console.print(f"job {job}", highlight=False, soft_wrap=True)
    console.print(table)
    left = _time_left(study, all_records, lease.began(holder)) if holder else ""
    console.print(summary(all_records) + left, highlight=False, soft_wrap=True)
    for record, text in errors:
        console.print(
            f"[red]failed[/] {escape(str(record.folder))}\n  {escape(text)}",
            highlight=False,
            soft_wrap=True,
        )


def watch(run: RunDirectory, jobs: Callable[[RunDirectory], list[str]], console: Console) -> None:
    """`show` again every WATCH_SECONDS, until neither a launch runs nor a job is in the queue, or Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            queued = jobs(run)
            console.clear()
            show(run, queued, console)
            if not run.holder() and not queued:
                return
            time.sleep(WATCH_SECONDS)


def summary(records: Sequence[CohortRecord]) -> str:
    """Finished cohorts and their members' outcomes in a line."""
    finished = [record for record in records if record.finished]
    total = Counter(outcome.outcome for record in finished for outcome in record.outcomes())
    return (
        f"{len(finished)} cohorts finished; members: {total['converged']} converged, "
        f"{total['fell_back']} fell back, {total['never']} never, {total['diverged']} diverged"
    )


def _time_left(study: Study, records: Sequence[CohortRecord], since: float) -> str:
    """At the rate of the launch that runs since then, by the members that it has finished; nothing before the first."""
    finished = [record for record in records if record.finished]
    now = [len(record.spec().seeds) for record in finished if record.finished_at > since]
    left = total_of(study)[1] - sum(len(record.spec().seeds) for record in finished)
    return f"; about {duration(left / sum(now) * (time.time() - since))} left" if now and left > 0 else ""
