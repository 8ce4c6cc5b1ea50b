"""Single seeds as the page shows them: what became of each, its curve, and where it looked in the end."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from seedsweep.analysis.figures.glimpses import Images, of_member
from seedsweep.analysis.figures.style import spread
from seedsweep.analysis.page.render import inline
from seedsweep.analysis.results import Results

#: Seeds on the page; each configuration shows equally many, its first ones.
MOST_SHOWN = 1000
#: Width and height of a curve's picture in pixels; evaluations drawn at most.
WIDTH, HEIGHT, MOST_POINTS = 160, 34, 60
#: Longer side of an image under glimpses in pixels; points of a glimpse's path at most.
SIDE, MOST_STEPS = 96, 12


@dataclass
class Seeds:
    """(label, a row a seed) of each compared configuration; how many seeds are left out; the images that members look
    at, as sources of an HTML image."""

    groups: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    left_out: int = 0
    images: list[str] = field(default_factory=list)


def shown(results: Results, images: Images | None = None) -> Seeds:
    """The seeds that the page shows; with their glimpses where the images are given."""
    found = Seeds()
    groups = list(results.whole.values())
    if not groups:
        return found
    each = max(1, MOST_SHOWN // len(groups))
    found.left_out = sum(max(0, len(group) - each) for group in groups)
    chosen = [group.sort_values("seed").head(each) for group in groups]
    evaluated = curves(results, pd.concat(chosen))
    for group in chosen:
        rows = []
        member: Any
        for member in group.itertuples():
            row = _row(member, evaluated.get((member.configuration, member.seed)), results)
            rows.append({**row, "glimpses": _glimpses(results, member, images, found.images) if images else None})
        found.groups.append((str(group.label.iloc[0]), rows))
    return found


def curves(results: Results, members: pd.DataFrame) -> dict[tuple[str, int], np.ndarray]:
    """Steps and finite scores [E,2] of some compared members that were evaluated, by configuration and seed."""
    keys = list(zip(members.configuration.astype(str), members.seed.astype(int), strict=True))
    tabled = _tabled(results, members) if any(key not in results.curves for key in keys) else {}
    found = {}
    for key in keys:
        if key in results.curves:
            own, place = results.curves[key]
            values = np.column_stack([own.steps, own.column(results.metric)[:, place]])
        elif key in tabled:
            values = tabled[key]
        else:
            continue
        values = values[np.isfinite(values[:, 1])]
        found[key] = values[np.argsort(values[:, 0], kind="stable")]
    return found


def height(score: float, results: Results) -> float:
    """Of a score in a curve's picture, from the top; one beyond the picture lies on its edge."""
    low, high = results.curve_span
    return round(HEIGHT * (1 - (min(max(score, low), high) - low) / (high - low)), 1)


def _tabled(results: Results, members: pd.DataFrame) -> dict[Any, np.ndarray]:
    """Those of a table of others."""
    evaluations = results.evaluations
    of_interest = (evaluations.phase == "compare") & evaluations.seed.isin(members.seed.unique())
    grouped = evaluations[of_interest].groupby(["configuration", "seed"], observed=True)
    own: dict[Any, pd.DataFrame] = dict(iter(grouped[["step", results.metric]]))
    return {(str(name), int(seed)): curve.to_numpy(float) for (name, seed), curve in own.items()}


def _row(member: Any, curve: np.ndarray | None, results: Results) -> dict[str, Any]:
    points = ""
    if curve is not None:
        across = WIDTH / max(results.budget, 1)
        points = " ".join(
            f"{step * across:.0f},{height(score, results)}" for step, score in curve[spread(len(curve), MOST_POINTS)]
        )
    steps = {name: _whole(getattr(member, name)) for name in ("first_met", "converged_at", "lost_at")}
    scores = {name: _score(getattr(member, name)) for name in ("final", "best")}
    return {"seed": member.seed, "outcome": member.outcome.replace("_", " "), **scores, **steps, "points": points}


def _glimpses(results: Results, member: Any, images: Images, sources: list[str]) -> dict[str, Any] | None:
    """Number of the image, and of each glimpse its last window and its path, in hundredths of the image; an image that
    is new is added to the sources."""
    watched = of_member(results, member, images)
    if watched is None:
        return None
    source = _thumbnail(watched.image)
    if source not in sources:
        sources.append(source)
    looked = watched.windows.astype(float)
    centres, extents = (looked[..., :2] + 1) * 50, looked[..., 2:] * 100
    path = centres[spread(len(centres), MOST_STEPS)]
    windows = [
        {
            "box": [round(float(number)) for number in (*(centre - extent / 2), *extent)],
            "path": " ".join(f"{x:.0f},{y:.0f}" for x, y in path[:, place]),
        }
        for place, (centre, extent) in enumerate(zip(centres[-1], extents[-1], strict=True))
    ]
    return {"image": sources.index(source), "windows": windows}


def _thumbnail(image: np.ndarray) -> str:
    picture = Image.fromarray(image)
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return inline(buffer.getvalue(), "png")


def _whole(value: Any) -> str:
    return "" if pd.isna(value) else str(int(value))


def _score(value: float) -> str:
    return "none" if pd.isna(value) else f"{value:.4g}"
