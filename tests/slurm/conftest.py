"""The development cluster, and a study on one undisturbed machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devcluster import DevCluster, missing
from tests.slurm.copies import ROOT
from tests.slurm.launched import RESTS
from tests.sweeps import toy
from tests.sweeps.launching import contents, run_inline

#: Of the study's module.
REST = f"""

def rest():
    folder = Path(os.environ.get({RESTS!r}, "/nonexistent"))
    for file in (folder / socket.gethostname(), folder / "all"):
        try:
            return float(file.read_text())
        except FileNotFoundError:
            pass
    return 0.0
"""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    if reason := missing():
        pytest.skip(reason)
    shared = [ROOT, Path(sys.prefix), Path(sys.base_prefix), tmp_path_factory.getbasetemp()]
    with DevCluster(shared=shared) as up:
        yield up


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of some hundred steps, which rest as long as the files in RESTS say."""
    module = toy.MODULE.replace("import time\n", "import os\nimport socket\nimport time\nfrom pathlib import Path\n")
    module = module.replace("time.sleep(self.settings.pause)", "time.sleep(rest())") + REST
    steps = "{steps: 96, batch: 8, evaluate_every: 8}"
    text = toy.STUDY.replace("{steps: 24, batch: 8, evaluate_every: 4}", steps)
    assert "time.sleep(rest())" in module
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
