"""The Ray that a launch runs on: one of its own on this machine, or the one that spans its allocation."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seedsweep.core.source import ROOT
from seedsweep.slurm import node

#: Beginning of the name of a launch's folder for Ray, followed by the launch's process number.
SCRATCH = "seedsweep-ray-"
#: Trials that may wait for a worker, on a cluster: more nodes may join at any time.
MOST_PENDING = 8


@contextlib.contextmanager
def local_ray() -> Iterator[Path]:
    """A Ray of this launch's own on this machine, on the loopback and with a token; gone at the end.

    Yields a scratch folder for Ray's files, removed at the end: nothing in it is a result.
    """
    _sweep_up()
    # A short path: Ray's sockets are below it, and a socket's path is limited to 107 bytes.
    scratch = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-", dir="/tmp"))
    token = scratch / "token"
    node.write_token(token)
    os.environ.update(
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN_PATH=str(token),
        # Ray then takes the loopback for this node's address and listens on nothing else (it was made for the
        # firewalls of other systems, but holds on all).
        RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
        RAY_USAGE_STATS_ENABLED="0",
        # The workers import this source, installed or not.
        PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(":"),
    )
    _tune_settings(cores())
    import ray

    warnings.filterwarnings("ignore", module="ray")
    try:
        ray.init(
            num_cpus=cores(),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=node.OBJECT_STORE,
            _temp_dir=str(scratch / "ray"),
            _node_ip_address="127.0.0.1",
        )
        # A cohort's failure is recorded in its folder and shown by the progress; Tune's own words add nothing to it.
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        yield scratch / "tune"
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def joined_ray(head: Mapping[str, Any], min_nodes: int) -> Iterator[Path]:
    """The Ray whose head runs on this node (see `slurm.ray_cluster`), once so many nodes have joined it."""
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH + f"{os.getpid()}-", dir="/tmp"))
    _tune_settings(MOST_PENDING)
    import ray

    warnings.filterwarnings("ignore", module="ray")
    try:
        ray.init(address=head["address"], _node_ip_address=head["ip"], log_to_driver=False, logging_level=logging.ERROR)
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        while len(living_hosts()) < min_nodes:
            time.sleep(0.5)
        yield scratch
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


def living_hosts() -> list[str]:
    """Host names of the nodes that Ray has now."""
    import ray

    return [each["NodeManagerHostname"] for each in ray.nodes() if each["Alive"]]


def largest_node(resource: str) -> float:
    """How much of `CPU` or `GPU` the node with the most of it has: no trial gets more."""
    import ray

    return max((each["Resources"].get(resource, 0.0) for each in ray.nodes() if each["Alive"]), default=0.0)


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


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _sweep_up() -> None:
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
