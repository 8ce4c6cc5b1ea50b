"""Running the product as a user does, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import optuna

from seedsweep.core.records.ledger import Ledger
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.search.agenda import Agenda

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
        [*command, *map(str, arguments)], capture_output=True, text=True, env=env, cwd=cwd, timeout=240
    )
    if check and done.returncode:
        raise AssertionError(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*LAUNCH, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,
    )


def contents(run_folder: Path) -> dict:
    """The ledger's results, to the byte, without where and how they ran."""
    found = {}
    for record in Ledger(run_folder).records():
        outcome = json.loads((record.folder / "outcome.json").read_text()) if record.finished else None
        found[record.spec().key] = (
            (record.folder / "cohort.json").read_bytes(),
            (record.folder / outcome["curves"]).read_bytes() if outcome else None,
            outcome and (outcome["members"], outcome["curves_sha256"]),
        )
    return found


def assert_view_agrees(runs: Path, name: str) -> None:
    """Optuna's view holds every explored configuration of the ledger, with its values."""
    folder = RunDirectory(runs, name)
    study = folder.study()
    (data,) = (runs / "_data").iterdir()
    from seedsweep.shards.read import data_fingerprint

    expected = Agenda(study, folder.ledger, {study.data: data_fingerprint(data)}).exploration.trials()
    shown = optuna.load_study(study_name=name, storage=f"sqlite:///{folder.optuna_db}").trials
    assert [(t.number, t.state, t.params, t.value) for t in shown] == [
        (t.number, t.state, t.params, t.value) for t in expected
    ]
