import numpy as np
import pytest

from seedsweep.core.models.metrics import classification_metrics, segmentation_metrics, slide_metrics


@pytest.mark.parametrize(
    ("scores", "accuracy", "precision", "recall", "auc"),
    [
        # Pairs (positive, negative): 2 and 1 beat both, -1 beats -2 only: 5 of 6; all tied: half; all right: 1.
        ([2.0, 1.0, -1.0, 0.5, -2.0], 0.6, 2 / 3, 2 / 3, 5 / 6),
        ([-1.0, -1.0, -1.0, -1.0, -1.0], 0.4, 0, 0, 0.5),
        ([3.0, 2.0, 1.0, -1.0, -2.0], 1, 1, 1, 1),
    ],
)
def test_classification_by_hand(scores, accuracy, precision, recall, auc):
    values = classification_metrics(np.array(scores), np.array([1, 1, 1, 0, 0]))
    # Precision and recall are equal in each case, and so is F1.
    expected = {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": recall, "auc": auc}
    assert values == pytest.approx(expected)


def test_auc_counts_pairs():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    scores = np.round(rng.normal(size=60) + labels, 1)  # rounding makes ties
    pairs = np.sign(scores[labels == 1][:, None] - scores[labels == 0][None, :])
    assert classification_metrics(scores, labels)["auc"] == pytest.approx((pairs.mean() + 1) / 2)


def test_auc_is_unknown_without_both_classes_or_with_a_score_that_is_not_finite():
    assert np.isnan(classification_metrics(np.zeros(3), np.ones(3, int))["auc"])
    assert np.isnan(classification_metrics(np.array([np.nan, 0.0]), np.array([0, 1]))["auc"])


def test_slides_by_mean_and_by_maximum():
    """Slide 0 is a tumour slide of one loud patch, slide 2 a normal one of middling patches; there is no slide 1."""
    slides, labels = np.array([0, 0, 0, 2, 2]), np.array([1, 1, 1, 0, 0])
    found = slide_metrics(np.array([4.0, -4.0, -4.0, 1.0, 1.0]), slides, labels)
    assert found == {"slide_auc_mean": 0, "slide_auc_max": 1}
    assert np.isnan(slide_metrics(np.full(5, np.nan), slides, labels)["slide_auc_mean"])


def test_segmentation_by_hand():
    """Two images, of which the second has no mask: it is left out of Dice alone."""
    intersection, predicted, actual = np.array([3.0, 0.0]), np.array([4.0, 2.0]), np.array([6.0, 0.0])
    values = segmentation_metrics(intersection, predicted, actual, np.array([0.75, 0.9]))
    assert values == pytest.approx(
        {"dice": 6 / 10, "iou": 3 / 9, "pixel_precision": 3 / 6, "pixel_recall": 3 / 6, "pixel_accuracy": 0.825}
    )
    assert np.isnan(segmentation_metrics(intersection, predicted, np.zeros(2), np.ones(2))["dice"])
