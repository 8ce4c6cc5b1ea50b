"""The report, written anew while a study runs."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.sweeps.running import low_priority
from seedsweep.sweeps.running.progress import Watcher

#: Between two reports.
PAUSE_SECONDS = 60.0


class LiveReport(Watcher):
    """Has the report's page written when a cohort has finished, at most once in PAUSE_SECONDS.

    A process of low priority writes it, and keeps what it has read: a page of thousands of members takes seconds, for
    which the driver does not wait.
    """

    def __init__(self, run_folder: Path):
        self._folder = run_folder
        self.writer: subprocess.Popen[bytes] | None = None
        self._asked_at = time.monotonic()

    def finished(self, spec: CohortSpec, *, failed: bool) -> None:
        """Ask for a new page, unless one was asked for just now."""
        if time.monotonic() - self._asked_at < PAUSE_SECONDS:
            return
        self._asked_at = time.monotonic()
        if self.writer is None or self.writer.poll() is not None:
            self.writer = low_priority.start("seedsweep.analysis.page.report", [str(self._folder)])
        with contextlib.suppress(OSError):
            assert self.writer.stdin is not None
            self.writer.stdin.write(b".")

    def close(self) -> None:
        """Stop the process: the launch writes the last page itself."""
        if self.writer is not None:
            self.writer.terminate()
            self.writer.communicate()
