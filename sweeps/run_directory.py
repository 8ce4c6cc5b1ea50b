"""The run directory of a study: every path in it, who holds it, and where it came from."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import importlib.metadata
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.ledger import Ledger, replace
from sweeps import study as studies
from sweeps.errors import UserError
from sweeps.study import Study

#: Beside the runs: packed data sets, shared by all studies.
DATA_FOLDER = "_data"
VERSIONED = ("torch", "numpy", "ray", "optuna", "webdataset", "submitit", "scipy", "pandas")


def runs_folder(given: Path | None = None) -> Path:
    """--runs, else $SEEDSWEEP_RUNS, else `runs`."""
    return (given or Path(os.environ.get("SEEDSWEEP_RUNS") or "runs")).absolute()


class RunDirectory:
    """`runs/<study>/`. Nothing else joins a path in it."""

    def __init__(self, runs: Path, name: str):
        self.folder = runs / name
        self.data_root = runs / DATA_FOLDER
        self.study_file = self.folder / "study.yaml"
        self.provenance = self.folder / "provenance.json"
        self.optuna_db = self.folder / "optuna.db"
        self.importance = self.folder / "importance.csv"
        self.tensorboard = self.folder / "tensorboard"
        self.logs = self.folder / "logs"
        self.report = self.folder / "report"
        self.probe = self.folder / "probe.json"
        # Beside the folder, not in it: a fresh start sets the folder aside while it is held.
        self._lock = runs / f".{name}.lock"
        self.ledger = Ledger(self.folder)

    @property
    def exists(self) -> bool:
        """Whether a study was begun here."""
        return self.study_file.exists()

    def study(self) -> Study:
        """The study as resolved. Errors: UserError if none was begun here."""
        if not self.exists:
            known = sorted(p.parent.name for p in self.folder.parent.glob("*/study.yaml"))
            there = f"; there are {', '.join(known)}" if known else ", nor any other study"
            raise UserError(f"{self.folder.parent} has no run of {self.folder.name!r}{there}")
        return studies.resolved(self.study_file)

    def begin(self, study: Study, fresh: bool) -> None:
        """Take the directory for this study: begin it, go on in it, or refuse.

        Errors: UserError if it holds another study, or cannot be written.
        """
        if self.exists and fresh:
            stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
            self.folder.rename(self.folder.with_name(f".{self.folder.name}.{stamp}"))
        if self.exists and (changed := studies.differences(self.study(), study)):
            raise UserError(
                f"{self.folder} holds another study of this name; it differs in\n  "
                + "\n  ".join(changed)
                + f"\nEither give this one a name of its own (--name {study.name}_2) or start afresh (--fresh: "
                "the old one is kept beside it under a hidden name)."
            )
        self.logs.mkdir(parents=True, exist_ok=True)
        replace(self.study_file, study.to_yaml().encode())

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Be the one launch of this study; freed when the process ends, however it ends.

        Errors: UserError that says who holds it.
        """
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with open(self._lock, "a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"{self.folder.name} is being run by {self.holder()}: look with `seedsweep status`"
                ) from None
            lock.truncate(0)
            now = datetime.datetime.now().isoformat(" ", "seconds")
            lock.write(f"process {os.getpid()} on {socket.gethostname()} since {now}")
            lock.flush()
            yield
            lock.truncate(0)

    def holder(self) -> str | None:
        """Who runs the study now, in words, or None."""
        if not self._lock.exists():
            return None
        with open(self._lock) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                return lock.read() or "another process"

    def record_provenance(self, data_fingerprint: str, devices: list[str]) -> None:
        """Append this launch to provenance.json."""
        launches: list[Any] = []
        if self.provenance.exists():
            launches = json.loads(self.provenance.read_text())["launches"]
        launches.append(
            {
                "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
                "command": ["seedsweep", *sys.argv[1:]],
                "commit": _git_commit(),
                "host": socket.gethostname(),
                "devices": devices,
                "python": platform.python_version(),
                "versions": {name: importlib.metadata.version(name) for name in VERSIONED},
                "data_fingerprint": data_fingerprint,
            }
        )
        replace(self.provenance, (json.dumps({"launches": launches}, indent=1) + "\n").encode())


def _git_commit() -> str:
    """Commit of the source, with `+changes` where the working tree differs; `unknown` outside git."""
    source = Path(__file__).parent.parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", source, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
