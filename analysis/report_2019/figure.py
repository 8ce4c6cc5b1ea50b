"""The replication table as a picture: the claims in words, by what became of them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seedsweep.analysis.figures.style import styled
from seedsweep.analysis.report_2019.judging import HALF, NOT_TESTED
from seedsweep.analysis.report_2019.rows import OF_SHARES
from seedsweep.analysis.report_2019.table import NOT_RUN, VERDICTS, Judged
from seedsweep.analysis.verdicts import REFUTED, SUPPORTED, UNDECIDED

#: Colour and marker of each verdict. Their lightness differs, too: dark blue and brown, amber and grey.
MARKS = {
    SUPPORTED: ("#0072b2", "o"),
    REFUTED: ("#8c2d04", "s"),
    UNDECIDED: ("#e6ab02", "D"),
    NOT_TESTED: ("#8a8a8a", "X"),
}
#: Characters of a claim on a line; inches of a row.
WIDTH, PITCH = 62, 0.36
CAPTION = (
    "Each claim that was run, under its verdict. Left: what decided, with a 95 % interval: filled, the share of seeds "
    "of which the claim's condition holds; open, where configurations are compared, P(converge) of the claim's own, "
    "with bars for the others, or, of a measure or of time, the share of pairs of seeds in which the claim's own is "
    "the better one. Right: a dot a seed, the final value of the measure at the margin, where it lies between 0 and 1; "
    "a bar at the median; a diamond at the report's single number, where it gave one."
)


@styled
def draw(every: Sequence[Judged]) -> Figure:
    """Grouped by verdict, in each group in the report's order."""
    places = _places(every)
    figure = Figure(figsize=(11.0, 1.0 + PITCH * max(len(places), 1)))
    left, right = figure.subplots(1, 2, sharey=True)
    rng, labels = np.random.default_rng(0), []
    for place, shown in enumerate(places):
        if isinstance(shown, str):
            count = sum(each.verdict == shown for each in every)
            labels.append(f"{shown} ({count})")
            continue
        labels.append(textwrap.fill(f"{shown.row.row}  {shown.row.claim}", WIDTH))
        colour, marker = MARKS[shown.verdict]
        if shown.mark is not None:
            _mark(left, place, shown, colour, marker)
        _seeds(right, place, shown, rng)
    left.set_yticks(range(len(places)), labels, fontsize=8)
    for text, shown in zip(left.get_yticklabels(), places, strict=True):
        if isinstance(shown, str):
            text.set(fontweight="bold", color=MARKS[shown][0], fontsize=10)
    left.axvline(HALF, color="#999999", lw=0.8, ls="--")
    left.set(xlabel="share of seeds, or of pairs of seeds", xlim=(-0.03, 1.03), ylim=(len(places) - 0.4, -0.6))
    right.set(xlabel="final value of each seed", xlim=(-0.03, 1.03))
    right.tick_params(left=False)
    for axes in (left, right):
        axes.grid(axis="y", lw=0.4, color="#dddddd")
    return figure


def _mark(axes: Axes, place: int, shown: Judged, colour: str, marker: str) -> None:
    """What decided a claim."""
    mark = shown.mark
    assert mark is not None
    errors = np.array([[mark.share - mark.low], [mark.high - mark.share]]).clip(0)
    face = colour if shown.row.judge.kind in OF_SHARES else "white"
    axes.plot(mark.others, [place] * len(mark.others), "|", color="black", ms=11, mew=1.4)
    axes.errorbar(mark.share, place, xerr=errors, fmt=marker, color=colour, mfc=face, capsize=3, ms=6)


def _places(every: Sequence[Judged]) -> list[Judged | str]:
    """What stands on the lines of the figure from the top: each verdict, and its claims."""
    found: list[Judged | str] = []
    for verdict in (verdict for verdict in VERDICTS if verdict != NOT_RUN):
        own = [each for each in every if each.verdict == verdict]
        found += [verdict, *own] if own else []
    return found


def _seeds(axes: Axes, place: int, shown: Judged, rng: np.random.Generator) -> None:
    values = np.array(shown.values)
    reported, measure = shown.row.measures[shown.row.measure], shown.row.measure.replace("_", " ")
    finite = values[np.isfinite(values)]
    inside = len(finite) and finite.min() >= 0 and finite.max() <= 1 and not (reported or 0) > 1
    axes.text(1.05, place, measure if inside else f"{measure}: {_spread(finite)}", va="center", fontsize=8)
    if not inside:
        return
    colour, _ = MARKS[shown.verdict]
    axes.plot(values, place + rng.uniform(-0.2, 0.2, len(values)), "o", color=colour, alpha=0.55, ms=3.5, mew=0)
    axes.plot(np.median(finite), place, "|", color="black", ms=12, mew=1.8)
    if reported is not None:
        axes.plot(reported, place, "D", color="white", mec="black", ms=6, mew=1.2)


def _spread(finite: np.ndarray) -> str:
    return f"{finite.min():.3g} to {finite.max():.3g}" if len(finite) else "none"
