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

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from seedsweep.analysis import tables
from seedsweep.analysis.claims import MARGIN
from seedsweep.analysis.statistics.proportions import newcombe, wilson
from seedsweep.analysis.statistics.scores import median_interval, superiority
from seedsweep.core.records.paths import RunPaths

ROWS = Path(__file__).with_name("claims.yaml")
CONFIDENCE = 0.95
#: Beyond so many seeds a number is not worth giving.
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
    results = {name: read_run(RunPaths(runs / name)) for name in sorted({row["study"] for row in rows})}
    return [_judged(row, results[row["study"]]) for row in rows]


def read_run(run: RunPaths) -> tables.Results | None:
    """The tables of a run, if it was begun."""
    return tables.read(run.folder) if run.study.exists() else None


def final_values(results: tables.Results, name: str, metric: str) -> np.ndarray:
    """A measure of each seed of a named configuration at its last evaluation, [seeds]; NaN where it diverged."""
    return results.last(results.compared[results.compared["name"] == name], metric)


def judge(kind: str, shares: Shares) -> str:
    """One of VERDICTS."""
    if kind in ("mostly", "rarely"):
        low, high = wilson(*shares.own, CONFIDENCE)
        above, below = low > 0.5, high < 0.5
        return "supported" if (above, below)[kind == "rarely"] else "refuted" if above or below else "undecided"
    intervals = differences(shares)
    if kind == "better":
        if all(low > 0 for low, _ in intervals):
            return "supported"
        return "refuted" if any(high < MARGIN for _, high in intervals) else "undecided"
    if any(low > 0 or high < 0 for low, high in intervals):
        return "refuted"
    return "supported" if all(low > -MARGIN and high < MARGIN for low, high in intervals) else "undecided"


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
    return float(100 * ((filled < number).mean() + (filled == number).mean() / 2))


def _judged(row: Mapping[str, Any], results: tables.Results | None) -> dict[str, Any]:
    said = {
        key: row.get(key) for key in ("row", "data", "setting", "result", "study", "configuration", "metric", "number")
    }
    claimed = {"claim": row["claim"], "differs": row["differs"]}
    ((kind, about),) = row["judge"].items()
    others = about if isinstance(about, list) else []
    groups = {} if results is None else {group["name"].iloc[0]: group for group in results.configurations}
    if results is None or not {row["configuration"], *others} <= set(groups):
        return {**said, **claimed, "verdict": "not run"}
    values = final_values(results, row["configuration"], row["metric"])
    decided = (
        _compare_values(results, row, values, others)
        if kind == "higher"
        else _compare_shares(results, row, kind, about, groups, others)
    )
    low, high = median_interval(values[np.isfinite(values)], CONFIDENCE)
    converged = _converged(groups[row["configuration"]])
    p_low, p_high = wilson(*converged, CONFIDENCE)
    return {
        **said,
        "scale": results.study.scale,
        "seeds": len(values),
        "median": float(np.nanmedian(values)) if np.isfinite(values).any() else np.nan,
        "low": low,
        "high": high,
        "percentile": percentile(values, row["number"]) if row.get("number") is not None else np.nan,
        "converged": converged[0],
        "p_low": p_low,
        "p_high": p_high,
        **claimed,
        **decided,
    }


def _compare_shares(
    results: tables.Results,
    row: Mapping[str, Any],
    kind: str,
    about: Any,
    groups: Mapping[str, pd.DataFrame],
    others: list[str],
) -> dict[str, Any]:
    counts = others or about == "converged"
    own = _converged(groups[row["configuration"]]) if counts else _holding(results, row["configuration"], about)
    shares = Shares(own, tuple(_converged(groups[other]) for other in others))
    verdict = judge(kind, shares)
    return {
        "verdict": verdict,
        "evidence": _evidence(kind, about, shares, others),
        "seeds_to_decide": seeds_to_decide(kind, shares) if verdict == "undecided" else None,
    }


def _compare_values(
    results: tables.Results, row: Mapping[str, Any], values: np.ndarray, others: list[str]
) -> dict[str, Any]:
    confidence = 1 - (1 - CONFIDENCE) / len(others)
    found = [superiority(values, final_values(results, other, row["metric"]), confidence) for other in others]
    verdict = "undecided"
    if all(low > 0.5 for _, low, _ in found):
        verdict = "supported"
    elif any(high < 0.5 for _, _, high in found):
        verdict = "refuted"
    parts = [
        f"{other} (with probability {p:.2f}, {low:.2f} to {high:.2f})"
        for other, (p, low, high) in zip(others, found, strict=True)
    ]
    evidence = f"{row['metric']} above that of {'; '.join(parts)}"
    return {"verdict": verdict, "evidence": evidence, "seeds_to_decide": None}


def _evidence(kind: str, about: Any, shares: Shares, others: Iterable[str]) -> str:
    """What decided, in words."""
    k, n = shares.own
    if not shares.others:
        low, high = wilson(k, n, CONFIDENCE)
        what = "converged" if about == "converged" else _words(about)
        return f"{what} in {k} of {n} seeds ({100 * low:.0f} to {100 * high:.0f} %)"
    parts = [
        f"{name} {other[0]}/{other[1]} (difference {100 * low:+.0f} to {100 * high:+.0f} points)"
        for name, other, (low, high) in zip(others, shares.others, differences(shares), strict=True)
    ]
    return f"converged {k}/{n}, against {'; '.join(parts)}"


def _words(about: Mapping[str, Any]) -> str:
    name = about["metric"].replace("_", " ")
    return f"{name} above {about['above']}" if "above" in about else f"{name} below {about['below']}"


def _holding(results: tables.Results, name: str, about: Mapping[str, Any]) -> tuple[int, int]:
    values = final_values(results, name, about["metric"])
    test: Callable[[np.ndarray], np.ndarray] = (
        (lambda v: v > about["above"]) if "above" in about else (lambda v: v < about["below"])
    )
    return int(test(values).sum()), len(values)


def _converged(members: pd.DataFrame) -> tuple[int, int]:
    return int((members.outcome == "converged").sum()), len(members)


def _grown(share: tuple[int, int], seeds: int) -> tuple[int, int]:
    return round(share[0] / share[1] * seeds), seeds
