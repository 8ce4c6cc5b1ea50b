"""The replication table as a page, as Markdown, as CSV and as a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seedsweep.analysis.design.planning import MOST_SEEDS, MOST_SEEDS_OF_SCORES
from seedsweep.analysis.figures.style import save
from seedsweep.analysis.page.render import inline, render
from seedsweep.analysis.report_2019.figure import CAPTION, MARKS, draw
from seedsweep.analysis.report_2019.judging import CLOSE, LEVEL, MARGIN, NOT_TESTED
from seedsweep.analysis.report_2019.rows import OF_MEASURES, SWEPT
from seedsweep.analysis.report_2019.spelling import spelt
from seedsweep.analysis.report_2019.table import NOT_RUN, VERDICTS, Judged, Number, cells, judged
from seedsweep.analysis.verdicts import UNDECIDED
from seedsweep.core.records.files import replace
from seedsweep.core.records.paths import ReportPaths, RunPaths
from seedsweep.core.records.provenance import read_provenance

TEMPLATE, MARKDOWN = (Path(__file__).with_name(f"replication.{kind}") for kind in ("html", "md"))

RULES = (
    "One rule for every claim. That one is better (converges more often, sooner, or has a higher measure) is "
    "supported where it is significantly better than each of the others. It is refuted where it is "
    "significantly worse than one of them, or, where a row names a margin, where a difference of that size is "
    "ruled out.",
    "That two are alike is supported where the interval of their difference lies within the margin "
    f"({100 * MARGIN:.0f} points of P(converge), {CLOSE:g} of a measure), and refuted where it lies outside.",
    "That something happens mostly, or rarely, is supported where the exact interval of the share of seeds lies "
    "on that side of one half, and refuted where it lies on the other.",
    "Where rates are swept, each has its part of the level.",
    "Not tested: the design differs in what the claim is about, or its control fails, or no rate tells the two "
    "apart, so that it could not have come out otherwise. Not run: there is no run, or its criterion, steps or "
    "seeds are not those of the study at its scale. All else is undecided.",
    "So many seeds would decide it: in 80 % of simulated studies, if all is as seen.",
)


def write(runs: Path, folder: Path) -> str:
    """Write `index.html`, `replication.md`, `replication.csv` and the figure to `folder`; returns the summary.

    Errors: core.records.record_files.LedgerError, core.records.study.RecordError for a damaged record.
    """
    every = judged(runs)
    folder.mkdir(parents=True, exist_ok=True)
    picture = save(draw(every), folder, "replication")
    cells(every).to_csv(folder / "replication.csv", index=False, float_format="%.6g")
    claims = {each.row.row: each.row.claim for each in every}
    groups = [(verdict, [_words(e, claims) for e in every if e.verdict == verdict]) for verdict in VERDICTS]
    values: dict[str, Any] = {
        "summary": summary(every),
        "scale": scale_note(every),
        "rules": [*RULES, error_note(every)],
        "caption": CAPTION,
        "groups": [(verdict, own) for verdict, own in groups if own],
        "untested": (NOT_TESTED, NOT_RUN),
        "sources": _sources(every, runs),
    }
    replace(folder / "replication.md", render(MARKDOWN, **values).encode())
    colours = {verdict.replace(" ", "-"): colour for verdict, (colour, _) in MARKS.items()}
    replace(ReportPaths(folder).page, render(TEMPLATE, image=inline(picture), colours=colours, **values).encode())
    return str(values["summary"])


def summary(every: Sequence[Judged]) -> str:
    """How many claims came to what."""
    counts = [(sum(each.verdict == verdict for each in every), verdict) for verdict in VERDICTS]
    return f"Of {len(every)} claims of the report: {', '.join(f'{n} {verdict}' for n, verdict in counts if n)}."


def error_note(every: Sequence[Judged]) -> str:
    """How many false verdicts the level allows."""
    tested = sum(each.verdict not in (NOT_TESTED, NOT_RUN) for each in every)
    return (
        f"Each claim is judged by itself, and its verdict is false with a chance of at most {100 * LEVEL:.0f} %: among "
        f"{tested} tested claims up to {LEVEL * tested:.2g} false verdicts are to be expected."
    )


def scale_note(every: Sequence[Judged]) -> str:
    """What the scales mean that rows ran at."""
    scales = sorted({each.scale for each in every if each.scale})
    return (
        f"Scales: {', '.join(scales) or 'none'}. At laptop scale images and networks are small, steps are few and data "
        "generated: how a claim's run differs from the report's is listed with it, read by the program from both "
        "settings. A verdict is about the claim at that scale, not about the report's own runs. A run at the report's "
        "scale, named after its study and -report, takes the place of another."
    )


def _words(each: Judged, claims: Mapping[str, str]) -> dict[str, Any]:
    """A row as it is printed. claims: of every row."""
    row, decides = each.row, ""
    if each.verdict == UNDECIDED and row.judge.kind not in SWEPT:
        most = MOST_SEEDS_OF_SCORES if row.judge.kind in OF_MEASURES else MOST_SEEDS
        missing = each.seeds_to_decide is None
        decides = f"more than {most} seeds" if missing else f"{each.seeds_to_decide} seeds each"
    p = f"{each.converged}/{each.seeds} ({each.p_low:.2f} to {each.p_high:.2f})" if each.seeds else ""
    if p and row.judge.kind in SWEPT:
        p += f" of {row.configuration}"
    scale = each.scale or "its own"
    run = f"run {each.run}, scale {scale}, {each.seeds} seeds" if each.run else f"study {row.study}"
    return {
        "row": row,
        "css": each.verdict.replace(" ", "-"),
        "judged": each,
        "numbers": [_number(number) for number in each.numbers],
        "p": p,
        "shared": [(other, claims[other]) for other in each.shared],
        "decides": decides,
        "run": run,
        "scale": scale,
    }


def _number(number: Number) -> str:
    """`F1 0.98 (0.9 to 1); the report's 0.66 is at 4 % of our seeds`."""
    if not math.isfinite(number.median):
        return f"{spelt(number.measure)}: not measured"
    words = f"{spelt(number.measure)} {number.median:.3g}"
    words += f" ({number.low:.3g} to {number.high:.3g})" if math.isfinite(number.low) else ""
    if number.reported is None:
        return words
    return f"{words}; the report's {number.reported:g} is at {number.percentile:.0f} % of our seeds"


def _sources(every: Sequence[Judged], runs: Path) -> list[str]:
    """Of each run: when, with what command, commit and machine."""
    lines = []
    for each in {each.run: each for each in every if each.run}.values():
        if launches := read_provenance(RunPaths.of(runs, each.run))["launches"]:
            last, study = launches[-1], each.row.study
            large = f" --scale {each.scale} --name {each.run}" if each.run != study else ""
            versions = ", ".join(f"{name} {last['versions'][name]}" for name in ("torch", "numpy", "ray"))
            lines.append(
                f"{each.run}: {last['time']}, seedsweep launch {study}{large}, commit {last['commit']}, "
                f"{', '.join(last['devices'])}, {versions}"
            )
    return lines
