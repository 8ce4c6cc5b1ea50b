"""A finished run that kept its weights, with its report, and copies of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from seedsweep.analysis.page.report import write
from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps.running.run_directory import RunDirectory
from tests.sweeps import toy
from tests.sweeps.launching import run_inline

#: Two configurations of three seeds, all of which converge: two cohorts.
SMALL = ("search.explore=0", "seeds.compare=3", "criterion.threshold=10", "resources.keep_weights=true")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its runs' folder, which nobody changes; the run is called `kept`."""
    folder = tmp_path_factory.mktemp("trained")
    run, failed, _ = run_inline(toy.write(folder / "mine"), folder / "runs", *SMALL, name="kept")
    assert failed == []
    write(run.paths.folder)
    return folder / "runs"


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(trained, tmp_path / "runs", symlinks=True)
    return tmp_path / "runs"


@pytest.fixture
def kept(runs: Path) -> RunDirectory:
    """The run in the copy."""
    return RunDirectory(RunPaths.of(runs, "kept"))
