"""Run a program that ends when its owner does: `dies_with_owner.py OWNER PROGRAM ARGUMENT...`.

OWNER is the number of the process that started this, and holds the other end of the standard input. When that end
closes, or the owner is gone, however it went, the program and all that it started are told to end, and killed if they
do not.
Exits with the program's status; 128 and the signal's number where one killed it.
A file of its own without any import of the project: it starts in a few milliseconds.
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
from pathlib import Path

#: Between being told to end and being killed, in seconds; and between two looks at who is left.
GRACE, LOOK = 5.0, 0.05
#: As shells have it.
NOT_FOUND, NOT_RUNNABLE = 127, 126
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main(owner: int, command: list[str]) -> int:
    """Run the command to its end. Returns the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: _end_all())
    # What loses its parent becomes a child of this process, also what left the program's process group.
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            # Should this process be killed. It has one thread yet, which lasts as long as it does.
            preexec_fn=lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509
            process_group=0,
        )
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        what = "there is no such program" if missing else error.strerror
        print(f"{command[0]}: {what}", file=sys.stderr)
        return NOT_FOUND if missing else NOT_RUNNABLE
    threading.Thread(target=_watch, args=(owner, program), daemon=True).start()
    status = program.wait()
    _end_all()
    return 128 - status if status < 0 else status


def _prctl(option: int, value: int) -> None:
    """Nothing where the system has no such call."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _watch(owner: int, program: subprocess.Popen[bytes]) -> None:
    """End the program when its owner is gone."""
    while os.getppid() == owner and not select.select([0], [], [], 1.0)[0]:
        pass
    if not Path("/proc/self").exists() and program.returncode is None:
        os.killpg(program.pid, signal.SIGTERM)
        time.sleep(GRACE)
        os.killpg(program.pid, signal.SIGKILL)
    _end_all()


def _end_all() -> None:
    """End the program and all that descends from it."""
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 1.0)):
        limit = time.monotonic() + seconds
        told: set[int] = set()
        while (left := _descendants()) and time.monotonic() < limit:
            for pid in left - told:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
            told |= left
            time.sleep(LOOK)


def _descendants() -> set[int]:
    """Living processes below this one; none where there is no /proc."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state = (entry / "stat").read_text().rpartition(")")[2].split()
            if state[0] != "Z":
                parents[int(entry.name)] = int(state[1])
    found: set[int] = set()
    below = {os.getpid()}
    while below:
        below = {pid for pid, parent in parents.items() if parent in below}
        found |= below
    return found


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
