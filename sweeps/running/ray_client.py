"""A launch on a Ray cluster that this machine is no node of, through Ray Client (`ray://host:port`). The driver runs on
the cluster, as it does inside of an allocation, and this process prints what the driver prints."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from rich.console import Console

from seedsweep.core.source import PACKAGE
from seedsweep.slurm.detect import HEAD_VARIABLE
from seedsweep.sweeps.running import dies_with_owner
from seedsweep.sweeps.running.ray_session import existing_ray
from seedsweep.sweeps.running.ray_watch import cluster_lost
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.source_copy import copy_source

#: Seconds between two looks at what the driver printed.
LOOK = 1.0


def launch_there(run: RunDirectory, number: int, copy: str, address: str, console: Console) -> int:
    """Run the launch that this process holds on the cluster. Returns the exit code of its driver.

    The run directory is on a path that the cluster's nodes share.  number: of the launch.  copy: name of the copy of
    the user's files.  Errors: UserError where the cluster cannot be reached; RayDiedError.
    """
    source, paths = copy_source(run.paths), run.paths
    launcher = source / PACKAGE.name / "sweeps" / "launch.py"
    command = ["-u", str(launcher), str(paths.study), "--on", "here", "--runs", str(paths.runs), f"--code={copy}"]
    paths.driver_log.write_bytes(b"")
    with existing_ray(address, source), open(paths.driver_log, encoding="utf-8", errors="replace") as log:
        import ray

        driver = ray.remote(num_cpus=0, max_retries=0)(drive).remote(command, number, str(paths.driver_log))
        unfinished = ""
        try:
            while True:
                ended, _ = ray.wait([driver], timeout=LOOK)
                lines, _, unfinished = (unfinished + log.read()).rpartition("\n")
                if lines:
                    console.print(lines, highlight=False, markup=False, soft_wrap=True)
                if ended:
                    return int(ray.get(driver))
        except (ConnectionError, ray.exceptions.RayError):
            raise cluster_lost(address) from None


def drive(command: list[str], number: int, log: str) -> int:
    """On a node of the cluster: the driver, in a process of its own that joins the cluster's Ray."""
    import ray

    address, ip = ray.get_runtime_context().gcs_address, ray.util.get_node_ip_address()
    head = json.dumps({"address": address, "ip": ip, "number": number})
    environment = {**os.environ, HEAD_VARIABLE: head, "COLUMNS": "200"}
    python = [sys.executable, *command]
    with open(log, "ab") as output, dies_with_owner.start(python, output, output, Path("/"), environment) as driver:
        return driver.wait()
