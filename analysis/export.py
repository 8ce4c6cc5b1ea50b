"""Tables as files: parquet and CSV for a machine, LaTeX for a paper."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from seedsweep.analysis.comparison import Comparison
from seedsweep.analysis.results import Results
from seedsweep.core.records.ledger import replace

FORMATS = ("parquet", "csv", "latex")


def write(results: Results, comparison: Comparison, folder: Path, formats: Iterable[str] = FORMATS) -> list[Path]:
    """Members, evaluations, configurations and pairs in each of some FORMATS; returns the files.

    As LaTeX, which is for readers, configurations and pairs alone, with the columns of a paper (needs booktabs).
    """
    folder.mkdir(parents=True, exist_ok=True)
    every = {
        "members": results.members,
        "evaluations": results.evaluations,
        "configurations": comparison.configurations,
        "pairs": comparison.pairs,
    }
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
                replace(path, _FOR_PAPERS[name](table, results).encode())
            else:
                continue
            written.append(path)
    return written


def _configurations(table: pd.DataFrame, results: Results) -> str:
    study = results.study
    rows = pd.DataFrame(
        {
            "configuration": table.label,
            "converged": [f"{k}/{n}" for k, n in zip(table.converged, table.members, strict=True)],
            "P(converge)": _with(table, "p", "low", "high", 2),
            f"median {results.score_name}": _with(table, "median_score", "median_score_low", "median_score_high", 3),
            "median steps": _with(table, "median_steps", "median_steps_low", "median_steps_high", 0),
            "named best": _with(table, "named_best", "named_best_low", "named_best_high", 2),
        }
    )
    return _latex(
        rows,
        f"Converged: {results.metric} {results.at_threshold} for the last {study.criterion.hold} "
        f"evaluations of {results.budget} steps. In brackets 95 % intervals: P(converge) Wilson, "
        "medians from order statistics and Kaplan-Meier. Named best: share of comparisons of one seed each that name "
        "the configuration the best.",
    )


def _pairs(table: pd.DataFrame, results: Results) -> str:
    rows = pd.DataFrame(
        {
            "pair": table["first"] + " against " + table["second"],
            "difference": _with(table, "difference", "low", "high", 2),
            "p": table.p.map("{:.2g}".format, na_action="ignore").fillna("--"),
            "adjusted p": table.adjusted.map("{:.2g}".format, na_action="ignore").fillna("--"),
            "better": _with(table, "better", "better_low", "better_high", 2),
        }
    )
    return _latex(
        rows,
        "Differences of P(converge) with Newcombe's 95 % intervals; p by Boschloo's exact test, adjusted over all "
        "registered pairs (Holm), -- where a pair is exploratory; better: probability that a score of the first is "
        "better than one of the second.",
    )


_FOR_PAPERS = {"configurations": _configurations, "pairs": _pairs}


def _with(table: pd.DataFrame, value: str, low: str, high: str, digits: int) -> list[str]:
    """`0.67 [0.39, 0.86]`; a dash for what is beyond the budget."""
    numbers = table[[value, low, high]].to_numpy(float)
    words = [["--" if np.isnan(number) else f"{number:.{digits}f}" for number in row] for row in numbers]
    return [one if one == "--" and below == "--" else f"{one} [{below}, {above}]" for one, below, above in words]


def _latex(rows: pd.DataFrame, caption: str) -> str:
    columns = "l" + "r" * (len(rows.columns) - 1)
    text: str = rows.to_latex(index=False, escape=True, column_format=columns, caption=_escaped(caption))
    return text


def _escaped(text: str) -> str:
    """Of a caption, which pandas takes as it is."""
    return "".join("\\" + sign if sign in "&%$#_{}" else sign for sign in text)
