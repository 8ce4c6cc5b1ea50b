"""What an evaluation logs of binary classification. M members, N images."""

from __future__ import annotations

import numpy as np

CLASSIFICATION = ("accuracy", "precision", "recall", "f1", "auc")


def classification_metrics(scores: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics [M] by name, for tumour-minus-normal logits [M,N] (positive: predicted tumour) and labels [N] in {0,1}.

    A ratio without a denominator is 0, but AUC is then NaN (it needs both classes), as it is for non-finite scores.
    """
    predicted, actual = scores > 0, labels.astype(bool)
    tp = (predicted & actual).sum(1)
    fp = (predicted & ~actual).sum(1)
    fn = (~predicted & actual).sum(1)
    return {
        "accuracy": (predicted == actual).mean(1),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "auc": np.array([_auc(row, actual) for row in scores]),
    }


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.where(denominator > 0, numerator / np.maximum(denominator, 1), 0.0)


def _auc(scores: np.ndarray, actual: np.ndarray) -> float:
    """Area under the ROC curve by the rank sum (Mann-Whitney), ties counted half."""
    positives, negatives = actual.sum(), (~actual).sum()
    if not positives or not negatives or not np.isfinite(scores).all():
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[actual].sum() - positives * (positives + 1) / 2) / (positives * negatives))


SLIDES = ("slide_auc_mean", "slide_auc_max")


def slide_metrics(scores: np.ndarray, numbers: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """AUC [M] of whole slides, from patches' logits [M,N], each patch's slide [N] and the slides' labels [S].

    A slide's probability is the mean over its patches, or, where one tumour patch makes a tumour slide, the maximum.
    Slides without patches are left out.
    """
    with np.errstate(over="ignore"):
        probabilities = 1 / (1 + np.exp(-scores))
    there = np.unique(numbers)
    means = np.stack([probabilities[:, numbers == slide].mean(1) for slide in there], 1)
    most = np.stack([probabilities[:, numbers == slide].max(1) for slide in there], 1)
    actual = labels[there].astype(bool)
    return {
        "slide_auc_mean": np.array([_auc(row, actual) for row in means]),
        "slide_auc_max": np.array([_auc(row, actual) for row in most]),
    }


SEGMENTATION = ("dice", "iou", "pixel_precision", "pixel_recall", "pixel_accuracy")


def segmentation_metrics(
    intersection: np.ndarray, predicted: np.ndarray, actual: np.ndarray, correct: np.ndarray
) -> dict[str, np.ndarray]:
    """Metrics [M] by name, from the pixels of the predicted and true masks and of both, and the share of correct ones,
    [M,N] each.

    dice: mean over the images with a mask (NaN without any).  The others over all pixels together.
    """
    shown = actual > 0
    per_image = _ratio(2 * intersection, predicted + actual)
    i, p, a = intersection.sum(1), predicted.sum(1), actual.sum(1)
    with np.errstate(invalid="ignore"):
        dice = np.where(shown, per_image, 0).sum(1) / shown.sum(1)
    return {
        "dice": dice,
        "iou": _ratio(i, p + a - i),
        "pixel_precision": _ratio(i, p),
        "pixel_recall": _ratio(i, a),
        "pixel_accuracy": correct.mean(1),
    }
