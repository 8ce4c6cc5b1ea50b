"""A curve a configuration: all on one panel, with their names at their ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from seedsweep.analysis.figures.style import COLOURS, FONT, NAME_WIDTH, WIDTH, look, tie, title

#: Curves on a panel, of which no two look alike; so many of which each has its band.
MOST_CURVES, MOST_BANDS = len(COLOURS), 3
#: Where names begin, in widths of the panel, and the piece of a line before each.
NAMES, PIECE = 1.1, 1.04


@dataclass(frozen=True)
class Banded:
    """A configuration's curve with its band: its members, its name; x, value, low, high, each [N]."""

    members: pd.DataFrame
    title: str
    x: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def label(self) -> str:
        """Of the configuration."""
        return str(self.members.label.iloc[0])


def banded(curves: Sequence[Banded], *, step: bool = False) -> tuple[Figure, Axes]:
    """The curves on one panel, at most MOST_CURVES; their names are not on it, see `name`. The band of each, of at most
    MOST_BANDS. `step`: a curve jumps at each x."""
    drawn: Any = {"drawstyle": "steps-post"} if step else {}
    filled: Any = {"step": "post"} if step else {}
    figure = Figure(figsize=(WIDTH, height_of([curve.title for curve in curves])))
    axes = figure.subplots()
    for place, curve in enumerate(curves):
        line = look(place, curve.members)
        shown: list[Artist] = list(axes.plot(curve.x, curve.value, **drawn, **line))
        if len(curves) <= MOST_BANDS:
            band = axes.fill_between(curve.x, curve.low, curve.high, color=line["color"], alpha=0.15, lw=0, **filled)
            shown.append(band)
        tie(curve.label, *shown, words=curve.title)
    return figure, axes


def reading(curves: Sequence[Banded], name: str) -> str:
    """What to say of bands. name: of the figure's files."""
    if not any(np.isfinite(curve.high - curve.low).sum() > 1 for curve in curves):
        return f"for whose bands there are too few seeds; bounds that there are stand in {name}.csv"
    if len(curves) > MOST_BANDS:
        return f"whose pointwise 95 % bands are in {name}.csv"
    return "with pointwise 95 % bands"


def name(axes: Axes, curves: Sequence[Banded], *, at_ends: bool = True) -> None:
    """The names of the curves beside them, each on the height where its curve ends, or the highest curve's first.
    Limits and labels of the panel are to be set before."""
    order = range(len(curves)) if at_ends else np.argsort([-curve.value.mean() for curve in curves], kind="stable")
    ends = [
        End(curve.label, curve.title, float(curve.x[-1]), float(curve.value[-1]), look(place, curve.members))
        for place, curve in ((place, curves[place]) for place in order)
    ]
    label(axes, ends, at_ends=at_ends)


@dataclass(frozen=True)
class End:
    """Of the line of a configuration: its label, the name beside it, where it ends, and how it looks."""

    label: str
    name: str
    x: float
    y: float
    look: dict[str, Any]


def height_of(names: Sequence[str]) -> float:
    """Inches of a figure with one panel beside which these names have room."""
    return max(3.6, 0.9 + sum(_height(text) for text in map(_lines, names)) / 72)


def label(axes: Axes, ends: Sequence[End], *, at_ends: bool = True) -> None:
    """As `name`, of lines with these ends."""
    figure = axes.get_figure(root=True)
    engine = figure.get_layout_engine() if figure else None
    if figure and engine:
        engine.execute(figure)
    points = axes.transAxes.inverted().transform(axes.transData.transform([(end.x, end.y) for end in ends]))
    names = [_lines(end.name) for end in ends]
    heights = np.array([_height(text) for text in names]) * axes.figure.dpi / 72 / axes.get_window_extent().height
    places = _apart(points[:, 1], heights) if at_ends else 1 - np.cumsum(heights) + heights / 2
    leader: dict[str, Any] = {"arrowstyle": "-", "color": "0.7", "lw": 0.6, "shrinkA": 4, "shrinkB": 0}
    for end, text, point, place in zip(ends, names, points, places, strict=True):
        # A piece of the line beside its name, as in a legend. What leads there is none of the curve.
        piece = axes.plot([PIECE, NAMES - 0.01], [place, place], transform=axes.transAxes, clip_on=False, **end.look)
        piece[0].set_in_layout(False)
        written = axes.annotate(
            text, (NAMES, place), (NAMES, place), "axes fraction", va="center", annotation_clip=False
        )
        tie(end.label, *piece, written, words=end.name)
        if at_ends:
            lead = axes.annotate("", point, (PIECE, place), "axes fraction", annotation_clip=False, arrowprops=leader)
            tie(end.label, *filter(None, [lead.arrow_patch]), words=end.name)


def _lines(text: str) -> str:
    return title(text, NAME_WIDTH)


def _height(text: str) -> float:
    """Points."""
    return 1.3 * FONT * (1 + text.count("\n"))


def _apart(points: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """The places nearest to these points at which texts of so many heights do not overlap, from 0 to 1, or above where
    there are too many, [n]."""
    # Of points that are alike the first is on top.
    order = np.lexsort((-np.arange(len(points)), points))
    own = heights[order]
    below = np.cumsum(own) - own / 2
    places = isotonic_regression(points[order] - below).x + below
    places -= max(0.0, places[-1] + own[-1] / 2 - 1)
    places += max(0.0, own[0] / 2 - places[0])
    found = np.empty(len(points))
    found[order] = places
    return found


def drawn_values(curves: Sequence[Banded]) -> np.ndarray:
    """All heights that `banded` draws, [n]. A band has both bounds."""
    values = [c.value for c in curves]
    if len(curves) <= MOST_BANDS:
        ends = [np.stack([c.low, c.high]) for c in curves]
        values += [both[:, np.isfinite(both).all(0)].ravel() for both in ends]
    return np.concatenate(values)


def numbers(curves: Sequence[Banded], x: str, value: str) -> pd.DataFrame:
    """The curves as a table, with these names for x and value."""
    tables = [pd.DataFrame({x: c.x, value: c.value, "low": c.low, "high": c.high}) for c in curves]
    return pd.concat(tables, keys=[c.label for c in curves], names=["label"]).reset_index("label")
