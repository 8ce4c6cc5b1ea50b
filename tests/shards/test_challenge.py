"""The challenge's folders: what is found there, and one clear line for whatever is wrong."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seedsweep.core.errors import UserError
from seedsweep.shards.camelyon16 import cutting
from seedsweep.shards.camelyon16.challenge import find_challenge
from seedsweep.shards.camelyon16.cutting import pack
from seedsweep.shards.camelyon16.settings import CamelyonSettings
from seedsweep.shards.data_set import make
from seedsweep.shards.read import read

pytest.importorskip("openslide", reason="the extra `slides` is not installed")
pytest.importorskip("tifffile")
from tests.shards import challenge
from tests.shards.in_this_process import InThisProcess

SETTINGS = CamelyonSettings(kind="main", size=64, downsample=2, micrometres=2.0, held_out=0.5)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return challenge.write(tmp_path_factory.mktemp("challenge") / "CAMELYON16")


@pytest.fixture
def root(written, tmp_path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(written, tmp_path / "CAMELYON16"))


@pytest.fixture
def in_this_process(monkeypatch) -> None:
    monkeypatch.setattr(cutting, "ProcessPoolExecutor", InThisProcess)


@pytest.mark.slow
def test_all_slides_are_found_with_their_annotations(written):
    found = find_challenge(written, test=True)
    assert found.left_out == {}
    assert [(source.name, source.tumour, source.test) for source in found.sources] == [
        *((f"normal_{n:03d}", False, False) for n in (1, 2)),
        *((f"tumor_{n:03d}", True, False) for n in (1, 2)),
        *((name, bool(boxes), True) for name, boxes in challenge.TESTED.items()),
    ]
    assert not any(source.test for source in find_challenge(written, test=False).sources)


@pytest.mark.parametrize("place", ["testing/lesion_annotations", "testing/evaluation/lesion_annotations"])
def test_an_archive_may_be_unpacked_and_lie_with_the_evaluation(root, place):
    archive = root / challenge.TEST_OUTLINES
    packed = [source.annotation.content() for source in find_challenge(root, test=True).sources if source.annotation]
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(root / place)
    archive.unlink()
    again = [source.annotation.content() for source in find_challenge(root, test=True).sources if source.annotation]
    assert again == packed


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("training/normal", "lacks training/normal"),
        ("training/tumor", "lacks training/tumor"),
        ("training/lesion_annotations", r"lacks training/lesion_annotations.zip"),
        ("testing/images", r"lacks testing/images; data\.test=false goes without testing/"),
        ("testing/reference.csv", r"lacks testing/reference.csv; data\.test=false"),
        ("testing/lesion_annotations.zip", r"lacks testing/lesion_annotations.zip; data\.test=false"),
        ("testing", "lacks testing/images, testing/lesion_annotations.zip, testing/reference.csv"),
    ],
)
def test_what_is_missing_is_named(root, gone, words):
    path = root / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match=words) as caught:
        find_challenge(root, test=True)
    assert "\n" not in str(caught.value)
    if gone.startswith("testing"):
        assert find_challenge(root, test=False).left_out == {}


def rewritten(archive: Path, **changed: str | None) -> None:
    """An archive with members changed, added or, where there is None, taken out."""
    with zipfile.ZipFile(archive) as opened:
        kept = {Path(name).stem: opened.read(name).decode() for name in opened.namelist()}
    with zipfile.ZipFile(archive, "w") as opened:
        for name, text in {**kept, **changed}.items():
            if text is not None:
                opened.writestr(f"{name}.xml", text)


def remove(root):
    (root / challenge.OUTLINES / "tumor_002.xml").unlink()


def stray(root):
    (root / challenge.OUTLINES / "tumor_007.xml").write_text(challenge.outlines([challenge.DARK]))


def annotated_normal(root):
    (root / challenge.OUTLINES / "normal_002.xml").write_text(challenge.outlines([challenge.DARK]))


def twice(root):
    shutil.copy(root / challenge.TUMOUR / "tumor_002.tif", root / challenge.NORMAL)


def known(root):
    (root / challenge.NORMAL / "normal_002.tif").rename(root / challenge.NORMAL / "Normal_086.tif")


def known_test(root):
    (root / challenge.IMAGES / "test_004.tif").rename(root / challenge.IMAGES / "Test_114.tif")
    text = (root / challenge.REFERENCE).read_text()
    (root / challenge.REFERENCE).write_text(text.replace("test_004,Normal", "Test_114.tif,Normal"))


def without_line(root):
    text = (root / challenge.REFERENCE).read_text()
    (root / challenge.REFERENCE).write_text("".join(text.splitlines(keepends=True)[:-1]))


def without_slide(root):
    (root / challenge.IMAGES / "test_004.tif").unlink()


def without_outline(root):
    rewritten(root / challenge.TEST_OUTLINES, test_002=None)


def outline_of_normal(root):
    rewritten(root / challenge.TEST_OUTLINES, test_003=challenge.outlines([challenge.DARK]))


@pytest.mark.parametrize(
    ("spoil", "name", "words"),
    [
        (remove, "tumor_002", "has no annotation"),
        (stray, "tumor_007", "and there is no slide of it"),
        (annotated_normal, "normal_002", "lies in training/normal, and has an annotation"),
        (twice, "tumor_002", "lies in training/normal and in training/tumor"),
        (known, "Normal_086", "is known to trouble"),
        (known_test, "Test_114", "is known to trouble"),
        (without_line, "test_004", "is not in testing/reference.csv"),
        (without_slide, "test_004", "is in testing/reference.csv, and there is no slide of it"),
        (without_outline, "test_002", "has no annotation, and is a tumour slide by testing/reference.csv"),
        (outline_of_normal, "test_003", "is a normal slide by testing/reference.csv, and has an annotation"),
    ],
)
def test_a_slide_that_does_not_fit_is_left_out_alone(written, root, spoil, name, words):
    spoil(root)
    found, whole = find_challenge(root, test=True), find_challenge(written, test=True)
    assert list(found.left_out) == [name]
    assert words in found.left_out[name]
    assert "\n" not in found.left_out[name]
    assert len(found.sources) >= len(whole.sources) - 1


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (challenge.TEST_OUTLINES, b"PK torn", "lesion_annotations.zip: .*; download it again"),
        (challenge.REFERENCE, b"test_001,Tumor\ntest_002,perhaps\n", "line 2: 'test_002,perhaps' is no slide's name"),
    ],
)
def test_what_is_damaged_is_named(root, file, content, words):
    (root / file).write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        find_challenge(root, test=True)
    assert "\n" not in str(caught.value)


def test_the_reference_may_name_its_columns(root):
    reference = root / challenge.REFERENCE
    reference.write_text("image,type,subtype\n" + reference.read_text())
    assert find_challenge(root, test=True).left_out == {}


@pytest.mark.usefixtures("in_this_process")
def test_the_test_split_is_every_patch_of_tissue_with_its_place_and_lesion(written, tmp_path):
    folder, left_out = pack(find_challenge(written, test=True), SETTINGS, tmp_path)
    assert left_out == {}
    test = read(folder)["test"]
    names = [name.tobytes().rstrip(b"\0").decode() for name in test["slide_name"]]
    for name, boxes in challenge.TESTED.items():
        own = [row for row, each in enumerate(names) if each == name]
        # Seven by seven patches of 128 pixels of level 0.
        assert sorted(map(tuple, test["place"][own].tolist())) == [
            (64 + 128 * x, 64 + 128 * y) for x in range(7) for y in range(7)
        ]
        # Lesions are numbered from the top.
        found = sorted((box for box in boxes if box != challenge.CELLS), key=lambda box: box[1])
        lesions = {challenge.CELLS: -1, **{box: number for number, box in enumerate(found, 1)}}
        assert set(test["lesions"][own]) == {len(found)}
        image = challenge.tested_slide(name)
        for row in own:
            x, y = test["place"][row]
            at = [lesions[box] for box in boxes if box[0] <= x < box[2] and box[1] <= y < box[3]]
            assert test["lesion"][row] == (at[0] if at else 0)
            part = image[y - 64 : y + 64 : 2, x - 64 : x + 64 : 2]
            np.testing.assert_array_equal(test["image"][row], part.transpose(2, 0, 1))
    # Of the others not every patch is there: how many lesions there are is not known.
    assert (read(folder)["train"]["lesions"] == -1).all()


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("which", ["slide", "outlines"])
def test_a_damaged_slide_or_annotation_stops_no_other(root, tmp_path, which):
    if which == "slide":
        (root / challenge.IMAGES / "test_002.tif").write_bytes(b"II*\0 torn")
    else:
        rewritten(root / challenge.TEST_OUTLINES, test_002="<ASAP_Annotations")
    folder, left_out = pack(find_challenge(root, test=True), SETTINGS, tmp_path / "to")
    assert list(left_out) == ["test_002"]
    assert "\n" not in left_out["test_002"]
    assert len(np.unique(read(folder)["test"]["slide"])) == 3


@pytest.mark.usefixtures("in_this_process")
def test_one_validation_split_for_all_kinds(written, tmp_path):
    found = find_challenge(written, test=False)
    settings = replace(SETTINGS, validation_kind="balanced", tissue=0.0)
    every = [read(pack(found, replace(settings, kind=kind), tmp_path)[0]) for kind in ("main", "balanced", "debug")]
    for name in every[0]["validation"]:
        for other in every[1:]:
            np.testing.assert_array_equal(other["validation"][name], every[0]["validation"][name])
    assert every[0]["validation"]["label"].mean() == every[1]["train"]["label"].mean() == 0.5
    assert every[0]["train"]["label"].mean() < 0.5


def test_the_challenges_folder_needs_no_annotations_of_ones_own(written, tmp_path):
    data_set = make({"name": "camelyon16", "slides": str(written), "annotations": str(tmp_path)})
    with pytest.raises(UserError, match=r"data\.annotations: leave it out"):
        data_set.pack_under(tmp_path, lambda done, total: None, lambda line: None)


def test_a_few_patches_are_seen_without_cutting_all(written, root):
    """Four tumour patches of each tumour slide, and as many normal ones. A slide that cannot be read is passed over."""
    (root / challenge.NORMAL / "normal_001.tif").write_bytes(b"II*\0 torn")
    own = {"size": 64, "downsample": 2, "micrometres": 2.0, "held_out": 0.0}
    for slides in (written, root):
        data_set = make({"name": "camelyon16", "slides": str(slides), **own})
        samples = list(data_set.samples("train"))
        assert [int(sample["label"]) for sample in samples].count(1) == len(samples) / 2 == 8
        assert samples[0]["image"].shape == (3, 64, 64)
        assert next(iter(data_set.samples("test")))["lesions"] == 2
    assert make({"name": "camelyon16", "slides": str(written), "test": False, **own}).samples("test") is None
