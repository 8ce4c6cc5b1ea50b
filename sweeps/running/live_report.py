"""The report, written anew while a study runs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from seedsweep.core.records.ledger import CohortSpec
from seedsweep.core.source import ROOT

#: Between two reports.
PAUSE_SECONDS = 60.0


class LiveReport:
    """A Watcher that has the report's page written when a cohort has ended, at most once a PAUSE_SECONDS.

    In a process of its own that gives way to training, and that remembers what has finished: the driver waits for
    nothing, and a page of thousands of members takes seconds.
    """

    def __init__(self, run_folder: Path):
        self._folder = run_folder
        self.writer: subprocess.Popen[bytes] | None = None
        self._asked = time.monotonic()

    def started(self, spec: CohortSpec) -> None:
        """Nothing to report yet."""

    def progressed(self, spec: CohortSpec, steps_done: int, outcomes: Sequence[str]) -> None:
        """Nothing: results are reported once a cohort has ended."""

    def finished(self, spec: CohortSpec, *, failed: bool) -> None:
        """Ask for a new page, unless one was asked for just now."""
        if time.monotonic() - self._asked < PAUSE_SECONDS:
            return
        self._asked = time.monotonic()
        if self.writer is None or self.writer.poll() is not None:
            self.writer = self._start()
        with contextlib.suppress(OSError):
            assert self.writer.stdin is not None
            self.writer.stdin.write(b".")

    def close(self) -> None:
        """End a page that is being written: another is about to be."""
        if self.writer is not None:
            self.writer.terminate()
            self.writer.communicate()

    def _start(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        return subprocess.Popen(
            ["nice", "-n", "19", sys.executable, "-m", "seedsweep.analysis.page.report", str(self._folder)],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
