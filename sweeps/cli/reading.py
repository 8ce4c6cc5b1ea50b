"""Commands that look at what is there, take something out of it, or tidy it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from seedsweep.analysis.imported_results.columns import BY_DEFAULT, Columns, report_folder
from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import ReportPaths, RunPaths, replication_folder, runs_folder
from seedsweep.sweeps.cli import completion
from seedsweep.sweeps.cli.named import existing
from seedsweep.sweeps.cli.options import (
    ConfigurationColumns,
    Direction,
    Hold,
    Json,
    Replication,
    RunName,
    RunNames,
    Runs,
    ScoreColumns,
    SeedColumn,
    StepColumn,
    Tables,
    Threshold,
    console,
)
from seedsweep.sweeps.commands import machine_readable, results

Watch = Annotated[bool, typer.Option("--watch", help="Again every few seconds, until nothing runs.")]


def list_(*, runs: Runs = None, watch: Watch = False, as_json: Json = False) -> None:
    """List the runs: state, members done of all, age, and the verdict of the last report."""
    from seedsweep.sweeps.commands import listing

    folder = runs_folder(runs)
    if as_json:
        machine_readable.say({"folder": str(folder), "runs": listing.find(folder)})
    elif watch:
        listing.watch(folder, console)
    else:
        listing.show(folder, console)


def status(name: RunName = None, *, runs: Runs = None, watch: Watch = False, as_json: Json = False) -> None:
    """Say how far a study is: queue, nodes, members, time left, what failed and why; of several runs the list."""
    from seedsweep.sweeps.commands import cluster, listing
    from seedsweep.sweeps.commands import status as shown

    if name is None and len(listing.folders(runs_folder(runs))) > 1:
        list_(runs=runs, watch=watch, as_json=as_json)
        return
    run = existing(name, runs)
    if as_json:
        machine_readable.say(shown.find(run, cluster.queue_lines(run)))
    elif watch:
        shown.watch(run, cluster.queue_lines, console)
    else:
        shown.show(run, cluster.queue_lines(run), console)


def report(
    name: RunName = None,
    *,
    runs: Runs = None,
    every: Annotated[
        bool, typer.Option("--all", help="A page that lists all runs of the folder, with links to their reports.")
    ] = False,
    replication: Replication = False,
    table: Tables = None,
    threshold: Threshold = None,
    hold: Hold = 1,
    direction: Direction = None,
    configuration: ConfigurationColumns = None,
    seed_column: SeedColumn = None,
    score_column: ScoreColumns = None,
    step_column: StepColumn = None,
    run_name: RunNames = None,
    to: Annotated[
        Optional[Path],
        typer.Option(
            "--to",
            resolve_path=True,
            help="The folder to write to, with --tables or --replication "
            "\\[default: NAME-report for the table NAME, table-report for standard input; RUNS/replication]",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write tables, figures and the report again, from the ledger of a run, finished or not, or from results made
    elsewhere."""
    columns = Columns.named(configuration, seed_column, step_column, score_column, run_name, direction)
    if columns != BY_DEFAULT and not table:
        raise UserError("--direction, --configuration, --..-column and --run-name go with --tables")
    if sum(map(bool, (name, table, replication, every))) > 1:
        raise UserError("a report is of one run, of --all, of --tables or of --replication: name one of them")
    if (table is None) != (threshold is None):
        raise UserError(
            "--tables and --threshold go together: from which score on has a seed converged? (and --hold, for how "
            "long); a run's own criterion is part of its study"
        )
    if replication and as_json:
        raise UserError("--json goes with a run or with --tables; --replication writes replication.csv")
    if every and as_json:
        raise UserError("--json goes with a run or with --tables; of all runs `seedsweep list --json` says it")
    with machine_readable.alone(console, asked=as_json):
        if table and threshold is not None:
            to = to or report_folder(table)
            results.show_table(table, columns, threshold, hold, to, console)
        elif replication:
            folder = runs_folder(runs)
            results.show_replication(folder, to or replication_folder(folder), console)
        elif to and every:
            raise UserError("--to does not go with --all: the page is beside the runs that it links")
        elif every:
            from seedsweep.sweeps.commands import runs_page

            runs_page.show(runs_folder(runs), console)
        elif to:
            raise UserError("--to goes with --replication or --tables")
        else:
            paths = existing(name, runs).paths
            to = paths.report.folder
            results.show_report(paths, console)
    if as_json and to:
        machine_readable.say_report(ReportPaths(to))


def compare(
    names: Annotated[
        list[str], typer.Argument(metavar="RUN", help="Names of two runs or more.", autocompletion=completion.runs)
    ],
    *,
    runs: Runs = None,
    to: Annotated[
        Optional[Path],
        typer.Option("--to", resolve_path=True, help="The folder to write to \\[default: RUNS/compare-RUN-RUN...]"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Runs side by side: the same statistics and report over the configurations of all."""
    if len(names) < 2 or len(set(names)) < len(names):
        raise UserError(f"compare {' '.join(names)}: name two runs or more, each once")
    first, *others = [existing(name, runs).paths for name in names]
    to = to or first.compared_with(first.beside("-".join(names[1:])))
    with machine_readable.alone(console, asked=as_json):
        results.show_together([first, *others], to, console)
    if as_json:
        machine_readable.say_report(ReportPaths(to))


def export(
    name: RunName = None,
    runs: Runs = None,
    to: Annotated[
        Optional[Path],
        typer.Option("--to", resolve_path=True, help="The folder to write to \\[default: RUNS/RUN/export]"),
    ] = None,
) -> None:
    """Write a run's tables as parquet, CSV and, for a paper, LaTeX."""
    paths = existing(name, runs).paths
    results.write_tables(paths, to or paths.export, console)


def weights(
    name: RunName = None,
    *,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The file to write, such as model.pt.")],
    seed: Annotated[int, typer.Option("--seed", metavar="SEED", help="Of the member.")],
    configuration: Annotated[
        Optional[str], typer.Option("--configuration", help="Its name, or 'best found' for what the search found.")
    ] = None,
    runs: Runs = None,
) -> None:
    """Write what a compared member has learnt as a plain state dict (of a run with resources.keep_weights)."""
    from seedsweep.sweeps.commands import weights as written

    written.write(existing(name, runs), configuration, seed, to, console)


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the study: NAME.yaml is written here.")],
    task: Annotated[
        Optional[str],
        typer.Option(
            "--task",
            help="Yours, as file.py:Name or module:Name: a Task, a function of one run, or a torch.nn.Module "
            "\\[default: NAME.py is written, with a Task]",
        ),
    ] = None,
) -> None:
    """Begin a study: write a commented file that runs, to be changed."""
    from seedsweep.sweeps.commands import new_study

    new_study.write(name, task, Path.cwd(), console)


def rm(
    name: Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.", autocompletion=completion.runs)],
    *,
    runs: Runs = None,
    yes: Annotated[bool, typer.Option("--yes", help="Without asking.")] = False,
) -> None:
    """Remove a run's folder for good; asks first. What runs or waits in the queue is refused."""
    from seedsweep.sweeps.commands.removal import remove

    if not remove(name, runs_folder(runs), console, yes=yes):
        raise typer.Exit(1)


def logs(
    name: RunName = None,
    cohort: Annotated[
        Optional[str],
        typer.Argument(
            metavar="COHORT",
            help="A cohort's folder or the beginning of its name.",
            autocompletion=completion.cohorts,
        ),
    ] = None,
    runs: Runs = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Last lines of each file.")] = 40,
) -> None:
    """Show the end of what a run's jobs printed, and its cohorts, or a cohort's last error and where it ran."""
    from seedsweep.sweeps.commands import logs as shown

    if name and cohort is None and len(known := RunPaths.all_of(runs_folder(runs))) == 1 and name != known[0].name:
        # The run is left out, as there is one alone.
        name, cohort = None, name
    shown.show(existing(name, runs), cohort, lines, console)
