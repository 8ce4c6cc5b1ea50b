"""Tables, figures and one self-contained page, from a run directory's ledger or from others' results."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seedsweep.analysis import export, external, tables
from seedsweep.analysis.answer import Answer, answer
from seedsweep.analysis.comparison import compare
from seedsweep.analysis.figures import convergence, glimpses
from seedsweep.analysis.figures.style import svg
from seedsweep.analysis.page import seed_curves
from seedsweep.analysis.page.render import TEMPLATES, inline, render
from seedsweep.analysis.results import Results
from seedsweep.core.records.ledger import Ledger, replace
from seedsweep.core.records.paths import ReportPaths, RunPaths
from seedsweep.core.records.provenance import read_provenance

#: How many pairs, configurations, failures and launches the page shows; `tables/` and the ledger have all.
MOST_PAIRS, MOST_CONFIGURATIONS, MOST_FAILURES, MOST_LAUNCHES = 200, 300, 50, 10


def write(run_folder: Path, reader: tables.Reader | None = None) -> Answer:
    """Write `report/` of the run directory anew; returns the answer.

    reader: that of an earlier report of a study that still runs: the page alone is written, not what is for a paper.
    Errors: core.records.study.RecordError, core.records.ledger.LedgerError for a damaged record.
    """
    run = RunPaths(run_folder)
    results = (reader or tables.Reader(run_folder)).read()
    return publish(
        results,
        run.report,
        _importance(run),
        glimpses.Images(run),
        _launches(run),
        failures=_failures(run),
        page_alone=reader is not None,
    )


def publish(
    results: Results,
    report: ReportPaths,
    importance: pd.DataFrame | None = None,
    images: glimpses.Images | None = None,
    launches: Sequence[Any] = (),
    *,
    source: str = "",
    failures: Sequence[tuple[str, str]] = (),
    page_alone: bool = False,
) -> Answer:
    """Write a report to its folder; returns the answer.

    Leaves `index.html` (everything inlined: it opens from disk without a network), `figures/` as PNG, SVG and PDF with
    the numbers behind each as CSV, and `tables/` as parquet and CSV; or the `page_alone`. `importance` of what was
    searched and the `images` that members look at: shown where there are any. `launches`, or in a few words `source`:
    where the results come from. failures: a cohort and its last error. While seeds are missing, or the study
    runs, the page loads itself anew.
    """
    comparison = compare(results)
    said = answer(results, comparison)
    drawn = convergence.draw(results, comparison.configurations, pd.DataFrame() if importance is None else importance)
    if images and (watched := glimpses.choose(results, images)):
        drawn["glimpses"] = glimpses.draw(watched)
    report.figures.mkdir(parents=True, exist_ok=True)
    if page_alone:
        pictures = {name: svg(one.figure) for name, one in drawn.items()}
    else:
        export.write(results, comparison, report.tables, ("parquet", "csv"))
        pictures = {name: one.save(report.figures, name) for name, one in drawn.items()}
    configurations, pairs = comparison.configurations, comparison.pairs
    page = render(
        TEMPLATES / "report.html",
        study=results.study,
        results=results,
        said=said,
        figures=[(name, inline(pictures[name]), one.caption) for name, one in drawn.items()],
        configurations=configurations[:MOST_CONFIGURATIONS].to_dict("records"),
        all_configurations=len(configurations),
        # Those that are told apart first, in the order of the study; exploratory ones, which have no p, are the last.
        pairs=pairs.sort_values("p").head(MOST_PAIRS).sort_index().to_dict("records"),
        all_pairs=len(pairs),
        members=len(results.members),
        cost=_cost(results),
        # While the study runs; exploratory seeds may be all that is missing.
        unfinished=comparison.unfinished or page_alone,
        seeds=seed_curves.shown(results, images),
        threshold=seed_curves.height(results.study.criterion.threshold, results),
        failures=failures[:MOST_FAILURES],
        all_failures=len(failures),
        launches=launches[-MOST_LAUNCHES:],
        all_launches=len(launches),
        source=source,
    )
    replace(report.page, page.encode())
    return said


def follow(run_folder: Path) -> None:
    """Write the page anew whenever a byte or more has come on the standard input, until its end."""
    reader = tables.Reader(run_folder)
    while os.read(0, 4096):
        # A launch's last report complains if the record is damaged; here a later one may succeed.
        with contextlib.suppress(Exception):
            write(run_folder, reader)


def write_table(path: Path, threshold: float, hold: int, report: Path) -> Answer:
    """The report of results that this system did not produce (`analysis.external.read_csv`); returns the answer.

    Errors: analysis.external.TableError.
    """
    results = external.read_csv(path, threshold, hold)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return publish(results, ReportPaths(report), source=f"{path.name}, sha256 {digest}")


def write_together(first: Path, second: Path, report: Path) -> Answer:
    """The report of two run directories side by side; returns the answer.

    Errors: analysis.external.TableError; core.records.study.RecordError, core.records.ledger.LedgerError for
    a damaged record.
    """
    results = external.together(tables.read(first), tables.read(second))
    launches = [*_launches(RunPaths(first)), *_launches(RunPaths(second))]
    return publish(results, ReportPaths(report), launches=launches)


def _importance(run: RunPaths) -> pd.DataFrame:
    return pd.read_csv(run.importance) if run.importance.exists() else pd.DataFrame()


def _cost(results: Results) -> dict[str, float]:
    """Hours of training of all finished cohorts: of one worker, of cores, of GPUs."""
    members, resources = results.members, results.study.resources
    if "cohort_seconds" not in members:
        return {"hours": 0.0, "cpu": 0.0, "gpu": 0.0}
    hours = float((members.cohort_seconds / members.cohort_members).sum()) / 3600
    return {"hours": hours, "cpu": hours * resources.cpus, "gpu": hours * resources.gpus}


def _failures(run: RunPaths) -> list[tuple[str, str]]:
    """Each cohort that is not finished and has failed, with the last line of why."""
    failed = [record for record in Ledger(run.cohorts).records() if not record.finished]
    return [
        (f"{record.folder.parent.name}/{record.folder.name}", reason[:500])
        for record in failed
        if (reason := record.reason())
    ]


def _launches(run: RunPaths) -> list[dict[str, object]]:
    return list(read_provenance(run)["launches"])


if __name__ == "__main__":
    follow(Path(sys.argv[1]))
