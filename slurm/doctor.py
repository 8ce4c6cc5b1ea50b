"""What commonly keeps a study from running on a cluster, looked at before it does: one line each, with what to do."""

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

from seedsweep.slurm.allocation import partitions
from seedsweep.slurm.node import LAUNCHERS
from seedsweep.slurm.settings import SlurmError

#: Longest path of a UNIX socket, and how much of it Ray adds to the temporary folder's.
SOCKET_PATH, RAYS_SHARE = 107, 75
#: File systems that every node sees, by the kernel's names.
SHARED = ("nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "fuse", "panfs", "glusterfs", "9p", "cifs", "virtiofs")


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is well (None: cannot be told here), what was found and what to do."""

    what: str
    well: bool | None
    text: str


def examine(runs: Path) -> list[Finding]:
    """Every finding. `runs`: the folder that the runs are to be in."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _slurm,
        _accounting,
        _ports,
        _temporary_folder,
        lambda: _shared_folder(runs),
        _gpus,
        _variables,
    )
    return [finding for check in checks for finding in check()]


def _slurm() -> Iterator[Finding]:
    if shutil.which("sbatch") is None:
        yield Finding("SLURM", None, "sbatch is not on the path: studies run on this machine alone (--scale laptop)")
        return
    version = _output("sinfo", "--version")
    try:
        lines = partitions()
    except SlurmError as error:
        yield Finding("SLURM", False, f"{error}: ask your administrators whether the controller is up")
        return
    yield Finding("SLURM", True, f"{version or 'slurm'} answers")
    for line in lines:
        name, limit, nodes, cpus, memory, gres = line.split("|")[:6]
        gpus = "" if gres == "(null)" else f", {gres}"
        text = f"at most {limit}, {nodes} nodes of {cpus} CPUs, {memory} MB{gpus}"
        yield Finding(f"partition {name}", True, text)


def _accounting() -> Iterator[Finding]:
    if shutil.which("sacct") is None:
        return
    try:
        done = subprocess.run(
            ["sacct", "-n", "-X", "-S", "now"], capture_output=True, text=True, timeout=20, check=False
        )
        well, words = done.returncode == 0, done.stderr.strip()
    except subprocess.TimeoutExpired:
        well, words = False, "sacct has not answered for 20 s"
    text = "sacct answers" if well else f"{words.splitlines()[-1] if words else 'sacct fails'}: not needed, studies run"
    yield Finding("accounting", well, text)


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
        yield Finding("ports", True, f"a free port of {address} can be reached")
    except OSError as error:
        yield Finding("ports", False, f"{address}: {error.strerror}: a firewall on the node? Ray's nodes must meet")


def _temporary_folder() -> Iterator[Finding]:
    with tempfile.TemporaryDirectory(prefix="seedsweep-", dir="/tmp") as folder:
        length, free = len(folder) + RAYS_SHARE, shutil.disk_usage(folder).free / 2**30
    well = length <= SOCKET_PATH and free > 1
    yield Finding("/tmp", well, f"sockets' paths of {length} of {SOCKET_PATH} bytes, {free:.0f} GB free")


def _shared_folder(runs: Path) -> Iterator[Finding]:
    place = next(folder for folder in (runs, *runs.parents) if folder.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=place) as folder:
            first, second = Path(folder, "first"), Path(folder, "second")
            first.write_text("1")
            first.rename(second)
            first.write_text("2")
            # Ownership is taken with a link that must fail where there is a file, commits with a rename that replaces.
            linked = False
            with contextlib.suppress(FileExistsError):
                os.link(first, second)
                linked = True
            first.rename(second)
            well = not linked and second.read_text() == "2"
        yield Finding("runs folder", well, f"{runs}: files can be renamed and linked" + ("" if well else ", wrongly"))
    except OSError as error:
        yield Finding("runs folder", False, f"{place}: {error.strerror}: choose another with --runs")
        return
    kind, free = _output("stat", "-f", "-c", "%T", str(place)), shutil.disk_usage(place).free / 2**30
    shared = any(kind.startswith(name) for name in SHARED)
    text = f"{kind or 'unknown'}, {free:.0f} GB free"
    yield Finding("file system", True if shared else None, text + ("" if shared else ": do all nodes see it?"))


def _gpus() -> Iterator[Finding]:
    if shutil.which("nvidia-smi") is None:
        yield Finding("GPUs", None, "none on this machine (a login node may have none): `sinfo -o %G` shows the nodes'")
        return
    names = _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()
    yield Finding("GPUs", bool(names), ", ".join(names) or "nvidia-smi sees none: is the driver loaded?")


def _variables() -> Iterator[Finding]:
    leaked = [name for name in LAUNCHERS if name in os.environ]
    text = f"{', '.join(leaked)} set: a trial clears them; `unset {' '.join(leaked)}`" if leaked else "none leaks in"
    yield Finding("launchers' variables", not leaked, text)


def _output(*command: str) -> str:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    return ""
