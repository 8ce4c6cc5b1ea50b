"""The run directory of a study: every path in it, who holds it, and where it came from."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from seedsweep.core.errors import UserError
from seedsweep.core.records import lease
from seedsweep.core.records.ledger import Ledger, replace
from seedsweep.core.source import git_commit

if TYPE_CHECKING:
    # With a typed study comes torch, which a look at a ledger does not wait for.
    from seedsweep.sweeps.study.schema import Study

#: Beside the runs: packed data sets, shared by all studies.
DATA_FOLDER = "_data"
#: Beside the runs: who launches each.
LEASES, LEASE = ".leases", "launch"
VERSIONED = ("torch", "numpy", "ray", "optuna", "webdataset", "submitit", "scipy", "pandas")


def runs_folder(given: Path | None = None) -> Path:
    """--runs, else $SEEDSWEEP_RUNS, else `runs`."""
    return (given or Path(os.environ.get("SEEDSWEEP_RUNS") or "runs")).absolute()


#: Exit code of a launch that another took over from.
FENCED_EXIT = 75


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
        self.probe = self.folder / "probe"
        self.starts = self.folder / "starts"
        self.cluster = self.folder / "cluster"
        self.source = self.folder / "source"
        self._retry = self.folder / ".retry"
        # Beside the folder, not in it: a fresh start sets the folder aside while it is held.
        self.leases = runs / LEASES / name
        self.ledger = Ledger(self.folder)

    @property
    def exists(self) -> bool:
        """Whether a study was begun here."""
        return self.study_file.exists()

    def study(self) -> Study:
        """The study as resolved. Errors: UserError if none was begun here."""
        from seedsweep.sweeps.study.schema import resolved

        self.check_begun()
        return resolved(self.study_file)

    def settings(self) -> dict[str, Any]:
        """The study as resolved, unchecked. Errors: UserError if none was begun here, or its file was damaged."""
        self.check_begun()
        try:
            settings: dict[str, Any] = yaml.safe_load(self.study_file.read_text())
            return settings
        except yaml.YAMLError as error:
            raise UserError(f"{self.study_file} is no YAML any more: {' '.join(str(error).split())}") from None

    def check_begun(self) -> None:
        """Errors: UserError if no study was begun here."""
        if not self.exists:
            known = sorted(p.parent.name for p in self.folder.parent.glob("*/study.yaml"))
            there = f"; there are {', '.join(known)}" if known else ", nor any other study"
            raise UserError(f"{self.folder.parent} has no run of {self.folder.name!r}{there}")

    def begin(self, study: Study, fresh: bool) -> None:
        """Take the directory for this study: begin it, go on in it, or refuse.

        Errors: UserError if it holds another study, or cannot be written.
        """
        if self.exists and fresh:
            stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
            self.folder.rename(self.folder.with_name(f".{self.folder.name}.{stamp}"))
        from seedsweep.sweeps.study.schema import differences

        if self.exists and (changed := differences(self.study(), study)):
            raise UserError(
                f"{self.folder} holds another study of this name; it differs in\n  "
                + "\n  ".join(changed)
                + f"\nEither give this one a name of its own (--name {study.name}_2) or start afresh (--fresh: "
                "the old one is kept beside it under a hidden name)."
            )
        self.logs.mkdir(parents=True, exist_ok=True)
        replace(self.study_file, study.to_yaml().encode())

    @contextlib.contextmanager
    def hold(self, inherited: int | None = None) -> Iterator[int]:
        """Be the one launch of this study; freed when the process ends, however it ends. Yields the launch's number.

        inherited: number of a lease that another process took for this one, and will release.
        Errors: UserError that says who holds it.
        """
        if inherited is not None:
            lease.Lease(self.leases, LEASE, inherited).beat(fenced=_give_way)
            yield inherited
            return
        if holder := self.holder():
            raise UserError(f"{self.folder.name} is being run by {holder}: look with `seedsweep status`")
        held = lease.take(self.leases, LEASE, lease.this_process())
        # Another may do so when this host was cut off, or asleep, for so long that it seemed dead.
        held.beat(fenced=_give_way)
        try:
            yield held.number
        finally:
            held.release()

    def holder(self) -> str | None:
        """Who runs the study now, in words, or None."""
        holder = lease.alive(self.leases, LEASE)
        return lease.describe(holder) if holder else None

    def ask_retry(self) -> None:
        """Tell the launch that runs to take up failed cohorts again."""
        self._retry.touch()

    def retry_asked(self) -> bool:
        """Whether `ask_retry` was called since the last look."""
        if not self._retry.exists():
            return False
        self._retry.unlink(missing_ok=True)
        return True

    def record_provenance(self, data_fingerprints: list[str], devices: list[str]) -> None:
        """Append this launch to provenance.json."""
        launches: list[Any] = []
        if self.provenance.exists():
            launches = json.loads(self.provenance.read_text())["launches"]
        launches.append(
            {
                "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
                "command": ["seedsweep", *sys.argv[1:]],
                "commit": git_commit(),
                "host": socket.gethostname(),
                "devices": devices,
                "python": platform.python_version(),
                "versions": {name: importlib.metadata.version(name) for name in VERSIONED},
                "data_fingerprints": data_fingerprints,
            }
        )
        replace(self.provenance, (json.dumps({"launches": launches}, indent=1) + "\n").encode())


def _give_way() -> None:
    """End at once: another launch has taken over, and this one has nothing to write any more."""
    print("another launch of this study has taken over: this one ends", file=sys.stderr, flush=True)
    os._exit(FENCED_EXIT)
