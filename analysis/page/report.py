"""Tables, figures and one self-contained page, from a run directory's ledger or from others' results."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seedsweep.analysis import export, tables
from seedsweep.analysis import external as foreign
from seedsweep.analysis.answer import compare
from seedsweep.analysis.figures import convergence as figures
from seedsweep.analysis.figures import glimpses as looks
from seedsweep.analysis.figures.drawing import svg
from seedsweep.analysis.page import seed_curves as seeds
from seedsweep.analysis.page.render import inline, render
from seedsweep.analysis.tables import Results
from seedsweep.core.records.ledger import Ledger, replace

#: What the page shows of pairs, configurations, failures and launches; `tables/` and the ledger have all.
MOST_PAIRS, MOST_CONFIGURATIONS, MOST_FAILURES, MOST_LAUNCHES = 200, 300, 50, 10


def write(run_folder: Path, reader: tables.Reader | None = None) -> str:
    """Write `report/` of the run directory anew; returns the answer, a sentence or two.

    reader: that of an earlier report of a study that still runs: the page alone is written, not what is for a paper.
    Errors: core.records.ledger.LedgerError for a damaged record.
    """
    results = (reader or tables.Reader(run_folder)).read()
    return publish(
        results,
        run_folder / "report",
        _importance(run_folder),
        looks.Images(results.study, run_folder),
        _launches(run_folder),
        failures=_failures(run_folder),
        page_alone=reader is not None,
    )


def publish(
    results: Results,
    report: Path,
    importance: pd.DataFrame | None = None,
    images: looks.Images | None = None,
    launches: Sequence[Any] = (),
    source: str = "",
    failures: Sequence[tuple[str, str]] = (),
    page_alone: bool = False,
) -> str:
    """Write a report to its folder; returns the answer.

    Leaves `index.html` (everything inlined: it opens from disk without a network), `figures/` as PNG, SVG and PDF with
    the numbers behind each as CSV, and `tables/` as parquet and CSV; or the `page_alone`. `importance` of
    hyperparameters and the `images` that members look at: shown where there are any. `launches`, or in a few words
    `source`: where the results come from. failures: a cohort and its last error. While seeds are missing, the page
    loads itself anew.
    """
    comparison = compare(results)
    drawn = figures.draw(results, comparison.configurations, pd.DataFrame() if importance is None else importance)
    if images and (looked := looks.choose(results, images)):
        drawn["glimpses"] = looks.draw(looked)
    (report / "figures").mkdir(parents=True, exist_ok=True)
    if page_alone:
        pictures = {name: svg(one.figure) for name, one in drawn.items()}
    else:
        export.write(results, comparison, report / "tables", ("parquet", "csv"))
        pictures = {name: one.save(report / "figures", name) for name, one in drawn.items()}
    configurations, pairs = comparison.configurations, comparison.pairs
    page = render(
        "report.html",
        study=results.study,
        verdict=comparison.verdict,
        answer=comparison.answer,
        facts=comparison.facts,
        figures=[(name, inline(pictures[name]), one.caption) for name, one in drawn.items()],
        configurations=configurations[:MOST_CONFIGURATIONS].to_dict("records"),
        all_configurations=len(configurations),
        # Those that are told apart first, in the order of the study.
        pairs=pairs.loc[pairs.p.nsmallest(MOST_PAIRS).index.sort_values()].to_dict("records") if len(pairs) else [],
        all_pairs=len(pairs),
        members=len(results.members),
        cost=_cost(results),
        unfinished=comparison.unfinished,
        seeds=seeds.shown(results, images),
        threshold=seeds.height(results.study["criterion"]["threshold"], results),
        failures=failures[:MOST_FAILURES],
        all_failures=len(failures),
        launches=launches[-MOST_LAUNCHES:],
        all_launches=len(launches),
        source=source,
    )
    replace(report / "index.html", page.encode())
    return comparison.answer


def follow(run_folder: Path) -> None:
    """Write the page anew whenever a byte or more has come on the standard input, until its end."""
    reader = tables.Reader(run_folder)
    while os.read(0, 4096):
        # One that cannot be written now is the last one's to complain about.
        with contextlib.suppress(Exception):
            write(run_folder, reader)


def write_table(path: Path, threshold: float, hold: int, report: Path) -> str:
    """The report of results that this system did not produce (`analysis.external.read_csv`); returns the answer.

    Errors: analysis.external.TableError.
    """
    results = foreign.read_csv(path, threshold, hold)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return publish(results, report, source=f"{path.name}, sha256 {digest}")


def write_together(first: Path, second: Path, report: Path) -> str:
    """The report of two run directories side by side; returns the answer.

    Errors: analysis.external.TableError; core.records.ledger.LedgerError for a damaged record.
    """
    results = foreign.together(tables.read(first), tables.read(second))
    launches = [*_launches(first), *_launches(second)]
    return publish(results, report, launches=launches)


def _importance(run_folder: Path) -> pd.DataFrame:
    path = run_folder / "importance.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame()


def _cost(results: Results) -> dict[str, float]:
    """Hours of training of all finished cohorts: of one worker, of cores, of GPUs."""
    members = results.members
    if "cohort_seconds" not in members:
        return {"hours": 0.0, "cpu": 0.0, "gpu": 0.0}
    hours = float((members.cohort_seconds / members.cohort_members).sum()) / 3600
    resources = results.study.get("resources", {})
    return {"hours": hours, "cpu": hours * resources.get("cpus", 1), "gpu": hours * resources.get("gpus", 0)}


def _failures(run_folder: Path) -> list[tuple[str, str]]:
    """Each cohort that is not finished and has failed, with the last line of why."""
    failed = [record for record in Ledger(run_folder).records() if not record.finished]
    return [
        (f"{record.folder.parent.name}/{record.folder.name}", reason[:500])
        for record in failed
        if (reason := record.reason())
    ]


def _launches(run_folder: Path) -> list[dict[str, object]]:
    path = run_folder / "provenance.json"
    launches: list[dict[str, object]] = json.loads(path.read_text())["launches"] if path.exists() else []
    return launches


if __name__ == "__main__":
    follow(Path(sys.argv[1]))
