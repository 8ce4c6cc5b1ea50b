"""The Ray that a launch runs on: its own on this machine, the one that spans its allocation, or one that is there."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedsweep.core.errors import UserError
from seedsweep.core.source import ROOT
from seedsweep.slurm import node
from seedsweep.sweeps.running.ray_watch import own_daemons, own_node

#: Beginning of the name of a launch's folder for Ray, followed by the launch's process number.
SCRATCH = "seedsweep-ray-"
#: Trials that may wait for a worker, on a cluster: more nodes may join at any time.
MOST_PENDING = 8


@dataclass(frozen=True)
class Session:
    """A Ray that is there. scratch: folder for Tune's files, none of which is a result.  alive: whether Ray lives; None
    where somebody else looks after it."""

    scratch: Path
    alive: Callable[[], bool] | None


@contextlib.contextmanager
def local_ray(source: Path) -> Iterator[Session]:
    """A Ray of this launch's own on this machine, on the loopback and with a token; gone at the end.

    source: copy of the package that its workers import.
    """
    sweep_up()
    with _scratch() as scratch:
        token = scratch / "token"
        _write_token(token)
        settings = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            # Ray then takes the loopback for this node's address and listens on nothing else (it was made for the
            # firewalls of other systems, but holds on all).
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": _workers_path(source),
        }
        with (
            _environment(settings),
            _connected(
                scratch,
                num_cpus=cores(),
                include_dashboard=False,
                object_store_memory=node.OBJECT_STORE,
                _temp_dir=str(scratch / "ray"),
                _node_ip_address="127.0.0.1",
                pending=cores(),
            ),
        ):
            yield Session(scratch / "tune", own_daemons())


@contextlib.contextmanager
def joined_ray(head: Mapping[str, Any], min_nodes: int) -> Iterator[Session]:
    """The Ray whose head runs on this node, once so many nodes have joined it; `slurm.ray_cluster` looks after it."""
    with (
        _scratch() as scratch,
        _connected(scratch, address=head["address"], _node_ip_address=head["ip"], pending=MOST_PENDING),
    ):
        while len(living_hosts()) < min_nodes:
            time.sleep(0.5)
        yield Session(scratch, None)


@contextlib.contextmanager
def existing_ray(address: str, source: Path) -> Iterator[Session]:
    """A Ray cluster that is there, with this machine one of its nodes; it stays. Its token is in the environment, as
    Ray wants it. source: as of `local_ray`, on a path that all its nodes have.

    Errors: UserError where it cannot be reached.
    """
    path = {"PYTHONPATH": str(source)}
    host, _, port = address.removeprefix("ray://").rpartition(":")
    # Ray itself would wait for minutes.
    if not port.isdecimal() or not node.listens(host, int(port)):
        raise UserError(f"--on {address}: no Ray cluster can be joined there from this machine: nothing answers")
    with _scratch() as scratch:
        try:
            connected = _connected(scratch, address=address, runtime_env={"env_vars": path}, pending=MOST_PENDING)
            connected.__enter__()
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            words = " ".join(str(error).split())[:200]
            raise UserError(f"--on {address}: no Ray cluster can be joined there from this machine: {words}") from None
        try:
            yield Session(scratch, None if address.startswith("ray://") else own_node())
        finally:
            connected.__exit__(None, None, None)


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
def _connected(scratch: Path, *, pending: int, **arguments: Any) -> Iterator[None]:
    """Ray, from `ray.init` to `ray.shutdown`."""
    _tune_settings(pending)
    import ray

    warnings.filterwarnings("ignore", module="ray")
    try:
        with _nothing_of_the_driver(scratch):
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **arguments)
        # A cohort's failure is recorded in its folder and shown by the progress; Tune's own words add nothing to it.
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        yield
    finally:
        ray.shutdown()


def _workers_path(source: Path) -> str:
    """The copy of this package in place of the checkout, whose `core` and `analysis` would hide the user's."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join([str(source), *(place for place in given if place and Path(place).absolute() != ROOT)])


@contextlib.contextmanager
def _nothing_of_the_driver(empty: Path) -> Iterator[None]:
    """Ray puts the driver's working directory, and its script's where that is on the path, first on the path of every
    worker: there may be the user's files as they are now, and not as they were when the run began."""
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


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@functools.cache
def _token() -> str:
    """A secret of this process: Ray keeps the one that it was told first for as long as its process lives."""
    return secrets.token_hex(32)


def _write_token(path: Path) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(_token())


def _tune_settings(pending: int) -> None:
    """Before Ray Tune is imported."""
    os.environ.update(
        RAY_AIR_NEW_OUTPUT="0",
        TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
        # Ctrl-C ends the launch at once: the checkpoints are there already.
        TUNE_DISABLE_SIGINT_HANDLER="1",
        # The ledger is what is resumed from: Tune's own snapshots are never read.
        TUNE_GLOBAL_CHECKPOINT_S="100000000",
        # With one trial pending at a time a short trial's worker takes the next before another worker has started.
        TUNE_MAX_PENDING_TRIALS_PG=str(pending),
    )
    node.clear_launchers()


def sweep_up() -> None:
    """Remove what launches of this user left that were killed with SIGKILL: their scratch folders, and those of Ray's
    agents that have not yet noticed. Their open log files, in that folder, tell them from every other Ray's."""
    for stale in Path("/tmp").glob(f"{SCRATCH}*"):
        # Made this launch's own first: another one that removes it at the same time has files in it open, too.
        own = stale.with_name(f"{SCRATCH}{os.getpid()}-of-{stale.name.removeprefix(SCRATCH)}")
        try:
            if stale.stat().st_uid != os.getuid() or Path(f"/proc/{stale.name.split('-')[2]}").exists():
                continue
            stale.rename(own)
        except FileNotFoundError:
            continue
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if any(os.readlink(file).startswith(f"{own}/") for file in (process / "fd").iterdir()):
                    os.kill(int(process.name), signal.SIGKILL)
        shutil.rmtree(own, ignore_errors=True)
