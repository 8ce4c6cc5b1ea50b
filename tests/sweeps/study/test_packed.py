"""A study of a data set that was packed by hand, from slides to its evaluations."""

import pytest

from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import Ledger
from seedsweep.shards.camelyon16 import CamelyonSettings, find, pack
from seedsweep.sweeps.study.schema import load
from tests.conftest import SMALL_STUDY
from tests.shards.test_camelyon16 import TUMOUR, asap, tissue_slide, write_pyramid
from tests.sweeps.launching import SEEDSWEEP, run

pytest.importorskip("openslide", reason="the extra `slides` is not installed")


@pytest.fixture
def packed(tmp_path):
    """Patches of 64 px of four small slides."""
    slides, annotations = tmp_path / "slides", tmp_path / "annotations"
    slides.mkdir()
    annotations.mkdir()
    for seed, name in enumerate(("tumor_001", "tumor_002", "normal_001", "normal_002")):
        write_pyramid(slides / f"{name}.tif", tissue_slide(seed), levels=2)
        if name.startswith("tumor"):
            (annotations / f"{name}.xml").write_text(asap([("Tumor", TUMOUR)]))
    settings = CamelyonSettings(size=64, held_out=0.5, train=64, validation=32, samples_per_record=8)
    return pack(find(slides, annotations), settings, tmp_path)[0]


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "patches.yaml"
    path.write_text(SMALL_STUDY)
    return path


def test_the_index_says_what_is_in_it_and_whole_slides_are_measured(packed, study, tmp_path):
    data = ["--set", f"data={{folder: {packed}}}"]
    explored = ["--set", "search.explore=2", "--set", "seeds.compare=2", "--set", "criterion.metric=slide_auc_max"]
    assert "estimated time" in run("plan", study, *data, *explored, command=SEEDSWEEP).stdout
    run(study, "--runs", tmp_path / "runs", *data, *explored)
    folder = tmp_path / "runs" / "patches"
    resolved = load(str(folder / "study.yaml"), "laptop")
    assert (resolved.data.name, resolved.data.size, resolved.data.train) == ("camelyon16", 64, 64)
    for record in Ledger(folder).records():
        curves = record.verified_curves()
        for name in ("slide_auc_mean", "slide_auc_max"):
            values = curves.column(name)
            # Two slides, one of each kind: one is above the other, or they are equal.
            assert set(values.flat) <= {0.0, 0.5, 1.0}
    assert not (tmp_path / "runs" / "_data").exists()
    assert (folder / "report" / "figures" / "glimpses.png").exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            "{name: camelyon16}",
            "data.folder: camelyon16 is packed by hand first, see python -m seedsweep.shards.pack camelyon16",
        ),
        ("{folder: nowhere}", "nowhere has no index.json: it is no packed data set"),
    ],
)
def test_what_is_not_packed_is_said(study, data, words):
    with pytest.raises(UserError, match=words):
        load(str(study), "laptop", [f"data={data}"])


def test_another_folder_of_the_same_content_is_the_same_data(packed, study, tmp_path):
    from seedsweep.shards.read import data_fingerprint

    moved = tmp_path / "moved"
    moved.symlink_to(packed)
    assert data_fingerprint(moved) == data_fingerprint(packed)
    studies = [load(str(study), "laptop", [f"data={{folder: {folder}}}"]) for folder in (packed, moved)]
    hashes = {each.configuration_hash(each.hyperparameters, "same") for each in studies}
    assert len(hashes) == 1
    assert studies[0].data.stored() == studies[1].data.stored()
