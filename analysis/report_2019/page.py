"""The replication table as a page, as Markdown, as CSV and as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seedsweep.analysis.design.planning import MOST_SEEDS
from seedsweep.analysis.figures.style import save, styled
from seedsweep.analysis.page.render import inline, render
from seedsweep.analysis.report_2019 import claims
from seedsweep.analysis.verdicts import VERDICTS
from seedsweep.core.records.ledger import replace
from seedsweep.core.records.paths import ReportPaths, RunPaths
from seedsweep.core.records.provenance import read_provenance

TEMPLATE = Path(__file__).with_name("replication.html")

RULES = (
    "One rule for every claim, at 5 % a row. That one converges more often, or has a higher measure, is supported "
    "where it is better beyond doubt than each of the others, and refuted where it is worse beyond doubt than one; "
    "that two are alike is supported where the interval of the difference of P(converge) lies within "
    f"{100 * claims.MARGIN:.0f} points of 0, and refuted where it lies outside; that something happens mostly or "
    "rarely where the exact interval of the share of seeds lies on that side of one half. All else is undecided. Seeds "
    "that would decide: in 80 % of simulated studies, if the shares were as seen."
)
COLOURS = {"supported": "#0072b2", "refuted": "#d55e00", "undecided": "#777777"}


def write(runs: Path, folder: Path) -> str:
    """Write `index.html`, `replication.md`, `replication.csv` and the figure to `folder`; returns the summary.

    Errors: core.records.ledger.LedgerError for a damaged record.
    """
    judged = claims.judged(runs)
    folder.mkdir(parents=True, exist_ok=True)
    figure, caption = draw(judged, runs)
    picture = save(figure, folder, "replication")
    pd.DataFrame(judged).to_csv(folder / "replication.csv", index=False, float_format="%.6g")
    rows = [_words(row) for row in judged]
    note, sources, said = _scale_note(judged), _sources(judged, runs), summary(judged)
    replace(folder / "replication.md", _markdown(rows, said, note, sources).encode())
    page = render(
        TEMPLATE,
        summary=said,
        scale_note=note,
        rules=RULES,
        image=inline(picture),
        caption=caption,
        rows=rows,
        sources=sources,
    )
    replace(ReportPaths(folder).page, page.encode())
    return said


def summary(judged: list[dict[str, Any]]) -> str:
    """How many claims came to what, and which."""
    parts = []
    for verdict in (*VERDICTS, "not run"):
        found = [str(row["row"]) for row in judged if row["verdict"] == verdict]
        if found:
            parts.append(f"{len(found)} {verdict} (rows {', '.join(found)})")
    return f"Of {len(judged)} claims of the report: {'; '.join(parts)}."


@styled
def draw(judged: list[dict[str, Any]], runs: Path) -> tuple[Figure, str]:
    """P(converge) of each row's configuration, and the final scores of its seeds with the report's number."""
    shown = [row for row in reversed(judged) if row["verdict"] != "not run"]
    figure = Figure(figsize=(9.5, 0.8 + 0.3 * max(len(shown), 1)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.3))
    results = {name: claims.read_run(RunPaths.of(runs, name)) for name in {row["study"] for row in shown}}
    rng = np.random.default_rng(0)
    for place, row in enumerate(shown):
        colour, p = COLOURS[row["verdict"]], row["converged"] / row["seeds"]
        errors = [[p - row["p_low"]], [row["p_high"] - p]]
        left.errorbar(p, place, xerr=errors, fmt="o", color=colour, capsize=3, ms=5)
        if row["metric"] != "loss_distance":
            run = results[row["study"]]
            assert run is not None
            values = claims.final_values(run, row["configuration"], row["metric"])
            jitter = rng.uniform(-0.22, 0.22, len(values))
            right.plot(values, place + jitter, "o", color=colour, alpha=0.45, ms=3, mew=0)
            right.plot(row["median"], place, "|", color="black", ms=12, mew=1.8)
            if row["number"] is not None:
                right.plot(row["number"], place, "D", color="white", mec="black", ms=6, mew=1.2)
    names = [f"{row['row']}  {row['configuration']} ({row['metric'].replace('_', ' ')})" for row in shown]
    left.set_yticks(range(len(shown)), names, fontsize=8)
    left.set(xlabel="P(converge)", xlim=(-0.03, 1.03), ylim=(-0.6, len(shown) - 0.4))
    right.set(xlabel="final value of each seed", xlim=(-0.03, 1.03))
    for axes in (left, right):
        axes.grid(axis="y", lw=0.4, color="#dddddd")
    for verdict, colour in COLOURS.items():
        left.plot([], [], "o", color=colour, label=verdict)
    figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return figure, (
        "Each row of the report, coloured by the verdict on its claim. Left: P(converge) over our seeds with its 95 % "
        "interval. Right: a dot a seed, its final value of the measure in brackets; a bar at the median; a "
        "diamond at the report's single number, where it gave one of this measure."
    )


def _words(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is printed."""
    if row["verdict"] == "not run":
        empty = dict.fromkeys(("seeds", "ours", "p", "at", "evidence", "needed"), "")
        return {**row, **empty}
    interval = f"{row['median']:.3g} ({row['low']:.3g} to {row['high']:.3g})"
    undecided = row["verdict"] == "undecided"
    missing = pd.isna(row["seeds_to_decide"])
    needed = (f"more than {MOST_SEEDS}" if missing else f"{row['seeds_to_decide']:.0f}") if undecided else ""
    return {
        **row,
        "seeds": f"{row['seeds']:.0f}",
        "ours": f"{row['metric'].replace('_', ' ')} {interval}",
        "p": f"{row['converged']:.0f}/{row['seeds']:.0f} ({row['p_low']:.2f} to {row['p_high']:.2f})",
        "at": "" if pd.isna(row["percentile"]) else f"{row['number']:g}: {row['percentile']:.0f} %",
        "needed": needed,
    }


def _scale_note(judged: list[dict[str, Any]]) -> str:
    scales = sorted({row["scale"] for row in judged if "scale" in row})
    if scales == ["laptop"]:
        return (
            "All rows ran at laptop scale: images of 64 px, small models, 150 to 600 steps, and patterns in place of "
            "slides. A verdict here is about the claim at that scale, not about the report's "
            "own runs."
        )
    return f"Scales: {', '.join(scales) or 'none'}. Where it is laptop, a verdict is about the claim at that scale."


def _sources(judged: list[dict[str, Any]], runs: Path) -> list[str]:
    """Of each study: when, with what command, commit and machine."""
    lines = []
    for study in dict.fromkeys(row["study"] for row in judged):
        if launches := read_provenance(RunPaths.of(runs, study))["launches"]:
            last = launches[-1]
            versions = ", ".join(f"{name} {last['versions'][name]}" for name in ("torch", "numpy", "ray"))
            lines.append(
                f"{study}: {last['time']}, seedsweep launch {study}, commit {last['commit']}, "
                f"{', '.join(last['devices'])}, {versions}"
            )
    return lines


def _markdown(rows: list[dict[str, Any]], said: str, note: str, sources: list[str]) -> str:
    columns = {
        "row": "row",
        "data": "data",
        "setting": "setting",
        "result": "the report",
        "configuration": "here",
        "ours": "our seeds",
        "p": "P(converge)",
        "at": "percentile of its number",
        "claim": "claim",
        "verdict": "verdict",
        "evidence": "why",
        "needed": "seeds that would decide",
        "scale": "scale",
        "differs": "not as in the report",
    }
    lines = ["# The report of 2019, replicated", "", said, "", note, "", RULES, "", "![the rows](replication.png)", ""]
    lines += ["| " + " | ".join(columns.values()) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = (str(row.get(name) or "").replace("|", "\\|") for name in columns)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "## Where it comes from", "", *(f"- {line}" for line in sources), ""])
