"""Ray's daemons on this node: started, watched, and ended with all their descendants."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from seedsweep.core.records.files import replace
from seedsweep.slurm import node

#: Ray's agents. Each gets a port of its own: another Ray on this node may have the default ones.
AGENTS = ("dashboard-agent-listen", "dashboard-agent-grpc", "runtime-env-agent", "metrics-export")
SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A dead node is known after some 6 s.
    "RAY_health_check_initial_delay_ms": "3000",
    "RAY_health_check_period_ms": "2000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
    # Agents start slowly on a busy node, or from a slow file system; a raylet ends itself after half a minute without.
    "RAY_agent_register_timeout_ms": "300000",
    # Ray would measure the whole host and kill our trials for the memory that other jobs use; SLURM limits a job's own.
    "RAY_memory_monitor_refresh_ms": "0",
}
#: Without its head a raylet ends itself after this many seconds; a minute by default.
_WORKER_SETTINGS = {"RAY_gcs_rpc_server_reconnect_timeout_s": "10"}


class RayNode:
    """A `ray start` of this process."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str]):
        self._start = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        self._raylet: psutil.Process | None = None
        self._port_told = False

    def is_alive(self) -> bool:
        """Whether its daemons run, or are about to."""
        if self._start.poll() is not None:
            return False
        # When an agent dies, the raylet exits. `ray start --block` takes this for a normal end and stays: trials and
        # driver would wait for ever.
        with contextlib.suppress(psutil.NoSuchProcess):
            if self._raylet is None:
                children = psutil.Process(self._start.pid).children()
                self._raylet = next((child for child in children if child.name() == "raylet"), None)
            if self._raylet and not self._port_told:
                self._port_told = _tell_port(self._raylet)
        return self._raylet is None or node.is_alive(self._raylet)


def start_head(address: str, port: int, scratch: Path) -> RayNode:
    """A Ray's head, which listens at the address. scratch: folder of its files, of few characters."""
    arguments = ["--head", f"--port={port}", f"--node-ip-address={address}", "--include-dashboard=false"]
    # Another user's head on this node has the usual one.
    arguments.append(f"--ray-client-server-port={node.free_port()}")
    return RayNode([*arguments, *_limits(scratch)], {})


def join(head: str, scratch: Path) -> RayNode:
    """This node as one of the Ray whose head listens at `head`, "address:port"."""
    arguments = [f"--address={head}", f"--node-ip-address={node.own_address()}"]
    return RayNode([*arguments, *_limits(scratch)], _WORKER_SETTINGS)


def end_descendants() -> None:
    """End every descendant of this process: Ray's daemons and workers, and a driver's if it left any."""
    while children := node.descendants():
        node.kill(children)
        with contextlib.suppress(ChildProcessError):
            # A process whose parent died becomes a child of this process, which the next look finds.
            os.waitpid(-1, 0)


def _tell_port(raylet: psutil.Process) -> bool:
    """Write the file in which Ray's dashboard agent will name its port. A raylet waits 15 s for it and then ends itself
    (Ray 2.60), which is too short where the node is busy or its file system slow. Nothing asks at that port. Returns
    False while the raylet's command line is not there yet: it has just begun."""
    given = dict(word.removeprefix("--").partition("=")[::2] for word in raylet.cmdline())
    if not given.keys() >= {"session_dir", "node_id"}:
        return False
    replace(Path(given["session_dir"], f"dashboard_agent_listen_port_{given['node_id']}"), b"-1")
    return True


def _limits(scratch: Path) -> list[str]:
    """What the job has of this node: Ray sees the whole host."""
    arguments = [f"--num-cpus={node.allocated_cpus()}", f"--num-gpus={node.allocated_gpus()}"]
    arguments += [f"--temp-dir={scratch}", f"--object-store-memory={node.OBJECT_STORE}"]
    arguments += ["--include-log-monitor=false", "--disable-usage-stats"]
    arguments += [f"--{agent}-port={node.free_port()}" for agent in AGENTS]
    if node.compiles():
        arguments.append(f"--resources={json.dumps({node.COMPILER: 1})}")
    if memory := node.allocated_memory():
        arguments.append(f"--memory={memory}")
    return arguments
