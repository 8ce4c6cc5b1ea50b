"""The command line: `seedsweep launch | plan | check | status | report | compare | export | cancel | ...`."""

from __future__ import annotations

import errno
import importlib.metadata
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.markup import escape

from seedsweep.core.errors import SeedsweepError, UserError
from seedsweep.core.records.paths import RunPaths, replication_folder, runs_folder
from seedsweep.slurm import detect
from seedsweep.sweeps.commands import results
from seedsweep.sweeps.places import check_place

app = typer.Typer(
    help="Tell a better configuration from a luckier seed.", no_args_is_help=True, pretty_exceptions_enable=False,
    add_completion=False, rich_markup_mode="rich",
)  # fmt: skip
#: Lines are not wrapped: paths can be copied whole.
console = Console(emoji=False, highlight=False, soft_wrap=True)

STUDY_HELP = "A study of sweeps/studies by name, or the path of a .yaml file."
StudyName = Annotated[str, typer.Argument(help=STUDY_HELP)]
RunName = Annotated[Optional[str], typer.Argument(help="Name of the run; may be left out where there is only one.")]
Scale = Annotated[Optional[str], typer.Option(help="How large: one of the study's scales \\[default: its own]")]
On = Annotated[
    Optional[str],
    typer.Option(
        "--on",
        help="Where: here (Ray on this machine), inline (this process, no Ray), slurm, or a Ray cluster's address: "
        "host:port where this machine is one of its nodes, else ray://host:port "
        "\\[default: slurm where sbatch is found, else here]",
    ),
]
Overrides = Annotated[
    Optional[list[str]], typer.Option("--set", help="path.to.field=value, over the study file; may be repeated.")
]
Name = Annotated[Optional[str], typer.Option("--name", help="Run under another name than the study's.")]
Runs = Annotated[Optional[Path], typer.Option("--runs", help="Folder of the runs \\[default: $SEEDSWEEP_RUNS or runs]")]
To = Annotated[Optional[Path], typer.Option("--to", help="The folder to write to \\[default: named by what is read]")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start anew; what is there is set aside.")]
AcceptCode = Annotated[
    bool, typer.Option("--accept-code", help="Go on although your code changed; it is put on record.")
]
Wait = Annotated[bool, typer.Option("--wait", help="On SLURM: stay, and follow the jobs to the end.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="On SLURM: show the batch script only.")]
MaxJobs = Annotated[
    int, typer.Option("--max-jobs", min=1, help="On SLURM: allocations at once, each joining the study.")
]
Power = Annotated[
    str, typer.Option("--power", help="What is to be shown: two P(converge), 0.9,0.6; how often one scores better, 0.8")
]

Replication = Annotated[
    bool, typer.Option("--replication", help="The table of the 2019 report's claims, from the runs of all studies.")
]
Tables = Annotated[
    Optional[Path],
    typer.Option("--tables", help="CSV of others' results: configuration, seed, step, score (more is better)."),
]
Threshold = Annotated[
    Optional[float], typer.Option("--threshold", help="With --tables: from which score on a seed has converged.")
]
Hold = Annotated[int, typer.Option("--hold", min=1, help="With --tables: for how many evaluations up to the last.")]


@app.callback(invoke_without_command=True)
def _version(
    *,
    version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False,
) -> None:
    if version:
        print(f"seedsweep {importlib.metadata.version('seedsweep')}")
        raise typer.Exit


@app.command()
def launch(
    study: Annotated[Optional[str], typer.Argument(help=STUDY_HELP)] = None,
    *,
    on: On = None,
    scale: Scale = None,
    overrides: Overrides = None,
    name: Name = None,
    runs: Runs = None,
    everything: Annotated[bool, typer.Option("--all", help="Every study, one after another.")] = False,
    fresh: Fresh = False,
    accept_code: AcceptCode = False,
    wait: Wait = False,
    dry_run: DryRun = False,
    max_jobs: MaxJobs = 1,
    code: Annotated[Optional[str], typer.Option("--code", hidden=True)] = None,
) -> None:
    """Run a study, or go on with it: what is finished is never run again.

    On a login node it is submitted to SLURM; options of the allocation are `--set resources.allocation.nodes=4` and the
    like, or, for all studies, in ~/.config/seedsweep/cluster.yaml.
    """
    # `--code` names a copy of the user's files that was made before: of a job that SLURM starts.
    where = _where(on)
    if where != "slurm" and (dry_run or wait or max_jobs > 1):
        raise UserError(f"--dry-run, --wait and --max-jobs go with --on slurm; this launch is --on {where}")
    if everything:
        if study or name or dry_run:
            raise UserError("--all runs every study under its own name: it goes with no study, --name or --dry-run")
        from seedsweep.sweeps.commands.all_studies import launch_all

        # Each study's own launch has the same options.
        options = [word for word in sys.argv[1:] if word not in ("launch", "--all")]
        leaves = where == "slurm" and not wait
        if not launch_all(where, scale, overrides or [], runs_folder(runs), options, console, leaves=leaves):
            raise typer.Exit(1)
        return
    if study is None:
        raise UserError("launch which study? Give its name or file, or --all")
    loaded = _load(study, scale, overrides, name, where)
    run = _run_directory(loaded.name, runs)
    files = _user_files(study, code, accept=accept_code)
    if where == "slurm":
        _submit(loaded, run, files, fresh=fresh, wait=wait, dry_run=dry_run, max_jobs=max_jobs)
        return
    from seedsweep.sweeps.running.driver import launch as run_study

    failed = run_study(loaded, run, files, console, on=where, fresh=fresh)
    results.show_results(run.paths, loaded, console)
    if failed:
        for line in failed:
            console.print(f"[red]failed[/]: {escape(line)}")
        console.print(f"{len(failed)} cohorts failed; the same command tries them again")
        raise typer.Exit(1)


@app.command()
def plan(
    study: StudyName,
    on: On = None,
    scale: Scale = None,
    overrides: Overrides = None,
    name: Name = None,
    runs: Runs = None,
    power: Power = "0.9,0.6",
) -> None:
    """Say what a launch would run, where, for how long, and what its seeds would tell apart; run nothing but a timed
    probe and simulations of the analysis."""
    from seedsweep.sweeps.commands.plan import show
    from seedsweep.sweeps.commands.truths import assumed

    where, differences = _where(on), assumed(power)
    loaded = _load(study, scale, overrides, name, where)
    show(loaded, _run_directory(loaded.name, runs), where, console, differences)


@app.command()
def check(study: StudyName, scale: Scale = None, overrides: Overrides = None) -> None:
    """Build every named configuration, train it for two steps and evaluate it once; run a function or a command until
    its first report. Nothing is left behind."""
    from seedsweep.sweeps.commands.check import show

    if not show(_load(study, scale, overrides, None, "here"), _user_files(study).folder, console):
        raise typer.Exit(1)


@app.command()
def status(
    name: RunName = None,
    *,
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
        results.show_report(_existing(name, runs).paths, console)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="Name of a run.")],
    second: Annotated[str, typer.Argument(help="Name of another.")],
    runs: Runs = None,
    to: To = None,
) -> None:
    """Two runs side by side: the same statistics and report over the configurations of both."""
    one, other = _existing(first, runs), _existing(second, runs)
    if first == second:
        raise UserError(f"{first} against itself: name two runs")
    to = to or one.paths.compared_with(other.paths)
    results.show_together(one.paths, other.paths, to, console)


@app.command()
def export(name: RunName = None, runs: Runs = None, to: To = None) -> None:
    """Write a run's tables as parquet, CSV and, for a paper, LaTeX."""
    paths = _existing(name, runs).paths
    results.write_tables(paths, to or paths.export, console)


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
    """Try failed cohorts again now: in the launch that runs, or in a new one on this machine."""
    run = _existing(name, runs)
    if run.holder():
        run.ask_retry()
        console.print("the running launch takes up its failed cohorts again")
        return
    on, copy = run.last_launch()
    launch(str(run.paths.study), on="inline" if on == "inline" else "here", runs=run.paths.runs, code=copy)


@app.command()
def doctor(runs: Runs = None) -> None:
    """Look at what commonly keeps a study from running here, and say what to do."""
    from seedsweep.slurm.doctor import examine

    marks = {True: "[green]ok[/]  ", False: "[red]bad[/] ", None: "[yellow]?[/]   "}
    findings = examine(runs_folder(runs))
    for finding in findings:
        console.print(f"{marks[finding.well]}{finding.what}: {escape(finding.text)}")
    if any(finding.well is False for finding in findings):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; a user's mistake ends in one line and exit code 2."""
    try:
        app(prog_name="seedsweep")
    except SeedsweepError as error:
        _stop(str(error), getattr(error, "exit_code", 2))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _stop(f"no space left on the device of {error.filename or 'the run directory'}: free some and launch again")
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            _stop(f"{error.filename}: {error.strerror}; choose another folder with --runs")
        raise
    except KeyboardInterrupt:
        console.print("\nstopped; nothing finished is lost, and the same command goes on from the last checkpoints")
        sys.exit(130)


def _submit(study: Any, run: Any, files: Any, *, fresh: bool, wait: bool, dry_run: bool, max_jobs: int) -> None:
    from seedsweep.sweeps.commands import cluster

    if dry_run:
        console.print(cluster.dry_run(study, files.folder, run), markup=False)
        return
    if run.exists and not fresh:
        from seedsweep.sweeps.running.launch_code import use_files

        # Refuses changed code now, not after a job has waited for hours.
        use_files(study, run, files)
    since = cluster.next_launch(run)
    cluster.launch(study, files.folder, run, console, max_jobs=max_jobs, fresh=fresh)
    if not wait:
        for what, command in (("look", f"status {run.name}"), ("read", f"logs {run.name}")):
            results.say(what, f"seedsweep {command} --runs {run.paths.runs}", console)
        return
    try:
        code = cluster.wait(study, run, console, since=since, max_jobs=max_jobs)
    except KeyboardInterrupt:
        console.print("\nnot followed any more; the jobs go on: look with `seedsweep status`, end with `cancel`")
        sys.exit(130)
    if code is None:
        console.print("[red]the jobs ended before the study did[/]: see `seedsweep logs`, then launch again")
        raise typer.Exit(1)
    if run.paths.report.folder.exists():
        results.show_results(run.paths, study, console)
    raise typer.Exit(code)


def _where(on: str | None) -> str:
    """Where a launch runs: as asked, else on SLURM where there is one that this is no job of."""
    if on == "slurm" and detect.in_allocation():
        raise UserError("--on slurm: this is inside an allocation already; leave it out, or say --on here")
    if on:
        check_place(on)
        return on
    if detect.can_submit() and not detect.in_allocation():
        console.print("on: slurm (sbatch was found; --on here runs on this machine)")
        return "slurm"
    return "here"


def _load(study: str, scale: str | None, overrides: list[str] | None, name: str | None, on: str) -> Any:
    from seedsweep.sweeps.study.loading import load

    return load(study, scale, overrides or [], name, on)


def _user_files(study: str, code: str | None = None, *, accept: bool = False) -> Any:
    from seedsweep.sweeps.running.launch_code import UserFiles

    path = Path(study).absolute()
    if path.suffix == ".json":
        # The record of a run: its copies of the user's files are used, or none.
        return UserFiles(path.parent, code or "", accept)
    # A built-in study has no user's files beside it.
    return UserFiles(path.parent if path.suffix else Path.cwd(), code, accept)


def _run_directory(name: str, runs: Path | None) -> Any:
    from seedsweep.sweeps.running.run_directory import RunDirectory

    return RunDirectory(RunPaths.of(runs_folder(runs), name))


def _existing(name: str | None, runs: Path | None) -> Any:
    folder = runs_folder(runs)
    if name is None:
        found = [each.name for each in RunPaths.all_of(folder)]
        if len(found) != 1:
            what = f"name one of {', '.join(found)}" if found else "launch one first"
            raise UserError(f"{folder} has {len(found)} runs: {what}")
        name = found[0]
    run = _run_directory(name, runs)
    run.check_begun()
    return run


def _stop(text: str, code: int = 2) -> None:
    Console(stderr=True, emoji=False, highlight=False, soft_wrap=True).print(f"[bold red]error[/]: {escape(text)}")
    sys.exit(code)
