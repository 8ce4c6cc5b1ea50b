"""The run directory of a study: begun, gone on in or refused; who holds it; where its launches came from."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedsweep.core.errors import UserError
from seedsweep.core.records import lease
from seedsweep.core.records.files import replace
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.provenance import read_provenance
from seedsweep.core.records.registration import register
from seedsweep.core.records.study import Study, read_study
from seedsweep.core.source import git_commit

#: Name of the lease that a launch holds.
LEASE = "launch"
VERSIONED = ("torch", "numpy", "ray", "optuna", "webdataset", "submitit", "scipy", "pandas")
#: Fields that may become larger while a run goes on.
_GROWING = ("seeds.compare", "search.explore", "training.steps", "training.epochs")
#: Exit code of a launch that another took over from.
FENCED_EXIT = 75


class RunDirectory:
    """`runs/<study>/` and what is done with it as a whole. `paths`: every path in it.  `ledger`: its cohorts."""

    def __init__(self, paths: RunPaths):
        self.paths = paths
        self.ledger = Ledger(paths.cohorts)

    @property
    def name(self) -> str:
        """Of the study."""
        return self.paths.name

    @property
    def exists(self) -> bool:
        """Whether a study was begun here."""
        return self.paths.study.exists()

    def study(self) -> Study:
        """The study as resolved. Errors: UserError if none was begun here; RecordError."""
        self.check_begun()
        return read_study(self.paths.study)

    def check_begun(self) -> None:
        """Errors: UserError if no study was begun here."""
        if not self.exists:
            known = [each.name for each in RunPaths.all_of(self.paths.runs)]
            there = f"; there are {', '.join(known)}" if known else ", nor any other study"
            raise UserError(f"{self.paths.runs} has no run of {self.name!r}{there}")

    def begin(self, study: Study, *, fresh: bool = False) -> Study:
        """Take the directory for this study: begin it, go on in it, or refuse. Returns the study with what the run
        fixed before.

        fresh: what is there is set aside under a hidden name.
        Errors: UserError if it holds another study.
        """
        from seedsweep.sweeps.study.growth import differences, grown
        from seedsweep.sweeps.study.loading import dump

        if fresh and self.paths.folder.exists():
            stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
            self.paths.folder.rename(self.paths.folder.with_name(f".{self.name}.{stamp}"))
        # Where no cohort was begun there is nothing that a change could contradict.
        if self.ledger.records(superseded=True):
            if not self.exists:
                raise UserError(
                    f"{self.paths.folder} has cohorts, but {self.paths.study.name}, which names their study, "
                    f"is missing: start over (--fresh), or under another name (--name {study.name}_2)"
                )
            begun = self.study()
            if changed := differences(begun, study):
                either = _as_before(begun, study, changed)
                raise UserError(
                    f"{self.paths.folder} holds another study of this name; it differs in {'; '.join(changed)}. "
                    f"{either}give this one a name of its own (--name {study.name}_2), or start afresh (--fresh: the "
                    "old one is kept beside it under a hidden name)"
                )
            study = grown(begun, study)
        self.paths.logs.mkdir(parents=True, exist_ok=True)
        replace(self.paths.study_yaml, dump(study).encode())
        replace(self.paths.study, study.to_json().encode())
        register(self.paths, study)
        return study

    @contextlib.contextmanager
    def hold(self, inherited: int | None = None) -> Iterator[int]:
        """Be the one launch of this study; freed when the process ends, however it ends. Yields the launch's number.

        inherited: number of a lease that another process took for this one, and will release.
        Errors: UserError that says who holds it.
        """
        if inherited is not None:
            held = lease.Lease(self.paths.leases, LEASE, inherited)
            held.beat(fenced=_give_way)
            try:
                yield inherited
            finally:
                held.rest()
            return
        if holder := self.holder():
            raise UserError(f"{self.name} is being run by {holder}: look with `seedsweep status`")
        held = lease.take(self.paths.leases, LEASE, lease.this_process())
        # Another may do so when this host was cut off, or asleep, for so long that it seemed dead.
        held.beat(fenced=_give_way)
        try:
            yield held.number
        finally:
            held.release()

    def holder(self) -> str | None:
        """Who runs the study now, in words, or None."""
        holder = lease.alive(self.paths.leases, LEASE)
        return lease.describe(holder) if holder else None

    def ask_retry(self) -> None:
        """Tell the launch that runs to take up failed cohorts again."""
        self.paths.retry.touch()

    def retry_asked(self) -> bool:
        """Whether `ask_retry` was called since the last look."""
        asked = self.paths.retry.exists()
        self.paths.retry.unlink(missing_ok=True)
        return asked

    def last_launch(self) -> tuple[str, str]:
        """Where the last launch ran, and the name of the copy of the user's files that it used; empty if none did."""
        launches = self.provenance()["launches"]
        return (launches[-1]["on"], launches[-1]["copy"]) if launches else ("", "")

    def provenance(self) -> dict[str, list[dict[str, Any]]]:
        """What was recorded of `launches`, and of `accepted_code`, the oldest first. Errors: RecordError."""
        return read_provenance(self.paths)

    def record(self, what: str, *entries: Mapping[str, Any]) -> None:
        """Append to one part of the provenance, with the time and the commit."""
        known = self.provenance()
        now = {"time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "commit": git_commit()}
        known[what] += [{**now, **entry} for entry in entries]
        replace(self.paths.provenance, (json.dumps(known, indent=1) + "\n").encode())

    def record_launch(self, on: str, copy: str, data_fingerprints: Sequence[str], devices: Sequence[str]) -> None:
        """Put a launch on record. on: where it runs.  copy: name of the copy of the user's files."""
        self.record(
            "launches",
            {
                "command": ["seedsweep", *_without_addresses(sys.argv[1:])],
                "on": on,
                "copy": copy,
                "host": socket.gethostname(),
                "devices": list(devices),
                "python": platform.python_version(),
                "versions": {name: importlib.metadata.version(name) for name in VERSIONED},
                "data_fingerprints": list(data_fingerprints),
            },
        )


def _without_addresses(words: Sequence[str]) -> list[str]:
    """A command without the address of a webhook, which is a secret: who knows it can post."""
    before = ("", *words)
    hidden = (word if last != "--notify" else "..." for last, word in zip(before, words, strict=False))
    return ["--notify=..." if word.startswith("--notify=") else word for word in hidden]


def _give_way() -> None:
    """End at once: another launch has taken over, and this one has nothing to write any more."""
    print("another launch of this study has taken over: this one ends", file=sys.stderr, flush=True)
    os._exit(FENCED_EXIT)


def _as_before(begun: Study, study: Study, changed: Sequence[str]) -> str:
    """Where a run was made larger on the command line, and the study's file says the old number: how to go on.

    changed: what differs, `path: old -> new`.
    """
    from seedsweep.sweeps.study.overrides import leaves

    before, after = (dict(leaves(each.model_dump(mode="json", by_alias=True))) for each in (begun, study))
    paths = [each.partition(": ")[0] for each in changed]
    if not any(before.get(path, 0) > after.get(path, 0) > 0 for path in paths if path in _GROWING):
        return "Either "
    # One of several would be refused for the others.
    settings = (f"{path}={json.dumps(before.get(path), ensure_ascii=False)}" for path in paths)
    return f"Go on with what it has ({' '.join(f'--set {shlex.quote(each)}' for each in settings)}), "
