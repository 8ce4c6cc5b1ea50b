"""The command line: `seedsweep launch | plan | status | report`."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.markup import escape

from core.ledger import LedgerError
from shards.read import ShardError
from slurm import detect
from sweeps.errors import UserError

app = typer.Typer(
    help="Tell a better configuration from a luckier seed.", no_args_is_help=True, pretty_exceptions_enable=False,
    add_completion=False, rich_markup_mode="rich",
)  # fmt: skip
console = Console()

StudyName = Annotated[str, typer.Argument(help="A study of sweeps/studies by name, or the path of a .yaml file.")]
RunName = Annotated[Optional[str], typer.Argument(help="Name of the run; may be left out where there is only one.")]
Scale = Annotated[Optional[str], typer.Option(help="laptop or cluster [default: cluster where sbatch is found]")]
Overrides = Annotated[
    Optional[list[str]], typer.Option("--set", help="path.to.field=value, over the study file; may be repeated.")
]
Name = Annotated[Optional[str], typer.Option("--name", help="Run under another name than the study's.")]
Runs = Annotated[Optional[Path], typer.Option("--runs", help="Folder of the runs [default: $SEEDSWEEP_RUNS or runs]")]


@app.command()
def launch(
    study: StudyName,
    scale: Scale = None,
    overrides: Overrides = None,
    name: Name = None,
    runs: Runs = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew; what is there is set aside.")] = False,
) -> None:
    """Run a study, or go on with it: what is finished is never run again."""
    from sweeps.driver import launch as run_study

    loaded = _load(study, scale, overrides, name)
    if loaded.scale == "cluster" and detect.can_submit() and not detect.in_allocation():
        raise UserError(
            "this would run the study on a login node: submission to SLURM is not there yet. Run the same command "
            "inside an allocation (salloc, srun), or with --scale laptop"
        )
    run = _run_directory(loaded.name, runs)
    failed = run_study(loaded, run, fresh, console)
    answer = _write_report(run)
    console.print(f"\n[bold]{escape(answer)}[/]\n", highlight=False)
    _say("report", run.report / "index.html")
    _say("tables", run.report / "tables")
    _say("figures", run.report / "figures")
    _say("curves", f"tensorboard --logdir {run.tensorboard}")
    _say("search", f"optuna-dashboard sqlite:///{run.optuna_db}   (pip install optuna-dashboard)")
    if failed:
        for line in failed:
            console.print(f"[red]failed[/]: {escape(line)}", highlight=False, soft_wrap=True)
        console.print(f"{len(failed)} cohorts failed; the same command tries them again", highlight=False)
        raise typer.Exit(1)


@app.command()
def plan(
    study: StudyName, scale: Scale = None, overrides: Overrides = None, name: Name = None, runs: Runs = None
) -> None:
    """Say what a launch would run, where, and for how long; run nothing but a timed probe."""
    from sweeps.plan import show

    loaded = _load(study, scale, overrides, name)
    show(loaded, _run_directory(loaded.name, runs), console)


@app.command()
def status(name: RunName = None, runs: Runs = None) -> None:
    """Say how far a study is: cohorts, members, what failed and why."""
    from sweeps.status import show

    show(_existing(name, runs), console)


@app.command()
def report(name: RunName = None, runs: Runs = None) -> None:
    """Write tables, figures and the report anew from the ledger, finished or not."""
    run = _existing(name, runs)
    answer = _write_report(run)
    console.print(f"[bold]{escape(answer)}[/]", highlight=False)
    _say("report", run.report / "index.html")


def main() -> None:
    """Run the command line; a user's mistake ends in one line and exit code 2."""
    try:
        app(prog_name="seedsweep")
    except (UserError, ShardError, LedgerError) as error:
        _stop(str(error))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _stop(f"no space left on the device of {error.filename or 'the run directory'}: free some and launch again")
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            _stop(f"{error.filename}: {error.strerror}; choose another folder with --runs")
        raise
    except KeyboardInterrupt:
        console.print("\nstopped; nothing finished is lost, and the same command goes on from the last checkpoints")
        sys.exit(130)


def _load(study: str, scale: str | None, overrides: list[str] | None, name: str | None) -> Any:
    from sweeps.study import load

    if scale is None:
        scale = "cluster" if detect.can_submit() else "laptop"
        console.print(f"scale: {scale} (sbatch {'found' if scale == 'cluster' else 'not found'}; --scale overrides)")
    return load(study, scale, overrides or [], name)


def _run_directory(name: str, runs: Path | None) -> Any:
    from sweeps.run_directory import RunDirectory, runs_folder

    return RunDirectory(runs_folder(runs), name)


def _existing(name: str | None, runs: Path | None) -> Any:
    from sweeps.run_directory import RunDirectory, runs_folder

    folder = runs_folder(runs)
    if name is None:
        found = sorted(p.parent.name for p in folder.glob("*/study.yaml") if not p.parent.name.startswith("."))
        if len(found) != 1:
            raise UserError(f"{folder} has {len(found)} runs: {', '.join(found) or 'launch one first'}")
        name = found[0]
    run = RunDirectory(folder, name)
    run.study()
    return run


def _write_report(run: Any) -> str:
    from analysis.report import write

    with console.status("writing the report"):
        return write(run.folder)


def _say(what: str, where: object) -> None:
    console.print(f"{what + ':':9}{escape(str(where))}", highlight=False, soft_wrap=True)


def _stop(text: str) -> None:
    Console(stderr=True).print(f"[bold red]error[/]: {escape(text)}", highlight=False, soft_wrap=True)
    sys.exit(2)
