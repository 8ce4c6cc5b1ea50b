"""The ledger: what is asked of each cohort, its evaluations and its outcome. The only truth about a study's results.

A cohort's folder is `cohorts/<configuration-hash>/<seed-block>/` with
  cohort.json      what it is: written once, before it runs
  owner.N          the lease (`core.records.lease`) of the worker that trains it, with the seconds that attempts before
                   took; touched while the worker trains
  curves.N.npz     evaluations so far by owner N: replaced whole at every checkpoint
  checkpoint.N.pt  training state (`core.training.checkpoint`) by owner N
  weights.pt       what its members have learnt, and state.pt: all that they need to train on, where the study keeps
                   it: written before the outcome
  outcome.json     its members' outcomes, the curves' name and hash: the commit point; what has none is not finished;
                   outcome.STEPS.json: an earlier one, of fewer steps
  error.txt        the last failure, removed when the cohort finishes
  warning.txt      what the user should look at; the cohort trains all the same
  files.N/         files of a member that a user's function or command trains, by owner N
  limit.txt        how many members may be trained at once, where more ran out of memory; removed likewise
Beside the configurations' folders, `cohorts/superseded.json` names those that the study does not have any more: their
data, or the weights that they start from, were made anew since.
Every file is written under a temporary name and renamed. Owners never write to one another's files, and the first
outcome stays. So a worker that was taken for dead, on a node that was cut off, changes nothing if it still writes.
Needs NumPy alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records import lease
from seedsweep.core.records.cohort_spec import PHASES, CohortSpec
from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.files import copy_if_there, create, replace
from seedsweep.core.records.origins import origins_of

__all__ = [
    "PHASES", "Claim", "CohortRecord", "CohortSpec", "FencedError", "Ledger", "LedgerError", "create", "replace",
]  # fmt: skip


class LedgerError(SeedsweepError):
    """A record that cannot be trusted; the text names the file."""


class FencedError(LedgerError):
    """This worker was taken for dead and its cohort given to another: it has nothing to write any more."""


class CohortRecord:
    """A cohort's folder. Owns every path in it.

    weights: path of what the members of a finished cohort have learnt, and state: of all that they need to train on,
    where the study keeps it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._spec = folder / "cohort.json"
        self._outcome = folder / "outcome.json"
        self._error = folder / "error.txt"
        self._limit = folder / "limit.txt"
        self._warning = folder / "warning.txt"
        self.weights = folder / "weights.pt"
        self.state = folder / "state.pt"

    @property
    def finished(self) -> bool:
        """Whether the outcome was committed."""
        return self._outcome.exists()

    @property
    def finished_at(self) -> float:
        """When the outcome of a finished cohort was committed, in seconds since 1970."""
        return self._outcome.stat().st_mtime

    def spec(self) -> CohortSpec:
        """What the cohort is. Errors: LedgerError."""
        with _readable(self._spec):
            values = _read_json(self._spec)
            return CohortSpec(**{**values, "seeds": tuple(values["seeds"]), "varied": tuple(values["varied"])})

    def create(self, spec: CohortSpec) -> None:
        """Record what the cohort is, before it runs. A finished one that is to train more steps is opened again: its
        outcome is set aside, and it resumes from its last state, where that was kept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.finished and (before := self.spec().steps) != spec.steps:
            self._outcome.rename(self.folder / f"outcome.{before}.json")
        replace(self._spec, _json(asdict(spec)))

    def claim(self, launch: int, share: float = 1.0) -> Claim:
        """Take the cohort, for the launch with this number. The owner before is fenced: it can write no more.

        share: of the worker's time, where it trains several cohorts.  Errors: FencedError if a newer launch has taken
        over.
        """
        _, owner = lease.newest(self.folder, "owner")
        if owner.get("launch", 0) > launch:
            raise FencedError(f"{self.folder} belongs to a newer launch")
        before = self.spent()
        holder = {**lease.this_process(), "launch": launch, "share": share, "spent": round(before, 3)}
        return Claim(self, lease.take(self.folder, "owner", holder), share, before)

    def owner(self) -> dict[str, Any]:
        """Where the cohort runs or last ran: host, process, job; empty if nowhere yet."""
        return lease.newest(self.folder, "owner")[1]

    def touch(self) -> None:
        """Record that its last owner was at work until now."""
        lease.Lease(self.folder, "owner", lease.newest(self.folder, "owner")[0]).touch()

    def spent(self) -> float:
        """Seconds that workers took for it, in all attempts: its share of each, and of one that did not finish what
        passed until the worker wrote last. Errors: LedgerError."""
        if self.finished:
            run = self.run()
            return float(run.get("spent", run.get("seconds", 0.0)))
        number, owner = lease.newest(self.folder, "owner")
        if not owner:
            return 0.0
        last = max(0.0, self._last_written(number) - lease.started_at(owner))
        return float(owner.get("spent", 0.0) + owner.get("share", 1.0) * last)

    def checkpoints(self) -> list[Path]:
        """Training states, the last owner's first; at the end that of a cohort that was finished with fewer steps."""
        return [*self._versions("checkpoint.*.pt"), *([self.state] if self.state.exists() else [])]

    def curves(self) -> Curves | None:
        """The evaluations so far, or None before the first checkpoint. Errors: LedgerError."""
        for path in self._versions("curves.*.npz"):
            try:
                return _curves(path.read_bytes(), path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise LedgerError(f"{path} cannot be read: {error.strerror}") from None
        return None

    def outcomes(self) -> list[Outcome]:
        """Of a finished cohort, one a seed. Errors: LedgerError."""
        with _readable(self._outcome):
            committed = _read_json(self._outcome)
            members, digest = committed["members"], committed.get("members_sha256")
            found = [Outcome(**member) for member in members]
        if digest not in (None, _digest(members)):
            raise LedgerError(
                f"{self._outcome} was changed after it was written: remove {self.folder} and launch again"
            )
        return found

    def run(self) -> dict[str, Any]:
        """Where and how a finished cohort ran. Errors: LedgerError."""
        with _readable(self._outcome):
            return dict(_read_json(self._outcome)["run"])

    def origins(self) -> dict[int, str]:
        """Of a finished cohort, the run that trained each member that was taken from another, by its seed.

        Errors: LedgerError.
        """
        return origins_of(self.run())

    def taken_from(self) -> str:
        """Name of the run that a finished cohort's members were taken from, `A, B` of several; empty where all were
        trained here. Errors: LedgerError."""
        return ", ".join(sorted(set(self.origins().values())))

    def curves_hash(self) -> str:
        """Of the curves that a finished cohort's outcomes were judged from. Errors: LedgerError."""
        with _readable(self._outcome):
            return str(_read_json(self._outcome)["curves_sha256"])

    @property
    def has_files(self) -> bool:
        """Whether a user's function or command left files of its own."""
        return bool(self._versions("files.*"))

    def verified_curves(self) -> Curves:
        """The curves of a finished cohort after their hash was checked. Errors: LedgerError."""
        with _readable(self._outcome):
            outcome = _read_json(self._outcome)
            path, digest = self.folder / outcome["curves"], outcome["curves_sha256"]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise LedgerError(f"{path} cannot be read: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise LedgerError(f"{path} is not what its outcome.json was written for: remove {self.folder}")
        return _curves(content, path)

    def fail(self, text: str) -> None:
        """Record the last failure."""
        replace(self._error, text.encode())

    def error(self) -> str | None:
        """The last failure of a cohort that has not finished since."""
        return self._error.read_text(errors="replace") if self._error.exists() else None

    def reason(self) -> str | None:
        """The line of the last failure that says what it was."""
        lines = (self.error() or "").strip().splitlines()
        if not lines:
            return None
        return lines[0] if lines[0].startswith("no space") else lines[-1]

    def warn(self, text: str) -> None:
        """Record what the user should look at; the cohort trains all the same."""
        replace(self._warning, f"{text}\n".encode())

    def warning(self) -> str | None:
        """What `warn` recorded."""
        return self._warning.read_text(errors="replace").strip() if self._warning.exists() else None

    def limit(self) -> tuple[int, float]:
        """How many members may be trained at once, and since when, in seconds since 1970; (0, 0) without a limit."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(self._limit.read_text()), self._limit.stat().st_mtime
        return 0, 0.0

    def set_limit(self, at_once: int) -> None:
        """Record that no more members are to be trained at once."""
        replace(self._limit, f"{at_once}\n".encode())

    @property
    def failed_at(self) -> float:
        """When that failure was recorded, in seconds since 1970; 0 if there is none."""
        return self._error.stat().st_mtime if self._error.exists() else 0.0

    def _last_written(self, number: int) -> float:
        """When the owner with this number wrote last, in seconds since 1970."""
        last = 0.0
        for path in self.folder.glob("*.*"):
            # What others write says nothing of it: a later launch may have failed before it had an owner.
            version = path.name.split(".")[1]
            if version.isdecimal() and int(version) == number:
                with contextlib.suppress(FileNotFoundError):
                    last = max(last, path.stat().st_mtime)
        return last

    def _versions(self, pattern: str) -> list[Path]:
        return sorted(self.folder.glob(pattern), key=lambda p: int(p.name.split(".")[1]), reverse=True)

    def _tidy(self, kept: str) -> None:
        """Remove what a finished cohort needs no more."""
        for leftover in (*self._versions("checkpoint.*.pt"), *self._versions("curves.*.npz"), self._error, self._limit):
            if leftover.name != kept:
                leftover.unlink(missing_ok=True)


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
        earlier = [path for path in self.record._versions("files.*") if int(path.suffix[1:]) < self.number]
        if source := begin._versions("files.*") if begin else earlier:
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
            "members_sha256": _digest(members),
            "curves": self._curves.name,
            "curves_sha256": hashlib.sha256(content).hexdigest(),
            "run": {**run, "spent": round(spent, 3)},
        }
        if not create(self.record._outcome, _json(outcome)):
            self._curves.unlink()
            raise FencedError(f"{self.record.folder} was finished by another worker")
        self.record._tidy(self._curves.name)


class Ledger:
    """All cohorts under `<run directory>/cohorts`."""

    def __init__(self, folder: Path):
        """folder: `RunPaths.cohorts`."""
        self.folder = folder
        self._superseded = folder / "superseded.json"

    def record(self, spec: CohortSpec) -> CohortRecord:
        """The folder of a cohort, which need not exist."""
        return CohortRecord(self.folder / spec.configuration / spec.block)

    def records_of(self, configuration: str, phase: str) -> list[CohortRecord]:
        """The cohorts of one configuration and phase, in the order of their seeds."""
        return [CohortRecord(p.parent) for p in sorted((self.folder / configuration).glob(f"{phase}-*/cohort.json"))]

    def records(self, *, superseded: bool = False) -> list[CohortRecord]:
        """The cohorts that were created, in the order of their names: the study's, and the `superseded` ones if asked.

        Errors: LedgerError.
        """
        gone = frozenset[str]() if superseded else self.superseded()
        found = []
        with contextlib.suppress(FileNotFoundError):
            for configuration in sorted(os.listdir(self.folder)):
                for block in sorted(_names(self.folder / configuration)) if configuration not in gone else ():
                    if (self.folder / configuration / block / "cohort.json").exists():
                        found.append(CohortRecord(self.folder / configuration / block))
        return found

    def superseded(self) -> frozenset[str]:
        """Configurations on record that the study had no more when it was last launched. Errors: LedgerError."""
        try:
            return frozenset(map(str, _read_json(self._superseded)["configurations"]))
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise LedgerError(f"{self._superseded} cannot be read ({error}): remove it and launch again") from None

    def supersede(self, configurations: Collection[str]) -> None:
        """Record that the study does not have these configurations any more, and has all others."""
        if self.superseded() != set(configurations):
            replace(self._superseded, _json({"configurations": sorted(configurations)}))


def _names(folder: Path) -> list[str]:
    """What is in a folder; nothing where there is no such folder."""
    with contextlib.suppress(NotADirectoryError, FileNotFoundError):
        return os.listdir(folder)
    return []


def _digest(members: Any) -> str:
    """Of what became of a cohort's members, which nobody changes by hand."""
    return hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()


def _read_json(path: Path) -> dict[str, Any]:
    # Of tens of thousands of files, opening each through `pathlib` takes as long as the rest.
    with open(path, "rb") as file:
        values: dict[str, Any] = json.loads(file.read())
    return values


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Reads a record of a cohort. Errors: LedgerError where it is not there, or damaged."""
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LedgerError(f"{path} cannot be read ({error}): remove its folder and launch again") from None


def _curves(content: bytes, path: Path) -> Curves:
    try:
        return Curves.from_bytes(content)
    except ValueError as error:
        raise LedgerError(f"{path} is damaged ({error}): remove its folder and launch again") from None
