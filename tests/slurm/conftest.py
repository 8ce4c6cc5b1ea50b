"""The development cluster, and a study on one undisturbed machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devcluster import DevCluster, missing
from tests.slurm.copies import ROOT
from tests.small_study import SMALL_STUDY


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    if reason := missing():
        pytest.skip(reason)
    shared = [ROOT, Path(sys.prefix), Path(sys.base_prefix), tmp_path_factory.getbasetemp()]
    with DevCluster(shared=shared) as up:
        yield up


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "small.yaml"
    path.write_text(SMALL_STUDY)
    return path


@pytest.fixture(scope="session")
def undisturbed(study: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The ledger of the same study on one machine."""
    from tests.slurm.launched import STUDY
    from tests.sweeps.launching import contents, run

    runs = tmp_path_factory.mktemp("undisturbed")
    run(study, "--on", "inline", "--runs", runs, *STUDY)
    return contents(runs / "small")
