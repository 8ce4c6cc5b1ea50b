"""What all figures have in common: a look that is the same in grey print, and files that are the same for one ledger.

Colours are from a lightness-ordered, colour-blind-safe map, and line styles and markers repeat what they say.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
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
