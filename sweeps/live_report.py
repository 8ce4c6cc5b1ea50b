"""The report, written anew while a study runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from core.ledger import CohortSpec

#: Between two reports.
PAUSE_SECONDS = 60.0
ROOT = Path(__file__).parent.parent


class LiveReport:
    """A Watcher that has the report written when a cohort has ended, at most once a PAUSE_SECONDS.

    In a process of its own that gives way to training: the driver waits for nothing.
    """

    def __init__(self, run_folder: Path):
        self._folder = run_folder
        self._writer: subprocess.Popen[bytes] | None = None
        self._begun = time.monotonic()

    def began(self, spec: CohortSpec) -> None:
        """Nothing to report yet."""

    def went_on(self, spec: CohortSpec, steps_done: int, outcomes: list[str]) -> None:
        """Nothing: results are reported once a cohort has ended."""

    def ended(self, spec: CohortSpec, failed: bool) -> None:
        """Begin a new report, unless one is being written or was just now."""
        busy = self._writer is not None and self._writer.poll() is None
        if busy or time.monotonic() - self._begun < PAUSE_SECONDS:
            return
        self._begun = time.monotonic()
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._writer = subprocess.Popen(
            ["nice", "-n", "19", sys.executable, "-m", "analysis.report", str(self._folder)],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # A report that cannot be written now is the last one's to complain about.
            stderr=subprocess.DEVNULL,
        )

    def close(self) -> None:
        """End a report that is being written: another is about to be."""
        if self._writer is not None:
            self._writer.terminate()
            self._writer.wait()
