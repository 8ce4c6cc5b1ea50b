"""Tables, figures and one self-contained page, from a run directory's ledger or from others' results."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Any

import pandas as pd

from seedsweep.analysis import answer_record, export, methods, sensitivity, slides, strata, tables
from seedsweep.analysis.answer import Answer, answer
from seedsweep.analysis.claims import judge
from seedsweep.analysis.comparison import Comparison, compare
from seedsweep.analysis.figures import convergence, criteria, glimpses
from seedsweep.analysis.figures.style import svg
from seedsweep.analysis.imported_results import judged, reading
from seedsweep.analysis.imported_results.columns import BY_DEFAULT, Columns, name_of
from seedsweep.analysis.page import cells, charts, live, seed_curves
from seedsweep.analysis.page.render import TEMPLATES, inline, render
from seedsweep.analysis.results import Results
from seedsweep.analysis.together import together
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import ReportPaths, RunPaths
from seedsweep.core.records.provenance import read_provenance

#: How many pairs, configurations, failures and launches the page shows; `tables/` and the ledger have all.
MOST_PAIRS, MOST_CONFIGURATIONS, MOST_FAILURES, MOST_LAUNCHES = 200, 300, 50, 10
#: Likewise of slides that are called wrongly.
MOST_SLIDES = 200
#: Headings of the figures in the order of the page, and those in whose place the page draws a chart that reacts.
TITLES = {
    "p_converge": "P(converge)",
    "learning_curves": "Learning curves",
    "final_scores": "Scores of every seed",
    "time_to_convergence": "Time to convergence",
    "profiles": "Share of seeds better than each score",
    "best_of_n": "The best of n runs",
    "named_best": "Named the best by one run of each",
    "effects": "Effects of what varies",
    "importance": "Importance of what was searched",
    "glimpses": "Where seeds look",
    "froc": "Lesions found (FROC)",
    "criteria": "Other thresholds and holds",
}
CHARTS = ("p_converge", "learning_curves", "final_scores")


def write(run_folder: Path, reader: tables.Reader | None = None) -> Answer:
    """Write `report/` of the run directory anew; returns the answer.

    reader: that of an earlier report of a study that still runs: the page alone is written, not what is for a paper.
    Errors: core.records.study.RecordError, core.records.record_files.LedgerError for a damaged record.
    """
    run = RunPaths(run_folder)
    results = (reader or tables.Reader(run_folder)).read()
    return publish(
        results,
        run.report,
        importance_of(run),
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
    runs, the page takes in what is new by itself (`page.live`).
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
    figures = [
        {"name": name, "title": TITLES[name], "image": inline(pictures[name]), "caption": one.caption}
        for name, one in sorted(drawn.items(), key=lambda each: list(TITLES).index(each[0]))
    ]
    of_claims, unfinished = judge(results, comparison), comparison.unfinished or page_alone
    charted = charts.data(results, comparison, said, varied)
    content = render(
        TEMPLATES / "content.html",
        study=results.study,
        results=results,
        said=said,
        methods=methods,
        registration=methods.registration(results),
        missing_scores=methods.missing_scores(results),
        comparison=comparison,
        looks=methods.look(results, comparison) if len(comparison.configurations) else [],
        figures=[one for one in figures if one["name"] != "criteria"],
        criteria=varied,
        criteria_figure=next((one for one in figures if one["name"] == "criteria"), None),
        data=charted,
        charts=CHARTS,
        unfinished=unfinished,
        # While a study runs the page alone is new.
        downloads=not page_alone,
        **_tables(results, comparison, of_slides),
        members=len(results.members),
        cost=_cost(results),
        seeds=seed_curves.shown(results, images),
        threshold=seed_curves.height(results.study.criterion.threshold, results),
        failures=failures[:MOST_FAILURES],
        all_failures=len(failures),
        launches=launches[-MOST_LAUNCHES:],
        all_launches=len(launches),
        source=source,
    )
    # While the study runs; exploratory seeds may be all that is missing.
    live.write(report, results.study.name, content, charted, unfinished=unfinished)
    answer_record.write(report, results, comparison, said, of_claims, _likeliest(comparison), unfinished=unfinished)
    return said


def _tables(results: Results, comparison: Comparison, of_slides: slides.Slides | None) -> dict[str, Any]:
    """The page's tables, with how many rows each would have; None of what there is none."""
    configurations, secondary, merged = comparison.configurations, comparison.secondary, strata.together(results)
    found: dict[str, Any] = {
        "configurations": cells.configurations(configurations[:MOST_CONFIGURATIONS], results),
        "all_configurations": len(configurations),
        "most_configurations": MOST_CONFIGURATIONS,
        "secondary": cells.secondary(secondary[:MOST_CONFIGURATIONS]) if len(secondary) else None,
        "all_secondary": len(secondary),
        "together": cells.together(merged) if len(merged) else None,
        "pairs": cells.pairs(pairs) if len(pairs := _likeliest(comparison)) else None,
        "all_pairs": len(_shown_pairs(comparison)),
        "most_pairs": MOST_PAIRS,
        "measured_pairs": _measured_pairs(comparison),
        **{"slides": None, "slides_tested": 0},
    }
    if of_slides is not None:
        wrong = slides.doubtful(of_slides, results.study.score)
        found |= {"slides": cells.slides(wrong[:MOST_SLIDES]) if len(wrong) else None, "all_slides": len(wrong)}
        found |= {"most_slides": MOST_SLIDES, "slides_tested": of_slides.decisions.slide.nunique()}
    return found


def follow(run_folder: Path) -> None:
    """Write the page anew whenever a byte or more has come on the standard input, until its end."""
    reader = tables.Reader(run_folder)
    while os.read(0, 4096):
        # A launch's last report complains if the record is damaged; here a later one may succeed.
        with contextlib.suppress(Exception):
            write(run_folder, reader)


def write_table(path: str | Path, threshold: float, hold: int, report: Path, columns: Columns = BY_DEFAULT) -> Answer:
    """The report of results that this system did not produce (`analysis.imported_results`); returns the answer.

    Errors: analysis.errors.TableError.
    """
    rows = reading.read(str(path), columns)
    results = judged.results_of(rows, threshold, hold, columns)
    return publish(results, ReportPaths(report), source=f"{name_of(rows.what)}, {rows.digest}")


def write_together(runs: Sequence[Path], report: Path) -> Answer:
    """The report of two run directories or more side by side; returns the answer.

    Errors: analysis.errors.TableError; core.records.study.RecordError, core.records.record_files.LedgerError for
    a damaged record.
    """
    results = together([tables.read(run) for run in runs])
    launches = [_launches(RunPaths(run)) for run in runs]
    data = [frozenset(of[-1].get("data_fingerprints", ())) if of else frozenset() for of in launches]
    if len({known for known in data if known}) > 1:
        warning = "The data of the runs are not the same: a difference may be that alone."
        results = replace_fields(results, changes=[warning, *results.changes])
    return publish(results, ReportPaths(report), launches=[launch for of in launches for launch in of])


def _shown_pairs(comparison: Comparison) -> pd.DataFrame:
    """Before the first look there are none but exploratory ones."""
    return comparison.pairs[comparison.pairs.difference.notna() | comparison.pairs.better.notna()]


def _likeliest(comparison: Comparison) -> pd.DataFrame:
    """As many as the page shows, those with the smallest p on any axis, in the order of the study. Exploratory ones,
    which have none, are the last to be shown."""
    pairs = _shown_pairs(comparison)
    smallest = pairs[["adjusted", "score_adjusted"]].min(axis=1)
    return pairs.loc[smallest.sort_values(kind="stable").index[:MOST_PAIRS].sort_values()]


def _measured_pairs(comparison: Comparison) -> list[cells.Table]:
    """The pairs by each measure that a claim names beside the score."""
    every = comparison.measured_pairs.groupby("measure", sort=False)
    return [
        cells.measured_pairs(str(measure), place, list(pairs[:MOST_PAIRS].itertuples()))
        for place, (measure, pairs) in enumerate(every)
    ]


def importance_of(run: RunPaths) -> pd.DataFrame:
    """Of what was searched, as the last launch found it; empty without a search."""
    return pd.read_csv(run.importance) if run.importance.exists() else pd.DataFrame()


def _cost(results: Results) -> str:
    """Training of all finished cohorts, in words: of one worker, of cores, of GPUs; empty where it is not known."""
    members, resources = results.members, results.study.resources
    if "cohort_seconds" not in members or members.empty:
        return ""
    seconds = float((members.cohort_seconds / members.cohort_members).sum())
    gpus = f" and {_time(seconds * resources.gpus, 'GPU ')}" if resources.gpus else ""
    return f"{_time(seconds)} of one worker's training: {_time(seconds * resources.cpus, 'core ')}{gpus}"


def _time(seconds: float, of: str = "") -> str:
    """`40 seconds`, `3.1 core minutes`, `12 GPU hours`."""
    one, unit = (1, "seconds") if seconds < 90 else (60, "minutes") if seconds < 5400 else (3600, "hours")
    count = seconds / one
    return f"{count:.1f} {of}{unit}" if count < 9.95 else f"{count:.0f} {of}{unit}"


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
