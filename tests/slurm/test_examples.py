"""A user's own files, the examples', run on the cluster as they do on one machine."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from tests.slurm.launched import Launched
from tests.sweeps.launching import contents, run_inline

EXAMPLES = Path(__file__).parents[2] / "examples"
FASHION = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")
ENGINE = ("resources.engine=loop", "resources.cohort=2")
#: What is called relu differs in its rate alone, so that one program is compiled, which takes seconds.
ONE_PROGRAM = "configurations.relu={settings.activation: tanh, lr: 0.01}"
COMPILED = ("resources.engine=compiled", "resources.cohort=2", ONE_PROGRAM)
#: Study -> what makes it small.
STUDIES = {
    "fashion_mnist/fashion.yaml": [
        *("seeds.compare=2", "seeds.search=1", "search.explore=3", "data.train=1280", "data.validation=256"),
        *("training.epochs=2", "training.evaluate_every=10", *ENGINE),
    ],
    "regression/curve.yaml": ["seeds.compare=2", "training.steps=200", *COMPILED],
    "transformer/parity.yaml": ["seeds.compare=2", "training.steps=60", *ENGINE],
    "function/search.yaml": ["seeds.compare=2"],
    "command/anneal.yaml": ["seeds.compare=2"],
}


def test_as_on_one_machine_to_the_bit(cluster, tmp_path_factory):
    """Two at a time: each is a job of its own. Without Debian's dataset-fashion-mnist that example is left out."""
    folder = tmp_path_factory.mktemp("mine")
    studies = {study: small for study, small in STUDIES.items() if "fashion" not in study or FASHION.exists()}

    def launched(study: str) -> dict:
        file = folder / "mine" / study
        one = Launched(cluster, file, folder / "slurm", file.stem)
        done = one.launch("--wait", *(f"--set={change}" for change in studies[study]), check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{one.output()}"
        return contents(one.folder)

    shutil.copytree(EXAMPLES, folder / "mine")
    with ThreadPoolExecutor(2) as pool:
        there = {study: pool.submit(launched, study) for study in studies}
        here = {
            study: contents(run_inline(folder / "mine" / study, folder / "inline", *small)[0].paths.folder)
            for study, small in studies.items()
        }
    assert {study: job.result() for study, job in there.items()} == here
    records = Ledger(RunPaths(folder / "slurm" / "curve").cohorts).records()
    assert {record.run()["engine"] for record in records} == {"compiled"}
