"""Leases: who may write to a folder that several hosts share. Who holds the newest one may; older ones are fenced.

Leases are numbered files: `<name>.000001`, `<name>.000002`, ... Each is created by a hard link, which fails if its
number is taken. File locks are not used: not every shared file system has them between hosts, and a host that is cut
off from the network keeps its locks.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seedsweep.core.errors import SeedsweepError

#: Seconds between two heartbeats of a holder; and without one, until the holder counts as dead.
BEAT, PATIENCE = 2.0, 15.0
#: Format of the time at which a holder took its lease.
SINCE = "%Y-%m-%d %H:%M:%S"


class Lease:
    """A lease that this process took. It is held until somebody takes the next one.

    folder: of the leases.  name: of the leases.  number: fencing token, growing.
    """

    def __init__(self, folder: Path, name: str, number: int):
        self.folder, self.name, self.number = folder, name, number
        self.path = _path(folder, name, number)
        self._stop = threading.Event()

    @property
    def held(self) -> bool:
        """Whether no newer lease was taken."""
        return numbers(self.folder, self.name)[-1:] == [self.number]

    def beat(self, fenced: Callable[[], None]) -> None:
        """Send heartbeats in the background until `release`. Once a newer lease is taken, call `fenced` and stop."""

        def run() -> None:
            while not self._stop.wait(BEAT):
                # A file system that does not answer for a while is no reason to end: the lease may still be held.
                with contextlib.suppress(OSError):
                    if not self.held:
                        fenced()
                        return
                    self.touch()

        threading.Thread(target=run, daemon=True, name=f"lease {self.name}").start()

    def touch(self) -> None:
        """Send one heartbeat, as far as the file system allows."""
        with contextlib.suppress(OSError):
            os.utime(self.path)

    def rest(self) -> None:
        """Send no more heartbeats."""
        self._stop.set()

    def release(self) -> None:
        """End the lease at once. Its number is not used again."""
        self.rest()
        with contextlib.suppress(OSError):
            if self.held:
                # An empty file is a released lease: this needs no space on a full disk.
                os.truncate(self.path, 0)


def take(folder: Path, name: str, holder: dict[str, Any]) -> Lease:
    """Take the next lease, also where another process holds the newest. Earlier leases are removed.

    Errors: OSError of the file system.
    """
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        before = numbers(folder, name)
        number = before[-1] + 1 if before else 1
        partial = _write_partial(folder, name, holder)
        try:
            os.link(partial, _path(folder, name, number))
        except FileExistsError:
            # NFS may have cached a listing without it.
            time.sleep(0.05)
            continue
        finally:
            partial.unlink()
        if numbers(folder, name)[-1] != number:
            # After the listing above, another process took this number, and a third took the next and removed it.
            _path(folder, name, number).unlink(missing_ok=True)
            continue
        for old in before:
            _path(folder, name, old).unlink(missing_ok=True)
        return Lease(folder, name, number)


def numbers(folder: Path, name: str) -> list[int]:
    """Numbers of the leases that exist, in growing order."""
    with contextlib.suppress(FileNotFoundError):
        endings = (entry.rpartition(f"{name}.")[2] for entry in os.listdir(folder) if entry.startswith(f"{name}."))
        return sorted(int(ending) for ending in endings if ending.isdecimal())
    return []


def newest(folder: Path, name: str) -> tuple[int, dict[str, Any]]:
    """Number and holder of the newest lease; (0, {}) where there is none, (number, {}) where it was released.

    Errors: SeedsweepError if its file is damaged.
    """
    while found := numbers(folder, name):
        path = _path(folder, name, found[-1])
        with contextlib.suppress(FileNotFoundError):
            try:
                text = path.read_text()
                return found[-1], dict(json.loads(text)) if text else {}
            except (ValueError, TypeError) as error:
                raise SeedsweepError(f"{path} is damaged ({error}): remove it once nothing runs") from None
    return 0, {}


def this_process() -> dict[str, Any]:
    """This process as a holder: what others need to tell whether it is alive."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "pids": _pid_namespace(),
        "started": start_ticks(os.getpid()),
        "job": os.environ.get("SLURM_JOB_ID"),
        "restart": int(os.environ.get("SLURM_RESTART_COUNT") or 0),
        "since": time.strftime(SINCE),
    }


def alive(folder: Path, name: str) -> dict[str, Any] | None:
    """The holder of the newest lease if it may be alive, else None.

    A holder on this host is looked up by its process number. An earlier run of this SLURM job is dead. Any other counts
    as dead after PATIENCE seconds without a heartbeat, by the file system's clock.
    """
    number, holder = newest(folder, name)
    if not holder:
        return None
    if holder["pids"] == _pid_namespace() and holder["host"] == socket.gethostname():
        return holder if start_ticks(holder["pid"]) == holder["started"] else None
    here = this_process()
    if here["job"] and holder["job"] == here["job"] and holder["restart"] < here["restart"]:
        return None
    try:
        # Opened, not looked up: NFS asks its server about a file that is opened, and else remembers old times.
        with open(_path(folder, name, number)) as file:
            silent = _clock(folder) - os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return alive(folder, name)
    return holder if silent < PATIENCE else None


def describe(holder: dict[str, Any]) -> str:
    """A holder in words."""
    job = f"job {holder['job']}, " if holder["job"] else ""
    return f"{job}process {holder['pid']} on {holder['host']} since {holder['since']}"


def started_at(holder: dict[str, Any]) -> float:
    """When a holder took its lease, in seconds since 1970."""
    return time.mktime(time.strptime(holder["since"], SINCE))


def _path(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}.{number:06d}"


def _write_partial(folder: Path, name: str, holder: dict[str, Any]) -> Path:
    path = folder / f".{name}.{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}"
    path.write_text(json.dumps(holder))
    return path


def _pid_namespace() -> str:
    """The process namespace and the boot that a process number belongs to."""
    with contextlib.suppress(OSError):
        return f"{os.readlink('/proc/self/ns/pid')} {Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"
    return ""


def start_ticks(pid: int) -> int | None:
    """When a process started, in ticks since boot; None if it is not alive. Tells it from a later process of the same
    number."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state[0] == "Z" else int(state[19])
    return None


def _clock(folder: Path) -> float:
    """The present time by the clock of the file system, which stamps the heartbeats; hosts' own clocks differ."""
    probe = folder / f".clock.{socket.gethostname()}.{os.getpid()}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
