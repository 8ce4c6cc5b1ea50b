"""The very files of `examples/` run from a user's folder to their report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.sweeps.launching import run_here

EXAMPLES = Path(__file__).parents[2] / "examples"
FASHION = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")
#: Study -> what makes it small, and the steps at which its members are evaluated.
STUDIES = {
    "regression/curve.yaml": (["seeds.compare=3", "training.steps=40", "training.evaluate_every=20"], [20, 40]),
    "transformer/parity.yaml": (["seeds.compare=2", "training.steps=20", "training.evaluate_every=10"], [10, 20]),
    "function/search.yaml": (["seeds.compare=3"], [10, 20, 30, 40, 50, 60]),
    "command/anneal.yaml": (["seeds.compare=2"], [50, 100, 150, 200, 250, 300, 350, 400]),
    "fashion_mnist/fashion.yaml": (
        [
            *("seeds.compare=2", "seeds.search=1", "search.explore=3", "data.train=1280", "data.validation=256"),
            *("training.epochs=2", "training.evaluate_every=10", "resources.engine=fused", "resources.cohort=2"),
        ],
        [10, 20, 30, 40],
    ),
}


def copied(study: str, folder: Path) -> Path:
    """A user's own folder with the example's files."""
    shutil.copytree(EXAMPLES / Path(study).parent, folder / "mine")
    return folder / "mine" / Path(study).name


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_from_a_users_files_to_the_report(study, tmp_path):
    if "fashion" in study and not FASHION.exists():
        pytest.skip("there is no Fashion-MNIST (Debian: apt install dataset-fashion-mnist)")
    changes, steps = STUDIES[study]
    file = copied(study, tmp_path)
    where = ("--on", "inline", "--runs", tmp_path / "runs")
    done = run_here("launch", file, *where, *(f"--set={change}" for change in changes))
    assert "report:" in done.stdout
    folder = tmp_path / "runs" / file.stem
    assert (folder / "report" / "index.html").stat().st_size > 10_000
    outcomes = [json.loads(path.read_text()) for path in folder.glob("cohorts/*/*/outcome.json")]
    assert outcomes
    from seedsweep.analysis.tables import read

    evaluations = read(folder).evaluations
    assert sorted(evaluations.step.unique()) == steps
    assert not (file.parent / "__pycache__").exists()


def test_every_example_is_tested():
    assert set(STUDIES) == {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.yaml")}
