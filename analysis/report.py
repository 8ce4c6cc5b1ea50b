"""Tables, figures and one self-contained page, from a run directory's ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from analysis import figures, looks, tables
from analysis.answer import compare
from analysis.pages import inline, render
from core.ledger import replace


def write(run_folder: Path) -> str:
    """Write `report/` of the run directory anew; returns the answer, a sentence or two.

    Leaves `index.html` (everything inlined: it opens from disk without a network), `figures/` as PNG, SVG and PDF with
    the numbers behind each as CSV, and `tables/` as parquet and CSV. Errors: core.ledger.LedgerError for a damaged
    record.
    """
    report = run_folder / "report"
    results = tables.read(run_folder)
    tables.write(results, report / "tables")
    comparison = compare(results)
    comparison.configurations.to_csv(report / "tables" / "configurations.csv", index=False)
    comparison.pairs.to_csv(report / "tables" / "pairs.csv", index=False)
    drawn = figures.draw(results, _importance(run_folder))
    if chosen := looks.choose(results, run_folder):
        drawn["glimpses"] = looks.draw(chosen)
    for name, one in drawn.items():
        one.save(report / "figures", name)
    page = render(
        "report.html",
        study=results.study,
        answer=comparison.answer,
        facts=comparison.facts,
        figures=[(name, inline(report / "figures" / f"{name}.svg"), one.caption) for name, one in drawn.items()],
        configurations=comparison.configurations.to_dict("records"),
        pairs=comparison.pairs.to_dict("records"),
        members=len(results.members),
        seconds=_seconds(results.members),
        launches=_launches(run_folder),
    )
    replace(report / "index.html", page.encode())
    return comparison.answer


def _importance(run_folder: Path) -> pd.DataFrame:
    path = run_folder / "importance.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame()


def _seconds(members: pd.DataFrame) -> float:
    """Training time of all finished cohorts, in seconds of one worker."""
    return float((members.cohort_seconds / members.cohort_members).sum()) if len(members) else 0.0


def _launches(run_folder: Path) -> list[dict[str, object]]:
    path = run_folder / "provenance.json"
    launches: list[dict[str, object]] = json.loads(path.read_text())["launches"] if path.exists() else []
    return launches
