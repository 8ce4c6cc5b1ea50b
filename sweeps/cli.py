"""The command line: `seedsweep launch | plan | status | report | compare | export | cancel | ...`."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.markup import escape

from seedsweep.analysis.errors import TableError
from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import LedgerError
from seedsweep.shards.read import ShardError
from seedsweep.slurm import detect
from seedsweep.slurm.devcluster import DevClusterError
from seedsweep.slurm.devcluster.commands import app as devcluster
from seedsweep.slurm.settings import SlurmError

app = typer.Typer(
    help="Tell a better configuration from a luckier seed.", no_args_is_help=True, pretty_exceptions_enable=False,
    add_completion=False, rich_markup_mode="rich",
)  # fmt: skip
app.add_typer(devcluster, name="devcluster")
console = Console()

STUDY_HELP = "A study of sweeps/studies by name, or the path of a .yaml file."
StudyName = Annotated[str, typer.Argument(help=STUDY_HELP)]
RunName = Annotated[Optional[str], typer.Argument(help="Name of the run; may be left out where there is only one.")]
Scale = Annotated[Optional[str], typer.Option(help="laptop or cluster [default: cluster where sbatch is found]")]
Overrides = Annotated[
    Optional[list[str]], typer.Option("--set", help="path.to.field=value, over the study file; may be repeated.")
]
Name = Annotated[Optional[str], typer.Option("--name", help="Run under another name than the study's.")]
Runs = Annotated[Optional[Path], typer.Option("--runs", help="Folder of the runs [default: $SEEDSWEEP_RUNS or runs]")]


@app.command()
def launch(
    study: Annotated[Optional[str], typer.Argument(help=STUDY_HELP)] = None,
    scale: Scale = None,
    overrides: Overrides = None,
    name: Name = None,
    runs: Runs = None,
    everything: Annotated[bool, typer.Option("--all", help="Every study, one after another.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew; what is there is set aside.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="On a cluster: stay, and follow the jobs to the end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="On a cluster: show the batch script only.")] = False,
    max_jobs: Annotated[
        int, typer.Option("--max-jobs", min=1, help="On a cluster: allocations at once, each joining the study.")
    ] = 1,
) -> None:
    """Run a study, or go on with it: what is finished is never run again.

    On a login node it is submitted to SLURM; options of the allocation are `--set resources.allocation.nodes=4` and the
    like, or, for all studies, in ~/.config/seedsweep/cluster.yaml.
    """
    if everything:
        if study or name or dry_run:
            raise UserError("--all runs every study under its own name: it goes with no study, --name or --dry-run")
        _launch_all(scale, overrides or [], runs, fresh, wait, max_jobs)
        return
    if study is None:
        raise UserError("launch which study? Give its name or file, or --all")
    loaded = _load(study, scale, overrides, name)
    run = _run_directory(loaded.name, runs)
    if loaded.scale == "cluster" and detect.can_submit() and not detect.in_allocation():
        _submit(loaded, run, fresh, wait, dry_run, max_jobs)
        return
    if dry_run or wait or max_jobs > 1:
        raise UserError("--dry-run, --wait and --max-jobs are for a cluster at cluster scale, outside an allocation")
    from seedsweep.sweeps.running.driver import launch as run_study

    failed = run_study(loaded, run, fresh, console)
    _show_results(run, _write_report(run))
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
    from seedsweep.sweeps.commands.plan import show

    loaded = _load(study, scale, overrides, name)
    show(loaded, _run_directory(loaded.name, runs), console)


@app.command()
def status(
    name: RunName = None,
    runs: Runs = None,
    watch: Annotated[bool, typer.Option("--watch", help="Again every few seconds, until nothing runs.")] = False,
) -> None:
    """Say how far a study is: queue, nodes, cohorts, members, time left, what failed and why."""
    from seedsweep.sweeps.commands import cluster
    from seedsweep.sweeps.commands import status as shown

    run = _existing(name, runs)
    if watch:
        shown.watch(run, cluster.queue_lines, console)
    else:
        shown.show(run, cluster.queue_lines(run), console)


@app.command()
def report(
    name: RunName = None,
    runs: Runs = None,
    replication: Annotated[
        bool, typer.Option("--replication", help="The table of the 2019 report's claims, from the runs of all studies.")
    ] = False,
    table: Annotated[
        Optional[Path],
        typer.Option(
            "--tables", help="A CSV file of others' results: configuration, seed, step, score (more is better)."
        ),
    ] = None,
    threshold: Annotated[
        Optional[float], typer.Option("--threshold", help="With --tables: from which score on a seed has converged.")
    ] = None,
    hold: Annotated[
        int, typer.Option("--hold", min=1, help="With --tables: for how many evaluations up to the last.")
    ] = 1,
    to: Annotated[
        Optional[Path], typer.Option("--to", help="With --replication or --tables: the folder to write to.")
    ] = None,
) -> None:
    """Write tables, figures and the report anew from the ledger, finished or not; or those of others' results."""
    if table:
        if name or replication:
            raise UserError("--tables goes with no run and not with --replication")
        if threshold is None:
            raise UserError(
                "--tables needs --threshold: from which score on has a seed converged? (and --hold, for how long)"
            )
        _report_table(table, threshold, hold, to or Path(f"{table.stem}-report"))
        return
    if threshold is not None:
        raise UserError("--threshold goes with --tables: a run's own criterion is part of its study")
    if replication:
        if name:
            raise UserError("--replication takes all runs together: leave the name out")
        _write_replication(runs, to)
        return
    if to:
        raise UserError("--to goes with --replication or --tables")
    run = _existing(name, runs)
    answer = _write_report(run)
    console.print(f"[bold]{escape(answer)}[/]", highlight=False)
    _say("report", run.report / "index.html")


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="Name of a run.")],
    second: Annotated[str, typer.Argument(help="Name of another.")],
    runs: Runs = None,
    to: Annotated[Optional[Path], typer.Option("--to", help="The folder to write to.")] = None,
) -> None:
    """Two runs side by side: the same statistics and report over the configurations of both."""
    from seedsweep.analysis.page.report import write_together

    one, other = _existing(first, runs), _existing(second, runs)
    if first == second:
        raise UserError(f"{first} against itself: name two runs")
    to = to or one.folder.parent / f"compare-{first}-{second}"
    with console.status("writing the report"):
        answer = write_together(one.folder, other.folder, to)
    console.print(f"[bold]{escape(answer)}[/]", highlight=False)
    _say("report", to / "index.html")


@app.command()
def export(
    name: RunName = None,
    runs: Runs = None,
    to: Annotated[
        Optional[Path], typer.Option("--to", help="The folder to write to [default: the run's export]")
    ] = None,
) -> None:
    """Write a run's tables as parquet, CSV and, for a paper, LaTeX."""
    from seedsweep.analysis import answer, tables
    from seedsweep.analysis import export as exported

    run = _existing(name, runs)
    results = tables.read(run.folder)
    for path in exported.write(results, answer.compare(results), to or run.folder / "export"):
        console.print(escape(str(path)), highlight=False, soft_wrap=True)


@app.command()
def cancel(name: RunName = None, runs: Runs = None) -> None:
    """Cancel a run's jobs. What is finished stays, what is not goes on from its last checkpoint when launched again."""
    from seedsweep.sweeps.commands import cluster

    run = _existing(name, runs)
    numbers = cluster.cancel(run)
    console.print(f"cancelled job {', '.join(numbers)}" if numbers else "no job of this run is in the queue")


@app.command()
def logs(
    name: RunName = None,
    cohort: Annotated[Optional[str], typer.Argument(help="A cohort's folder or the beginning of its name.")] = None,
    runs: Runs = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Last lines of each file.")] = 40,
) -> None:
    """Show the end of what a run's jobs printed, or a cohort's last error and where it ran."""
    from seedsweep.sweeps.commands import logs as shown

    shown.show(_existing(name, runs), cohort, lines, console)


@app.command()
def retry(name: RunName = None, runs: Runs = None) -> None:
    """Try failed cohorts again now: in the launch that runs, or in a new one."""
    run = _existing(name, runs)
    if run.holder():
        run.ask_retry()
        console.print("the running launch takes up its failed cohorts again")
        return
    study = run.study()
    launch(str(run.study_file), scale=study.scale, name=study.name, runs=run.folder.parent)


@app.command()
def doctor(runs: Runs = None) -> None:
    """Look at what commonly keeps a study from running here, and say what to do."""
    from seedsweep.slurm.doctor import examine
    from seedsweep.sweeps.running.run_directory import runs_folder

    marks = {True: "[green]ok[/]  ", False: "[red]bad[/] ", None: "[yellow]?[/]   "}
    findings = examine(runs_folder(runs))
    for finding in findings:
        console.print(f"{marks[finding.well]}{finding.what}: {escape(finding.text)}", highlight=False, soft_wrap=True)
    if any(finding.well is False for finding in findings):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; a user's mistake ends in one line and exit code 2."""
    try:
        app(prog_name="seedsweep")
    except (UserError, ShardError, LedgerError, SlurmError, DevClusterError, TableError) as error:
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


def _launch_all(
    scale: str | None, overrides: list[str], runs: Path | None, fresh: bool, wait: bool, max_jobs: int
) -> None:
    from seedsweep.sweeps.commands.all_studies import launch_all

    scale = scale or _scale_here()
    options = [f"--set={override}" for override in overrides]
    options += ["--fresh"] * fresh + ["--wait"] * wait + [f"--max-jobs={max_jobs}"] * (max_jobs > 1)
    leaves = scale == "cluster" and detect.can_submit() and not detect.in_allocation() and not wait
    if not launch_all(scale, overrides, _run_directory("", runs).folder, options, console, leaves):
        raise typer.Exit(1)


def _submit(study: Any, run: Any, fresh: bool, wait: bool, dry_run: bool, max_jobs: int) -> None:
    from seedsweep.sweeps.commands import cluster

    if dry_run:
        console.print(cluster.dry_run(study, run), highlight=False, markup=False, soft_wrap=True)
        return
    since = cluster.next_launch(run)
    cluster.launch(study, run, fresh, max_jobs, console)
    if not wait:
        for what, command in (("look", f"status {run.folder.name}"), ("read", f"logs {run.folder.name}")):
            _say(what, f"seedsweep {command} --runs {run.folder.parent}")
        return
    try:
        code = cluster.wait(study, run, since, max_jobs, console)
    except KeyboardInterrupt:
        console.print("\nnot followed any more; the jobs go on: look with `seedsweep status`, end with `cancel`")
        sys.exit(130)
    if code is None:
        console.print("[red]the jobs ended before the study did[/]: see `seedsweep logs`, then launch again")
        raise typer.Exit(1)
    if run.report.exists():
        _show_results(run, _write_report(run))
    raise typer.Exit(code)


def _show_results(run: Any, answer: str) -> None:
    console.print(f"\n[bold]{escape(answer)}[/]\n", highlight=False)
    _say("report", run.report / "index.html")
    _say("tables", run.report / "tables")
    _say("figures", run.report / "figures")
    _say("curves", f"tensorboard --logdir {run.tensorboard}")
    if run.study().search.explore:
        _say("search", f"optuna-dashboard sqlite:///{run.optuna_db}   (pip install optuna-dashboard)")


def _load(study: str, scale: str | None, overrides: list[str] | None, name: str | None) -> Any:
    from seedsweep.sweeps.study.schema import load

    return load(study, scale or _scale_here(), overrides or [], name)


def _scale_here() -> str:
    scale = "cluster" if detect.can_submit() else "laptop"
    console.print(f"scale: {scale} ({'a' if scale == 'cluster' else 'no'} SLURM cluster found; --scale overrides)")
    return scale


def _run_directory(name: str, runs: Path | None) -> Any:
    from seedsweep.sweeps.running.run_directory import RunDirectory, runs_folder

    return RunDirectory(runs_folder(runs), name)


def _existing(name: str | None, runs: Path | None) -> Any:
    from seedsweep.sweeps.running.run_directory import RunDirectory, runs_folder

    folder = runs_folder(runs)
    if name is None:
        found = sorted(p.parent.name for p in folder.glob("*/study.yaml") if not p.parent.name.startswith("."))
        if len(found) != 1:
            raise UserError(f"{folder} has {len(found)} runs: {', '.join(found) or 'launch one first'}")
        name = found[0]
    run = RunDirectory(folder, name)
    run.check_begun()
    return run


def _write_report(run: Any) -> str:
    from seedsweep.analysis.page.report import write

    with console.status("writing the report"):
        return write(run.folder)


def _report_table(table: Path, threshold: float, hold: int, to: Path) -> None:
    from seedsweep.analysis.page.report import write_table

    with console.status("writing the report"):
        answer = write_table(table, threshold, hold, to)
    console.print(f"[bold]{escape(answer)}[/]", highlight=False)
    _say("report", to / "index.html")


def _write_replication(runs: Path | None, to: Path | None) -> None:
    from seedsweep.analysis.report_2019.page import write

    folder = _run_directory("", runs).folder
    to = to or folder / "replication"
    with console.status("writing the table"):
        said = write(folder, to)
    console.print(f"[bold]{escape(said)}[/]", highlight=False)
    _say("table", to / "index.html")


def _say(what: str, where: object) -> None:
    console.print(f"{what + ':':9}{escape(str(where))}", highlight=False, soft_wrap=True)


def _stop(text: str) -> None:
    Console(stderr=True).print(f"[bold red]error[/]: {escape(text)}", highlight=False, soft_wrap=True)
    sys.exit(2)
