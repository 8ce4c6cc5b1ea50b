"""From slides to a report's tables: cut, packed, trained on, and judged slide by slide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seedsweep.analysis import tables
from seedsweep.shards.command import main
from tests.sweeps.launching import run_inline

pytest.importorskip("openslide", reason="the extra `slides` is not installed")
pytest.importorskip("tifffile")
from tests.shards.slides import HOLE, TUMOUR, asap, tissue_slide, write_pyramid

#: The challenge's: slides in a folder for each kind, outlines in one of their own.
NORMAL, TUMOURS, OUTLINES = "training/normal", "training/tumor", "training/lesion_annotations"


@pytest.fixture
def challenge(tmp_path: Path) -> Path:
    """Four generated slides with a level for each zoom, two of them with outlines."""
    root = tmp_path / "camelyon16"
    for folder in (NORMAL, TUMOURS, OUTLINES):
        (root / folder).mkdir(parents=True)
    for number in (1, 2):
        write_pyramid(root / NORMAL / f"normal_{number:03d}.tif", tissue_slide(number))
        write_pyramid(root / TUMOURS / f"tumor_{number:03d}.tif", tissue_slide(10 + number))
        (root / OUTLINES / f"tumor_{number:03d}.xml").write_text(asap([("_0", TUMOUR), ("_2", HOLE)]))
    return root


def test_slides_are_cut_packed_trained_on_and_judged_by_slide(challenge, study_file, tmp_path, capsys):
    cut = ["--size", "64", "--held-out", "0.5", "--train", "32", "--validation", "16", "--workers", "1"]
    folders = ["--slides", challenge / "training", "--annotations", challenge / OUTLINES, "--to", tmp_path / "packed"]
    assert main(["camelyon16", *map(str, folders), *cut]) == 0
    (folder,) = (tmp_path / "packed").glob("camelyon16-*")
    assert f"data: {{name: packed, folder: {folder}}}" in capsys.readouterr().out

    settings = (f"data={{name: packed, folder: {folder}}}", "search.explore=0", "seeds.compare=2")
    run, failed, _ = run_inline(study_file, tmp_path / "runs", *settings)
    assert failed == []
    for record in run.ledger.records():
        by_slide = record.verified_curves().column("slide_auc_mean")
        # One tumour slide and one normal one are held out: either is ranked first, or they are equal.
        assert set(np.unique(by_slide)) <= {0.0, 0.5, 1.0}
    evaluations = tables.read(run.paths.folder).evaluations
    assert evaluations[["slide_auc_mean", "slide_auc_max"]].notna().all(axis=None)
    assert set(evaluations.seed) == {0, 1}
