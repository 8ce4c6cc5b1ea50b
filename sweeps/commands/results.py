"""Where a launch's results are, and reports of them or of others' results: written, and their answer said."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study


def write_report(paths: RunPaths, console: Console) -> str:
    """A run's report. Returns its answer."""
    from seedsweep.analysis.page.report import write

    with console.status("writing the report"):
        return write(paths.folder)


def show_results(paths: RunPaths, study: Study, console: Console) -> None:
    """Write a run's report, and say its answer and where everything is."""
    console.print(f"\n[bold]{escape(write_report(paths, console))}[/]\n", highlight=False)
    say("report", paths.page, console)
    say("tables", paths.tables, console)
    say("figures", paths.figures, console)
    say("curves", f"tensorboard --logdir {paths.tensorboard}", console)
    if study.found:
        say("search", f"optuna-dashboard sqlite:///{paths.optuna_db}   (pip install optuna-dashboard)", console)


def show_report(paths: RunPaths, console: Console) -> None:
    """Write a run's report, and say its answer."""
    _show(write_report(paths, console), "report", paths.page, console)


def show_together(first: RunPaths, second: RunPaths, to: Path, console: Console) -> None:
    """Two runs side by side."""
    from seedsweep.analysis.page.report import write_together

    with console.status("writing the report"):
        answer = write_together(first.folder, second.folder, to)
    _show(answer, "report", to / "index.html", console)


def show_table(table: Path, threshold: float, hold: int, to: Path, console: Console) -> None:
    """Others' results."""
    from seedsweep.analysis.page.report import write_table

    with console.status("writing the report"):
        answer = write_table(table, threshold, hold, to)
    _show(answer, "report", to / "index.html", console)


def show_replication(runs: Path, to: Path, console: Console) -> None:
    """The table of the 2019 report's claims."""
    from seedsweep.analysis.report_2019.page import write

    with console.status("writing the table"):
        said = write(runs, to)
    _show(said, "table", to / "index.html", console)


def say(what: str, where: object, console: Console) -> None:
    """A line that says where something is."""
    console.print(f"{what + ':':9}{escape(str(where))}", highlight=False, soft_wrap=True)


def _show(answer: str, what: str, where: Path, console: Console) -> None:
    console.print(f"[bold]{escape(answer)}[/]", highlight=False)
    say(what, where, console)
