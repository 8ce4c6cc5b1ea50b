"""Commands that read what is there, and change nothing of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import replication_folder, runs_folder
from seedsweep.sweeps.cli.named import existing
from seedsweep.sweeps.cli.options import Hold, Replication, RunName, Runs, Tables, Threshold, To, console
from seedsweep.sweeps.commands import results


def status(
    name: RunName = None,
    *,
    runs: Runs = None,
    watch: Annotated[bool, typer.Option("--watch", help="Again every few seconds, until nothing runs.")] = False,
) -> None:
    """Say how far a study is: queue, nodes, cohorts, members, time left, what failed and why."""
    from seedsweep.sweeps.commands import cluster
    from seedsweep.sweeps.commands import status as shown

    run = existing(name, runs)
    if watch:
        shown.watch(run, cluster.queue_lines, console)
    else:
        shown.show(run, cluster.queue_lines(run), console)


def report(
    name: RunName = None,
    *,
    runs: Runs = None,
    replication: Replication = False,
    table: Tables = None,
    threshold: Threshold = None,
    hold: Hold = 1,
    to: To = None,
) -> None:
    """Write tables, figures and the report anew from the ledger, finished or not; or those of others' results."""
    if sum(map(bool, (name, table, replication))) > 1:
        raise UserError("a report is of one run, of --tables or of --replication: name one of them")
    if (table is None) != (threshold is None):
        raise UserError(
            "--tables and --threshold go together: from which score on has a seed converged? (and --hold, for how "
            "long); a run's own criterion is part of its study"
        )
    if table and threshold is not None:
        results.show_table(table, threshold, hold, to or Path(f"{table.stem}-report"), console)
    elif replication:
        folder = runs_folder(runs)
        results.show_replication(folder, to or replication_folder(folder), console)
    elif to:
        raise UserError("--to goes with --replication or --tables")
    else:
        results.show_report(existing(name, runs).paths, console)


def compare(
    names: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Names of two runs or more.")],
    runs: Runs = None,
    to: To = None,
) -> None:
    """Runs side by side: the same statistics and report over the configurations of all."""
    if len(names) < 2 or len(set(names)) < len(names):
        raise UserError(f"compare {' '.join(names)}: name two runs or more, each once")
    first, *others = [existing(name, runs).paths for name in names]
    to = to or first.compared_with(first.beside("-".join(names[1:])))
    results.show_together([first, *others], to, console)


def export(name: RunName = None, runs: Runs = None, to: To = None) -> None:
    """Write a run's tables as parquet, CSV and, for a paper, LaTeX."""
    paths = existing(name, runs).paths
    results.write_tables(paths, to or paths.export, console)


def logs(
    name: RunName = None,
    cohort: Annotated[Optional[str], typer.Argument(help="A cohort's folder or the beginning of its name.")] = None,
    runs: Runs = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Last lines of each file.")] = 40,
) -> None:
    """Show the end of what a run's jobs printed, or a cohort's last error and where it ran."""
    from seedsweep.sweeps.commands import logs as shown

    shown.show(existing(name, runs), cohort, lines, console)
