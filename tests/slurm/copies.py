"""A checkout of one's own to submit from, and to edit while the job waits."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]


def copy_package(to: Path) -> None:
    """Put `seedsweep` into a folder."""
    shutil.copytree(ROOT / "seedsweep", to / "seedsweep", ignore=shutil.ignore_patterns("__pycache__"))


def spoil(folder: Path) -> None:
    """Edit every Python file below so that it cannot be imported any more."""
    for file in folder.rglob("*.py"):
        file.write_text("raise RuntimeError('edited after the job was submitted')\n")
