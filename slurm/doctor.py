"""Checks before a study runs on a cluster, for what commonly goes wrong there: a line each, with what to do."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seedsweep.slurm import detect, node
from seedsweep.slurm.allocation import partitions
from seedsweep.slurm.settings import SlurmError

#: Bytes that must be free.
LEAST_FREE = 2**30
#: File systems that every node sees, by the kernel's names.
SHARED = ("nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "fuse", "panfs", "glusterfs", "9p", "cifs", "virtiofs")


@dataclass(frozen=True)
class Finding:
    """What was checked, what was found and what to do, and whether it is well (None: cannot be told here)."""

    what: str
    text: str
    well: bool | None


def examine(runs: Path) -> list[Finding]:
    """Every finding. `runs`: the folder that the runs are to be in."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _slurm,
        _ports,
        _temporary_folder,
        lambda: _shared_folder(runs),
        _gpus,
        _compiler,
    )
    return [finding for check in checks for finding in check()]


def _slurm() -> Iterator[Finding]:
    here = "studies run on this machine (--on here, the default)"
    if shutil.which("sbatch") is None:
        yield Finding("SLURM", f"sbatch is not on the path: {here}", well=None)
        return
    if not detect.can_submit():
        yield Finding("SLURM", f"installed, but no cluster is configured ($SLURM_CONF names none): {here}", well=None)
        return
    version = _output("sinfo", "--version")
    try:
        lines = partitions()
    except SlurmError as error:
        yield Finding("SLURM", f"{error}: ask your administrators whether the controller is up", well=False)
        return
    yield Finding("SLURM", f"{version or 'slurm'} answers", well=True)
    for line in lines:
        name, limit, nodes, cpus, memory, gres = line.split("|")[:6]
        gpus = "" if gres == "(null)" else f", {gres}"
        text = f"at most {limit}, {nodes} nodes of {cpus} CPUs, {memory} MB{gpus}"
        yield Finding(f"partition {name}", text, well=True)


def _ports() -> Iterator[Finding]:
    address = "127.0.0.1"
    with contextlib.suppress(OSError):
        address = socket.gethostbyname(socket.gethostname())
    try:
        with socket.socket() as server, socket.socket() as client:
            server.bind((address, 0))
            server.listen()
            client.settimeout(3)
            client.connect(server.getsockname())
        yield Finding("ports", f"a free port of {address} can be reached", well=True)
    except OSError as error:
        yield Finding("ports", f"{address}: {error.strerror or error}: Ray's nodes must meet: a firewall?", well=False)


def _temporary_folder() -> Iterator[Finding]:
    try:
        with tempfile.TemporaryDirectory(prefix="seedsweep-", dir="/tmp") as folder:
            free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding("/tmp", f"{error.strerror}: Ray keeps its sockets and logs there", well=False)
        return
    well = free > LEAST_FREE
    yield Finding(
        "/tmp", _gigabytes(free) + ("" if well else ": Ray keeps its logs there; remove something"), well=well
    )


def _shared_folder(runs: Path) -> Iterator[Finding]:
    place = next(folder for folder in (runs, *runs.parents) if folder.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=place) as folder:
            first, second = Path(folder, "first"), Path(folder, "second")
            first.write_text("1")
            first.rename(second)
            first.write_text("2")
            # Leases need a link that fails where there is a file, and commits a rename that replaces a file.
            linked = False
            with contextlib.suppress(FileExistsError):
                os.link(first, second)
                linked = True
            first.rename(second)
            well = not linked and second.read_text() == "2"
        yield Finding(
            "runs folder", f"{runs}: files can be renamed and linked" + ("" if well else ", wrongly"), well=well
        )
    except OSError as error:
        yield Finding("runs folder", f"{place}: {error.strerror}: choose another with --runs", well=False)
        return
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE:
        yield Finding(
            "free space", f"{place}: {_gigabytes(free)}: remove something, or choose another --runs", well=False
        )
    kind = _output("stat", "-f", "-c", "%T", str(place)) or "unknown"
    shared = kind.startswith(SHARED) or not detect.can_submit()
    text = f"{kind}, {_gigabytes(free)}" + ("" if shared else ": do all nodes see it?")
    yield Finding("file system", text, well=True if shared else None)


def _gpus() -> Iterator[Finding]:
    if shutil.which("nvidia-smi") is None:
        nodes = " (a login node may have none): `sinfo -o %G` shows the nodes'" if detect.can_submit() else ""
        yield Finding("GPUs", f"none on this machine{nodes}", well=None)
        return
    names = _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()
    yield Finding("GPUs", ", ".join(names) or "nvidia-smi sees none: is the driver loaded?", well=bool(names))


def _compiler() -> Iterator[Finding]:
    name = os.environ.get("CXX", "g++")
    where = " (a login node; nodes without one leave compiled trials to the others)" if detect.can_submit() else ""
    if node.compiles():
        version = (_output(name, "--version").splitlines() or [name])[0]
        yield Finding("C++ compiler", f"{version}: steps can be compiled{where}", well=True)
    else:
        advice = "install g++, or name another in CXX; other engines need none"
        yield Finding("C++ compiler", f"there is no {name}: steps are not compiled{where}: {advice}", well=None)


def _gigabytes(free: int) -> str:
    return f"{free / 2**30:.0f} GB free"


def _output(*command: str) -> str:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    return ""
