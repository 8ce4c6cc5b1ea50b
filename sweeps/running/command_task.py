"""A user's program as a member: `command: python train.py --seed {seed} --lr {lr} --out {folder}`."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import Claim, CohortRecord, CohortSpec
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running import evaluations, user_code
from seedsweep.sweeps.running.evaluations import Evaluations, ReportedRun
from seedsweep.sweeps.running.single_run import OwnCodeError
from seedsweep.sweeps.study.command_line import arguments

#: In a member's folder: what is the program's, and what it writes to standard output and standard error.
FOLDER, OUTPUT, ERRORS = "folder", "output.txt", "errors.txt"
#: Lines of the end of what a failed program wrote that are kept as the reason.
LAST_LINES = 20
_LAUNCHER = Path(__file__).with_name("dies_with_owner.py")
#: How long a program and its launcher may take to end, in seconds: longer than the launcher's own patience.
_PATIENCE = 15.0
#: Seconds between two looks at what the program wrote.
_LOOK = 0.5
_LINE_END = re.compile(rb"[\r\n]+")
#: A line of output longer than this is no evaluation.
_LONGEST_LINE = 1 << 20


def open(spec: CohortSpec, study: Study, record: CohortRecord, claim: Claim, run_paths: RunPaths) -> CommandRun:
    """The run of a cohort of one member. Errors: UserError."""
    return CommandRun(spec, study, record, claim, user_code.folder_in_use(run_paths))


class CommandRun(ReportedRun):
    """See `SingleRun`. What the program writes goes to files, so that no line is lost with this process."""

    def __init__(self, spec: CohortSpec, study: Study, record: CohortRecord, claim: Claim, code: Path | None):
        """code: the folder that the program runs in; None: its own."""
        self._metric = study.criterion.metric
        self._reported = Evaluations(spec, study, record, claim)
        self._files = evaluations.own_folder(record, claim)
        folder = self._files / FOLDER
        folder.mkdir(exist_ok=True)
        given = {"seed": spec.seeds[0], "folder": str(folder), "steps": spec.steps}
        values = {**evaluations.hyperparameters(spec, study), **spec.values, **spec.overrides, **given}
        self._arguments = arguments(study.command, values)
        self._program = Path(self._arguments[0]).name
        self._where = code or folder
        self._threads = study.resources.cpus
        self._read, self._rest = 0, b""
        self._process: subprocess.Popen[bytes] | None = None
        self._take_lines()
        self.facts: dict[str, Any] = {
            "engine": "command",
            "device": "cuda" if study.resources.gpus else "cpu",
            "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
            "resumed_at": self._reported.step,
        }

    def advance(self, seconds: float) -> bool:
        """See `SingleRun`."""
        limit = time.monotonic() + seconds
        if self._process is None:
            self._process = self._start()
        while True:
            try:
                status = self._process.wait(max(0.0, min(_LOOK, limit - time.monotonic())))
            except subprocess.TimeoutExpired:
                status = None
            self._take_lines()
            self._reported.write_if_due()
            if status is not None:
                self._check_end(status)
                return True
            if time.monotonic() >= limit:
                return False

    def close(self) -> None:
        """See `SingleRun`."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                # Its program is stuck in the system; with the launcher goes the last that waits for it.
                self._process.kill()
                self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {
            # A program that is killed has written what it printed.
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": str(self._threads),
            **os.environ,
            # Programs of this environment, such as torchrun, are found whether it is activated or not.
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        }
        with self._log(OUTPUT) as output, self._log(ERRORS) as errors:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *self._arguments],
                # Closes with this process, however that ends, which ends the program.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
                cwd=self._where,
                env=environment,
                start_new_session=True,
            )

    def _log(self, name: str) -> IO[bytes]:
        """To append to; the last owner's program may have been killed within a line."""
        path = self._files / name
        file = path.open("ab")
        if file.tell() and _end_of(path, 1) not in (b"\n", b"\r"):
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
            file.seek(self._read)
            while content := file.read(_LONGEST_LINE):
                self._read += len(content)
                *lines, self._rest = _LINE_END.split(self._rest + content)
                for line in lines:
                    self._take(line)
                if len(self._rest) > _LONGEST_LINE:
                    self._rest = b""
        if ended:
            self._take(self._rest)
            self._rest = b""

    def _take(self, line: bytes) -> None:
        """Take a line if it is a JSON object with `step`; its other names are of no concern."""
        if not line.lstrip().startswith(b"{"):
            return
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(values, dict) or "step" not in values:
            return
        try:
            step = evaluations.whole_step(values["step"])
            # What is not finite has no word in JSON: strict writers say null.
            found = {
                name: math.nan if values[name] is None else evaluations.number(name, values[name])
                for name in self._reported.columns
                if name in values
            }
        except UserError as error:
            shown = line.decode(errors="replace").strip()
            raise OwnCodeError(f"{self._program} printed {shown[:120]}: {error}") from None
        self._reported.add(step, found)

    def _check_end(self, status: int) -> None:
        """Errors: OwnCodeError where the program failed, or printed no metric."""
        if status:
            last = [line for name in (OUTPUT, ERRORS) for line in self._last_lines(name)][-LAST_LINES:]
            reason = next(
                (line for name in (ERRORS, OUTPUT) for line in self._last_lines(name)[-1:]), "it wrote nothing"
            )
            raise OwnCodeError(f"{self._program} failed with {_in_words(status)}: {reason}", "\n".join(last))
        if self._reported.empty:
            line = json.dumps({"step": 100, self._metric: 0.5})
            raise OwnCodeError(
                f"{self._program} printed no {self._metric}: it must print lines such as {line} on standard output",
                "\n".join(self._last_lines(OUTPUT)),
            )

    def _last_lines(self, name: str) -> list[str]:
        """That are not empty."""
        content = _end_of(self._files / name, 1 << 14).decode(errors="replace")
        return [line.strip() for line in re.split(r"[\r\n]+", content) if line.strip()][-LAST_LINES:]


def _end_of(path: Path, size: int) -> bytes:
    """The last bytes of a file."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read()


def _in_words(status: int) -> str:
    """The launcher's exit status."""
    number = -status if status < 0 else status - 128
    if number > 0 and number in {each.value for each in signal.Signals}:
        return f"signal {signal.Signals(number).name}"
    return f"exit status {status}"
