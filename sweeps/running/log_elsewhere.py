"""Members' evaluations, logged to other places while a study runs, by a process that reads the ledger."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from seedsweep.analysis.labels import label
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.files import replace
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import read_study
from seedsweep.sweeps.running import low_priority
from seedsweep.sweeps.running.log_places import Member, Place, Row, measured, place
from seedsweep.sweeps.running.progress import Watcher

#: Between two looks at the ledger; at the end of a launch the last one may take so many seconds.
PAUSE_SECONDS, END_SECONDS = 20.0, 600.0


class LogElsewhere(Watcher):
    """Has new evaluations logged, at most once in PAUSE_SECONDS, by a process of low priority.

    A place that is slow or away keeps no cohort waiting, and its failure ends no launch: what is missing is logged by
    the next one.
    """

    def __init__(self, paths: RunPaths, places: Sequence[str], console: Console):
        self._paths, self._places, self._console = paths, tuple(places), console
        self._log = paths.log_of_logging
        self._process: subprocess.Popen[bytes] | None = None
        self._asked_at = -PAUSE_SECONDS

    def progressed(self, spec: CohortSpec, steps_done: int, outcomes: Sequence[str]) -> None:
        """Ask for a look."""
        self._ask()

    def finished(self, spec: CohortSpec, *, failed: bool) -> None:
        """Ask for a look."""
        self._ask()

    def close(self) -> None:
        """Have the rest logged, and say if that failed."""
        if not self._places:
            return
        if self._process is None:
            self._process = self._start()
        names = " and ".join(self._places)
        try:
            with self._console.status(f"logging the rest to {names}"):
                self._process.communicate(b".", timeout=END_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        if self._process.returncode:
            line = f"not all is logged to {names}: {_last_line(self._log)} (see {self._log}); the next launch goes on"
            self._console.print(f"[yellow]warning[/]: {escape(line)}", highlight=False, soft_wrap=True)

    def _ask(self) -> None:
        if not self._places or time.monotonic() - self._asked_at < PAUSE_SECONDS:
            return
        self._asked_at = time.monotonic()
        if self._process is None:
            self._process = self._start()
        # One that failed stays away until the next launch.
        if self._process.poll() is None and self._process.stdin is not None:
            try:
                self._process.stdin.write(b".")
            except OSError:
                self._process.stdin = None

    def _start(self) -> subprocess.Popen[bytes]:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            # Ctrl-C is for the launch, which then closes the input.
            return low_priority.start(__name__, [str(self._paths.folder), *self._places], log, own_group=True)


class Log:
    """What of a run's ledger was logged to some places: its `logged_elsewhere.json` knows it in the next launch."""

    def __init__(self, paths: RunPaths, places: Mapping[str, Place]):
        self._places, self._file = places, paths.logged_elsewhere
        self._study, self._ledger = read_study(paths.study), Ledger(paths.cohorts)
        self._done: set[Path] = set()
        known: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}
        #: A run that was begun afresh is another, though its members have the same names.
        self._token = str(known.get("token") or secrets.token_hex(4))
        #: By place and member: the last step that was logged, and whether its end was.
        self._logged: dict[str, dict[str, list[int]]] = known.get("logged", {})

    def look(self) -> None:
        """Log what is new. What cannot be logged now is what is new the next time."""
        for record in self._ledger.records():
            if record.folder not in self._done:
                self._log(record)

    def _log(self, record: CohortRecord) -> None:
        spec, ended = record.spec(), record.finished
        curves = record.curves()
        if curves is None:
            return
        outcomes = {outcome.seed: outcome for outcome in record.outcomes()} if ended else {}
        changed = False
        for at, seed in enumerate(curves.seeds):
            member = self._member(spec, seed)
            for name, there in self._places.items():
                last, over = self._logged.setdefault(name, {}).get(member.key, [-1, 0])
                rows: list[Row] = [
                    (step, measured(dict(zip(curves.columns, values[at].tolist(), strict=True))))
                    for step, values in zip(curves.steps, curves.values, strict=True)
                    if step > last
                ]
                if rows:
                    there.log(member, rows)
                    last, over = rows[-1][0], 0
                if ended and not over:
                    there.end(member, outcomes[seed])
                    over = 1
                changed |= self._logged[name].get(member.key) != [last, over]
                self._logged[name][member.key] = [last, over]
        if changed:
            replace(self._file, json.dumps({"token": self._token, "logged": self._logged}).encode())
        if ended:
            self._done.add(record.folder)

    def _member(self, spec: CohortSpec, seed: int) -> Member:
        paths = [path.removeprefix("hyperparameters.") for path in self._study.search.space]
        return Member(
            key=f"{self._token}-{spec.phase}-{spec.configuration[:12]}-{seed}",
            study=self._study.name,
            phase=spec.phase,
            configuration=label(spec, spec.number, paths),
            seed=seed,
            values=spec.values,
        )


def follow(folder: Path, names: Sequence[str]) -> None:
    """Log what is new whenever a byte or more has come on the standard input, and once more at its end."""
    places = {name: place(name) for name in names}
    log = Log(RunPaths(folder), places)
    try:
        while os.read(0, 4096):
            log.look()
        log.look()
    finally:
        for there in places.values():
            there.close()


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "it was stopped")


if __name__ == "__main__":
    follow(Path(sys.argv[1]), sys.argv[2:])
