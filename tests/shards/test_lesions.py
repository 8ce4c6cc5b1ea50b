"""Lesions of a slide's mask against values worked out by hand."""

import numpy as np
import pytest

from seedsweep.shards.camelyon16.lesions import lesions, longer_axis


def test_near_tumours_are_one_lesion_and_small_ones_are_cells():
    mask = np.zeros((200, 400), bool)
    mask[50:150, 20:80] = True
    mask[50:150, 85:140] = True  # 5 pixels of 10 um off: less than 75 um
    mask[50:150, 200:260] = True  # 60 pixels off
    mask[90:95, 350:355] = True
    found = lesions(mask, pixel=10.0)
    assert found.count == 2
    assert sorted(np.unique(found.numbers)) == [-1, 0, 1, 2]
    assert found.numbers[100, 50] == found.numbers[100, 120] != found.numbers[100, 230]
    assert found.numbers[92, 352] == -1
    # Half of 75 um around a tumour is the lesion's, too, and no more.
    assert (found.numbers[100, 262], found.numbers[100, 263]) == (2, 0)


def test_a_hole_belongs_to_its_lesion():
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    mask[20:40, 20:40] = False
    found = lesions(mask, pixel=10.0)
    assert found.count == found.numbers[30, 30] == 1


def test_a_normal_slide_has_none():
    found = lesions(np.zeros((4, 4), bool), 10.0)
    assert (found.count, found.numbers.any()) == (0, False)


def test_the_longer_axis_is_skimages():
    measure = pytest.importorskip("skimage.measure", reason="the extra `slides` is not installed")
    rng = np.random.default_rng(0)
    yy, xx = np.mgrid[:80, :80]
    region = ((yy - 40) * 0.8 + (xx - 40) * 0.6) ** 2 / 900 + ((xx - 40) * 0.8 - (yy - 40) * 0.6) ** 2 / 100 < 1
    region &= rng.random(region.shape) > 0.1
    assert longer_axis(region) == pytest.approx(measure.regionprops(region.astype(int))[0].axis_major_length)
