"""A launch does not outlive its Ray: once Ray is dead, what waits for it in the main thread is interrupted."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import psutil

from seedsweep.core.errors import SeedsweepError, UserError
from seedsweep.slurm import node

#: Seconds between two looks.
LOOK = 1.0
#: Seconds in which the main thread must have left Ray. Without the gcs_server some calls never return.
GRACE = 20.0
#: Seconds that the gcs_server of a Ray that is there may be away: it may be started again.
OUTAGE = 20.0
#: Raises in the main thread. A real-time signal, which nothing else here uses: SIGUSR1 is Tune's.
_SIGNAL = signal.SIGRTMIN + 5
#: Names of the processes without which Ray does not work.
_DAEMONS = ("gcs_server", "raylet")
GONE = "Ray has died: one of its processes is gone (killed, or out of memory)"
#: What to do then.
RESUMES = "the same command resumes from the last checkpoints"


class RayDiedError(SeedsweepError):
    """Ray has died, and the launch ends with it."""

    #: Of the command line: no mistake of the user's.
    exit_code = 1


def cluster_lost(address: str) -> RayDiedError:
    """Of a cluster that was there."""
    return RayDiedError(f"--on {address}: the Ray cluster is lost; {RESUMES}")


class RayLostError(BaseException):
    """Ray is dead. No Exception: Tune takes those for a trial's."""

    def __str__(self) -> str:
        return GONE


def own_daemons() -> Callable[[], bool]:
    """Whether the Ray that this process has started is alive: its raylet dies with either of its agents."""
    found = [child for child in psutil.Process().children() if child.name() in _DAEMONS]
    return lambda: all(map(node.is_alive, found))


def own_node(address: str) -> Callable[[], bool]:
    """Whether the Ray that this process has joined is alive, and the node with this process in it. address: of its
    gcs_server, which may be away for OUTAGE."""
    import ray

    me = ray.get_runtime_context().get_node_id()
    host, _, port = address.rpartition(":")
    heard = time.monotonic()

    def alive() -> bool:
        nonlocal heard
        if not node.listens(host, int(port)):
            return time.monotonic() - heard < OUTAGE
        heard = time.monotonic()
        # Asked for its nodes without a gcs_server, Ray waits, and ends this process after a minute.
        nodes = list[dict[str, Any]]()
        asking = threading.Thread(target=lambda: nodes.extend(ray.nodes()), daemon=True, name="ray nodes")
        asking.start()
        asking.join(OUTAGE)
        return any(each["NodeID"] == me and each["Alive"] for each in nodes)

    return alive


@contextlib.contextmanager
def watched(alive: Callable[[], bool]) -> Iterator[None]:
    """Watch a Ray while the body waits for it in the main thread. Errors: RayLostError once it is dead; UserError in
    another thread, which no signal reaches.

    If the body does not return from Ray even so, the process ends with a line and exit status 1.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UserError(
            "a launch on Ray runs in a program's main thread, where the death of Ray can end it: launch there, or with "
            "on='inline'"
        )
    left, lost, main = threading.Event(), threading.Event(), threading.get_ident()

    def leave(number: int, frame: FrameType | None) -> None:
        if not left.is_set():
            raise RayLostError

    def look() -> None:
        while not left.wait(LOOK):
            if alive():
                continue
            lost.set()
            # Several times: Tune waits for Ray at its end, too.
            for _ in range(int(GRACE / LOOK)):
                signal.pthread_kill(main, _SIGNAL)
                if left.wait(LOOK):
                    return
            _end()

    signal.signal(_SIGNAL, leave)
    threading.Thread(target=look, daemon=True, name="ray watch").start()
    try:
        yield
    except Exception:
        # Ray and Tune have errors of their own for it.
        if lost.is_set() or not alive():
            raise RayLostError from None
        raise
    finally:
        left.set()
        # The signal's default would end the process.
        signal.signal(_SIGNAL, signal.SIG_IGN)


def _end() -> None:
    """End this process and what it started."""
    node.kill(node.descendants())
    # A live panel hides the cursor.
    cursor = "\x1b[?25h\n" if sys.stderr.isatty() else ""
    print(f"{cursor}error: {GONE}; {RESUMES}", file=sys.stderr, flush=True)
    os._exit(1)
