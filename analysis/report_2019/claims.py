"""The replication table: each claim of the 2019 report, its single number beside our seeds', and what became of it.

Every row is judged by the one rule for claims (`analysis.verdicts`), at 5 % a row:
  better   P(converge) is higher than that of each other.
  higher   the final measure is higher.
  alike    P(converge) differs by less than MARGIN.
  mostly, rarely   the share of seeds is above or below one half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy import stats

from seedsweep.analysis import tables
from seedsweep.analysis.comparison import counts
from seedsweep.analysis.decisions import Group, Rules, decide
from seedsweep.analysis.design.planning import seeds_to_decide
from seedsweep.analysis.results import Results
from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.analysis.statistics.scores import median_interval
from seedsweep.analysis.verdicts import UNDECIDED, Compared, verdict
from seedsweep.core.records.decision import CONVERGING, SCORE, Claim
from seedsweep.core.records.paths import RunPaths

ROWS = Path(__file__).with_name("claims.yaml")
LEVEL = 0.05
#: A difference of P(converge) that would not matter, and the share on the sides of which lie `mostly` and `rarely`.
MARGIN, HALF = 0.25, 0.5
#: What a row of the table takes from `claims.yaml`.
REPORTED = (
    *("row", "data", "setting", "result", "study", "configuration", "metric", "number"),
    *("claim", "differs"),
)


def read_rows() -> list[dict[str, Any]]:
    """The report's rows, as `claims.yaml` has them."""
    rows: list[dict[str, Any]] = yaml.safe_load(ROWS.read_text())
    return rows


def judged(runs: Path) -> list[dict[str, Any]]:
    """One row a claim; those whose study has not run have the verdict `not run` and the report's side alone.

    Keys: row, data, setting, result (the report's), study, scale, configuration, seeds, metric, number (the report's),
    median, low, high (ours, with a distribution-free 95 % interval of the median), percentile (of the report's number
    among our seeds), converged, p_low, p_high (exact), claim, verdict, evidence, seeds_to_decide, differs.
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


def judge(kind: str, names: Sequence[str], groups: Sequence[Group]) -> tuple[str, Compared, Claim]:
    """The verdict of a claim about the first of some configurations, what was decided, and the claim.

    `mostly` is that what does not hold is rare.
    """
    if kind in ("mostly", "rarely"):
        own = groups[0] if kind == "rarely" else Group(~groups[0].converged, {})
        names, groups, claim = names[:1], [own], Claim(below=(names[0], HALF))
    elif kind == "alike":
        claim = Claim(alike=(names[0], names[1]), margin=MARGIN)
    else:
        claim = Claim(best=names[0], axis=SCORE if kind == "higher" else CONVERGING)
    rules = Rules(LEVEL, {SCORE if kind == "higher" else CONVERGING: 1.0})
    reached = [int(len(group.converged) > 0) for group in groups]
    compared = Compared(names, range(len(names)), groups, rules, reached, decide(groups, rules))
    return verdict(claim, compared, SCORE), compared, claim


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
    if isinstance(about, dict):
        side, measured = "above" if "above" in about else "below", final_values(results, name, about["metric"])
        holds = measured > about[side] if side == "above" else measured < about[side]
        groups = [Group(holds, {})]
        what = f"{about['metric'].replace('_', ' ')} {side} {about[side]}"
    else:
        groups = [_group(results, each, metric) for each in (name, *others)]
        what = str(about)
    decided = _decided(kind, what, [name, *others], groups, metric)
    low, high = median_interval(values[np.isfinite(values)])
    p_low, p_high = clopper_pearson(*known[name])
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


def _group(results: Results, name: str, metric: str) -> Group:
    (members,) = (group for group in results.configurations if group["name"].iloc[0] == name)
    scores = (results.sign_of(metric) or 1.0) * results.last(members, metric)
    return Group((members.outcome == "converged").to_numpy(bool), {SCORE: scores})


def _decided(kind: str, what: str, names: Sequence[str], groups: Sequence[Group], metric: str) -> dict[str, Any]:
    """The verdict, what decided it in words, and how many seeds would."""
    found, compared, claim = judge(kind, names, groups)
    k, n = int(groups[0].converged.sum()), len(groups[0].converged)
    axis = next(iter(compared.decisions.axes.values()))
    if kind in ("mostly", "rarely"):
        low, high = clopper_pearson(k, n)
        evidence = f"{what} in {k} of {n} seeds ({100 * low:.0f} to {100 * high:.0f} %)"
    else:
        pairs = [axis.pair(0, other) for other in range(1, len(names))]
        if kind == "higher":
            parts = [
                f"{names[pair.second]} (with probability {pair.estimate:.2f}, {pair.low:.2f} to {pair.high:.2f})"
                for pair in pairs
            ]
            evidence = f"{metric} above that of {'; '.join(parts)}"
        else:
            parts = [
                f"{names[pair.second]} {groups[pair.second].converged.sum()}/{len(groups[pair.second].converged)} "
                f"(difference {100 * pair.low:+.0f} to {100 * pair.high:+.0f} points)"
                for pair in pairs
            ]
            evidence = f"converged {k}/{n}, against {'; '.join(parts)}"
    seeds = seeds_to_decide(compared, claim, SCORE) if found == UNDECIDED else None
    return {"verdict": found, "evidence": evidence, "seeds_to_decide": seeds}
