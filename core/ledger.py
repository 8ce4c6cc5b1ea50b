"""The ledger: what is asked of each cohort, its evaluations and its outcome. The only truth about a study's results.

A cohort's folder is `cohorts/<configuration-hash>/<seed-block>/` with
  cohort.json    what it is: written once, before it runs
  curves.npz     evaluations so far: replaced whole at every checkpoint
  checkpoint.pt  training state (`core.checkpoint`)
  outcome.json   its members' outcomes and the curves' hash: the commit point; what has none is not finished
  error.txt      the last failure, removed when the cohort finishes
Every file is written under a temporary name and renamed. Needs NumPy alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.criterion import Outcome

PHASES = ("explore", "compare")


class LedgerError(Exception):
    """A record that cannot be trusted; the text names the file."""


@dataclass(frozen=True)
class CohortSpec:
    """What a cohort is.

    phase:         one of PHASES.
    number:        of the configuration within its phase: in `explore` the order in which it was asked.
    configuration: hash of all that changes a member's result except its seed.
    hyperparameters: of the configuration, by name.
    origin:        `named` for the configurations that the study names, `search` for what the search found.
    seeds:         one member each.
    """

    phase: str
    number: int
    configuration: str
    hyperparameters: dict[str, float]
    origin: str
    seeds: tuple[int, ...]

    @property
    def block(self) -> str:
        """Name of the seed block."""
        return f"{self.phase}-{self.seeds[0]:06d}-{self.seeds[-1]:06d}"

    @property
    def key(self) -> tuple[str, str]:
        """Identity of the cohort: no two have the same."""
        return self.configuration, self.block


@dataclass(frozen=True)
class Curves:
    """Evaluations: steps [E], values float64 [E,M,K] with the names of the K columns, seeds [M]."""

    steps: list[int]
    values: np.ndarray
    columns: list[str]
    seeds: list[int]

    def column(self, name: str) -> np.ndarray:
        """Values [E,M] of one column."""
        return self.values[:, :, self.columns.index(name)]


class CohortRecord:
    """A cohort's folder. Owns every path in it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.checkpoint = folder / "checkpoint.pt"
        self._spec = folder / "cohort.json"
        self._curves = folder / "curves.npz"
        self._outcome = folder / "outcome.json"
        self._error = folder / "error.txt"

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
        values = _read_json(self._spec)
        return CohortSpec(**{**values, "seeds": tuple(values["seeds"])})

    def create(self, spec: CohortSpec) -> None:
        """Record what the cohort is, before it runs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        replace(self._spec, _json(asdict(spec)))

    def write_curves(self, curves: Curves) -> None:
        """Replace the evaluations so far."""
        replace(self._curves, _curves_bytes(curves))

    def curves(self) -> Curves | None:
        """The evaluations so far, or None before the first checkpoint. Errors: LedgerError."""
        try:
            return _parse_curves(self._curves.read_bytes(), self._curves)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(f"{self._curves} cannot be read: {error.strerror}") from None

    def commit(self, curves: Curves, outcomes: list[Outcome], run: dict[str, Any]) -> None:
        """Finish: the last curves, then the outcome. `run`: where and how it ran, which is no part of the result."""
        content = _curves_bytes(curves)
        replace(self._curves, content)
        members = [asdict(outcome) for outcome in outcomes]
        digest = hashlib.sha256(content).hexdigest()
        replace(self._outcome, _json({"members": members, "curves_sha256": digest, "run": run}))
        for leftover in (self.checkpoint, self._error):
            leftover.unlink(missing_ok=True)

    def outcomes(self) -> list[Outcome]:
        """Of a finished cohort, one a seed. Errors: LedgerError."""
        return [Outcome(**member) for member in _read_json(self._outcome)["members"]]

    def run(self) -> dict[str, Any]:
        """Where and how a finished cohort ran."""
        run: dict[str, Any] = _read_json(self._outcome)["run"]
        return run

    def verified_curves(self) -> Curves:
        """The curves of a finished cohort after their hash was checked. Errors: LedgerError."""
        content = self._curves.read_bytes()
        if hashlib.sha256(content).hexdigest() != _read_json(self._outcome)["curves_sha256"]:
            raise LedgerError(f"{self._curves} is not what its outcome.json was written for: remove {self.folder}")
        return _parse_curves(content, self._curves)

    def fail(self, text: str) -> None:
        """Record the last failure."""
        replace(self._error, text.encode())

    def error(self) -> str | None:
        """The last failure of a cohort that has not finished since."""
        return self._error.read_text() if self._error.exists() else None

    @contextlib.contextmanager
    def claim(self, patience: float = 60.0) -> Iterator[None]:
        """Hold the cohort against another process on this file system; freed when the process dies.

        Errors: LedgerError after `patience` seconds: a worker of a killed launch should long be gone.
        """
        deadline = time.monotonic() + patience
        with open(self.folder / ".claim", "w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise LedgerError(f"{self.folder} is in use by another process") from None
                    time.sleep(0.1)
            yield


class Ledger:
    """All cohorts under `<run directory>/cohorts`."""

    def __init__(self, run_directory: Path):
        self.folder = run_directory / "cohorts"

    def record(self, spec: CohortSpec) -> CohortRecord:
        """The folder of a cohort, which need not exist."""
        return CohortRecord(self.folder / spec.configuration / spec.block)

    def records_of(self, configuration: str, phase: str) -> list[CohortRecord]:
        """The cohorts of one configuration and phase, in the order of their seeds."""
        return [CohortRecord(p.parent) for p in sorted((self.folder / configuration).glob(f"{phase}-*/cohort.json"))]

    def records(self) -> list[CohortRecord]:
        """Every cohort that was begun, in the order of their names."""
        return [CohortRecord(path.parent) for path in sorted(self.folder.glob("*/*/cohort.json"))]


def replace(path: Path, content: bytes) -> None:
    """Write `path` whole or not at all: to a temporary name, to the disk, then renamed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        return values
    except (OSError, ValueError) as error:
        raise LedgerError(f"{path} cannot be read ({error}): remove its folder and launch again") from None


def _curves_bytes(curves: Curves) -> bytes:
    buffer = io.BytesIO()
    # np.savez stamps a fixed date into its members: same curves, same bytes.
    np.savez(
        buffer,
        steps=np.array(curves.steps, np.int64),
        values=curves.values.astype(np.float64),
        columns=np.array(curves.columns),
        seeds=np.array(curves.seeds, np.int64),
    )
    return buffer.getvalue()


def _parse_curves(content: bytes, path: Path) -> Curves:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return Curves(
                stored["steps"].tolist(), stored["values"], stored["columns"].tolist(), stored["seeds"].tolist()
            )
    except (ValueError, KeyError, OSError) as error:
        raise LedgerError(f"{path} is damaged ({error})") from None
