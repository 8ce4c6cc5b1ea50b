"""A curve a configuration: all on one panel with their names at their ends, or, where they are many, a panel each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from seedsweep.analysis.figures.style import FONT, NAME_WIDTH, WIDTH, look, panels, title

#: Curves on one panel; of which each has its band.
MOST_OVERLAID, MOST_BANDS = 6, 3
#: Where names begin, in widths of the panel.
NAMES = 1.06


@dataclass(frozen=True)
class Banded:
    """A configuration's curve with its band: its members, its name; x, value, low, high, each [N]."""

    members: pd.DataFrame
    title: str
    x: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def banded(curves: Sequence[Banded], *, step: bool = False, **options: Any) -> tuple[Figure, list[Axes]]:
    """The curves on one panel, of at most MOST_OVERLAID; their names are not on it, see `name`. Else a panel a curve,
    with the others in grey. Bands: of each on a panel of its own, and of at most MOST_BANDS together. `step`: a curve
    jumps at each x. options: of panels."""
    drawn: Any = {"drawstyle": "steps-post"} if step else {}
    filled: Any = {"step": "post"} if step else {}
    if len(curves) <= MOST_OVERLAID:
        figure = Figure(figsize=(WIDTH, height_of([curve.title for curve in curves])))
        every = [figure.subplots()] * len(curves)
    else:
        figure, every = panels(len(curves), **options)
    others = [_path(curve, step=step) for curve in curves]
    for place, (panel, curve) in enumerate(zip(every, curves, strict=True)):
        if len(curves) > MOST_OVERLAID:
            # One collection: a line each would take most of the time of a figure.
            panel.add_collection(LineCollection(others, colors="0.75", linewidths=0.8))
            panel.set_title(title(curve.title))
        line = look(place, curve.members)
        panel.plot(curve.x, curve.value, **drawn, **line)
        if _have_bands(curves):
            panel.fill_between(curve.x, curve.low, curve.high, color=line["color"], alpha=0.15, lw=0, **filled)
    return figure, list(dict.fromkeys(every))


def reading(curves: Sequence[Banded], name: str) -> str:
    """What to say of bands and grey lines. name: of the figure's files."""
    if len(curves) > MOST_OVERLAID:
        return "with pointwise 95 % bands; grey: the other configurations"
    if len(curves) > MOST_BANDS:
        return f"whose pointwise 95 % bands are in {name}.csv"
    return "with pointwise 95 % bands"


def name(axes: Axes, curves: Sequence[Banded], *, at_ends: bool = True) -> None:
    """The names of the curves of one panel beside it, each on the height where its curve ends, or the highest curve's
    first; a line in the curve's own look leads there. Limits and labels of the panel are to be set before."""
    if len(curves) > MOST_OVERLAID:
        return
    order = range(len(curves)) if at_ends else np.argsort([-curve.value.mean() for curve in curves], kind="stable")
    ends = [(curves[place].title, curves[place].x[-1], curves[place].value[-1]) for place in order]
    label(axes, ends, [look(place, curves[place].members) for place in order], at_ends=at_ends)


def height_of(names: Sequence[str]) -> float:
    """Inches of a figure with one panel beside which these names have room."""
    return max(3.6, 0.9 + sum(_height(text) for text in map(_lines, names)) / 72)


def label(
    axes: Axes, ends: Sequence[tuple[str, float, float]], looks: Sequence[dict[str, Any]], *, at_ends: bool = True
) -> None:
    """As `name`, of lines with these names and ends."""
    figure = axes.get_figure(root=True)
    engine = figure.get_layout_engine() if figure else None
    if figure and engine:
        engine.execute(figure)
    points = axes.transAxes.inverted().transform(axes.transData.transform([(x, y) for _, x, y in ends]))
    names = [_lines(text) for text, *_ in ends]
    heights = np.array([_height(text) for text in names]) * axes.figure.dpi / 72 / axes.get_window_extent().height
    places = _apart(points[:, 1], heights) if at_ends else 1 - np.cumsum(heights) + heights / 2
    for text, point, place, line in zip(names, points, places, looks, strict=True):
        axes.annotate(
            text, point if at_ends else (NAMES - 0.05, place), (NAMES, place), "axes fraction", va="center",
            annotation_clip=False, arrowprops={
                "arrowstyle": "-", "color": line["color"], "ls": line["ls"], "lw": line["lw"], "shrinkA": 2,
                "shrinkB": 0, "relpos": (0, 0.5),
            },
        )  # fmt: skip


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
    """All heights that `banded` draws, [n]."""
    values = [(c.value, c.low, c.high) if _have_bands(curves) else (c.value,) for c in curves]
    return np.concatenate([one for of_curve in values for one in of_curve])


def _have_bands(curves: Sequence[Banded]) -> bool:
    return not MOST_BANDS < len(curves) <= MOST_OVERLAID


def numbers(curves: Sequence[Banded], x: str, value: str) -> pd.DataFrame:
    """The curves as a table, with these names for x and value."""
    tables = [pd.DataFrame({x: c.x, value: c.value, "low": c.low, "high": c.high}) for c in curves]
    return pd.concat(tables, keys=[c.members.label.iloc[0] for c in curves], names=["label"]).reset_index("label")


def _path(curve: Banded, *, step: bool) -> np.ndarray:
    """A curve as points, [N,2]; one that jumps has two at each x but the first."""
    if not step:
        return np.column_stack([curve.x, curve.value])
    return np.column_stack([np.repeat(curve.x, 2)[1:], np.repeat(curve.value, 2)[:-1]])
