"""A user's own files, the examples', run on the cluster as they do on one machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.sweeps.launching import contents, run

EXAMPLES = Path(__file__).parents[2] / "examples"
FASHION = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")
#: Study -> what makes it small.
STUDIES = {
    "fashion_mnist/fashion.yaml": [
        *("seeds.compare=2", "seeds.search=1", "search.explore=3", "data.train=1280", "data.validation=256"),
        *("training.epochs=2", "training.evaluate_every=10"),
    ],
    "function/search.yaml": ["seeds.compare=2"],
    "command/anneal.yaml": ["seeds.compare=2"],
}


@pytest.mark.parametrize("study", STUDIES)
def test_as_on_one_machine_to_the_bit(study, cluster, tmp_path_factory):
    if "fashion" in study and not FASHION.exists():
        pytest.skip("there is no Fashion-MNIST (Debian: apt install dataset-fashion-mnist)")
    folder = tmp_path_factory.mktemp("mine")
    shutil.copytree(EXAMPLES / Path(study).parent, folder / "mine")
    file = folder / "mine" / Path(study).name
    small = [f"--set={change}" for change in (*STUDIES[study], "resources.engine=loop", "resources.cohort=2")]
    if "fashion" not in study:
        small = [change for change in small if "resources" not in change]
    allocation = ["--set=resources.allocation.cpus=2", "--set=resources.allocation.memory=3"]
    run(file, "--on", "inline", "--runs", folder / "here", *small)
    run(file, "--on", "slurm", "--wait", "--runs", folder / "there", *small, *allocation, environ=cluster.environment)
    assert contents(folder / "there" / file.stem) == contents(folder / "here" / file.stem)
