"""This process's node: its address, ports, processes, and what the job has of it."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

import psutil

#: Object store of a node's Ray, bytes: what runs here passes nothing through it.
OBJECT_STORE = 100_000_000
#: A resource of Ray's nodes: 1 where there is a C++ compiler. A trial that needs one asks for so much of it.
COMPILER, ITS_SHARE = "compiler", 0.001
#: Of a launcher around us (torchrun, srun); a trial that sees them takes itself for one of its ranks.
LAUNCHERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "RAY_ADDRESS")


def clear_launchers() -> None:
    """Remove the variables of a launcher around this process."""
    for name in LAUNCHERS:
        os.environ.pop(name, None)


def write_token(path: Path, token: str | None = None) -> None:
    """Write a secret, by default a new one, that its owner alone may read. Errors: FileExistsError."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token or secrets.token_hex(32))


def allocated_cpus() -> int:
    """CPUs of this node that the job has, or that this process may use."""
    return int(os.environ.get("SLURM_CPUS_ON_NODE") or len(os.sched_getaffinity(0)))


def allocated_gpus() -> int:
    """GPUs of this node that the job has."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return len([device for device in visible.split(",") if device and device != "NoDevFiles"])


def compiles() -> bool:
    """Whether this node has the C++ compiler that a compiled program needs."""
    return shutil.which(os.environ.get("CXX", "g++")) is not None


def allocated_memory() -> int | None:
    """Memory of this node that the job has, in bytes; None where SLURM does not count it."""
    if whole := os.environ.get("SLURM_MEM_PER_NODE"):
        return int(whole) * 2**20
    if each := os.environ.get("SLURM_MEM_PER_CPU"):
        return int(each) * allocated_cpus() * 2**20
    return None


def own_address() -> str:
    """This node's address for the other nodes: that of its name, or of its way out where the name is the loopback's."""
    with contextlib.suppress(OSError):
        address = socket.gethostbyname(socket.gethostname())
        if not address.startswith("127."):
            return address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way_out:
        # Nothing is sent: connecting a datagram socket only chooses the interface.
        way_out.connect(("192.0.2.1", 9))
        return str(way_out.getsockname()[0])


def free_port() -> int:
    """A port that nothing listens on now, and that the system gives to no connection before it is taken.

    A port of those which the system gives out may be in use again by the time that Ray's agents, seconds later, want
    it; and with an agent dies its raylet.
    """
    ours = _ports_not_given_out()
    for port in random.SystemRandom().sample(ours, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise OSError(f"none of 100 ports from {ours[0]} to {ours[-1]} is free")


def _ports_not_given_out() -> range:
    """Above those that Ray's own workers take (10002 to 19999), and the larger part beside the system's range."""
    low, high = 32768, 60999
    with contextlib.suppress(OSError, ValueError):
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    parts = range(20000, max(low, 20000)), range(max(high + 1, 20000), 65536)
    widest = max(parts, key=len)
    return widest if len(widest) >= 1000 else range(20000, 65536)


def listens(address: str, port: int) -> bool:
    """Whether something answers there."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; a zombie does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def kill(processes: Iterable[psutil.Process]) -> None:
    """End them at once. One that has ended already is no error."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def descendants() -> list[psutil.Process]:
    """Every descendant of this process that is alive."""
    return [process for process in psutil.Process().children(recursive=True) if is_alive(process)]
