"""Commands that run a study, or say what running it would take."""

from __future__ import annotations

import functools
import sys
from typing import Annotated, Any, Optional

import typer
from rich.markup import escape

from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import runs_folder
from seedsweep.slurm import detect
from seedsweep.sweeps.cli import completion
from seedsweep.sweeps.cli.named import existing, load, place, run_directory, user_files
from seedsweep.sweeps.cli.options import (
    STUDY_HELP,
    AcceptCode,
    DryRun,
    Fresh,
    Json,
    LogTo,
    MaxJobs,
    Name,
    Notify,
    On,
    Overrides,
    Power,
    Quiet,
    RunName,
    Runs,
    Scale,
    StudyName,
    Verbose,
    Wait,
    console,
)
from seedsweep.sweeps.commands import machine_readable, notify, results
from seedsweep.sweeps.running import log_places
from seedsweep.sweeps.running.progress import say_where


def launch(
    study: Annotated[
        Optional[str], typer.Argument(metavar="STUDY", help=STUDY_HELP, autocompletion=completion.studies)
    ] = None,
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
    to: Notify = "",
    log_to: LogTo = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    code: Annotated[Optional[str], typer.Option("--code", hidden=True)] = None,
) -> None:
    """Run a study, or resume it: finished work is never run again.

    On a login node it is submitted to SLURM; options of the allocation are `--set resources.allocation.nodes=4` and the
    like, or, for all studies, in ~/.config/seedsweep/cluster.yaml.
    """
    # `--code` names a copy of the user's files that was made before: of a job that SLURM starts.
    with machine_readable.alone(console, asked=quiet):
        where = "slurm" if dry_run else place(on)
    if dry_run and on not in (None, "slurm"):
        raise UserError(f"--dry-run shows what SLURM would get: it goes with --on slurm, not --on {on}")
    if where != "slurm" and (wait or max_jobs > 1):
        raise UserError(f"--wait and --max-jobs go with --on slurm; this launch is --on {where}")
    to = notify.wanted(to)
    log_places.ask(log_to)
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
    loaded = load(study, scale, overrides, name, where)
    run = run_directory(loaded.name, runs)
    files = user_files(study, code, accept=accept_code)
    if where == "slurm":
        with machine_readable.alone(console, asked=quiet and not dry_run):
            _submit(loaded, run, files, fresh=fresh, wait=wait, dry_run=dry_run, max_jobs=max_jobs, to=to)
        return
    from seedsweep.sweeps.commands.launching import launch_here

    told = functools.partial(_told, run, to)
    well = launch_here(loaded, run, files, console, on=where, fresh=fresh, quiet=quiet, verbose=verbose, to=told)
    if detect.head():
        from seedsweep.sweeps.commands import cluster

        cluster.forget_notified(run)
    if not well:
        raise typer.Exit(1)


def plan(
    study: StudyName,
    on: On = None,
    scale: Scale = None,
    overrides: Overrides = None,
    name: Name = None,
    runs: Runs = None,
    power: Power = "0.9,0.6",
    *,
    as_json: Json = False,
) -> None:
    """Say what a launch would run, where, for how long, and what its seeds would tell apart; run nothing but a timed
    probe and simulations of the analysis."""
    from seedsweep.sweeps.commands.plan import find, show
    from seedsweep.sweeps.commands.truths import assumed

    with machine_readable.alone(console, asked=as_json):
        where, differences = place(on), assumed(power)
        loaded = load(study, scale, overrides, name, where)
        run = run_directory(loaded.name, runs)
        if as_json:
            machine_readable.say(find(loaded, run, where, console, differences))
        else:
            show(loaded, run, where, console, differences)


def check(study: StudyName, scale: Scale = None, overrides: Overrides = None, runs: Runs = None) -> None:
    """Build every named configuration, train it for two steps and evaluate it once; run a function or a command until
    its first report. Nothing is left behind."""
    from seedsweep.sweeps.commands.check import show

    if not show(load(study, scale, overrides, None, "here"), user_files(study).folder, console, runs):
        raise typer.Exit(1)


def cancel(name: RunName = None, runs: Runs = None) -> None:
    """Cancel a run's jobs. What is finished stays, what is not goes on from its last checkpoint when launched again."""
    from seedsweep.sweeps.commands import cluster

    run = existing(name, runs)
    numbers = cluster.cancel(run)
    console.print(f"cancelled job {', '.join(numbers)}" if numbers else "no job of this run is in the queue")


def retry(
    name: RunName = None, runs: Runs = None, *, to: Notify = "", quiet: Quiet = False, verbose: Verbose = False
) -> None:
    """Try failed cohorts again: in the launch that runs, or in a new one where the last one ran; on a login node a run
    that was submitted is submitted again."""
    run, to = existing(name, runs), notify.wanted(to)
    unfinished = [record for record in run.ledger.records() if not record.finished]
    if not any(record.error() for record in unfinished):
        stopped = unfinished and not run.holder()
        left = f"; {len(unfinished)} are not finished: `seedsweep launch` goes on with them" if stopped else ""
        console.print(f"no cohort of {escape(run.name)} has failed: there is nothing to try again{left}")
        return
    if run.holder():
        run.ask_retry()
        console.print("the running launch takes up its failed cohorts again")
        return
    if run.paths.copies.exists() and place(None) == "slurm":
        from seedsweep.sweeps.commands import cluster

        cluster.again(run, console, notify=to)
        return
    on, copy = run.last_launch()
    study, where = str(run.paths.study), on or "here"
    launch(study, on=where, runs=run.paths.runs, to=to, quiet=quiet, verbose=verbose, code=copy)


def doctor(runs: Runs = None) -> None:
    """Look at what commonly keeps a study from running here, and say what to do."""
    from seedsweep.slurm.doctor import examine

    marks = {True: "[green]ok[/]  ", False: "[red]bad[/] ", None: "[yellow]?[/]   "}
    findings = examine(runs_folder(runs))
    for finding in findings:
        console.print(f"{marks[finding.well]}{finding.what}: {escape(finding.text)}")
    if any(finding.well is False for finding in findings):
        raise typer.Exit(1)
    console.print("nothing was found that keeps a study from running on this machine: seedsweep launch STUDY")


def _told(run: Any, to: str) -> str:
    """Whom the end is told: of a job, whom its submission named, or a later one that found it running."""
    if not detect.head():
        return to
    from seedsweep.sweeps.commands import cluster

    return cluster.notified(run) or to


def _submit(
    study: Any, run: Any, files: Any, *, fresh: bool, wait: bool, dry_run: bool, max_jobs: int, to: str
) -> None:
    from seedsweep.sweeps.commands import cluster

    if dry_run:
        console.print(cluster.dry_run(study, files.folder, run), markup=False)
        return
    if run.exists and not fresh:
        from seedsweep.sweeps.running.launch_code import use_files

        # Refuses changed code now, not after a job has waited for hours.
        use_files(study, run, files)
    since = cluster.next_launch(run)
    cluster.launch(study, files.folder, run, console, max_jobs=max_jobs, fresh=fresh, notify=to)
    say_where(run.paths, console)
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
        console.quiet = False
        results.show_results(run.paths, study, console)
    if code:
        console.print(f"not all is finished: see `seedsweep status {run.name}` and `seedsweep logs {run.name}`")
    raise typer.Exit(code)
