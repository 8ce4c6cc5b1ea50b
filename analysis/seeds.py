"""Single seeds as the page shows them: what became of each, and its curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.tables import Results

#: So many seeds are on the page: of each configuration as many, the first ones.
MOST_SHOWN = 1500
#: Of a curve's picture, pixels; evaluations drawn at most.
WIDTH, HEIGHT, MOST_POINTS = 160, 34, 60


def shown(results: Results) -> tuple[list[tuple[str, list[dict[str, Any]]]], int]:
    """(label, a row a seed) of each compared configuration, and how many seeds are left out."""
    groups = results.configurations
    if not groups:
        return [], 0
    each = max(1, MOST_SHOWN // len(groups))
    metric = results.study["criterion"]["metric"]
    compared = results.evaluations[results.evaluations.phase == "compare"]
    curves = dict(iter(compared.groupby(["configuration", "seed"])[["step", metric]]))
    found = []
    for group in groups:
        first = group.sort_values("seed").head(each)
        rows = [_row(member, curves.get((member.configuration, member.seed)), results) for member in first.itertuples()]
        found.append((str(group.label.iloc[0]), rows))
    return found, sum(max(0, len(group) - each) for group in groups)


def height(score: float, results: Results) -> float:
    """Of a score in a curve's picture, from the top."""
    low, high = results.span
    return round(HEIGHT * (1 - (score - low) / (high - low)), 1)


def _row(member: Any, curve: pd.DataFrame | None, results: Results) -> dict[str, Any]:
    points = ""
    if curve is not None:
        finite = curve[np.isfinite(curve.iloc[:, 1])].sort_values("step")
        places = np.unique(np.linspace(0, len(finite) - 1, min(len(finite), MOST_POINTS)).round().astype(int))
        across = WIDTH / results.study["training"]["steps"]
        points = " ".join(
            f"{step * across:.0f},{height(score, results)}" for step, score in finite.iloc[places].to_numpy()
        )
    steps = {name: _whole(getattr(member, name)) for name in ("first_met", "converged_at", "lost_at")}
    scores = {name: _score(getattr(member, name)) for name in ("final", "best")}
    return {"seed": member.seed, "outcome": member.outcome.replace("_", " "), **scores, **steps, "points": points}


def _whole(value: Any) -> str:
    return "" if pd.isna(value) else str(int(value))


def _score(value: float) -> str:
    return "none" if pd.isna(value) else f"{value:.3f}"
