"""Whole slides judged by their patches: AUC, the argmax decision, and lesions by the FROC curve of the Camelyon16
challenge (Ehteshami Bejnordi 2017). N patches."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seedsweep.core.models.metrics import SLIDES, slide_metrics
from seedsweep.core.records.details import detail

#: Arrays of a data set that say where each patch is of: slide, slide_label, lesion, lesions int [N]; place int [N,2];
#: and slide_name uint8 [N,bytes]. `lesions` is how many the slide has that are to be found, -1 where not all of its
#: patches are here; `lesion` the number of the one at the patch's middle, 0 for none, -1 for isolated tumour cells.
ARRAYS = ("slide", "slide_label", "place", "lesion", "lesions", "slide_name")
#: By one tumour patch making a tumour slide.
ARGMAX = ("argmax_sensitivity", "argmax_specificity", "argmax_accuracy")
METRICS = (*SLIDES, *ARGMAX, "froc")
#: Mean false positives a slide at which the challenge reads off the sensitivity, and those at which the curve is kept.
AVERAGED_AT = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
CURVE_AT = tuple(float(rate) for rate in 2.0 ** np.arange(-3, 3.25, 0.25))


def slide_measures(scores: np.ndarray, kept: Mapping[str, np.ndarray]) -> dict[str, float]:
    """METRICS by name, from patches' tumour-minus-normal logits [N], and ARRAYS.

    Where not all patches of the slides are here, the AUCs alone. Else, as details (`core.records.details`), too:
    `slide:NAME:tumour`, what it is; `slide:NAME:mean` and `slide:NAME:max`, the probability of its patches; and
    `froc:RATE`, the sensitivity at so many false positives a slide. A slide is called a tumour slide where any of its
    patches is, by the larger of its two logits. A share of no slides, and a FROC score without lesions, is NaN.
    """
    values = slide_metrics(scores, kept["slide"], kept["slide_label"])
    if "lesions" not in kept or (kept["lesions"] < 0).any():
        return values
    slides, first, number = np.unique(kept["slide"], return_index=True, return_inverse=True)
    tumour, names = kept["slide_label"][first].astype(bool), _names(kept["slide_name"][first])
    called = np.bincount(number, scores > 0, len(slides)) > 0
    values |= {
        "argmax_sensitivity": _share(called[tumour]),
        "argmax_specificity": _share(~called[~tumour]),
        "argmax_accuracy": _share(called == tumour),
    }
    with np.errstate(over="ignore"):
        probabilities = 1 / (1 + np.exp(-scores))
    for slide, name in enumerate(names):
        own = probabilities[number == slide]
        said = {"tumour": float(tumour[slide]), "mean": float(own.mean()), "max": float(own.max())}
        values |= {detail("slide", name, what): value for what, value in said.items()}
    candidates = apart(scores, number, kept["place"])
    total = int(kept["lesions"][first].sum())
    if not total or not np.isfinite(scores).all():
        return {**values, "froc": float("nan")}
    curve = froc(scores[candidates], number[candidates], kept["lesion"][candidates], total, len(slides))
    at = np.interp(CURVE_AT, *curve)
    values |= {detail("froc", f"{rate:g}"): float(value) for rate, value in zip(CURVE_AT, at, strict=True)}
    return {**values, "froc": froc_score(*curve)}


def apart(scores: np.ndarray, slides: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Which patches are candidates, as numbers [n], the highest score first: non-maximum suppression on the grid of the
    patches. One that touches a better one of its slide, at a side or a corner, is none; of equal ones the first is.

    scores, slides: [N].  places: of the patches' middles, [N,2], on one grid for all slides.
    """
    pitch = _pitch(places)
    cells = places // pitch
    taken: set[tuple[int, int, int]] = set()
    found = []
    order = np.argsort(-scores, kind="stable")
    for number, slide, x, y in zip(order.tolist(), slides[order].tolist(), *cells[order].T.tolist(), strict=True):
        if (slide, x, y) in taken:
            continue
        found.append(number)
        taken.update((slide, x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1))
    return np.array(found, np.int64)


def froc(
    scores: np.ndarray, slides: np.ndarray, lesion: np.ndarray, lesions: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(mean false positives a slide, sensitivity), one of each for every threshold from the highest down, after (0, 0).

    A lesion is found with the highest score that points into it; more hits are neither true nor false. What points to
    no lesion is false, and what points to isolated cells is neither.

    scores, slides, lesion: of the candidates, [n]; `lesion` is 0 for none, -1 for isolated cells, else a number of the
    slide.  lesions: how many there are to be found.  count: of slides.
    """
    order = np.argsort(-scores, kind="stable")
    scores, slides, lesion = scores[order], slides[order], lesion[order]
    # The first of each lesion, which is the highest.
    hits = np.flatnonzero(lesion > 0)
    _, first = np.unique(np.stack([slides[hits], lesion[hits]]), axis=1, return_index=True)
    found = np.zeros(len(scores))
    found[hits[first]] = 1
    # One point for all candidates of equal score.
    last = np.flatnonzero(np.append(np.diff(scores) != 0, [True] * (len(scores) > 0)))
    wrong, right = np.cumsum(lesion == 0)[last] / count, np.cumsum(found)[last] / lesions
    return np.concatenate([[0.0], wrong]), np.concatenate([[0.0], right])


def froc_score(false_positives: np.ndarray, sensitivity: np.ndarray) -> float:
    """The challenge's number: the mean sensitivity at AVERAGED_AT, between points by a straight line."""
    return float(np.interp(AVERAGED_AT, false_positives, sensitivity).mean())


def _pitch(places: np.ndarray) -> int:
    """Of the grid: the smallest difference of two columns, or rows."""
    steps = np.concatenate([np.diff(np.unique(places[:, axis])) for axis in (0, 1)])
    return int(steps.min()) if len(steps) else 1


def _names(given: np.ndarray) -> list[str]:
    """Of slides, uint8 [n,bytes]; equal ones are told apart by a number."""
    names: list[str] = []
    for number, name in enumerate(given):
        text = name.tobytes().rstrip(b"\0").decode(errors="replace")
        names.append(f"{text} {number}" if text in names else text)
    return names


def _share(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
