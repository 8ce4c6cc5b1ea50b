"""Running the product as a user does: in processes of its own, or in this one without Ray."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import optuna
from rich.console import Console

from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps import cli
from seedsweep.sweeps.cli import options
from seedsweep.sweeps.running import user_code
from seedsweep.sweeps.running.driver import launch
from seedsweep.sweeps.running.inputs import Inputs
from seedsweep.sweeps.running.launch_code import UserFiles
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.search.agenda import Agenda
from seedsweep.sweeps.study.loading import load
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
LAUNCH = [sys.executable, str(ROOT / "sweeps" / "launch.py")]
SEEDSWEEP = [sys.executable, "-c", "from seedsweep.sweeps.cli import main; main()"]


def environment() -> dict[str, str]:
    """Without the SLURM cluster that a development cluster may have set for this shell."""
    here = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    return {**here, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}


def run(*arguments: str, command=LAUNCH, cwd=None, check=True, environ=None) -> subprocess.CompletedProcess:
    env = {**environment(), **(environ or {})}
    done = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, env=env, cwd=cwd, timeout=PATIENCE
    )
    if check and done.returncode:
        raise AssertionError(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def run_here(*arguments: str, check=True) -> subprocess.CompletedProcess:
    """`seedsweep ARGUMENTS` in this process, which spares it the imports: without Ray alone."""
    options.console.width = 200
    words, out, err, code = ["seedsweep", *map(str, arguments)], io.StringIO(), io.StringIO(), 0
    with (
        patch.object(sys, "argv", words),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as exit:
            code = exit.code
    done = subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
    if check and done.returncode:
        raise AssertionError(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def start(*arguments: str, output=subprocess.DEVNULL, cwd=None, environ=None) -> subprocess.Popen:
    return subprocess.Popen(
        [*LAUNCH, *map(str, arguments)],
        stdout=output,
        stderr=output,
        text=True,
        env={**environment(), **(environ or {})},
        cwd=cwd,
        start_new_session=True,
    )


def run_inline(
    study: Path, runs: Path, *settings: str, name=None, accept: bool = False, fresh: bool = False
) -> tuple[RunDirectory, list[str], str]:
    """A launch in this process: the run, what failed, and what was printed."""
    loaded = load(str(study), None, settings, name, "inline")
    directory = RunDirectory(RunPaths(runs / loaded.name))
    console = Console(file=io.StringIO(), width=200)
    files = UserFiles(study.parent, None, accept)
    ended = launch(loaded, directory, files, console, on="inline", fresh=fresh)
    return directory, ended.failed, console.file.getvalue()


def contents(run_folder: Path) -> dict:
    """The ledger's results, to the byte, without where and how they ran."""
    found = {}
    for record in Ledger(RunPaths(run_folder).cohorts).records():
        outcome = json.loads((record.folder / "outcome.json").read_text()) if record.finished else None
        found[record.spec().key] = (
            (record.folder / "cohort.json").read_bytes(),
            (record.folder / outcome["curves"]).read_bytes() if outcome else None,
            outcome and (outcome["members"], outcome["curves_sha256"]),
        )
    return found


def assert_view_agrees(runs: Path, name: str) -> None:
    """Optuna's view holds every explored configuration of the ledger, with its values."""
    directory = RunDirectory(RunPaths(runs / name))
    study, (_, copy) = directory.study(), directory.last_launch()
    user_code.use(directory.paths, copy)
    inputs = Inputs(directory, Console(quiet=True))
    agenda = Agenda(study, directory.ledger, inputs.fingerprint_of, inputs.start_fingerprint, 3)
    shown = optuna.load_study(study_name=name, storage=f"sqlite:///{directory.paths.optuna_db}").trials
    expected = agenda.exploration.trials()
    assert [(t.number, t.state, t.params, t.value) for t in shown] == [
        (t.number, t.state, t.params, t.value) for t in expected
    ]
