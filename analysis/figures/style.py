"""What all figures share: a style that can be read in grey print, and files that are equal to the byte for one ledger.

Colours are from a lightness-ordered, colour-blind-safe map, and line styles and markers repeat what they say.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from seedsweep.analysis.results import Results

PNG_DPI = 200
#: Characters of a name on one line of a panel's title or a row, and in all: tables have it whole.
TITLE_WIDTH, ROW_WIDTH, MOST_CHARACTERS = 40, 36, 90
#: A decorator: within the function matplotlib has these settings; elsewhere it keeps the user's.
styled = matplotlib.rc_context(
    {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        # Names of configurations may have a `$`, which is neither mathtext nor, by a user's own settings, TeX.
        "text.parse_math": False,
        "text.usetex": False,
        # The same ledger gives the same bytes.
        "svg.hashsalt": "seedsweep",
    }
)

OUTCOMES = {
    "converged": ("o", "#0072b2", "converged"),
    "fell_back": ("v", "#e69f00", "converged and fell back"),
    "never": ("x", "#555555", "never converged"),
    "diverged": ("P", "#d55e00", "diverged"),
}
#: Colours of what the search found, and of what was added after results.
FOUND, EXPLORATORY = "#0072b2", "#cc79a7"
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))


@dataclass(frozen=True)
class Drawn:
    """A figure, a caption that says how to read it, and the numbers behind it."""

    figure: Figure
    caption: str
    numbers: pd.DataFrame

    def save(self, folder: Path, name: str) -> bytes:
        """For a paper: the pictures, and the numbers as CSV. Returns the SVG."""
        self.numbers.to_csv(folder / f"{name}.csv", index=False)
        return save(self.figure, folder, name)


@styled
def save(figure: Figure, folder: Path, name: str) -> bytes:
    """As SVG, PDF and PNG, without a date inside. Returns the SVG."""
    picture = svg(figure)
    (folder / f"{name}.svg").write_bytes(picture)
    FigureCanvasPdf(figure).print_pdf(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.set_dpi(PNG_DPI)
    FigureCanvasAgg(figure).print_png(folder / f"{name}.png", metadata={"Software": None})
    return picture


_PATH, _DIGITS = re.compile(rb' d="[^"]*"'), re.compile(rb"(\.\d\d)\d+")


@styled
def svg(figure: Figure) -> bytes:
    """The picture, without a date inside."""
    # The layout is computed once; `savefig` would compute it for every file format.
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine("none")
    buffer = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    # Hundredths of a point are enough; further digits would be most of the file.
    return _PATH.sub(lambda path: _DIGITS.sub(rb"\1", path[0]), buffer.getvalue())


def look(place: int, count: int, group: pd.DataFrame) -> dict[str, Any]:
    """Of the line of one configuration, with these members, among so many."""
    if group.exploratory.any():
        return {"color": EXPLORATORY, "ls": "--", "lw": 2.0}
    if group.origin.iloc[0] == "search":
        return {"color": FOUND, "ls": "-", "lw": 2.6}
    # Evenly spaced in lightness, without the palest end.
    colour = matplotlib.colormaps["cividis"](0.75 * place / max(count - 1, 1))
    return {"color": colour, "ls": LINES[place % len(LINES)], "lw": 1.6}


def panels(count: int, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, at most three in a row."""
    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(2.9 * columns + 0.6, 2.4 * rows + 0.3))
    every = figure.subplots(rows, columns, squeeze=False, **options)
    for unused in every.flat[count:]:
        unused.set_visible(False)
    return figure, list(every.flat[:count])


def label_outer(every: Sequence[Axes], x: str, y: str) -> None:
    """Labels and numbers of shared axes, once a column and once a row. matplotlib's own leaves out the columns that
    end above a panel that is not there."""
    columns = min(3, len(every))
    for place, panel in enumerate(every):
        bottom, left = place + columns >= len(every), place % columns == 0
        panel.tick_params(labelbottom=bottom, labelleft=left)
        panel.set(xlabel=x if bottom else "", ylabel=y if left else "")


@dataclass(frozen=True)
class Banded:
    """A configuration's curve with its band: its members, title of its panel; x, value, low, high, each [N]."""

    members: pd.DataFrame
    title: str
    x: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def banded(curves: Sequence[Banded], *, step: bool = False, **options: Any) -> tuple[Figure, list[Axes]]:
    """A panel a curve, with its band and the others in grey. `step`: a curve jumps at each x."""
    drawn: Any = {"drawstyle": "steps-post"} if step else {}
    filled: Any = {"step": "post"} if step else {}
    figure, every = panels(len(curves), **options)
    others = [_path(curve, step=step) for curve in curves]
    for place, (panel, curve) in enumerate(zip(every, curves, strict=True)):
        # One collection: a line each would take most of the time of a figure.
        panel.add_collection(LineCollection(others, colors="0.75", linewidths=0.8))
        line = look(place, len(curves), curve.members)
        panel.plot(curve.x, curve.value, **drawn, **line)
        panel.fill_between(curve.x, curve.low, curve.high, color=line["color"], alpha=0.15, lw=0, **filled)
        panel.set_title(title(curve.title))
    return figure, every


def _path(curve: Banded, *, step: bool) -> np.ndarray:
    """A curve as points, [N,2]; one that jumps has two at each x but the first."""
    if not step:
        return np.column_stack([curve.x, curve.value])
    return np.column_stack([np.repeat(curve.x, 2)[1:], np.repeat(curve.value, 2)[:-1]])


def in_rows(table: pd.DataFrame, marks: Sequence[tuple[str, str]], *, every: float) -> tuple[Figure, Axes]:
    """A row for each configuration, the first on top: `share` with its interval. table: label, share, low, high.

    marks: colour and marker of each.  every: inches between two.
    """
    figure = Figure(figsize=(6.4, 1.0 + every * len(table)))
    axes = figure.subplots()
    ends = table[["share", "low", "high"]].to_numpy(float)
    for colour, marker in dict.fromkeys(marks):
        places = np.flatnonzero([mark == (colour, marker) for mark in marks])
        share, low, high = ends[places].T
        axes.errorbar(share, places, xerr=[share - low, high - share], fmt=marker, color=colour, capsize=4, ms=7)
    axes.set_yticks(range(len(table)), [title(label, ROW_WIDTH) for label in table.label])
    axes.set(xlim=(-0.04, 1.04), ylim=(len(table) - 0.5, -0.7))
    return figure, axes


def title(text: str, width: int = TITLE_WIDTH) -> str:
    """Of a panel or a row, in lines that are no wider than it; of a very long one the beginning and the end."""
    if len(text) > MOST_CHARACTERS:
        text = f"{text[: 2 * MOST_CHARACTERS // 3]}…{text[-MOST_CHARACTERS // 3 :]}"
    return textwrap.fill(text, width)


def numbers(curves: Sequence[Banded], x: str, value: str) -> pd.DataFrame:
    """The curves as a table, with these names for x and value."""
    tables = [pd.DataFrame({x: c.x, value: c.value, "low": c.low, "high": c.high}) for c in curves]
    return pd.concat(tables, keys=[c.members.label.iloc[0] for c in curves], names=["label"]).reset_index("label")


def some(results: Results, group: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many members of a configuration, evenly by their score."""
    return results.ranked(group).iloc[spread(len(group), most)]


def sampled(groups: Sequence[pd.DataFrame], most: int) -> str:
    """What to say of a figure that draws `some`."""
    left_out = any(len(group) > most for group in groups)
    return f" At most {most} seeds of a configuration are drawn, evenly by their score." if left_out else ""


def spread(count: int, most: int) -> np.ndarray:
    """Places of at most so many of `count`, evenly, with the first and the last."""
    places: np.ndarray = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    return places


def margin(span: tuple[float, float]) -> tuple[float, float]:
    """Limits of an axis of scores that are within a span."""
    low, high = span
    return low - 0.03 * (high - low), high + 0.03 * (high - low)


def logarithmic(axes: Axes, low: float, high: float) -> None:
    """A logarithmic x axis for numbers from low to high, with plain ticks: matplotlib's own are mathtext, which is
    off."""
    ticks = np.geomspace(low, high, 3)
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
    axes.minorticks_off()
