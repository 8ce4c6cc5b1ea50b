"""What all figures share: one width, one size of text, a style that can be read in grey print and without colours, and
files that are equal to the byte for one ledger."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from seedsweep.analysis.results import Results

PNG_DPI = 200
#: Inches of every figure, so that text has one size on a page whatever is drawn; points of text.
WIDTH, FONT = 7.0, 9
#: Characters of a name on one line: of a panel's title, of a row, beside a curve; and in all: tables have it whole.
TITLE_WIDTH, ROW_WIDTH, NAME_WIDTH = 30, 36, 24
#: A decorator: within the function matplotlib has these settings; elsewhere it keeps the user's.
styled = matplotlib.rc_context(
    {
        "font.size": FONT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": FONT,
        "legend.fontsize": FONT,
        "legend.frameon": False,
        # What is behind it shows in the dark, too.
        "axes.facecolor": "none",
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
    "fell_back": ("v", "#b8860b", "converged and fell back"),
    "never": ("x", "#555555", "never converged"),
    "diverged": ("P", "#d55e00", "diverged"),
}
#: Colours of what the search found, and of what was added after results.
FOUND, EXPLORATORY = "#0072b2", "#b0508a"
#: Of what a study names, in turn. Lightness differs as well as hue, and dashes repeat it.
COLOURS = ("#222222", "#d55e00", "#00734d", "#7b4fa3", "#b8860b", "#8c2d04", "#0aa3a3", "#8a8a8a", "#6f7d1c")
LINES = (
    *("-", "--", "-.", (0, (6, 2)), (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1.5))),
    *((0, (3, 1)), (0, (8, 2, 2, 2)), (0, (4, 1, 4, 3))),
)
#: Of a figure on a page. In the dark it is its own negative with its hues kept, on the paper of a dark page, but for
#: photographs. Configurations that are not highlighted are dim.
ON_A_PAGE = (
    b"<style>[data-configuration] {cursor: pointer} .dim {opacity: .13} "
    b"@media screen and (prefers-color-scheme: dark) {"
    b"svg.drawn, svg.drawn image {filter: invert(1) hue-rotate(180deg)} "
    b"svg.drawn > g > #patch_1 path {fill: #e5e7ea !important}}</style>"
)


@dataclass(frozen=True)
class Drawn:
    """A figure, a caption that says how to read it, and the numbers behind it."""

    figure: Figure
    caption: str
    numbers: pd.DataFrame

    def save(self, folder: Path, name: str) -> bytes:
        """For a paper: the pictures, and the numbers as CSV. Returns the picture of a page, see `svg`."""
        self.numbers.to_csv(folder / f"{name}.csv", index=False)
        return save(self.figure, folder, name)


@styled
def save(figure: Figure, folder: Path, name: str) -> bytes:
    """As SVG, PDF and PNG, without a date inside. Returns the picture of a page, see `svg`."""
    picture = _svg(figure)
    (folder / f"{name}.svg").write_bytes(picture)
    FigureCanvasPdf(figure).print_pdf(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.set_dpi(PNG_DPI)
    FigureCanvasAgg(figure).print_png(folder / f"{name}.png", metadata={"Software": None})
    return _for_a_page(picture)


@styled
def svg(figure: Figure) -> bytes:
    """The picture for a page, without a date inside. Of a reader who wants it dark it is dark, as an image and inlined;
    printed it is light."""
    return _for_a_page(_svg(figure))


def tie(label: str, *artists: Artist, words: str = "") -> None:
    """What shows a configuration: on a page the pointer reads its `words`, by default its label, and a click highlights
    it in every figure."""
    for artist in artists:
        artist.set_gid(f"shows:{quote(label, safe='')}/{quote(words or label, safe='')}")


_PATH, _DIGITS = re.compile(rb' d="[^"]*"'), re.compile(rb"(\.\d\d)\d+")
_TIED = re.compile(rb'<g id="shows:([^"/]*)/([^"/]*)">')


def _svg(figure: Figure) -> bytes:
    # The layout is computed once; `savefig` would compute it for every file format.
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine("none")
    buffer = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    # Hundredths of a point are enough; further digits would be most of the file.
    picture = _PATH.sub(lambda path: _DIGITS.sub(rb"\1", path[0]), buffer.getvalue())
    return _TIED.sub(_shown, picture)


def _shown(tied: re.Match[bytes]) -> bytes:
    label, words = (escape(unquote(one.decode())) for one in tied.groups())
    return f'<g data-configuration="{label}"><title>{words}</title>'.encode()


def _for_a_page(picture: bytes) -> bytes:
    before, root, rest = picture.partition(b"<svg ")
    attributes, end, content = rest.partition(b">")
    return before + root + b'class="drawn" ' + attributes + end + ON_A_PAGE + content


def look(place: int, group: pd.DataFrame) -> dict[str, Any]:
    """Of the line of the configuration with these members, the `place`-th of all."""
    if group.exploratory.any():
        return {"color": EXPLORATORY, "ls": "--", "lw": 2.0}
    if group.origin.iloc[0] == "search":
        return {"color": FOUND, "ls": "-", "lw": 2.6}
    return {"color": COLOURS[place % len(COLOURS)], "ls": LINES[place % len(LINES)], "lw": 1.6}


def panels(count: int, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, at most three in a row."""
    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH, (2.0 if columns == 3 else 2.6) * rows + 0.4))
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


def in_rows(table: pd.DataFrame, marks: Sequence[tuple[str, str]], *, every: float) -> tuple[Figure, Axes]:
    """A row for each configuration, the first on top: `share` with its interval. table: label, share, low, high.

    marks: colour and marker of each.  every: inches between two.
    """
    figure = Figure(figsize=(WIDTH, 0.8 + every * len(table)))
    axes = figure.subplots()
    ends = table[["share", "low", "high"]].to_numpy(float)
    for place, (label, (share, low, high), (colour, marker)) in enumerate(zip(table.label, ends, marks, strict=True)):
        error = [[share - low], [high - share]]
        bar = axes.errorbar(share, place, xerr=error, fmt=marker, color=colour, capsize=4, ms=7)
        tie(label, *bar.get_children(), words=f"{label}: {share:.0%} ({low:.0%} to {high:.0%})")
    axes.set_yticks(range(len(table)), [title(label, ROW_WIDTH) for label in table.label])
    axes.set(xlim=(-0.04, 1.04), ylim=(len(table) - 0.5, -0.7))
    return figure, axes


def title(text: str, width: int = TITLE_WIDTH) -> str:
    """Of a panel or a row, in about two lines that are no wider than it; of a long one the beginning and the end.

    What the search found is called by its number where its values take too much.
    """
    most = 2 * width - 4
    text = short(text) if len(text) > most else text
    if len(text) > most:
        text = f"{text[: 2 * most // 3]}…{text[-most // 3 :]}"
    return textwrap.fill(text, width)


def short(label: str) -> str:
    """What the search found by its number alone."""
    return re.sub(r"\((no\. \d+), .*\)", r"(\1)", label)


def sized(groups: Sequence[pd.DataFrame]) -> list[str]:
    """Names of configurations, with how many seeds each has where that differs."""
    differ = len({len(group) for group in groups}) > 1
    return [f"{group.label.iloc[0]} (n = {len(group)})" if differ else str(group.label.iloc[0]) for group in groups]


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
