"""Where this process is: on a machine without SLURM, on one that can submit, or inside an allocation."""

from __future__ import annotations

import os
import shutil


def can_submit() -> bool:
    """Whether `sbatch` is on the path."""
    return shutil.which("sbatch") is not None


def in_allocation() -> bool:
    """Whether SLURM started this process."""
    return "SLURM_JOB_ID" in os.environ
