"""The replication table: what became of each claim of the report of 2019 in the runs of a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from seedsweep.analysis import tables
from seedsweep.analysis.comparison import counts
from seedsweep.analysis.report_2019.aspects import Difference, Setting, differences
from seedsweep.analysis.report_2019.designs import otherwise
from seedsweep.analysis.report_2019.judging import NOT_TESTED, Mark, found
from seedsweep.analysis.report_2019.rows import Row, read_rows
from seedsweep.analysis.results import Results
from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.analysis.statistics.scores import median_interval
from seedsweep.analysis.verdicts import REFUTED, SUPPORTED
from seedsweep.analysis.verdicts import VERDICTS as DECIDED
from seedsweep.core.records.origins import in_words
from seedsweep.core.records.paths import RunPaths

NOT_RUN = "not run"
VERDICTS = (*DECIDED, NOT_TESTED, NOT_RUN)
#: The scale whose run takes the place of another: that of the report, under the study's name and this.
REPORT_SCALE = "report"


@dataclass(frozen=True)
class Number:
    """A measure of our seeds at the last evaluation: median with a distribution-free 95 % interval; and the report's
    number, with the share of our seeds below it in percent, ties by half."""

    measure: str
    reported: float | None
    median: float
    low: float
    high: float
    percentile: float


@dataclass(frozen=True)
class Judged:
    """A row and what became of it.

    verdict: one of VERDICTS. why: what decided it; of NOT_TESTED why it is not; of NOT_RUN what is missing. run,
    scale: where it was run. seeds, converged, p_low, p_high: of its configuration, with an exact interval. mark:
    what decided it. values: of the row's first measure, of each seed. control: what became of it, in words. shared:
    rows that stand on the same members, its control's included. copied: how many of its members were taken from which
    other runs, in words. seeds_to_decide: of an
    undecided row; None: not known, or too many.
    """

    row: Row
    verdict: str
    why: str
    run: str = ""
    scale: str = ""
    seeds: int = 0
    converged: int = 0
    p_low: float = np.nan
    p_high: float = np.nan
    mark: Mark | None = None
    values: tuple[float, ...] = ()
    numbers: tuple[Number, ...] = ()
    control: str = ""
    differences: tuple[Difference, ...] = ()
    shared: tuple[str, ...] = ()
    copied: str = ""
    seeds_to_decide: int | None = None


def judged(runs: Path, rows: Sequence[Row] | None = None) -> list[Judged]:
    """One a row, in the report's order. A run `STUDY-report` takes the place of STUDY where it is of the report's scale
    and has all that a row needs. A run that is not as the study is, see `designs`, decides nothing.

    Errors: core.records.record_files.LedgerError, core.records.study.RecordError for a damaged record.
    """
    rows = read_rows() if rows is None else rows
    names = {f"{row.study}{suffix}" for row in rows for suffix in ("", f"-{REPORT_SCALE}")}
    known = {name: read_run(RunPaths.of(runs, name)) for name in sorted(names)}
    stands_on: dict[str, frozenset[tuple[str, int]]] = {}
    every = []
    for row in rows:
        large, small = f"{row.study}-{REPORT_SCALE}", row.study
        lacking = {small: _lacking(row, known[small]), large: _lacking(row, known[large], REPORT_SCALE)}
        name = large if not lacking[large] else small
        results = known[name]
        if lacking[name] or results is None:
            more = f"; {large}: {lacking[large]}" if known[large] else ""
            every.append(Judged(row, NOT_RUN, f"{lacking[small]}{more}"))
            continue
        members = members_of(results)
        stands_on[row.row] = _identities(results, members, row.configurations)
        every.append(replace(_judged(row, results, members), run=name, copied=_copied(row, members)))
    return [replace(each, shared=_sharing(each.row.row, stands_on)) for each in every]


def read_run(run: RunPaths) -> Results | None:
    """The tables of a run, if it was begun."""
    return tables.read(run.folder) if run.study.exists() else None


def members_of(results: Results) -> dict[str, pd.DataFrame]:
    """The members that decide, by the name of their configuration."""
    return {str(group["name"].iloc[0]): group for group in results.configurations if group["name"].iloc[0]}


def percentile(values: np.ndarray, number: float) -> float:
    """Share of the values below a number, ties by half, in percent; a member that diverged counts as below."""
    filled = np.where(np.isfinite(values), values, -np.inf)
    return float(stats.percentileofscore(filled, number, kind="mean"))


def _lacking(row: Row, results: Results | None, scale: str | None = None) -> str:
    """What keeps a row from being judged, in words; empty where nothing does. scale: that the run must have."""
    if results is None:
        return f"the study {row.study} has no run"
    if apart := otherwise(row.study, results, scale):
        return f"not run as the study is: {apart}"
    members, wanted = members_of(results), results.seeds.compare
    for name in row.configurations:
        if len(members.get(name, ())) < wanted:
            return f"{name} has {len(members.get(name, ()))} of {wanted} seeds in {row.study}"
    return ""


def _judged(row: Row, results: Results, members: Mapping[str, pd.DataFrame]) -> Judged:
    own = members[row.configuration]
    decided = found(row.judge, row.configuration, row.measure, members, results)
    values = results.values[str(own.configuration.iloc[0])]
    setting = Setting(values, results.study.criterion, len(own))
    apart = differences(setting, row.report, row.inferred, row.about, row.beside)
    control, holds = "", True
    if row.control:
        seen = found(row.control.judge, row.control.configuration, row.measure, members, results)
        holds = seen.verdict == SUPPORTED
        outcome = {SUPPORTED: "holds", REFUTED: "fails"}.get(seen.verdict, "is not shown to hold")
        control = f"{outcome}: {row.control.configuration}, {seen.evidence}"
    reasons = [row.not_tested] if row.not_tested else []
    reasons += [f"{each.aspect}: {each.here}, and not {each.report}" for each in apart if each.about]
    reasons += [] if holds else [f"the control {control}"]
    reasons += [decided.evidence] if decided.verdict == NOT_TESTED else []
    p_low, p_high = clopper_pearson(*counts(own))
    return Judged(
        row,
        NOT_TESTED if reasons else decided.verdict,
        "; ".join(reasons) or decided.evidence,
        scale=results.study.scale,
        seeds=len(own),
        converged=counts(own)[0],
        p_low=p_low,
        p_high=p_high,
        mark=decided.mark,
        values=tuple(results.last(own, row.measure)),
        numbers=tuple(_number(results.last(own, name), name, number) for name, number in row.measures.items()),
        control=control,
        differences=tuple(apart),
        seeds_to_decide=None if reasons else decided.seeds,
    )


def _number(values: np.ndarray, measure: str, reported: float | None) -> Number:
    finite = values[np.isfinite(values)]
    low, high = median_interval(finite)
    if not len(finite):
        return Number(measure, reported, np.nan, low, high, np.nan)
    at = np.nan if reported is None else percentile(values, reported)
    return Number(measure, reported, float(np.median(finite)), low, high, at)


def _identities(
    results: Results, members: Mapping[str, pd.DataFrame], names: Iterable[str]
) -> frozenset[tuple[str, int]]:
    """Of configurations, what tells their members from others': hash and steps."""
    hashes = {str(members[name].configuration.iloc[0]) for name in names}
    return frozenset((own, int(results.values[own].get("training.steps", results.budget))) for own in hashes)


def _sharing(row: str, stands_on: Mapping[str, frozenset[tuple[str, int]]]) -> tuple[str, ...]:
    own = stands_on.get(row, frozenset())
    return tuple(other for other, theirs in stands_on.items() if other != row and own & theirs)


def _copied(row: Row, members: Mapping[str, pd.DataFrame]) -> str:
    """How many members of a row were taken from other runs, in the words of a study's page."""
    every = pd.concat([members[name] for name in row.configurations])
    taken = every.taken_from.fillna("").astype(str) if "taken_from" in every else pd.Series(dtype=str)
    return in_words(Counter(run for run in taken if run))


def cells(every: Iterable[Judged]) -> pd.DataFrame:
    """The table as it is written to CSV: a line a row and measure."""
    lines: list[dict[str, Any]] = []
    for each in every:
        row = each.row
        said = {"row": row.row, "quote": row.quote, "claim": row.claim, "verdict": each.verdict, "why": each.why}
        said |= {"study": row.study, "configuration": row.configuration, "run": each.run, "scale": each.scale}
        for number in each.numbers or [None]:
            own = vars(number) if number else {"measure": row.measure, "reported": row.measures[row.measure]}
            lines.append({**said, **own, "seeds": each.seeds, "converged": each.converged, "p_low": each.p_low,
                          "p_high": each.p_high, "seeds_to_decide": each.seeds_to_decide, "control": each.control,
                          "shared_with": " ".join(each.shared),
                          "differs_in": "; ".join(each.aspect for each in each.differences)})  # fmt: skip
    return pd.DataFrame(lines)
