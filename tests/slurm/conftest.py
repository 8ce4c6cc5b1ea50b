"""The development cluster, and a study on one undisturbed machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devcluster import DevCluster, missing
from tests.slurm.copies import ROOT
from tests.slurm.launched import PAUSE
from tests.sweeps import toy
from tests.sweeps.launching import contents, run_inline


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    if reason := missing():
        pytest.skip(reason)
    shared = [ROOT, Path(sys.prefix), Path(sys.base_prefix), tmp_path_factory.getbasetemp()]
    with DevCluster(shared=shared) as up:
        yield up


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of some hundred steps, which rest as long as PAUSE says."""
    rests = f"time.sleep(float(os.environ.get({PAUSE!r} + socket.gethostname(), os.environ.get({PAUSE!r}, 0))))"
    module = toy.MODULE.replace("import time\n", "import os\nimport socket\nimport time\n")
    module = module.replace("time.sleep(self.settings.pause)", rests)
    steps = "{steps: 96, batch: 8, evaluate_every: 8}"
    text = toy.STUDY.replace("{steps: 24, batch: 8, evaluate_every: 4}", steps)
    assert rests in module
    assert steps in text
    return toy.write(tmp_path_factory.mktemp("study"), module, text)


@pytest.fixture(scope="session")
def undisturbed(study: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The ledger of the same study on one machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEDSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        run, failed, _ = run_inline(study, tmp_path_factory.mktemp("undisturbed"))
    assert failed == []
    return contents(run.paths.folder)
