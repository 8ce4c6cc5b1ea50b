"""A user's program as a member: `command: python train.py --seed {seed} --lr {lr} --out {folder}`."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

from seedsweep.core.errors import UserError
from seedsweep.core.records.claim import Claim
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running import dies_with_owner
from seedsweep.sweeps.running.evaluations import OwnCodeError, ReportingRun, number, whole_step
from seedsweep.sweeps.study.command_line import arguments, script_of, search_path

#: In a member's folder: what is the program's, and what it writes to standard output and standard error.
FOLDER, OUTPUT, ERRORS = "folder", "output.txt", "errors.txt"
#: Lines of the end of what a failed program wrote that are kept as the reason.
LAST_LINES = 20
#: Seconds that a program and its launcher may take to end: longer than the launcher's own patience.
_PATIENCE = 15.0
#: Seconds between two looks at what the program wrote.
_LOOK = 0.5


class CommandRun(ReportingRun):
    """A program's member. What the program writes goes to files, so that no line is lost with this process."""

    def __init__(self, claim: Claim, spec: CohortSpec, study: Study, code: Path | None):
        """code: the folder that the program runs in; None: its own. Errors: UserError."""
        super().__init__(claim, spec, study)
        self._files = claim.files()
        folder = self._files / FOLDER
        folder.mkdir(exist_ok=True)
        given = {"seed": spec.seeds[0], "folder": str(folder), "steps": spec.steps}
        self._arguments = arguments(study.command, {**spec.values, **given})
        # As the study names it: whatever Python is put in its place.
        program, script = shlex.split(study.command)[0], script_of(study.command)
        self._program = f"`{program}`" if script in ("", program) else f"`{program} {script}`"
        self._cwd = code or folder
        self._read_to = 0
        self._process: subprocess.Popen[bytes] | None = None
        # Those that the last owner did not see.
        self._take_lines()
        self.facts = {
            "engine": "command",
            "device": "cuda" if study.resources.gpus else "cpu",
            "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
            "resumed_at": self.step,
        }

    def advance(self, seconds: float) -> bool:
        """Let it train for about so long; whether it has finished. Errors: OwnCodeError, FencedError."""
        limit = time.monotonic() + seconds
        if self._process is None:
            self._process = self._start()
        while True:
            try:
                status = self._process.wait(max(0.0, min(_LOOK, limit - time.monotonic())))
            except subprocess.TimeoutExpired:
                status = None
            self._take_lines()
            self.write_if_due()
            if status is not None:
                self._check_end(status)
                return True
            if time.monotonic() >= limit:
                return False

    def close(self) -> None:
        """End the program and its children if they run still."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                # The program hangs in the system.
                self._process.kill()
                self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {
            # A program that is killed has written what it printed.
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": str(self.study.resources.cpus),
            **os.environ,
            "PATH": search_path(),
        }
        with self._log(OUTPUT) as output, self._log(ERRORS) as errors:
            return dies_with_owner.start(self._arguments, output, errors, self._cwd, environment)

    def _log(self, name: str) -> IO[bytes]:
        """A file to append to."""
        file = (self._files / name).open("ab")
        if file.tell():
            # The last owner's program may have been killed within a line.
            file.write(b"\n")
            file.flush()
        return file

    def _take_lines(self) -> None:
        """Take the evaluations among the lines that were written since the last look."""
        path = self._files / OUTPUT
        if not path.exists():
            return
        # Asked before the file is read to its end.
        ended = self._process is None or self._process.poll() is not None
        with path.open("rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not ended and not line.endswith(b"\n"):
                    break
                self._read_to += len(line)
                for part in line.split(b"\r"):
                    self._take(part)

    def _take(self, line: bytes) -> None:
        """Take a line if it is a JSON object with `step`. Names that are no metric are ignored."""
        if not line.lstrip().startswith(b"{"):
            return
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            return
        if "step" not in values:
            return
        try:
            step = whole_step(values["step"])
            # JSON has no NaN: strict writers write null.
            found = {
                name: math.nan if values[name] is None else number(name, values[name])
                for name in self.columns
                if name in values
            }
        except UserError as error:
            shown = line.decode(errors="replace").strip()
            raise OwnCodeError(f"{self._program} printed {shown[:120]}: {error}") from None
        self.add(step, found)

    def _check_end(self, status: int) -> None:
        """Errors: OwnCodeError where the program failed, or printed no metric."""
        output, errors = self._last_lines(OUTPUT), self._last_lines(ERRORS)
        if status:
            reason = (errors or output or ["it wrote nothing"])[-1]
            raise OwnCodeError(
                f"{self._program} failed with {_in_words(status)}: {reason}",
                "\n".join([*output, *errors][-LAST_LINES:]),
            )
        if not self.curves().steps:
            line = json.dumps({"step": 100, self.metric: 0.5})
            raise OwnCodeError(
                f"{self._program} printed no {self.metric}: it must print lines such as {line} on standard output",
                "\n".join(output),
            )

    def _last_lines(self, name: str) -> list[str]:
        """Without empty ones."""
        with (self._files / name).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - (1 << 14)))
            lines = re.split(r"[\r\n]+", file.read().decode(errors="replace"))
        return [line.strip() for line in lines if line.strip()][-LAST_LINES:]


def _in_words(status: int) -> str:
    """The launcher's exit status."""
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-status if status < 0 else status - 128).name}"
    return f"exit status {status}"
