"""A random square of pattern2: at least one pattern in each, the label of the whole image."""

import numpy as np
import pytest

from seedsweep.shards.data_set import make


@pytest.mark.parametrize(
    ("field", "period", "crop", "drawn"),
    [(16, 4, 64, 0), (8, 4, 64, 0), (32, 8, 64, 0), (16, 6, 64, 0), (20, 4, 64, 200), (12, 4, 64, 64), (0, 4, 64, 0)],
)
def test_every_crop_shows_a_whole_period_of_a_field(field, period, crop, drawn):
    data_set = make(
        {"name": "pattern2", "size": crop, "crop": crop, "downsized_from": drawn, "field": field, "period": period}
    )
    for index in range(120):
        sample = data_set.sample("train", index)
        assert sample["image"].shape == (1, crop, crop)
        # Noise is never this dark; half of a whole period along both axes is.
        assert (sample["image"][0] < 0.2 * 255).sum() >= period * period / 2


def test_the_mask_is_the_crops_and_the_label_the_images():
    data_set = make({"name": "pattern2", "size": 64, "crop": 64, "field": 16})
    held = []
    for index in range(200):
        sample = data_set.sample("train", index)
        mask = sample["mask"][0] == 1
        assert sample["label"] == index % 2
        if not sample["label"]:
            assert not mask.any()
            continue
        held.append(mask.any())
        if mask.any():
            rows, columns = np.nonzero(mask)
            # A checkerboard is half dark.
            assert (sample["image"][0][mask] < 0.2 * 255).mean() == pytest.approx(0.5, abs=0.25)
            np.testing.assert_allclose((sample["centre"] + 1) * 63 / 2, (columns.mean(), rows.mean()), atol=1e-4)
        else:
            assert not sample["centre"].any()
    # Half of the fields are checkerboards: few squares have none.
    assert 0.8 < np.mean(held) < 1


def test_crops_differ_from_image_to_image_and_are_the_same_again():
    first, second = (make({"name": "pattern2", "size": 32, "crop": 64, "field": 16, "seed": 4}) for _ in range(2))
    made = [first.sample("train", index)["image"] for index in range(10)]
    assert {image.shape for image in made} == {(1, 32, 32)}
    assert len({image.tobytes() for image in made}) == 10
    for index, image in enumerate(made):
        np.testing.assert_array_equal(second.sample("train", index)["image"], image)


def test_a_crop_of_the_whole_is_the_whole():
    """Of the drawn image's own side: nothing is cut off."""
    data_set = make({"name": "pattern2", "size": 64, "crop": 64, "downsized_from": 64, "field": 8})
    for index in range(1, 20, 2):
        dark = data_set.sample("train", index)["image"][0] < 0.2 * 255
        assert dark.sum() % (8 * 8 / 2) == 0
