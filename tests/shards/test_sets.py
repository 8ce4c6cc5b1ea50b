"""The built-in sets of images: what is on them, and that their bytes never change."""

import hashlib

import numpy as np
import pytest

from seedsweep.core.component import short_names
from seedsweep.core.errors import UserError
from seedsweep.shards.data_set import HOME, make, resolved
from seedsweep.shards.images import GeneratedImages
from seedsweep.shards.pack import pack
from seedsweep.shards.samples import arrays_of

GENERATED = short_names(HOME, GeneratedImages)
#: The splits beside train.
OTHERS = {name: ("validation",) if name == "colon_ihc" else ("validation", "test") for name in GENERATED}


def samples(name, numbers, split="train", **settings):
    data_set = make({"name": name, **settings})
    return [data_set.sample(split, index) for index in numbers]


def test_the_short_names():
    patterns = ["pattern1", "pattern1_offset", "pattern2", "pattern2_rgb"]
    assert set(GENERATED) == {"colon_ihc", "ellipses", "ellipses_varied", *patterns}


@pytest.mark.parametrize("name", GENERATED)
@pytest.mark.parametrize("size", [24, 64])
def test_samples(name, size):
    some = samples(name, range(20), size=size)
    assert sum(s["label"] for s in some) == 10
    for sample in some:
        assert sample["image"].shape == (3 if name.endswith("rgb") else 1, size, size)
        assert sample["mask"].shape == (1, size, size)
        assert sample["image"].dtype == np.uint8
        assert set(np.unique(sample["mask"])) <= {0, 1}
        assert sample["mask"].any() == bool(sample["label"])
        assert (np.abs(sample["centre"]) <= 1).all()
        if sample["label"]:
            rows, columns = np.nonzero(sample["mask"][0])
            seen = np.array([columns.mean(), rows.mean()]) / (size - 1) * 2 - 1
            np.testing.assert_allclose(sample["centre"], seen, atol=1.5 / size)
    assert len({s["image"].tobytes() for s in some if s["label"]}) == 10
    others = [samples(name, [1], split, size=size)[0] for split in OTHERS[name]]
    assert len({s["image"].tobytes() for s in (some[1], *others)}) == 1 + len(others)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("ellipses", "6d77c95e3fdc6d21"),
        ("ellipses_varied", "e879cd6fc3c81dd6"),
        ("pattern1", "52388137a15a6aca"),
        ("pattern1_offset", "88a748d7d905359d"),
        ("pattern2", "c43bc279723ee000"),
        ("pattern2_rgb", "16d23d2f5262cd7d"),
        ("colon_ihc", "e0e43b98c3b32010"),
    ],
)
def test_the_bytes_stay(name, digest):
    """What a study found on them holds for these very images."""
    some = samples(name, range(12), size=32, field=9, seed=3)
    content = b"".join(sample[key].tobytes() for sample in some for key in ("image", "mask", "label", "centre"))
    assert hashlib.sha256(content).hexdigest()[:16] == digest


def test_patterns_show_where_at_once_and_what_only_near():
    normal, tumour = (
        [
            s["image"][0].astype(float)
            for s in samples("pattern1", range(kind, 200, 2), size=64, field=16, anywhere=True)
        ]
        for kind in (0, 1)
    )
    darkest = [
        min(image[r : r + 16, c : c + 16].mean() for r in range(0, 48, 4) for c in range(0, 48, 4)) for image in normal
    ]
    assert max(darkest) < 0.8 * np.mean(normal)  # the field is darker than anything around it
    # Averaged over one period, stripes and checkerboard are the same grey.
    blurred = [np.mean([image.reshape(16, 4, 16, 4).mean((1, 3)).min() for image in kind]) for kind in (normal, tumour)]
    assert abs(blurred[0] - blurred[1]) < 6


def test_pattern1_is_cut_around_the_field_and_the_offset_moves_it():
    still, moved = (
        [np.abs(s["centre"]).max() for s in samples(name, range(60), size=64, field=8)]
        for name in ("pattern1", "pattern1_offset")
    )
    assert max(still) < 0.001
    assert 0.1 < np.median(moved) <= 0.41


def test_pattern2_has_as_many_fields_whatever_the_label_and_the_mask_holds_the_checkerboards():
    some = samples("pattern2", range(20), size=64, field=16)
    for sample in some:
        dark = sample["image"][0] < 0.2 * 255
        # Half of every field is dark.
        assert dark.sum() == 4 * 16 * 16 / 2
        assert sample["mask"].sum() == (2 * 16 * 16 if sample["label"] else 0)
        # Under a checkerboard every row and column is half dark, under stripes one of the two is all or nothing.
        if sample["label"]:
            assert dark[sample["mask"][0] == 1].mean() == 0.5
    (rgb,) = samples("pattern2_rgb", [1], size=64, field=16)
    assert (rgb["image"] == some[1]["image"]).all()


@pytest.mark.parametrize(("balance", "tumours"), [("balanced", 50), ("skewed", 10), ("tumour", 100)])
@pytest.mark.parametrize("name", GENERATED)
def test_balance(name, balance, tumours):
    assert sum(s["label"] for s in samples(name, range(100), size=24, balance=balance)) == tumours


@pytest.mark.parametrize("name", GENERATED)
@pytest.mark.parametrize("balance", ["skewed", "tumour"])
def test_training_sets_of_any_balance_are_judged_on_the_same_images(name, balance):
    values = {"name": name, "size": 24, "train": 40, "validation": 40, "test": 20 if "test" in OTHERS[name] else 0}
    balanced = make({**values, "balance": "balanced"})
    other = make({**values, "balance": balance, "validation_balance": "balanced"})
    for split in OTHERS[name]:
        first, second = arrays_of(balanced, split), arrays_of(other, split)
        for key, array in first.items():
            np.testing.assert_array_equal(array, second[key])
    assert arrays_of(other, "train")["label"].mean() != arrays_of(balanced, "train")["label"].mean()
    # Left out, it is as that of training.
    alike = make({**values, "balance": balance})
    assert arrays_of(alike, "validation")["label"].mean() == arrays_of(alike, "train")["label"].mean()


def test_ellipses_have_one_size_and_varied_ones_many():
    sizes = {
        name: [s["mask"].sum() for s in samples(name, range(1, 40, 2), size=128, field=32)]
        for name in ("ellipses", "ellipses_varied")
    }
    assert np.ptp(sizes["ellipses"]) < 0.1 * np.mean(sizes["ellipses"])
    assert np.ptp(sizes["ellipses_varied"]) > 0.8 * np.mean(sizes["ellipses_varied"])
    assert np.mean(sizes["ellipses"]) == pytest.approx(np.pi * 16 * 8, rel=0.02)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": 4}, "data.size: 4 is out of range; it must be at least 8"),
        ({"train": 0}, "data.train: 0 is out of range"),
        ({"period": 1}, "data.period: 1 is out of range"),
        ({"balance": "even"}, "data.balance: there is no 'even'"),
        ({"size": 16, "field": 17}, "data.field: 17 is larger than data.size, 16"),
        ({"validation_balance": "even"}, "data.validation_balance: there is no 'even'"),
        ({"size": 64, "downsized_from": 32}, "data.downsized_from: 32 is less than data.size, 64"),
        ({"size": 16, "downsized_from": 64, "field": 65}, "data.field: 65 is larger than the drawn image, 64"),
        ({"size": 16, "downsized_from": 64, "field": 7}, "data.field: 7 px become less than 2 where 64 px"),
        ({"background": "sky"}, "data.background: there is no 'sky'"),
        ({"crop": 32}, "data.crop: there is no such field"),
        ({"name": "pattern2", "size": 64, "crop": 32}, "data.crop: 32 is not between data.size, 64, and"),
        ({"name": "pattern2", "size": 32, "crop": 65, "downsized_from": 64}, "data.crop: 65 is not between"),
        (
            {"name": "pattern2", "size": 16, "crop": 20, "downsized_from": 64, "field": 17},
            "data.field: 4 fields of 17 px",
        ),
        ({"name": "colon_ihc", "test": 1}, "data.test: must be 0"),
        ({"siez": 16}, "data.siez: there is no such field; did you mean size"),
        ({"size": "wide"}, "data.size: "),
        ({"name": "pattern2", "anywhere": True}, "data.anywhere: must be false"),
        ({"name": "ellipses", "period": 4}, "data.period: there is no such field"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(values, words):
    with pytest.raises(UserError) as caught:
        make({"name": "pattern1", **values})
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


def test_a_packed_folder_is_a_data_set_again(tmp_path):
    values = resolved({"name": "ellipses", "size": 16, "train": 6, "validation": 3, "test": 2})
    made = make(values)
    folder = pack("ellipses", made, values, tmp_path)
    again = make({"name": "packed", "folder": str(folder)})
    assert pack("packed", again, {"folder": str(folder)}, tmp_path / "elsewhere") == folder
    assert again.classes == 2
    for split in ("train", "validation", "test"):
        first, second = arrays_of(made, split), arrays_of(again, split)
        assert set(first) == set(second)
        for name, array in first.items():
            np.testing.assert_array_equal(array, second[name])
