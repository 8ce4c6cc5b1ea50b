"""Tables, figures and one self-contained page, from a run directory's ledger or from others' results."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Any

import pandas as pd

from seedsweep.analysis import answer_record, export, external, methods, sensitivity, slides, strata, tables
from seedsweep.analysis.answer import Answer, answer
from seedsweep.analysis.claims import judge
from seedsweep.analysis.comparison import Comparison, compare
from seedsweep.analysis.figures import convergence, criteria, glimpses
from seedsweep.analysis.figures.style import svg
from seedsweep.analysis.page import seed_curves
from seedsweep.analysis.page.render import TEMPLATES, inline, render
from seedsweep.analysis.results import Results
from seedsweep.analysis.together import together
from seedsweep.core.records.decision import AXES
from seedsweep.core.records.ledger import Ledger, replace
from seedsweep.core.records.paths import ReportPaths, RunPaths
from seedsweep.core.records.provenance import read_provenance

#: How many pairs, configurations, failures and launches the page shows; `tables/` and the ledger have all.
MOST_PAIRS, MOST_CONFIGURATIONS, MOST_FAILURES, MOST_LAUNCHES = 200, 300, 50, 10
#: Likewise of slides that are called wrongly.
MOST_SLIDES = 200


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
        of_slides=slides.read(run, results),
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
    of_slides: slides.Slides | None = None,
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
    if of_slides and (curves := slides.draw(of_slides, results.study.score)):
        drawn["froc"] = curves
    # While a study runs this would take longer than all else.
    varied = None if page_alone else sensitivity.vary(results, comparison)
    if varied and (by_others := criteria.draw(results, varied)):
        drawn["criteria"] = by_others
    report.figures.mkdir(parents=True, exist_ok=True)
    if page_alone:
        pictures = {name: svg(one.figure) for name, one in drawn.items()}
    else:
        export.write(results, comparison, report.tables, ("parquet", "csv"), of_slides.tables() if of_slides else None)
        pictures = {name: one.save(report.figures, name) for name, one in drawn.items()}
    configurations = comparison.configurations
    # Before the first look there are none but exploratory ones.
    pairs = comparison.pairs[comparison.pairs.difference.notna() | comparison.pairs.better.notna()]
    page = render(
        TEMPLATES / "report.html",
        study=results.study,
        results=results,
        said=said,
        methods=methods,
        comparison=comparison,
        looks=methods.look(results, comparison) if len(configurations) else [],
        figures=[(name, inline(pictures[name]), one.caption) for name, one in drawn.items() if name != "criteria"],
        criteria=varied,
        criteria_image=inline(pictures["criteria"]) if "criteria" in drawn else "",
        criteria_caption=drawn["criteria"].caption if "criteria" in drawn else "",
        configurations=configurations[:MOST_CONFIGURATIONS].to_dict("records"),
        all_configurations=len(configurations),
        **_columns(configurations),
        secondary=comparison.secondary[:MOST_CONFIGURATIONS].to_dict("records"),
        all_secondary=len(comparison.secondary),
        **_of_slides(of_slides, results),
        together=strata.together(results).to_dict("records"),
        pairs=_likeliest(pairs).to_dict("records"),
        all_pairs=len(pairs),
        measured_pairs=_measured_pairs(comparison),
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
    judged, unfinished = judge(results, comparison), comparison.unfinished or page_alone
    answer_record.write(report, results, comparison, said, judged, _likeliest(pairs), unfinished=unfinished)
    replace(report.page, page.encode())
    return said


def _of_slides(of_slides: slides.Slides | None, results: Results) -> dict[str, Any]:
    """What the page says of whole slides."""
    if of_slides is None:
        return {"slides": [], "all_slides": 0, "slides_tested": 0}
    wrong = slides.doubtful(of_slides, results.study.score)
    tested = of_slides.decisions.slide.nunique()
    return {"slides": wrong[:MOST_SLIDES].to_dict("records"), "all_slides": len(wrong), "slides_tested": tested}


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


def write_together(runs: Sequence[Path], report: Path) -> Answer:
    """The report of two run directories or more side by side; returns the answer.

    Errors: analysis.external.TableError; core.records.study.RecordError, core.records.ledger.LedgerError for
    a damaged record.
    """
    results = together([tables.read(run) for run in runs])
    launches = [_launches(RunPaths(run)) for run in runs]
    data = [frozenset(of[-1].get("data_fingerprints", ())) if of else frozenset() for of in launches]
    if len({known for known in data if known}) > 1:
        warning = "The data of the runs are not the same: a difference may be that alone."
        results = replace_fields(results, changes=[warning, *results.changes])
    return publish(results, ReportPaths(report), launches=[launch for of in launches for launch in of])


def _columns(configurations: pd.DataFrame) -> dict[str, bool]:
    """Which columns of the configurations say something."""
    columns = {"ranked": "rank_low", "surpassed": "surpassed", "named": "named_best"}
    return {
        name: column in configurations and bool(configurations[column].notna().any())
        for name, column in columns.items()
    }


def _likeliest(pairs: pd.DataFrame) -> pd.DataFrame:
    """As many as the page shows, those with the smallest p on any axis, in the order of the study. Exploratory ones,
    which have none, are the last to be shown."""
    smallest = pairs[["adjusted", "score_adjusted"]].min(axis=1)
    return pairs.loc[smallest.sort_values(kind="stable").index[:MOST_PAIRS].sort_values()]


def _measured_pairs(comparison: Comparison) -> list[tuple[str, list[dict[str, Any]]]]:
    """The pairs by each measure that a claim names beside the score."""
    compared, found = comparison.compared, []
    for name, axis in compared.decisions.axes.items():
        pairs = [pair for pair in axis.pairs if name not in AXES and pair.estimate == pair.estimate]
        rows = [
            {
                **vars(pair),
                **{"first": compared.names[pair.first], "second": compared.names[pair.second]},
                **{"better": pair.estimate, "better_low": pair.low, "better_high": pair.high},
            }
            for pair in sorted(pairs, key=lambda pair: pair.adjusted)[:MOST_PAIRS]
        ]
        if rows:
            found.append((name, rows))
    return found


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


def _launches(run: RunPaths) -> list[dict[str, Any]]:
    return list(read_provenance(run)["launches"])


if __name__ == "__main__":
    follow(Path(sys.argv[1]))
