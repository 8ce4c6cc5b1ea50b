"""What all figures have in common: a look that is the same in grey print, and files that are the same for one ledger.

Colours are from a lightness-ordered, colour-blind-safe map, and line styles and markers repeat what they say.
"""

from __future__ import annotations

import io
import re
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
from matplotlib.figure import Figure

from seedsweep.analysis.tables import Results

PNG_DPI = 200
#: Draws and saves in the look of all figures, as a decorator; whoever imports this keeps their own settings.
styled = matplotlib.rc_context(
    {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        # A `$` in the name of a configuration is a `$`.
        "text.parse_math": False,
        # Same ledger, same bytes.
        "svg.hashsalt": "seedsweep",
    }
)

OUTCOMES = {
    "converged": ("o", "#0072b2", "converged"),
    "fell_back": ("v", "#e69f00", "converged and fell back"),
    "never": ("x", "#555555", "never converged"),
    "diverged": ("P", "#d55e00", "diverged"),
}
#: Of what the search found.
FOUND = "#0072b2"
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
    # Arranged once; `savefig` would do it for each kind, and draw each twice.
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine("none")
    buffer = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    # A hundredth of a point is enough: most of a picture's bytes are digits beyond.
    return _PATH.sub(lambda path: _DIGITS.sub(rb"\1", path[0]), buffer.getvalue())


def look(place: int, count: int, origin: str = "named") -> dict[str, Any]:
    """Of the line of one configuration among so many."""
    if origin == "search":
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


@dataclass(frozen=True)
class Banded:
    """A configuration's curve with its band: label, origin, title of its panel; x, value, low, high, each [N]."""

    label: str
    origin: str
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
    for place, (panel, curve) in enumerate(zip(every, curves, strict=True)):
        for other in curves:
            panel.plot(other.x, other.value, color="0.75", lw=0.8, **drawn)
        line = look(place, len(curves), curve.origin)
        panel.plot(curve.x, curve.value, **drawn, **line)
        panel.fill_between(curve.x, curve.low, curve.high, color=line["color"], alpha=0.15, lw=0, **filled)
        panel.set_title(curve.title)
    return figure, every


def numbers(curves: Sequence[Banded], x: str, value: str) -> pd.DataFrame:
    """The curves as a table, with these names for x and value."""
    return pd.concat(
        [pd.DataFrame({"label": c.label, x: c.x, value: c.value, "low": c.low, "high": c.high}) for c in curves]
    )


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
