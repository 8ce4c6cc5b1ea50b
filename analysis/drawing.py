"""What all figures have in common: a look that is the same in grey print, and files that are the same for one ledger.

Colours are from a lightness-ordered, colour-blind-safe map, and line styles and markers repeat what they say.
"""

from __future__ import annotations

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

matplotlib.use("Agg")
PNG_DPI = 200
matplotlib.rcParams.update(
    {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
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

    def save(self, folder: Path, name: str) -> None:
        """The pictures, and the numbers as CSV."""
        save(self.figure, folder, name)
        self.numbers.to_csv(folder / f"{name}.csv", index=False)


def save(figure: Figure, folder: Path, name: str) -> None:
    """As PNG, SVG and PDF, without a date inside."""
    folder.mkdir(parents=True, exist_ok=True)
    # Arranged once; `savefig` would do it for each kind, and draw each twice.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    FigureCanvasSVG(figure).print_svg(folder / f"{name}.svg", metadata={"Date": None})
    FigureCanvasPdf(figure).print_pdf(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.set_dpi(PNG_DPI)
    FigureCanvasAgg(figure).print_png(folder / f"{name}.png", metadata={"Software": None})


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


def banded(curves: Sequence[Banded], step: bool = False, **options: Any) -> tuple[Figure, list[Axes]]:
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


def margin(span: tuple[float, float]) -> tuple[float, float]:
    """Limits of an axis of scores that are within a span."""
    low, high = span
    return low - 0.03 * (high - low), high + 0.03 * (high - low)
