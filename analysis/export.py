"""Tables as files: parquet and CSV for a machine, LaTeX for a paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from seedsweep.analysis import methods, strata
from seedsweep.analysis.comparison import Comparison
from seedsweep.analysis.results import Results
from seedsweep.analysis.sentences import number
from seedsweep.core.records.files import replace

FORMATS = ("parquet", "csv", "latex")


def write(
    results: Results,
    comparison: Comparison,
    folder: Path,
    formats: Iterable[str] = FORMATS,
    more: Mapping[str, pd.DataFrame] | None = None,
) -> list[Path]:
    """Members, evaluations, configurations and pairs; where there are some, secondary measures, pairs by another
    measure than the score, settings over several data sets, and more tables by name. In each of some FORMATS; returns
    the files.

    As LaTeX, which is for readers, without members and evaluations, with the columns of a paper (needs booktabs).
    """
    folder.mkdir(parents=True, exist_ok=True)
    every = {
        "members": results.members,
        "evaluations": results.evaluations,
        "configurations": comparison.configurations,
        "pairs": comparison.pairs,
    }
    there = {
        "secondary": comparison.secondary,
        "measured_pairs": comparison.measured_pairs,
        "data_sets": strata.together(results),
    }
    every |= {name: table for name, table in there.items() if len(table)} | dict(more or {})
    written = []
    for kind in formats:
        for name, table in every.items():
            path = folder / f"{name}.{'tex' if kind == 'latex' else kind}"
            if kind == "parquet":
                table.to_parquet(path, index=False)
            elif kind == "csv":
                # Many times faster than pandas; evaluations may have a million rows.
                csv.write_csv(pa.Table.from_pandas(table, preserve_index=False), path)
            elif name in _FOR_PAPERS and len(table):
                replace(path, _FOR_PAPERS[name](table, results, comparison).encode())
            else:
                continue
            written.append(path)
    return written


def _configurations(table: pd.DataFrame, results: Results, comparison: Comparison) -> str:
    places = [
        "--" if np.isnan(low) else f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
        for low, high in zip(table.rank_low, table.rank_high, strict=True)
    ]
    columns = {
        "configuration": table.label,
        "converged": [f"{k}/{n}" for k, n in zip(table.converged, table.members, strict=True)],
        "P(converge)": _with(table, "p", "low", "high", 2),
        "place": places,
        f"median {results.score_name}": _with(table, "median_score", "median_score_low", "median_score_high", 3),
        "median steps": _with(table, "median_steps", "median_steps_low", "median_steps_high", 0),
    }
    caption = (
        f"{methods.criterion(results)} In brackets 95 % intervals, not adjusted for the others: P(converge) "
        f"{methods.share_interval(comparison)}, medians from order statistics and Kaplan-Meier; -- where there are "
        "too few seeds for one, or beyond the last step. Place: the rank in P(converge); those before are "
        "significantly better, those behind significantly worse."
    )
    if table.named_best.notna().any():
        columns["named best"] = _with(table, "named_best", "named_best_low", "named_best_high", 2)
        caption += " Named best: share of comparisons of one seed each that name the configuration the best."
    return _latex(pd.DataFrame(columns), " ".join([caption, methods.missing_scores(results)]).strip())


def _pairs(table: pd.DataFrame, results: Results, comparison: Comparison) -> str:
    rows = pd.DataFrame(
        {
            "pair": table["first"] + " against " + table["second"],
            "difference": _with(table, "difference", "low", "high", 2),
            "p": table.adjusted.map("{:.2g}".format, na_action="ignore").fillna("--"),
            "better": _with(table, "better", "better_low", "better_high", 2),
            "better by": _with(table, "shift", "shift_low", "shift_high", 3),
            "p of scores": table.score_adjusted.map("{:.2g}".format, na_action="ignore").fillna("--"),
        }
    )
    exploratory = " -- where a pair is exploratory: its intervals are 95 % each." if table.exploratory.any() else ""
    return _latex(
        rows,
        f"Difference: of P(converge). {methods.tests(comparison, bold=False)} Better: the probability that a score of "
        f"the first is better than one of the second; better by: how much ({results.score_name}).{exploratory}",
    )


def _secondary(table: pd.DataFrame, results: Results, comparison: Comparison) -> str:
    rows = pd.DataFrame(
        {
            "measure": table.measure,
            "configuration": table.label,
            "seeds": table.members.astype(str),
            "median": _with(table, "median", "median_low", "median_high", 3),
            "interquartile mean": _with(table, "iqm", "iqm_low", "iqm_high", 3),
        }
    )
    return _latex(
        rows, "Secondary: nothing is decided by these. In brackets 95 % intervals, not adjusted for each other."
    )


_FOR_PAPERS = {"configurations": _configurations, "pairs": _pairs, "secondary": _secondary}


def _with(table: pd.DataFrame, value: str, low: str, high: str, digits: int) -> list[str]:
    """`0.67 [0.39, 0.86]`; a dash for what there is not."""
    numbers = table[[value, low, high]].to_numpy(float)
    shown = [[number(f"%.{digits}f", each, "--").replace("∞", "inf") for each in row] for row in numbers]
    return [one if below == "--" else f"{one} [{below}, {above}]" for one, below, above in shown]


def _latex(rows: pd.DataFrame, caption: str) -> str:
    columns = "l" + "r" * (len(rows.columns) - 1)
    cells = rows.map(_escaped).rename(columns=_escaped)
    text: str = cells.to_latex(index=False, escape=False, column_format=columns, caption=_escaped(caption))
    return text


def _escaped(text: str) -> str:
    """As it is written, whatever the fonts and languages of a paper."""
    # Behind the end of a row, `[` would begin a length, and `*` forbid a page break.
    return ("{}" if text[:1] in ("[", "*") else "") + text.translate(_LATEX)


_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': "''",
        "`": r"\textasciigrave{}",
    }
)
