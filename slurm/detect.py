"""Where this process is: on a machine without SLURM, on one that can submit, or inside an allocation."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from typing import Any

#: The driver's environment: JSON of its Ray's address and the number of the lease that it runs under.
HEAD_VARIABLE = "SEEDSWEEP_HEAD"
#: Seconds for a controller to answer.
PATIENCE = 20.0


@functools.lru_cache(maxsize=1)
def can_submit() -> bool:
    """Whether `sbatch` is on the path, and configured for some cluster (which need not answer now)."""
    if shutil.which("sbatch") is None:
        return False
    try:
        asked = subprocess.run(
            ["sinfo", "-h"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=PATIENCE
        )
    except FileNotFoundError:
        return False
    except subprocess.TimeoutExpired:
        # It is configured for a controller, which is slow.
        return True
    return "configuration source" not in asked.stderr


def in_allocation() -> bool:
    """Whether SLURM started this process."""
    return "SLURM_JOB_ID" in os.environ


def head() -> dict[str, Any] | None:
    """The Ray's head that this process is the driver of (see `slurm.ray_cluster`): its `address`, the node's `ip`, and
    the `number` of the run's lease; None where it is no such driver."""
    text = os.environ.get(HEAD_VARIABLE)
    return json.loads(text) if text else None
