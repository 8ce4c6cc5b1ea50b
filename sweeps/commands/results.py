"""Where a launch's results are, and reports of them or of others' results: written, and their answer said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import ReportPaths, RunPaths
from seedsweep.core.records.study import Study

if TYPE_CHECKING:
    # Imports SciPy, which `status` need not wait for.
    from seedsweep.analysis.answer import Answer
    from seedsweep.analysis.imported_results.columns import Columns


def show_results(paths: RunPaths, study: Study, console: Console, *, quiet: bool = False) -> str:
    """Write a run's report, and say its answer and, unless quiet, where everything is. Returns the verdict, a
    few words."""
    if quiet:
        return show_report(paths, console)
    console.print()
    verdict = show_report(paths, console)
    say("tables", paths.report.tables, console)
    say("figures", paths.report.figures, console)
    if paths.tensorboard.exists():
        say("curves", f"tensorboard --logdir {paths.tensorboard}", console)
    if study.found and paths.optuna_db.exists():
        say("search", f"optuna-dashboard sqlite:///{paths.optuna_db}   (pip install optuna-dashboard)", console)
    return verdict


def show_report(paths: RunPaths, console: Console) -> str:
    """Write a run's report, and say its answer. Returns the verdict."""
    from seedsweep.analysis.page.report import write

    return _show(lambda: write(paths.folder), paths.report, console)


def show_together(runs: Sequence[RunPaths], to: Path, console: Console) -> None:
    """Two runs or more side by side."""
    from seedsweep.analysis.page.report import write_together

    _show(lambda: write_together([run.folder for run in runs], to), ReportPaths(to), console)


def show_table(table: str, columns: Columns, threshold: float, hold: int, to: Path, console: Console) -> None:
    """Others' results."""
    from seedsweep.analysis.page.report import write_table

    _show(lambda: write_table(table, threshold, hold, to, columns), ReportPaths(to), console)


def write_tables(paths: RunPaths, to: Path, console: Console) -> None:
    """A run's tables in every format; says each file."""
    from seedsweep.analysis import export, tables
    from seedsweep.analysis.comparison import compare

    read = tables.read(paths.folder)
    for path in export.write(read, compare(read), to):
        console.print(escape(str(path)))


def show_replication(runs: Path, to: Path, console: Console) -> None:
    """The table of the 2019 report's claims."""
    try:
        from seedsweep.analysis.report_2019.page import write
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("seedsweep.analysis.report_2019"):
            raise
        raise UserError("the replication of the report of 2019 is not installed") from None
    if not RunPaths.all_of(runs):
        raise UserError(
            f"{runs} has no runs: the table is made from those of the built-in studies; run all of them with "
            "`seedsweep launch --all`, or one by its name, then ask again"
        )
    with console.status("writing the table"):
        said = write(runs, to)
    console.print(f"[bold]{escape(said)}[/]", soft_wrap=not console.is_terminal)
    say("table", ReportPaths(to).page, console)


def say(what: str, where: object, console: Console) -> None:
    """A line that says where something is."""
    console.print(f"{what + ':':9}{escape(str(where))}")


def _show(write: Callable[[], Answer], report: ReportPaths, console: Console) -> str:
    """Write a report, and say its answer, line by line, and where it is. Returns the verdict."""
    with console.status("writing the report"):
        answer = write()
    first, *paragraphs = answer.paragraphs
    # Wrapped for eyes alone: a file or a pipe gets a line each.
    whole = not console.is_terminal
    console.print(f"[bold]{escape(first)}[/]", soft_wrap=whole)
    for line in (*paragraphs, *answer.lines[len(answer.paragraphs) :]):
        console.print(escape(line), soft_wrap=whole)
    console.print()
    say("report", report.page, console)
    return answer.verdict
