"""What the words of a command line name: a place, a study, a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import RunPaths, runs_folder
from seedsweep.slurm import detect
from seedsweep.sweeps.cli.options import console
from seedsweep.sweeps.places import check_place


def place(on: str | None) -> str:
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


def load(study: str, scale: str | None, overrides: list[str] | None, name: str | None, on: str) -> Any:
    """The study of a file or name (`sweeps.study.loading.load`)."""
    from seedsweep.sweeps.study.loading import load as load_study

    return load_study(study, scale, overrides or [], name, on)


def user_files(study: str, code: str | None = None, *, accept: bool = False) -> Any:
    """The user's own files that a study may name; code: a copy of them that was made before."""
    from seedsweep.sweeps.running.launch_code import UserFiles

    path = Path(study).absolute()
    if path.suffix == ".json":
        # The record of a run: its copies of the user's files are used, or none.
        return UserFiles(path.parent, code or "", accept)
    # A built-in study has no user's files beside it.
    return UserFiles(path.parent if path.suffix else Path.cwd(), code, accept)


def run_directory(name: str, runs: Path | None) -> Any:
    """The run of this name, whether it is there or not."""
    from seedsweep.sweeps.running.run_directory import RunDirectory

    return RunDirectory(RunPaths.of(runs_folder(runs), name))


def existing(name: str | None, runs: Path | None) -> Any:
    """The run of this name, or the only one. Errors: UserError where there is none, or several."""
    folder = runs_folder(runs)
    if name is None:
        found = [each.name for each in RunPaths.all_of(folder)]
        if len(found) != 1:
            what = f"name one of {', '.join(found)}" if found else "launch one first"
            raise UserError(f"{folder} has {len(found)} runs: {what}")
        name = found[0]
    run = run_directory(name, runs)
    if not run.exists and name.endswith((".yaml", ".yml")):
        # The study's file is what `launch` takes.
        of_file = run_directory(Path(name).stem, runs)
        run = of_file if of_file.exists else run
    run.check_begun()
    return run
