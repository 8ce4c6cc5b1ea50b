"""A launch on a Ray cluster that this machine is no node of, through Ray Client (`ray://host:port`): the driver runs on
the cluster, as it does inside of an allocation, and this process follows what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seedsweep.core.source import PACKAGE
from seedsweep.slurm.ray_cluster import HEAD_VARIABLE
from seedsweep.sweeps.running.ray_session import existing_ray
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.source_copy import copy_source

#: Seconds between two looks at what the driver printed.
LOOK = 1.0
_LOG = "driver.log"
_DIES_WITH_OWNER = Path(__file__).with_name("dies_with_owner.py")


def launch_there(run: RunDirectory, number: int, copy: str, address: str, console: Console) -> int:
    """Run the launch that this process holds on the cluster. Returns the exit code of its driver.

    The run directory is on a path that the cluster's nodes share.  number: of the launch.  copy: name of the copy of
    the user's files.  Errors: UserError where the cluster cannot be reached.
    """
    source, paths = copy_source(run.paths), run.paths
    launcher = source / PACKAGE.name / "sweeps" / "launch.py"
    command = ["-u", str(launcher), str(paths.study), "--on", "here", "--runs", str(paths.runs), f"--code={copy}"]
    log = paths.logs / _LOG
    log.write_bytes(b"")
    with existing_ray(address, source):
        import ray

        driver = ray.remote(num_cpus=0, max_retries=0)(drive).remote(command, number, str(log))
        shown = 0
        while True:
            ended, _ = ray.wait([driver], timeout=LOOK)
            shown += _show(log, shown, console)
            if ended:
                return int(ray.get(driver))


def drive(command: list[str], number: int, log: str) -> int:
    """On a node of the cluster: the driver, in a process of its own that joins the cluster's Ray."""
    import ray

    head: Mapping[str, Any] = {
        "address": ray.get_runtime_context().gcs_address,
        "ip": ray.util.get_node_ip_address(),
        "number": number,
    }
    environment = {**os.environ, HEAD_VARIABLE: json.dumps(head), "COLUMNS": "200"}
    owned = [str(_DIES_WITH_OWNER), str(os.getpid()), sys.executable, *command]
    with (
        open(log, "ab") as output,
        subprocess.Popen(
            [sys.executable, *owned], stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, cwd="/"
        ) as driver,
    ):
        # Not `communicate`, which would close its input, by which it knows that this process lives.
        return driver.wait()


def _show(log: Path, shown: int, console: Console) -> int:
    """Print whole lines from byte `shown` on; how many bytes they are."""
    with open(log, "rb") as file:
        file.seek(shown)
        whole = file.read().rpartition(b"\n")
    text = whole[0] + whole[1]
    if text:
        console.print(text.decode(errors="replace").rstrip("\n"), highlight=False, markup=False, soft_wrap=True)
    return len(text)
