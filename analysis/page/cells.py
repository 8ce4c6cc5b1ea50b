"""The page's tables: what stands in each cell, by what it is sorted, and what is shown only on demand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from seedsweep.analysis.methods import sortable
from seedsweep.analysis.results import Results
from seedsweep.analysis.sentences import number


@dataclass(frozen=True)
class Cell:
    """text; ends: its interval in words; value: by what it is sorted, the text where None; bold: it differs beyond
    doubt."""

    text: str
    ends: str = ""
    value: str | None = None
    bold: bool = False


@dataclass(frozen=True)
class Column:
    """A heading and a cell for each row. more: shown on demand."""

    head: str
    cells: Sequence[Cell]
    more: bool = False


@dataclass(frozen=True)
class Table:
    """name: its id on the page; label: what it is, for who cannot see it; the first column names the rows."""

    name: str
    label: str
    columns: Sequence[Column]

    @property
    def rows(self) -> Iterable[tuple[tuple[Column, Cell], ...]]:
        """Each row's cells with their columns."""
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            yield tuple(zip(self.columns, cells, strict=True))

    @property
    def heads(self) -> str:
        """All headings."""
        return ", ".join(column.head for column in self.columns)


def configurations(table: pd.DataFrame, results: Results) -> Table | None:
    """`Comparison.configurations`, what the study is about first; None while there are none."""
    if table.empty:
        return None
    rows: list[Any] = list(table.itertuples())
    score = results.score_name
    columns = [
        Column("configuration", [Cell(row.label) for row in rows]),
        Column("P(converge)", [_estimate("%.2f", row.p, row.low, row.high) for row in rows]),
        Column("converged", [Cell(f"{row.converged}/{row.members}", value=str(row.converged)) for row in rows]),
    ]
    if _says(table, "rank_low"):
        columns.append(Column("place", [_places(row.rank_low, row.rank_high) for row in rows]))
    columns += [
        Column(f"median {score}", _estimates("%.4g", table, "median_score")),
        Column("fell back", [Cell(str(row.fell_back)) for row in rows], more=True),
        Column("never", [Cell(str(row.never)) for row in rows], more=True),
        Column("P(diverge)", [_estimate("%.2f", *of) for of in _ends(table, "p_diverged", "diverged")], more=True),
        Column("interquartile mean", _estimates("%.4g", table, "iqm"), more=True),
        Column("median steps", _estimates("%.0f", table, "median_steps", "never"), more=True),
    ]
    if _says(table, "surpassed"):
        head = f"9 of 10 at or {'above' if results.sign > 0 else 'below'}"
        cells = [Cell(number("%.4g", row.surpassed, ""), value=sortable(row.surpassed)) for row in rows]
        columns.append(Column(head, cells, more=True))
    if _says(table, "named_best"):
        percent = table[["named_best", "named_best_low", "named_best_high"]] * 100
        columns.append(Column("named best, %", _estimates("%.0f", percent, "named_best", ""), more=True))
    return Table("configurations", "configurations", columns)


def pairs(table: pd.DataFrame) -> Table:
    """`Comparison.pairs`."""
    rows: list[Any] = list(table.itertuples())
    columns = [
        Column("pair", [Cell(f"{row.first} against {row.second}") for row in rows]),
        Column(
            "difference of P(converge)",
            [_estimate("%+.2f", row.difference, row.low, row.high, bold=row.differs) for row in rows],
        ),
        Column("adjusted p", [_p(row.adjusted, exploratory=row.exploratory, bold=row.differs) for row in rows]),
        *_of_scores(rows, "score_"),
        Column(
            "adjusted p of scores",
            [_p(row.score_adjusted, exploratory=row.exploratory, bold=row.score_differs) for row in rows],
        ),
    ]
    return Table("pairs", "pairs", columns)


def measured_pairs(measure: str, place: int, rows: Sequence[Any]) -> Table:
    """Pairs by a measure beside the score; the rows have the names of `Comparison.pairs`."""
    columns = [
        Column("pair", [Cell(f"{row.first} against {row.second}") for row in rows]),
        *_of_scores(rows, ""),
        Column("adjusted p", [_p(row.adjusted, bold=row.differs) for row in rows]),
    ]
    return Table(f"pairs-{place}", f"pairs by {measure}", columns)


def together(table: pd.DataFrame) -> Table:
    """`strata.together`."""
    columns = [
        Column("setting", [Cell(str(name)) for name in table.label]),
        Column("data sets", [Cell(str(count)) for count in table.data_sets]),
        Column("members", [Cell(str(count)) for count in table.members]),
        Column("P(converge)", [_estimate("%.2f", *of) for of in _ends(table, "p", "")]),
        Column("mean of the middle half", _estimates("%.4g", table, "iqm")),
    ]
    return Table("together", "data sets together", columns)


def secondary(table: pd.DataFrame) -> Table:
    """`Comparison.secondary`."""
    columns = [
        Column("configuration", [Cell(str(name)) for name in table.label]),
        Column("measure", [Cell(str(name)) for name in table.measure]),
        Column("seeds", [Cell(str(count)) for count in table.members]),
        Column("median", _estimates("%.4g", table, "median")),
        Column("interquartile mean", _estimates("%.4g", table, "iqm")),
    ]
    return Table("secondary", "secondary measures", columns)


def slides(table: pd.DataFrame) -> Table:
    """`slides.doubtful`."""
    called = [Cell(f"{row.called} of {row.seeds} seeds", value=str(row.called)) for row in table.itertuples()]
    columns = [
        Column("configuration", [Cell(str(name)) for name in table.label]),
        Column("slide", [Cell(str(name)) for name in table.slide]),
        Column("it is", [Cell("tumour" if tumour else "normal") for tumour in table.tumour]),
        Column("called tumour by", called),
    ]
    return Table("slides", "slides called wrongly", columns)


def _of_scores(rows: Sequence[Any], prefix: str) -> list[Column]:
    """Probability and size of a better score; the prefix of the column that says whether they differ."""
    bold = [bool(getattr(row, f"{prefix}differs")) for row in rows]
    both = list(zip(rows, bold, strict=True))
    better = [_estimate("%.2f", row.better, row.better_low, row.better_high, bold=real) for row, real in both]
    shift = [_estimate("%+.3g", row.shift, row.shift_low, row.shift_high, bold=real) for row, real in both]
    return [Column("better", better), Column("better by", shift)]


def _says(table: pd.DataFrame, column: str) -> bool:
    return column in table and bool(table[column].notna().any())


def _ends(table: pd.DataFrame, value: str, ends: str) -> Iterable[list[float]]:
    """A value and its interval, in each row."""
    prefix = f"{ends}_" if ends else ""
    found: list[list[float]] = table[[value, f"{prefix}low", f"{prefix}high"]].to_numpy(float).tolist()
    return found


def _estimates(form: str, table: pd.DataFrame, name: str, missing: str = "none") -> list[Cell]:
    return [_estimate(form, *of, missing=missing) for of in _ends(table, name, name)]


def _estimate(
    form: str, value: float, low: float, high: float, *, missing: str = "none", bold: bool | int = False
) -> Cell:
    """A number with its interval; another word where it is NaN."""
    ends = "" if math.isnan(low) else f"{number(form, low, missing)} to {number(form, high, missing)}"
    return Cell(number(form, value, missing), ends, sortable(value), bool(bold))


def _p(p: float, *, exploratory: bool = False, bold: bool | int = False) -> Cell:
    return Cell("exploratory" if exploratory else number("%.2g", p, "none yet"), value=sortable(p), bold=bool(bold))


def _places(low: float, high: float) -> Cell:
    """Between which places among all."""
    text = number("%.0f", low, "")
    return Cell(f"{text} to {high:.0f}" if high > low else text, value=sortable(low))
