"""From the challenge's folders to a report's tables by one command: cut, trained on, and judged slide by slide."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from seedsweep.analysis.page.report import write
from seedsweep.sweeps.commands import all_studies
from tests.sweeps.launching import run_here, run_inline

pytest.importorskip("openslide", reason="the extra `slides` is not installed")
pytest.importorskip("tifffile")
from tests.shards import challenge

PATCH = 128
#: Patches of 64 px of two pixels each, of slides whose pixels have two micrometres.
DATA = ("data.size=64", "data.downsample=2", "data.micrometres=2", "data.held_out=0.5")
#: A task that learns nothing: the darker a patch, the higher its score.
DARK = """
import torch
from torch import nn
from seedsweep import Metric, Task
from seedsweep.core.models.metrics import classification_metrics
from seedsweep.core.models.slides import ARRAYS, METRICS, slide_measures

class Dark(Task):
    metrics = {"f1": Metric("max", 0, 1), **{name: Metric("max", 0, 1, optional=True) for name in METRICS}}

    def model(self):
        return nn.Linear(1, 1)

    def loss(self, model, batch, hp):
        return model(torch.ones(1, 1)).square().mean()

    def measure(self, model, batch, hp):
        score = (130 - batch["image"][:, 0].double().mean((1, 2))) / 10
        return {"score": score, "label": batch["label"], **{name: batch[name] for name in ARRAYS}}

    def summarise(self, kept):
        kept = {name: values.numpy() for name, values in kept.items()}
        values = classification_metrics(kept["score"], kept["label"])
        return {"f1": values["f1"], **slide_measures(kept["score"], kept)}
"""
STUDY = """
question: Does the darkness of a patch tell?
task: dark.py:Dark
data: {name: camelyon16, kind: main}
training: {steps: 2, batch: 4, evaluate_every: 2}
optimizer: {name: adam}
hyperparameters: {lr: 0.001}
configurations: {dark: {}}
seeds: {compare: 2}
secondary: [test_last_froc, test_last_argmax_specificity]
criterion: {metric: f1, threshold: 0.5, hold: 1}
resources: {engine: loop}
"""


@pytest.fixture(scope="module")
def slides(tmp_path_factory) -> Path:
    root = challenge.write(tmp_path_factory.mktemp("challenge") / "CAMELYON16")
    # Without its slide.
    (root / challenge.OUTLINES / "tumor_009.xml").write_text(challenge.outlines([challenge.DARK]))
    return root


def planted() -> dict[str, list[tuple[float, int, int, int]]]:
    """Of each test slide its patches: score, column, row, and the number of the lesion at its middle (-1: cells)."""
    found: dict[str, list[tuple[float, int, int, int]]] = {}
    lesions = {challenge.DARK: 1, challenge.PALE: 2, challenge.CELLS: -1}
    for name, boxes in challenge.TESTED.items():
        red = challenge.tested_slide(name)[::2, ::2, 0]
        found[name] = []
        for row, column in np.ndindex(7, 7):
            part = red[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64]
            x, y = column * PATCH + 64, row * PATCH + 64
            at = [lesions[box] for box in boxes if box[0] <= x < box[2] and box[1] <= y < box[3]]
            found[name].append(((130 - float(part.mean())) / 10, column, row, at[0] if at else 0))
    return found


def planted_froc(patches: dict[str, list[tuple[float, int, int, int]]]) -> float:
    """By the definition, threshold for threshold."""
    candidates = []
    for name, those in patches.items():
        left = sorted(those, reverse=True)
        while left:
            best = left[0]
            candidates.append((best[0], name, best[3]))
            left = [each for each in left if max(abs(each[1] - best[1]), abs(each[2] - best[2])) > 1]
    curve = [(0.0, 0.0)]
    for threshold in sorted({score for score, _, _ in candidates}, reverse=True):
        above = [(name, lesion) for score, name, lesion in candidates if score >= threshold]
        false = sum(lesion == 0 for _, lesion in above) / len(patches)
        curve.append((false, len({each for each in above if each[1] > 0}) / 3))
    return float(np.interp([0.25, 0.5, 1, 2, 4, 8], *zip(*curve, strict=True)).mean())


@pytest.mark.slow
def test_what_is_planted_is_what_the_report_says(slides, tmp_path):
    (tmp_path / "dark.py").write_text(DARK)
    study = tmp_path / "dark.yaml"
    study.write_text(STUDY)
    run, failed, said = run_inline(study, tmp_path / "runs", f"data.slides={slides}", *DATA)
    assert failed == []
    outline = slides / challenge.OUTLINES / "tumor_009.xml"
    lines = [line for line in said.splitlines() if line.startswith("left out")]
    assert lines == [f"left out: tumor_009: is annotated ({outline}), and there is no slide of it"]
    write(run.paths.folder)
    patches = planted()
    tables = run.paths.report.tables
    members = pd.read_parquet(tables / "members.parquet")
    # Both tumour slides have dark patches, and so has a normal one.
    assert (members.test_last_argmax_sensitivity == 1).all()
    assert (members.test_last_argmax_specificity == 0.5).all()
    assert (members.test_last_argmax_accuracy == 0.75).all()
    # The darkest patch is the artefact, but a tumour slide has more dark patches than one.
    assert (members.test_last_slide_auc_max == 0.5).all()
    assert (members.test_last_slide_auc_mean == 1).all()
    np.testing.assert_allclose(members.test_last_froc, planted_froc(patches), atol=1e-9)
    # The artefact comes first; two of three lesions from a quarter of a false positive a slide on.
    curve = pd.read_parquet(tables / "froc.parquet")
    found = curve[(curve.seed == 0) & (curve.evaluation == "last")].set_index("false_positives").sensitivity
    assert found[0.125] == 0
    assert found[0.25] == found[0.5] == pytest.approx(2 / 3)
    decisions = pd.read_parquet(tables / "slides.parquet")
    assert sorted(decisions.seed.unique()) == [0, 1]
    own = decisions[(decisions.seed == 0) & (decisions.evaluation == "last")].set_index("slide")
    assert own.called.to_dict() == {"test_001": True, "test_002": True, "test_003": True, "test_004": False}
    assert own.tumour.to_dict() == {"test_001": True, "test_002": True, "test_003": False, "test_004": False}
    for name, those in patches.items():
        probabilities = [1 / (1 + np.exp(-score)) for score, _, _, _ in those]
        assert own["max"][name] == pytest.approx(max(probabilities))
        assert own["mean"][name] == pytest.approx(np.mean(probabilities))
    page = run.paths.report.page.read_text()
    assert "test_003 normal 2 of 2 seeds" in " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "test_last_froc" in page
    # What is of single slides is in tables of its own.
    assert not [name for name in members if ":" in name]


SMALL = (
    "training.steps=4",
    "training.evaluate_every=2",
    "seeds.compare=2",
    "criterion.hold=1",
    "resources.engine=loop",
)


@pytest.mark.slow
def test_the_study_of_the_challenge_runs_by_one_command(slides, tmp_path):
    settings = ("data.train=16", "data.validation=8", "training.batch=8", *SMALL)
    given = [f"--set={setting}" for setting in (f"data.slides={slides}", *DATA, *settings)]
    said = run_here("launch", "camelyon16", "--on=inline", f"--runs={tmp_path}", *given).stdout
    tables = tmp_path / "camelyon16" / "report" / "tables"
    secondary = pd.read_parquet(tables / "secondary.parquet").set_index(["measure", "label"])
    assert (secondary.members == 2).all()
    assert secondary["median"].between(0, 1).all()
    assert set(secondary.index.get_level_values(0)) >= {"test_last_froc", "test_last_slide_auc_max"}
    assert secondary.index.get_level_values(1).nunique() == 6
    decisions = pd.read_parquet(tables / "slides.parquet")
    last = decisions[decisions.evaluation == "last"]
    assert len(last) == 6 * 2 * 4
    members = pd.read_parquet(tables / "members.parquet").set_index(["label", "seed"])
    right = (last.called == last.tumour).groupby([last.label, last.seed]).mean()
    pd.testing.assert_series_equal(members.test_last_argmax_accuracy[right.index], right, check_names=False)
    assert (tmp_path / "camelyon16" / "report" / "figures" / "froc.svg").exists()
    # The test slides are cut once for all three kinds of training data.
    folders = sorted((tmp_path / "_data").glob("camelyon16-*"))
    assert len(folders) == 3
    shards = [json.loads((f / "index.json").read_text())["splits"]["test"]["shards"] for f in folders]
    assert shards[0] == shards[1] == shards[2]
    assert {(folders[n] / shards[0][0]["file"]).stat().st_ino for n in range(3)} == {
        (folders[0] / shards[0][0]["file"]).stat().st_ino
    }
    assert said.count("left out: tumor_009: ") == 1


def test_without_slides_the_study_says_what_is_missing(tmp_path):
    done = run_here("launch", "camelyon16", "--on=inline", f"--runs={tmp_path}", check=False)
    assert done.returncode == 2
    assert "--set data.slides=/path/to/CAMELYON16" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_all_studies_go_on_without_the_challenge(tmp_path, monkeypatch):
    folder = tmp_path / "studies"
    folder.mkdir()
    shutil.copy(all_studies.STUDIES / "camelyon16.yaml", folder)
    monkeypatch.setattr(all_studies, "STUDIES", folder)
    console = Console(file=io.StringIO(), width=200)
    assert all_studies.launch_all("inline", None, [], tmp_path / "runs", ["--on=inline"], console)
    assert "not run: camelyon16: data.slides: is missing" in console.file.getvalue()
