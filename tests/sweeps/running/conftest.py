"""A user's folder, and a run of a study that lies in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedsweep.core.records.paths import RunPaths


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "runs" / "own")
