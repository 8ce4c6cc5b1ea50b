"""Images of another side: exact means by area, and what they leave of a pattern."""

import math
from fractions import Fraction

import numpy as np
import pytest

from seedsweep.shards.data_set import make
from seedsweep.shards.resampling import resampled

PERIOD = 4


def mean(line: np.ndarray, start: Fraction, end: Fraction) -> Fraction:
    """Of a line of pixels, each one long, from and to."""
    overlaps = [max(Fraction(0), min(end, pixel + 1) - max(start, pixel)) for pixel in range(len(line))]
    return sum(w * int(v) for w, v in zip(overlaps, line, strict=True)) / (end - start)


@pytest.mark.parametrize(("side", "size"), [(6, 3), (7, 3), (9, 4), (12, 5), (5, 1)])
def test_a_pixel_is_the_mean_of_what_it_covers(side, size):
    image = np.random.default_rng(side).integers(0, 256, (side, side), np.uint8)
    ratio = Fraction(side, size)
    found = resampled(image, size)
    assert found.dtype == np.uint8
    for row in range(size):
        lines = np.array([mean(line, row * ratio, (row + 1) * ratio) for line in image.T])
        for column in range(size):
            first, end = column * ratio, (column + 1) * ratio
            overlaps = [max(Fraction(0), min(end, pixel + 1) - max(first, pixel)) for pixel in range(side)]
            exact = sum(w * v for w, v in zip(overlaps, lines, strict=True)) / ratio
            assert found[row, column] == math.floor(exact + Fraction(1, 2))


def test_up_goes_straight_from_middle_to_middle():
    image = np.array([[0, 80], [0, 80]], np.uint8)
    np.testing.assert_array_equal(resampled(image, 4), [[0, 20, 60, 80]] * 4)
    np.testing.assert_array_equal(resampled(image.T, 4), np.array([[0, 20, 60, 80]] * 4).T)


@pytest.mark.parametrize("size", [3, 11, 24])
def test_channels_are_resampled_one_by_one_and_nothing_is_lighter_or_darker(size):
    image = np.random.default_rng(0).integers(0, 256, (11, 11, 3), np.uint8)
    found = resampled(image, size)
    for channel in range(3):
        np.testing.assert_array_equal(found[..., channel], resampled(image[..., channel], size))
    np.testing.assert_array_equal(resampled(np.full((11, 11), 77, np.uint8), size), 77)
    np.testing.assert_array_equal(resampled(image[::-1], size), found[::-1])
    assert found.mean() == pytest.approx(image.mean(), abs=0.5 if size < 11 else 4)


def test_a_mask_is_1_where_at_least_half_of_a_pixel_is():
    mask = np.zeros((8, 8), np.uint8)
    mask[:4, :3] = 1
    # Of the second column of pixels half is covered, of the second one from the left of 3 px a quarter and less.
    np.testing.assert_array_equal(resampled(mask, 4)[:2], [[1, 1, 0, 0]] * 2)
    assert not resampled(mask, 4)[2:].any()
    np.testing.assert_array_equal(resampled(mask, 2), [[1, 0], [0, 0]])


def pattern(kind: str, side: int, phase: int) -> np.ndarray:
    line = (np.arange(side) + phase) % PERIOD < PERIOD // 2
    whole = line[:, None] ^ line[None] if kind == "checkerboard" else np.broadcast_to(line, (side, side))
    return whole.astype(np.uint8) * 255


@pytest.mark.parametrize(
    ("kind", "side", "phase", "left"),
    [
        ("stripes", 299, 1, 1.0),
        ("checkerboard", 299, 1, 1.0),
        # Each pixel covers two: both of one kind, or one of each.
        ("stripes", 598, 0, 1.0),
        ("checkerboard", 598, 0, 1.0),
        ("stripes", 598, 1, 0.0),
        ("checkerboard", 598, 1, 0.0),
        # A pixel covers 3.42: at most 2 light ones and 1.42 dark ones, and the other way around; s is the difference of
        # their shares, and a checkerboard's mean (1 - s * s') / 2 where stripes have (1 + s) / 2.
        ("stripes", 1024, 0, 2 * (4 * 299 / 1024 - 1) / 2),
        ("checkerboard", 1024, 0, (4 * 299 / 1024 - 1) ** 2),
        # A whole period.
        ("stripes", 1196, 0, 0.0),
        ("checkerboard", 1196, 1, 0.0),
    ],
)
def test_what_is_left_of_a_patterns_contrast(kind, side, phase, left):
    """1024 px averaged down to 299 leave 17 % of the contrast of stripes, 3 % of that of a checkerboard."""
    found = resampled(pattern(kind, side, phase), 299)
    assert np.ptp(found.astype(float)) / 255 == pytest.approx(left, abs=0.006)
    assert found.mean() == pytest.approx(127.5, abs=1)


@pytest.mark.parametrize(("ratio", "stripes", "checkerboard"), [(1, 1, 1), (4, 0, 0), (1024 / 299, 0.151, 0.023)])
def test_the_data_set_is_averaged_down_so(ratio, stripes, checkerboard):
    """Standard deviations in the field, as shares of that of the drawn field; noise alone makes 0.02 of it.

    Stripes at 3.42: +-a for 1.425 of 2 pixels, straight between for 0.575, a = 0.168: a sqrt((1.425 + 0.575 / 3) / 2).
    """
    drawn = round(64 * ratio)
    values = {"size": 64, "downsized_from": drawn, "field": drawn // 2, "anywhere": True}
    data_set = make({"name": "pattern1", **values})
    inner = []
    for index in range(8):
        sample = data_set.sample("train", index)
        assert sample["image"].shape == (1, 64, 64)
        assert sample["mask"].any() == bool(sample["label"])
        x, y = (sample["centre"] + 1) * 63 / 2
        inner.append(sample["image"][0, round(y) - 12 : round(y) + 12, round(x) - 12 : round(x) + 12].std() / 255 / 0.4)
        if sample["label"]:
            rows, columns = np.nonzero(sample["mask"][0])
            np.testing.assert_allclose((columns.mean(), rows.mean()), (x, y), atol=0.5)
            assert np.ptp(rows) + 1 == pytest.approx(32, abs=1)
    assert np.mean(inner[::2]) == pytest.approx(stripes, abs=0.03)
    assert np.mean(inner[1::2]) == pytest.approx(checkerboard, abs=0.03)


def test_drawn_at_its_own_size_nothing_changes():
    for name in ("pattern1", "pattern2_rgb"):
        one, other = (make({"name": name, "size": 48, "downsized_from": side}) for side in (0, 48))
        for index in range(4):
            first, second = one.sample("train", index), other.sample("train", index)
            for key, array in first.items():
                np.testing.assert_array_equal(array, second[key])
