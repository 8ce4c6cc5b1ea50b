"""FROC and lesions against values worked out by hand."""

import numpy as np
import pytest

from seedsweep.analysis.slides import Detections, Lesions, froc, froc_score, lesions, longer_axis


def slide(numbers, isolated=()):
    return Lesions(np.array(numbers), frozenset(isolated))


def said(*triples):
    return Detections(np.array([t[0] for t in triples]), np.array([t[1:] for t in triples], int).reshape(-1, 2))


def test_a_curve_worked_out_by_hand():
    """Two slides, three lesions of which one is isolated cells: two to be found."""
    first = slide([[1, 1, 0, 2, 2, 0, 3]], isolated=[3])
    second = slide([[0, 0, 0, 0, 0, 0, 0]])
    detections = [
        # Lesion 1 twice, the cells once, and glass once.
        (said((0.9, 0, 0), (0.4, 1, 0), (0.8, 6, 0), (0.7, 2, 0), (0.3, 4, 0)), first),
        (said((0.6, 3, 0)), second),
    ]
    false_positives, sensitivity = froc(detections)
    # Thresholds .9 (one found), .7 (a false one), .6 (another), .3 (the second found).
    np.testing.assert_allclose(false_positives, [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(sensitivity, [0, 0.5, 0.5, 0.5, 1])
    # At .25 and .5 false positives a slide half are found, from 1 on all.
    assert froc_score(false_positives, sensitivity) == pytest.approx((0.5 + 0.5 + 4 * 1) / 6)


def test_nothing_false_and_all_found_is_one():
    truth = slide([[1, 0]])
    assert froc_score(*froc([(said((0.2, 0, 0)), truth)])) == 1
    assert froc_score(*froc([(said((0.2, 1, 0)), truth)])) == 0
    with pytest.raises(ValueError, match="at least one lesion"):
        froc([(said((0.2, 0, 0)), slide([[0, 0]]))])


def test_near_tumours_are_one_lesion_and_small_ones_are_cells():
    mask = np.zeros((200, 400), bool)
    mask[50:150, 20:80] = True
    mask[50:150, 85:140] = True  # 5 pixels of 10 um off: less than 75 um
    mask[50:150, 200:260] = True  # 60 pixels off
    mask[90:95, 350:355] = True
    found = lesions(mask, pixel=10.0)
    assert found.numbers.max() == 3
    assert found.numbers[100, 50] == found.numbers[100, 120] != found.numbers[100, 230]
    assert found.isolated == {found.numbers[92, 352]}
    assert found.count == 2
    assert lesions(np.zeros((4, 4), bool), 10.0).count == 0


def test_the_longer_axis_is_skimages():
    measure = pytest.importorskip("skimage.measure", reason="the extra `slides` is not installed")
    rng = np.random.default_rng(0)
    yy, xx = np.mgrid[:80, :80]
    region = ((yy - 40) * 0.8 + (xx - 40) * 0.6) ** 2 / 900 + ((xx - 40) * 0.8 - (yy - 40) * 0.6) ** 2 / 100 < 1
    region &= rng.random(region.shape) > 0.1
    assert longer_axis(region) == pytest.approx(measure.regionprops(region.astype(int))[0].axis_major_length)
