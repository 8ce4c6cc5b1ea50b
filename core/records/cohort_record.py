"""A cohort's folder, whose files `core.records.ledger` lists."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seedsweep.core.records import lease
from seedsweep.core.records.claim import Claim, FencedError
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.files import replace
from seedsweep.core.records.origins import origins_of
from seedsweep.core.records.record_files import LedgerError, as_json, curves_of, members_hash, read_json, readable


class CohortRecord:
    """A cohort's folder. Owns every path in it.

    outcome_path: of the file that commits it.  weights: path of what the members of a finished cohort have learnt, and
    state: of all that they need to train on, where the study keeps it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._spec = folder / "cohort.json"
        self.outcome_path = folder / "outcome.json"
        self._error = folder / "error.txt"
        self._limit = folder / "limit.txt"
        self._warning = folder / "warning.txt"
        self.weights = folder / "weights.pt"
        self.state = folder / "state.pt"

    @property
    def finished(self) -> bool:
        """Whether the outcome was committed."""
        return self.outcome_path.exists()

    @property
    def finished_at(self) -> float:
        """When the outcome of a finished cohort was committed, in seconds since 1970."""
        return self.outcome_path.stat().st_mtime

    def spec(self) -> CohortSpec:
        """What the cohort is. Errors: LedgerError."""
        with readable(self._spec):
            values = read_json(self._spec)
            return CohortSpec(**{**values, "seeds": tuple(values["seeds"]), "varied": tuple(values["varied"])})

    def create(self, spec: CohortSpec) -> None:
        """Record what the cohort is, before it runs. A finished one that is to train more steps is opened again: its
        outcome is set aside, and it resumes from its last state, where that was kept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.finished and (before := self.spec().steps) != spec.steps:
            self.outcome_path.rename(self.folder / f"outcome.{before}.json")
        replace(self._spec, as_json(asdict(spec)))

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
        return [*self.versions("checkpoint.*.pt"), *([self.state] if self.state.exists() else [])]

    def curves(self) -> Curves | None:
        """The evaluations so far, or None before the first checkpoint. Errors: LedgerError."""
        for path in self.versions("curves.*.npz"):
            try:
                return curves_of(path.read_bytes(), path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise LedgerError(f"{path} cannot be read: {error.strerror}") from None
        return None

    def outcomes(self) -> list[Outcome]:
        """Of a finished cohort, one a seed. Errors: LedgerError."""
        with readable(self.outcome_path):
            committed = read_json(self.outcome_path)
            members, digest = committed["members"], committed.get("members_sha256")
            found = [Outcome(**member) for member in members]
        if digest not in (None, members_hash(members)):
            raise LedgerError(
                f"{self.outcome_path} was changed after it was written: remove {self.folder} and launch again"
            )
        return found

    def run(self) -> dict[str, Any]:
        """Where and how a finished cohort ran. Errors: LedgerError."""
        with readable(self.outcome_path):
            return dict(read_json(self.outcome_path)["run"])

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
        with readable(self.outcome_path):
            return str(read_json(self.outcome_path)["curves_sha256"])

    @property
    def has_files(self) -> bool:
        """Whether a user's function or command left files of its own."""
        return bool(self.versions("files.*"))

    def verified_curves(self) -> Curves:
        """The curves of a finished cohort after their hash was checked. Errors: LedgerError."""
        with readable(self.outcome_path):
            outcome = read_json(self.outcome_path)
            path, digest = self.folder / outcome["curves"], outcome["curves_sha256"]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise LedgerError(f"{path} cannot be read: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise LedgerError(f"{path} is not what its outcome.json was written for: remove {self.folder}")
        return curves_of(content, path)

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

    def versions(self, pattern: str) -> list[Path]:
        """The files `NAME.N.*` of a pattern, the newest owner's first."""
        return sorted(self.folder.glob(pattern), key=lambda p: int(p.name.split(".")[1]), reverse=True)

    def tidy(self, kept: str) -> None:
        """Remove what a finished cohort needs no more."""
        for leftover in (*self.versions("checkpoint.*.pt"), *self.versions("curves.*.npz"), self._error, self._limit):
            if leftover.name != kept:
                leftover.unlink(missing_ok=True)
