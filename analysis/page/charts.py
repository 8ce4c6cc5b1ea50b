"""The numbers behind the page's charts. All is computed here: the page's JavaScript draws, and computes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis.answer import Answer
from seedsweep.analysis.comparison import Comparison, best_first
from seedsweep.analysis.figures import scales
from seedsweep.analysis.figures.style import OUTCOMES, look, short, spread
from seedsweep.analysis.page import seed_curves
from seedsweep.analysis.results import Results
from seedsweep.analysis.sensitivity import Criteria
from seedsweep.analysis.statistics.proportions import clopper_pearson

#: Configurations, seeds as dots, seeds with a curve, and evaluations of a curve that are drawn at most: with all of
#: them the page grows by half a megabyte.
MOST_CONFIGURATIONS, MOST_DOTS, MOST_LINES, MOST_POINTS = 30, 3000, 600, 60


def data(results: Results, comparison: Comparison, said: Answer, varied: Criteria | None) -> dict[str, Any] | None:
    """What the charts show, as JSON has it; None where no compared member has finished."""
    # Of registered configurations the registered seeds alone, as in the figures.
    groups = {
        str(group.label.iloc[0]): group for group in results.shown if group.exploratory.nunique() == 1 and len(group)
    }
    table = comparison.configurations
    if not groups or table.empty:
        return None
    table = table[table.label.isin(groups)]
    chosen = table.loc[best_first(table).index[:MOST_CONFIGURATIONS].sort_values()]
    criterion, steps = results.study.criterion, _Steps()
    # One for all charts, as the figures of scores have it.
    scale = scales.of_scores(results, [results.scores(group) for group in groups.values()])
    colours = {label: look(place, group)["color"] for place, (label, group) in enumerate(groups.items())}
    rows: list[Any] = list(chosen.itertuples())
    configurations = [
        {**_configuration(results, row, groups[row.label], len(rows), steps), "colour": colours[row.label]}
        for row in rows
    ]
    return {
        "metric": results.metric,
        "score": results.score_name,
        "registered": results.registered is not None,
        # Of a table of others it is what its reader gave.
        "own": "study's own" if results.designed else "given",
        "side": "above" if results.sign > 0 else "below",
        "threshold": criterion.threshold,
        "hold": criterion.hold,
        "budget": results.budget,
        "span": [_rounded(end) for end in results.curve_span],
        "scale": {"end": scale.end, "least": scale.least, "sign": scale.sign, "word": scale.word},
        "outcomes": {name: {"label": label, "colour": colour} for name, (_, colour, label) in OUTCOMES.items()},
        "left_out": len(table) - len(chosen),
        "configurations": configurations,
        "steps": steps.lists,
        "criteria": _criteria(results, said, varied, {one["label"]: one["p"] for one in configurations}),
    }


class _Steps:
    """Lists of steps, each kept once."""

    def __init__(self) -> None:
        self.lists: list[list[int]] = []
        self._places: dict[tuple[int, ...], int] = {}

    def place(self, steps: np.ndarray) -> int:
        """Of a list among all."""
        key = tuple(steps.astype(int).tolist())
        if key not in self._places:
            self._places[key] = len(self.lists)
            self.lists.append(list(key))
        return self._places[key]


def _configuration(results: Results, row: Any, group: pd.DataFrame, count: int, steps: _Steps) -> dict[str, Any]:
    """A configuration with its seeds: lists of equal length; a curve is the place of its steps, and its scores."""
    ranked = results.ranked(group)
    dots = ranked.iloc[spread(len(ranked), max(MOST_DOTS // count, 10))]
    with_curve = set(dots.seed.iloc[spread(len(dots), max(MOST_LINES // count, 5))])
    drawn = dots.sort_values("seed")
    evaluated = seed_curves.curves(results, group)
    name = str(group.configuration.iloc[0])
    lines = [_line(evaluated.get((name, seed)), steps) if seed in with_curve else None for seed in drawn.seed]
    return {
        "label": row.label,
        "short": short(row.label),
        "converged": int(row.converged),
        "members": int(row.members),
        "p": [_rounded(number) for number in (row.p, row.low, row.high)],
        "median_score": [_rounded(n) for n in (row.median_score, row.median_score_low, row.median_score_high)],
        "kind": "exploratory" if row.exploratory else row.origin,
        "seeds": [int(seed) for seed in drawn.seed],
        "outcomes": list(drawn.outcome),
        "scores": [_rounded(score) for score in results.scores(drawn)],
        "converged_at": [None if pd.isna(step) else int(step) for step in drawn.converged_at],
        "lines": lines,
        "median": _line(_median(list(evaluated.values())), steps),
    }


def _line(curve: np.ndarray | None, steps: _Steps) -> tuple[int, list[float | None]] | None:
    if curve is None or len(curve) < 2:
        return None
    own = curve[spread(len(curve), MOST_POINTS)]
    return steps.place(own[:, 0]), [_rounded(score) for score in own[:, 1]]


def _median(curves: Sequence[np.ndarray]) -> np.ndarray | None:
    """Of curves [E,2] at each step at which some were evaluated; between its own steps a curve is a straight line."""
    curves = [curve for curve in curves if len(curve)]
    if not curves:
        return None
    grid = np.unique(np.concatenate([curve[:, 0] for curve in curves]))
    values = [
        curve[:, 1] if len(curve) == len(grid) else np.interp(grid, curve[:, 0], curve[:, 1], left=np.nan, right=np.nan)
        for curve in curves
    ]
    return np.column_stack([grid, np.nanmedian(np.array(values), axis=0)])


def _criteria(
    results: Results, said: Answer, varied: Criteria | None, shares: Mapping[str, list[float | None]]
) -> dict[str, Any] | None:
    """The grid of criteria: at each the counts, P(converge) and its interval of each configuration, in their order, and
    what becomes of the claims; None where no other criterion was tried.

    shares: P(converge) and its interval by the study's own criterion, all looks counted.
    """
    if varied is None or varied.table.empty:
        return None
    table, verdicts, own = varied.table, varied.verdicts, results.study.criterion
    known = [label for label in shares if label in set(table.label)]
    is_own = (verdicts.threshold == own.threshold) & (verdicts.hold == own.hold)
    before = str(verdicts.verdict[is_own].iloc[0])
    grid = []
    one: Any
    for one in verdicts.itertuples():
        rows = table[(table.threshold == one.threshold) & (table.hold == one.hold)].set_index("label")
        each = []
        for label in known:
            k, n = int(rows.converged[label]), int(rows.members[label])
            anew = [_rounded(number) for number in (k / n, *clopper_pearson(k, n))]
            each.append([k, n, *(shares[label] if is_own[one.Index] else anew)])
        grid.append(
            {
                **{"threshold": one.threshold, "hold": one.hold, "same": bool(one.holds), "shares": each},
                "said": _said(said, str(one.verdict), before, claims=bool(results.claims)),
            }
        )
    return {"labels": known, "grid": grid}


def _said(said: Answer, verdict: str, own: str, *, claims: bool) -> list[str]:
    """A verdict of `Criteria` in words, one for each claim."""
    if not claims:
        return [f"Unbeaten: {verdict}."]
    words = zip(said.claims, own.split(", "), verdict.split(", "), strict=False)
    return [f"{claim.partition(f': {before}')[0]}: {now}." for claim, before, now in words]


def _rounded(number: float) -> float | None:
    """To four digits, which a chart shows at most; None where it is not finite."""
    return float(f"{number:.4g}") if math.isfinite(number) else None
