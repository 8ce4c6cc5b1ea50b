"""A worker's right to write to a cohort's folder."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedsweep.core.records import lease
from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.files import copy_if_there, create, replace
from seedsweep.core.records.record_files import LedgerError, as_json, members_hash

if TYPE_CHECKING:
    from seedsweep.core.records.cohort_record import CohortRecord


class FencedError(LedgerError):
    """This worker was taken for dead and its cohort given to another: it has nothing to write any more."""


class Claim:
    """A worker's right to write to a cohort's folder, until another takes it.

    record: of the cohort.  number: of the owner.  checkpoint: path of this owner's training state.
    """

    def __init__(self, record: CohortRecord, owner: lease.Lease, share: float, before: float):
        """share: of the worker's time.  before: seconds of the attempts before."""
        self.record, self._owner = record, owner
        self._share, self._before, self._since = share, before, time.monotonic()
        self.number = owner.number
        self._curves = record.folder / f"curves.{owner.number}.npz"
        self.checkpoint = record.folder / f"checkpoint.{owner.number}.pt"

    def check(self) -> None:
        """Errors: FencedError if another worker owns the cohort now."""
        if not self._owner.held:
            raise FencedError(f"{self.record.folder} was given to another worker")

    def touch(self) -> None:
        """Record that this owner is at work."""
        self._owner.touch()

    def files(self, begin: CohortRecord | None = None) -> Path:
        """This owner's folder for a member's own files. It starts as a copy of the last owner's, which is then removed.

        begin: another cohort, whose last owner's files are taken in place of this one's.  Errors: OSError.
        """
        folder = self.record.folder
        mine, partial = folder / f"files.{self.number}", folder / f".files.{self.number}"
        # Left by owners that ended while they copied; a newer owner may be copying now.
        for leftover in folder.glob(".files.*"):
            if int(leftover.suffix[1:]) <= self.number:
                shutil.rmtree(leftover, ignore_errors=True)
        earlier = [path for path in self.record.versions("files.*") if int(path.suffix[1:]) < self.number]
        if source := begin.versions("files.*") if begin else earlier:
            shutil.copytree(source[0], partial, symlinks=True, copy_function=copy_if_there)
        else:
            partial.mkdir()
        partial.rename(mine)
        for path in earlier:
            shutil.rmtree(path, ignore_errors=True)
        return mine

    def write_curves(self, curves: Curves) -> None:
        """Replace the evaluations so far. Errors: FencedError."""
        self.check()
        replace(self._curves, curves.to_bytes())

    def commit(self, curves: Curves, outcomes: list[Outcome], run: dict[str, Any]) -> None:
        """Finish: the last curves, then the outcome. `run`: where and how it ran, which is no part of the result; the
        seconds of all attempts are added to it.

        Errors: FencedError.
        """
        self.check()
        spent = self._before + self._share * (time.monotonic() - self._since)
        content = curves.to_bytes()
        replace(self._curves, content)
        members = [asdict(outcome) for outcome in outcomes]
        outcome = {
            "members": members,
            "members_sha256": members_hash(members),
            "curves": self._curves.name,
            "curves_sha256": hashlib.sha256(content).hexdigest(),
            "run": {**run, "spent": round(spent, 3)},
        }
        if not create(self.record.outcome_path, as_json(outcome)):
            self._curves.unlink()
            raise FencedError(f"{self.record.folder} was finished by another worker")
        self.record.tidy(self._curves.name)
