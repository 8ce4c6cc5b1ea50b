"""A program that ends when its owner does.

This file is also a script, the launcher: `dies_with_owner.py OWNER PROGRAM ARGUMENT...`. OWNER is the number of the
process that started it, and holds the other end of the standard input. When that end closes, or the owner is gone, the
program and all its descendants are told to end, and killed if they do not. The launcher exits with the program's
status; 128 and the signal's number where a signal killed it. It imports nothing of the project, and so starts quickly.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

#: Seconds between being told to end and being killed.
GRACE = 5.0
#: Exit status where the program does not start, as of a shell.
NOT_STARTED = 127
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def start(
    command: Sequence[str], output: IO[bytes], errors: IO[bytes], cwd: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the program, as a child of a launcher. To end it, close the standard input of the process returned."""
    return subprocess.Popen(
        [sys.executable, "-I", __file__, str(os.getpid()), *command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
        cwd=cwd,
        env=environment,
        start_new_session=True,
    )


def main(owner: int, command: list[str]) -> int:
    """Run the command to its end. Returns the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: _end_all())
    # A descendant whose parent ends becomes a child of this process.
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            # In case this process is killed. It has one thread so far, which lasts as long as it does.
            preexec_fn=lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509
            process_group=0,
        )
    except OSError as error:
        what = "there is no such program" if isinstance(error, FileNotFoundError) else error.strerror
        print(f"{command[0]}: {what}", file=sys.stderr)
        return NOT_STARTED
    threading.Thread(target=_watch, args=(owner,), daemon=True).start()
    status = program.wait()
    _end_all()
    return 128 - status if status < 0 else status


def _prctl(option: int, value: int) -> None:
    """Nothing where the system has no such call."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _watch(owner: int) -> None:
    """End the program when its owner is gone."""
    while os.getppid() == owner and not select.select([0], [], [], 1.0)[0]:
        pass
    _end_all()


def _end_all() -> None:
    """End the program and all its descendants."""
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 1.0)):
        limit = time.monotonic() + seconds
        told: set[psutil.Process] = set()
        while (left := _descendants()) and time.monotonic() < limit:
            for process in left - told:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(number)
            told |= left
            time.sleep(0.05)


def _descendants() -> set[psutil.Process]:
    """Those that are alive."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.add(process)
    return found


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
