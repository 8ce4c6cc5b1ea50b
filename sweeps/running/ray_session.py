"""The Ray that a launch runs on: its own on this machine, the one that spans its allocation, or one that is there."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from seedsweep.core.errors import UserError
from seedsweep.core.source import IS_CHECKOUT, ROOT
from seedsweep.slurm import node
from seedsweep.sweeps.places import CLIENT
from seedsweep.sweeps.running.ray_watch import own_daemons, own_node

#: Beginning of the name of a launch's folder for Ray, followed by the launch's process number.
SCRATCH = "seedsweep-ray-"
#: Where this machine or a cluster's head is busy, Ray's processes do not start in the time that Ray gives them.
TRIES = 3
#: Trials that may wait for a worker, on a cluster: more nodes may join at any time.
MOST_PENDING = 8
_NO_CLUSTER = "--on {}: no Ray cluster can be joined there from this machine"
#: Ray and Tune read these when they are imported.
_SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Ctrl-C ends the launch at once: the checkpoints are there already.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # A launch resumes from the ledger: Tune's own snapshots are never read.
    "TUNE_GLOBAL_CHECKPOINT_S": "100000000",
}


@dataclass(frozen=True)
class Session:
    """A Ray that runs. scratch: folder for Tune's files, none of which is a result.  alive: whether Ray is alive; None
    where something else watches it."""

    scratch: Path
    alive: Callable[[], bool] | None


@contextlib.contextmanager
def local_ray(source: Path) -> Iterator[Session]:
    """A Ray of this launch's own on this machine, on the loopback and with a token; gone at the end.

    source: copy of the package that its workers import.  Errors: UserError where Ray does not start.
    """
    sweep_up()
    with _scratch() as scratch:
        token = scratch / "token"
        node.write_token(token, _token())
        settings = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            # Ray then takes the loopback for this node's address and listens on nothing else (it was made for the
            # firewalls of other systems, but holds on all).
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": _workers_path(source),
        }
        options = {"num_cpus": cores(), "include_dashboard": False, "object_store_memory": node.OBJECT_STORE}
        place: dict[str, Any] = {"_temp_dir": str(scratch / "ray"), "_node_ip_address": "127.0.0.1"}
        with _connected("Ray does not start on this machine", scratch, settings, cores(), **options, **place):
            yield Session(scratch / "tune", own_daemons())


@contextlib.contextmanager
def joined_ray(head: Mapping[str, Any], min_nodes: int) -> Iterator[Session]:
    """The Ray whose head runs on this node, once so many nodes have joined it; `slurm.ray_cluster` watches it."""
    place = {"address": head["address"], "_node_ip_address": head["ip"]}
    with _scratch() as scratch, _connected("Ray's head cannot be joined", scratch, {}, MOST_PENDING, **place):
        while len(living_hosts()) < min_nodes:
            time.sleep(0.5)
        yield Session(scratch, None)


@contextlib.contextmanager
def existing_ray(address: str, source: Path) -> Iterator[Session]:
    """A Ray cluster that is there, with this machine one of its nodes; it stays. Its token is in the environment, as
    Ray wants it. source: as of `local_ray`, on a path that all its nodes have.

    Errors: UserError where it cannot be reached.
    """
    check_answers(address)
    refused, path = _NO_CLUSTER.format(address), {"env_vars": {"PYTHONPATH": str(source)}}
    client, place = address.startswith(CLIENT), {"address": address, "runtime_env": path}
    with _scratch() as scratch, _connected(refused, scratch, {}, MOST_PENDING, **place):
        yield Session(scratch, None if client else own_node(address))


def check_answers(address: str) -> None:
    """Ask whether something listens at the address of a Ray cluster: Ray itself would wait for minutes.

    Errors: UserError.
    """
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    if not port.isdecimal() or not node.listens(host, int(port)):
        raise UserError(f"{_NO_CLUSTER.format(address)}: nothing answers")


def living_hosts() -> list[str]:
    """Host names of the nodes that Ray has now."""
    import ray

    return [each["NodeManagerHostname"] for each in ray.nodes() if each["Alive"]]


def largest_node(resource: str) -> float:
    """How much of `CPU` or `GPU` the node with the most of it has: no trial gets more."""
    import ray

    return max((each["Resources"].get(resource, 0.0) for each in ray.nodes() if each["Alive"]), default=0.0)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


@contextlib.contextmanager
def _connected(
    refused: str, scratch: Path, environment: Mapping[str, str], pending: int, **arguments: Any
) -> Iterator[None]:
    """Ray, from `ray.init` to `ray.shutdown`. pending: trials that may wait for a worker.

    Errors: UserError that begins with `refused`.
    """
    before = dict(os.environ)
    # With one trial pending at a time a short trial's worker takes the next before another worker has started.
    os.environ.update({**_SETTINGS, "TUNE_MAX_PENDING_TRIALS_PG": str(pending), **environment})
    node.clear_launchers()
    import ray

    warnings.filterwarnings("ignore", module="ray")
    try:
        for left in reversed(range(TRIES)):
            running = set(node.descendants())
            try:
                with _nothing_of_the_driver(scratch):
                    ray.init(log_to_driver=False, logging_level=logging.ERROR, **arguments)
                break
            # Ray has no error of its own for processes that start too slowly.
            except Exception as error:
                node.kill(set(node.descendants()) - running)
                if not left:
                    # Of a traceback from the cluster the last line says what it is.
                    said = str(error).strip().splitlines()[-1:] if "Traceback" in str(error) else str(error).split()
                    raise UserError(f"{refused}: {' '.join(said)[:200]}") from None
        # A cohort's failure is on its record, and the progress shows it; Tune's own messages add nothing.
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        yield
    finally:
        ray.shutdown()
        os.environ.clear()
        os.environ.update(before)


def _workers_path(source: Path) -> str:
    """The copy of this package in place of the checkout, whose `core` and `analysis` would hide the user's."""
    given = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    kept = [place for place in given if not IS_CHECKOUT or Path(place).absolute() != ROOT]
    return os.pathsep.join([str(source), *kept])


@contextlib.contextmanager
def _nothing_of_the_driver(empty: Path) -> Iterator[None]:
    """Ray puts the driver's working directory, and its script's where that is on the path, first on the path of every
    worker. The user's files there may have changed since they were copied."""
    path, folder = list(sys.path), os.getcwd()
    script = os.path.dirname(os.path.realpath(sys.argv[0]))
    sys.path[:] = [place for place in path if place != script]
    os.chdir(empty)
    try:
        yield
    finally:
        os.chdir(folder)
        sys.path[:] = path


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    # A short path: Ray's sockets are below it, and a socket's path is limited to 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _token() -> str:
    """A secret of this process: Ray keeps the one that it was told first for as long as its process lives."""
    return secrets.token_hex(32)


def sweep_up() -> None:
    """Remove what launches of this user left that were killed with SIGKILL: their scratch folders, and those of Ray's
    agents that have not yet noticed. An agent is recognised by its open log files, which are in that folder."""
    for stale in Path("/tmp").glob(f"{SCRATCH}*"):
        # Made this launch's own first: another one that removes it at the same time has files in it open, too.
        own = stale.with_name(f"{SCRATCH}{os.getpid()}-of-{stale.name.removeprefix(SCRATCH)}")
        try:
            if stale.stat().st_uid != os.getuid() or psutil.pid_exists(int(stale.name.split("-")[2])):
                continue
            stale.rename(own)
        except FileNotFoundError:
            continue
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if any(file.path.startswith(f"{own}/") for file in process.open_files()):
                    process.kill()
        shutil.rmtree(own, ignore_errors=True)
