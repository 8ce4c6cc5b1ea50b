"""Whole slides judged by their patches, against values worked out by hand."""

import numpy as np
import pytest

from seedsweep.core.models.slides import ARRAYS, METRICS, apart, froc, froc_score, slide_measures


def curve(*candidates, lesions, slides):
    """Candidates as (score, slide, lesion)."""
    scores, of, lesion = (np.array(column) for column in zip(*candidates, strict=True))
    return froc(scores, of, lesion, lesions, slides)


def test_a_curve_worked_out_by_hand():
    """Two slides, of which one has two lesions that are to be found, and isolated cells."""
    false_positives, sensitivity = curve(
        # Lesion 1 twice, the cells once, and glass once.
        *((0.9, 0, 1), (0.4, 0, 1), (0.8, 0, -1), (0.7, 0, 0), (0.3, 0, 2)),
        (0.6, 1, 0),
        lesions=2,
        slides=2,
    )
    # Thresholds .9 (one found), .8, .7 (a false one), .6 (another), .4, .3 (the second found).
    np.testing.assert_allclose(false_positives, [0, 0, 0, 0.5, 1, 1, 1])
    np.testing.assert_allclose(sensitivity, [0, 0.5, 0.5, 0.5, 0.5, 0.5, 1])
    # At .25 and .5 false positives a slide half are found, from 1 on all.
    assert froc_score(false_positives, sensitivity) == pytest.approx((0.5 + 0.5 + 4 * 1) / 6)


def test_equal_scores_are_one_threshold():
    false_positives, sensitivity = curve((0.5, 0, 0), (0.5, 0, 1), (0.5, 0, 0), lesions=1, slides=1)
    np.testing.assert_allclose([false_positives, sensitivity], [[0, 2], [0, 1]])
    # A straight line from (0, 0) to (2, 1), and all beyond.
    assert froc_score(false_positives, sensitivity) == pytest.approx((0.125 + 0.25 + 0.5 + 1 + 1 + 1) / 6)


def test_lesions_of_two_slides_are_two():
    _, sensitivity = curve((0.9, 0, 1), (0.8, 1, 1), lesions=2, slides=2)
    np.testing.assert_allclose(sensitivity, [0, 0.5, 1])


@pytest.mark.parametrize(("lesion", "score"), [(1, 1.0), (0, 0.0)])
def test_all_found_is_one_and_nothing_found_is_none(lesion, score):
    assert froc_score(*curve((0.2, 0, lesion), lesions=1, slides=1)) == score


def test_what_touches_a_better_candidate_is_none():
    """A row of five patches, of which the best is the second; another slide's are its own; a corner touches."""
    places = np.array([(64 + 128 * x, 64) for x in range(5)] + [(64, 64), (192, 192)])
    slides = np.array([0, 0, 0, 0, 0, 1, 1])
    scores = np.array([2.0, 3.0, 1.0, 0.5, -1.0, 2.0, 5.0])
    assert apart(scores, slides, places).tolist() == [6, 1, 3]
    assert apart(np.zeros(7), slides, places).tolist() == [0, 2, 4, 5]


def kept(**changed):
    """Three slides: 0 has a lesion and cells, 1 and 2 are normal. Patches lie apart, so that all are candidates."""
    names = np.stack([np.frombuffer(name.ljust(8, b"\0"), np.uint8) for name in (b"a", b"a", b"b", b"b", b"c:d")])
    arrays = {
        "slide": np.array([0, 0, 1, 1, 2]),
        "slide_label": np.array([1, 1, 0, 0, 0]),
        "place": np.array([(1, 1), (5, 1), (1, 1), (5, 2), (1, 1)]),
        "lesion": np.array([1, -1, 0, 0, 0]),
        "lesions": np.array([1, 1, 0, 0, 0]),
        "slide_name": names,
    }
    assert set(arrays) == set(ARRAYS)
    return arrays | changed


def test_a_slide_is_called_tumour_by_any_of_its_patches():
    values = slide_measures(np.array([2.0, -1.0, -3.0, 0.5, -2.0]), kept())
    assert {name: values[name] for name in METRICS} == {
        # By the mean .57 against .34 and .12, by the maximum .88 against .62 and .12.
        **{"slide_auc_mean": 1, "slide_auc_max": 1},
        **{"argmax_sensitivity": 1, "argmax_specificity": 0.5, "argmax_accuracy": pytest.approx(2 / 3)},
        "froc": 1,
    }
    assert values["slide:b:max"] == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert values["slide:a:mean"] == pytest.approx((1 / (1 + np.exp(-2)) + 1 / (1 + np.exp(1))) / 2)
    assert [values[f"slide:{name}:tumour"] for name in ("a", "b", "c_d")] == [1, 0, 0]
    assert values["froc:0.25"] == values["froc:8"] == 1


def test_false_positives_come_before_the_lesion():
    """One of three slides' patches is called first: a third of a false positive a slide, then the lesion."""
    values = slide_measures(np.array([2.0, -1.0, 3.0, -1.0, -2.0]), kept())
    # At a quarter nothing is found (the line from (0, 0) to (1/3, 0)), from a half on the lesion.
    assert values["froc"] == pytest.approx(5 / 6)
    assert values["froc:0.25"] == 0


@pytest.mark.parametrize("missing", ["lesions unknown", "no arrays"])
def test_slides_that_are_not_here_whole_are_ranked_alone(missing):
    arrays = (
        kept(lesions=np.full(5, -1))
        if missing == "lesions unknown"
        else {name: kept()[name] for name in ("slide", "slide_label")}
    )
    assert set(slide_measures(np.zeros(5), arrays)) == {"slide_auc_mean", "slide_auc_max"}


def test_without_lesions_or_normal_slides_there_is_no_such_number():
    values = slide_measures(np.zeros(5), kept(slide_label=np.ones(5, int), lesions=np.zeros(5, int)))
    assert np.isnan(values["froc"])
    assert np.isnan(values["argmax_specificity"])
    assert values["argmax_sensitivity"] == 0
