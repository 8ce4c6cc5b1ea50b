"""The replication table as a picture: the claims in words, on the side where what decided them lies."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seedsweep.analysis.figures.style import FONT, WIDTH, styled
from seedsweep.analysis.report_2019.judging import NOT_TESTED
from seedsweep.analysis.report_2019.spelling import spelt
from seedsweep.analysis.report_2019.table import Judged
from seedsweep.analysis.verdicts import REFUTED, SUPPORTED, UNDECIDED
from seedsweep.analysis.verdicts import VERDICTS as DECIDED

#: Colour and marker of each verdict. Their lightness differs, too: dark blue and brown, amber and grey.
MARKS = {
    SUPPORTED: ("#0072b2", "o"),
    REFUTED: ("#8c2d04", "s"),
    UNDECIDED: ("#e6ab02", "D"),
    NOT_TESTED: ("#8a8a8a", "X"),
}
#: Characters of a claim, and of a measure, on a line; inches of a line; lines between two claims.
CLAIM_WIDTH, MEASURE_WIDTH, LINE, BETWEEN = 40, 12, 1.25 * FONT / 72, 0.9
CAPTION = (
    "Each claim that was tested, under its verdict. Left: what decided, with a 95 % interval, on the side where it "
    "lies: all of the interval right of the line, the claim is supported, all of it left, it is refuted. The line is "
    "where a claim turns: one half of the seeds, or of the pairs of seeds; no difference of P(converge); the margin "
    "within which two are alike. Right: a dot a seed, the final value of the measure at the margin, or from where to "
    "where the seeds are if that is not between 0 and 1; a bar at the median; a diamond at the report's single number, "
    "where it gave one. Claims that were not tested, or not run, have no place here."
)


@styled
def draw(every: Sequence[Judged]) -> Figure:
    """Grouped by verdict, in each group in the report's order."""
    tested = {verdict: [each for each in every if each.verdict == verdict] for verdict in DECIDED}
    places: list[float] = []
    labels, down, rng = [], 0.0, np.random.default_rng(0)
    figure = Figure()
    left, right = figure.subplots(1, 2, sharey=True)
    for verdict, own in tested.items():
        for shown in [None, *own] if own else []:
            words = textwrap.fill(shown.row.claim, CLAIM_WIDTH) if shown else f"{verdict} ({len(own)})"
            measure = _measure(shown) if shown else ""
            lines = 1 + max(words.count("\n"), measure.count("\n")) + BETWEEN
            labels.append(words)
            places.append(down + lines / 2)
            down += lines
            if shown:
                _mark(left, places[-1], shown)
                _seeds(right, places[-1], shown, rng)
    figure.set_size_inches(WIDTH, 0.8 + LINE * max(down, 2))
    left.set_yticks(places, labels)
    for text in left.get_yticklabels():
        if text.get_text().rpartition(" ")[0] in DECIDED:
            text.set_fontweight("bold")
    left.axvline(0, color="#777777", lw=1)
    left.set(xlim=(-1.1, 1.1), ylim=(max(down, 1), 0))
    left.set_xticks([-1, 0, 1], ["against", "", "for the claim"])
    right.set(xlabel="final value of each seed", xlim=(-0.03, 1.03))
    right.tick_params(left=False)
    for axes in (left, right):
        axes.grid(axis="y", lw=0.4, color="#dddddd")
    return figure


def _mark(axes: Axes, place: float, shown: Judged) -> None:
    """What decided a claim."""
    mark, (colour, marker) = shown.mark, MARKS[shown.verdict]
    if mark is not None:
        errors = np.array([[mark.estimate - mark.low], [mark.high - mark.estimate]]).clip(0)
        axes.errorbar(mark.estimate, place, xerr=errors, fmt=marker, color=colour, capsize=3, ms=6)


def _seeds(axes: Axes, place: float, shown: Judged, rng: np.random.Generator) -> None:
    values = np.array(shown.values)
    reported = shown.row.measures[shown.row.measure]
    finite = values[np.isfinite(values)]
    axes.text(1.06, place, _measure(shown), va="center")
    if not len(finite) or finite.min() < 0 or finite.max() > 1 or (reported or 0) > 1:
        said = f"{finite.min():.3g} to {finite.max():.3g}" if len(finite) else "not measured"
        axes.text(0.5, place, said, va="center", ha="center")
        return
    colour, _ = MARKS[shown.verdict]
    axes.plot(values, place + rng.uniform(-0.6, 0.6, len(values)), "o", color=colour, alpha=0.55, ms=3.5, mew=0)
    axes.plot(np.median(finite), place, "|", color="black", ms=12, mew=1.8)
    if reported is not None:
        axes.plot(reported, place, "D", color="white", mec="black", ms=6, mew=1.2)


def _measure(shown: Judged) -> str:
    return textwrap.fill(spelt(shown.row.measure), MEASURE_WIDTH)
