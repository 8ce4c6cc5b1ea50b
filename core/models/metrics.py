"""What an evaluation records of one member's classification or segmentation. N images."""

from __future__ import annotations

import numpy as np

CLASSIFICATION = ("accuracy", "precision", "recall", "f1", "auc")


def classification_metrics(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """By name, for tumour-minus-normal logits [N] (positive: predicted tumour) and labels [N] in {0,1}.

    A ratio without a denominator is 0, but AUC is then NaN (it needs both classes), as it is for non-finite scores.
    """
    predicted, actual = scores > 0, labels.astype(bool)
    tp = int((predicted & actual).sum())
    fp = int((predicted & ~actual).sum())
    fn = int((~predicted & actual).sum())
    return {
        "accuracy": float((predicted == actual).mean()),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "auc": _auc(scores, actual),
    }


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0 else 0.0


def _auc(scores: np.ndarray, actual: np.ndarray) -> float:
    """Area under the ROC curve by the rank sum (Mann-Whitney), ties counted half."""
    positives, negatives = actual.sum(), (~actual).sum()
    if not positives or not negatives or not np.isfinite(scores).all():
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[actual].sum() - positives * (positives + 1) / 2) / (positives * negatives))


SLIDES = ("slide_auc_mean", "slide_auc_max")


def slide_metrics(scores: np.ndarray, slides: np.ndarray, slide_labels: np.ndarray) -> dict[str, float]:
    """AUC of whole slides, from patches' logits [N], each patch's slide [N] and its slide's label [N].

    A slide's probability is the mean over its patches, or, where one tumour patch makes a tumour slide, the maximum.
    """
    with np.errstate(over="ignore"):
        probabilities = 1 / (1 + np.exp(-scores))
    _, first, number = np.unique(slides, return_index=True, return_inverse=True)
    actual = slide_labels[first].astype(bool)
    means = np.array([probabilities[number == slide].mean() for slide in range(len(first))])
    most = np.array([probabilities[number == slide].max() for slide in range(len(first))])
    return {"slide_auc_mean": _auc(means, actual), "slide_auc_max": _auc(most, actual)}


SEGMENTATION = ("dice", "iou", "pixel_precision", "pixel_recall", "pixel_accuracy")


def segmentation_metrics(
    intersection: np.ndarray, predicted: np.ndarray, actual: np.ndarray, correct: np.ndarray
) -> dict[str, float]:
    """By name, from the pixels of the predicted and true masks and of both, and the share of correct ones, [N] each.

    dice: mean over the images with a mask (NaN without any).  The others over all pixels together.
    """
    shown = actual > 0
    dice = 2 * intersection[shown] / (predicted + actual)[shown]
    i, p, a = intersection.sum(), predicted.sum(), actual.sum()
    return {
        "dice": float(dice.mean()) if shown.any() else float("nan"),
        "iou": _ratio(i, p + a - i),
        "pixel_precision": _ratio(i, p),
        "pixel_recall": _ratio(i, a),
        "pixel_accuracy": float(correct.mean()),
    }
