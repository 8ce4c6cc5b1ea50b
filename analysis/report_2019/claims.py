"""The replication table: each claim of the 2019 report, its single number beside our seeds', and what became of it.

A claim is supported or refuted where a 95 % interval says so, else undecided:
  better  P(converge) less that of each other: supported where every interval lies above 0, and refuted where one lies
          below MARGIN, which rules out a gain that mattered.
  higher  the final measure: the probability that a seed's is above another's is above one half.
  alike   supported where every difference's interval lies within MARGIN of 0, and refuted where one leaves out 0.
  mostly, rarely   the share of seeds: supported where its interval lies above or below one half, refuted where it lies
          on the other side.
Differences that are compared with several others have intervals at Bonferroni's level, so that all hold together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy import stats

from seedsweep.analysis import tables
from seedsweep.analysis.claims import MARGIN, higher, verdict
from seedsweep.analysis.comparison import counts
from seedsweep.analysis.results import Results
from seedsweep.analysis.statistics.proportions import newcombe, wilson
from seedsweep.analysis.statistics.scores import median_interval, superiority
from seedsweep.core.records.paths import RunPaths

ROWS = Path(__file__).with_name("claims.yaml")
CONFIDENCE = 0.95
#: What a row of the table takes from `claims.yaml`.
REPORTED = (
    *("row", "data", "setting", "result", "study", "configuration", "metric", "number"),
    *("claim", "differs"),
)
#: Above so many seeds no number is given.
MOST_SEEDS = 1000


@dataclass(frozen=True)
class Shares:
    """Seeds of which something holds: of the configuration of the claim, (k, n), and of those it is compared with."""

    own: tuple[int, int]
    others: tuple[tuple[int, int], ...] = ()

    def grown(self, seeds: int) -> Shares:
        """The same shares of so many seeds."""
        return Shares(_grown(self.own, seeds), tuple(_grown(other, seeds) for other in self.others))


def read_rows() -> list[dict[str, Any]]:
    """The report's rows, as `claims.yaml` has them."""
    rows: list[dict[str, Any]] = yaml.safe_load(ROWS.read_text())
    return rows


def judged(runs: Path) -> list[dict[str, Any]]:
    """One row a claim; those whose study has not run have the verdict `not run` and the report's side alone.

    Keys: row, data, setting, result (the report's), study, scale, configuration, seeds, metric, number (the report's),
    median, low, high (ours, with a distribution-free 95 % interval of the median), percentile (of the report's number
    among our seeds), converged, p_low, p_high (Wilson), claim, verdict, evidence, seeds_to_decide, differs.
    """
    rows = read_rows()
    results = {name: read_run(RunPaths.of(runs, name)) for name in sorted({row["study"] for row in rows})}
    return [_judged(row, results[row["study"]]) for row in rows]


def read_run(run: RunPaths) -> Results | None:
    """The tables of a run, if it was begun."""
    return tables.read(run.folder) if run.study.exists() else None


def final_values(results: Results, name: str, metric: str) -> np.ndarray:
    """A measure of each seed of a named configuration at its last evaluation, [seeds]; NaN where it diverged."""
    (group,) = (group for group in results.configurations if group["name"].iloc[0] == name)
    return results.last(group, metric)


def judge(kind: str, shares: Shares) -> str:
    """One of VERDICTS."""
    if kind in ("mostly", "rarely"):
        low, high = wilson(*shares.own, CONFIDENCE)
        above, below = low > 0.5, high < 0.5
        return verdict(supported=(above, below)[kind == "rarely"], refuted=above or below)
    intervals = differences(shares)
    if kind == "better":
        return verdict(supported=all(low > 0 for low, _ in intervals), refuted=any(h < MARGIN for _, h in intervals))
    differ = any(low > 0 or high < 0 for low, high in intervals)
    within = all(low > -MARGIN and high < MARGIN for low, high in intervals)
    return verdict(supported=within and not differ, refuted=differ)


def differences(shares: Shares) -> list[tuple[float, float]]:
    """Intervals of the own P less each other, which hold together."""
    confidence = 1 - (1 - CONFIDENCE) / len(shares.others)
    return [newcombe(shares.own, other, confidence) for other in shares.others]


def seeds_to_decide(kind: str, shares: Shares) -> int | None:
    """Least seeds a configuration that would decide the claim, if the shares stayed as they are; None beyond
    MOST_SEEDS."""
    seeds = max(n for _, n in (shares.own, *shares.others))
    while seeds <= MOST_SEEDS:
        if judge(kind, shares.grown(seeds)) != "undecided":
            return seeds
        seeds += max(1, seeds // 20)
    return None


def percentile(values: np.ndarray, number: float) -> float:
    """Share of the values below a number, ties by half, in percent; a member that diverged counts as below."""
    filled = np.where(np.isfinite(values), values, -np.inf)
    return float(stats.percentileofscore(filled, number, kind="mean"))


def _judged(row: Mapping[str, Any], results: Results | None) -> dict[str, Any]:
    said = {key: row.get(key) for key in REPORTED}
    ((kind, about),) = row["judge"].items()
    name, metric, others = row["configuration"], row["metric"], about if isinstance(about, list) else []
    known = {} if results is None else {group["name"].iloc[0]: counts(group) for group in results.configurations}
    if results is None or not {name, *others} <= set(known):
        return {**said, "verdict": "not run"}
    values = final_values(results, name, metric)
    if kind == "higher":
        decided = _by_values(metric, values, {other: final_values(results, other, metric) for other in others})
    elif isinstance(about, dict):
        side, measured = "above" if "above" in about else "below", final_values(results, name, about["metric"])
        holds = measured > about[side] if side == "above" else measured < about[side]
        what = f"{about['metric'].replace('_', ' ')} {side} {about[side]}"
        decided = _by_shares(kind, what, Shares((int(holds.sum()), len(measured))), others)
    else:
        decided = _by_shares(kind, about, Shares(known[name], tuple(known[other] for other in others)), others)
    low, high = median_interval(values[np.isfinite(values)], CONFIDENCE)
    p_low, p_high = wilson(*known[name], CONFIDENCE)
    return {
        **said,
        "scale": results.study.scale,
        "seeds": len(values),
        "median": float(np.nanmedian(values)) if np.isfinite(values).any() else np.nan,
        **{"low": low, "high": high},
        "percentile": percentile(values, row["number"]) if row.get("number") is not None else np.nan,
        **{"converged": known[name][0], "p_low": p_low, "p_high": p_high},
        **decided,
    }


def _by_shares(kind: str, what: str, shares: Shares, others: Sequence[str]) -> dict[str, Any]:
    """The verdict, and what decided it in words."""
    k, n = shares.own
    if others:
        parts = [
            f"{name} {other[0]}/{other[1]} (difference {100 * low:+.0f} to {100 * high:+.0f} points)"
            for name, other, (low, high) in zip(others, shares.others, differences(shares), strict=True)
        ]
        evidence = f"converged {k}/{n}, against {'; '.join(parts)}"
    else:
        low, high = wilson(k, n, CONFIDENCE)
        evidence = f"{what} in {k} of {n} seeds ({100 * low:.0f} to {100 * high:.0f} %)"
    decided = judge(kind, shares)
    seeds = seeds_to_decide(kind, shares) if decided == "undecided" else None
    return {"verdict": decided, "evidence": evidence, "seeds_to_decide": seeds}


def _by_values(metric: str, own: np.ndarray, others: Mapping[str, np.ndarray]) -> dict[str, Any]:
    confidence = 1 - (1 - CONFIDENCE) / len(others)
    found = [superiority(own, other, confidence) for other in others.values()]
    parts = [
        f"{other} (with probability {p:.2f}, {low:.2f} to {high:.2f})"
        for other, (p, low, high) in zip(others, found, strict=True)
    ]
    evidence = f"{metric} above that of {'; '.join(parts)}"
    return {"verdict": higher(found), "evidence": evidence, "seeds_to_decide": None}


def _grown(share: tuple[int, int], seeds: int) -> tuple[int, int]:
    return round(share[0] / share[1] * seeds), seeds
