"""One spelling of each measure, wherever it is read."""

_SPELT = {"f1": "F1", "auc": "AUC", "iou": "IoU"}


def spelt(measure: str) -> str:
    """A measure as the report spells it."""
    return "L_d" if measure == "loss_distance" else " ".join(_SPELT.get(word, word) for word in measure.split("_"))
