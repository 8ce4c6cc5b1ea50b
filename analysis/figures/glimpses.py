"""Where chosen members look through training: their glimpses on an image, and the paths of the glimpses' centres."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seedsweep.analysis.figures.style import WIDTH, Drawn, spread, styled, tie
from seedsweep.analysis.results import Results
from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.paths import RunPaths
from seedsweep.shards.index import read_index
from seedsweep.shards.read import read

_DATA = "data."
#: Of a name in the heading over a row.
MOST_CHARACTERS = 56
#: Configurations shown, evaluations shown of each member.
CONFIGURATIONS, MOMENTS = 3, 5
#: Of glimpses 1, 2, ... in turn; the marker says which it is where colours do not.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True)
class Watched:
    """Where a member looks on one image: label of its configuration, seed, outcome, steps [E], windows [E,P,4] (x, y
    and extents, as `core.records.curves.Curves` has them), image uint8 [H,W] or [H,W,3]."""

    label: str
    seed: int
    outcome: str
    steps: list[int]
    windows: np.ndarray
    image: np.ndarray


class Images:
    """The images of the validation splits of a run's packed data sets that members look at; each is read once.

    A set is found by the name and settings that its folder states: its class may be gone by now.
    """

    def __init__(self, run: RunPaths):
        self._root = run.data
        self._read: dict[tuple[str, int], np.ndarray | None] = {}

    def of(self, data: Mapping[str, Any], index: int) -> np.ndarray | None:
        """As pictures are drawn, uint8 [H,W] or [H,W,3]; None where the data set is not here any more, or has no
        images. `data`: its name and settings."""
        key = json.dumps(data, sort_keys=True)
        if (key, index) not in self._read:
            folder = self._folder(data)
            self._read[key, index] = None if folder is None else _image(folder, index)
        return self._read[key, index]

    def _folder(self, data: Mapping[str, Any]) -> Path | None:
        settings = {name: value for name, value in data.items() if name != "name"}
        for folder in sorted(self._root.glob("[!.]*")):
            with contextlib.suppress(SeedsweepError, OSError, KeyError):
                said = read_index(folder)
                if said.name == data.get("name") and said.settings == settings:
                    return folder
        # A data set that was packed elsewhere has its folder among its settings.
        elsewhere = data.get("folder")
        return Path(elsewhere) if isinstance(elsewhere, str) and elsewhere else None


def choose(results: Results, images: Images) -> list[Watched]:
    """Of the configurations that converged most, least and in between, the members with the best and the worst
    score; none where the model chooses no place to look at, or the data set is not here any more."""
    rates = [(group, float((group.outcome == "converged").mean())) for group in results.configurations]
    ordered = [group for group, _ in sorted(rates, key=lambda pair: -pair[1])]
    places = sorted({0, len(ordered) // 2, len(ordered) - 1}) if ordered else []
    chosen = []
    for group in (ordered[place] for place in places[:CONFIGURATIONS]):
        ranked = results.ranked(group)
        for member in (ranked.iloc[-1], ranked.iloc[0])[: len(ranked)]:
            found = of_member(results, member, images)
            if found is not None:
                chosen.append(found)
    return chosen


def of_member(results: Results, member: Any, images: Images) -> Watched | None:
    """Where the member of a row of `Results.members` looks; None where there is nothing to show."""
    curves, place = results.curves.get((member.configuration, member.seed), (None, 0))
    if curves is None or not curves.windows.size:
        return None
    windows = curves.windows[:, place, 0]
    finite = np.isfinite(windows).all((1, 2))
    # Windows that never move were not chosen by the model.
    if not finite.any() or not np.ptp(windows[finite], axis=0).any():
        return None
    values = results.values.get(member.configuration, {})
    over = {path.removeprefix(_DATA): value for path, value in values.items() if path.startswith(_DATA)}
    image = images.of({**results.study.data, **over}, curves.watched[0])
    if image is None:
        return None
    steps = [step for step, kept in zip(curves.steps, finite, strict=True) if kept]
    return Watched(member.label, int(member.seed), member.outcome, steps, windows[finite], image)


@styled
def draw(members: Sequence[Watched]) -> Drawn:
    """A row a member: moments of its training, and the paths at its end."""
    figure = Figure(figsize=(WIDTH, 1.62 * len(members) + 0.1))
    panels = figure.subplots(len(members), MOMENTS + 1, squeeze=False)
    for row, member in zip(panels, members, strict=True):
        moments = spread(len(member.steps), MOMENTS)
        for axes in row:
            axes.imshow(member.image, cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for axes, moment in zip(row, moments, strict=False):
            _windows(axes, member.windows[moment], member.image.shape[:2])
            axes.set_title(f"\nstep {member.steps[moment]}")
        for axes in row[len(moments) : -1]:
            axes.set_visible(False)
        _paths(row[-1], member.windows, member.image.shape[:2])
        row[-1].set_title("\npaths")
        what = member.outcome.replace("_", " ")
        # Above all panels of the row: it takes no room of the first one.
        name = member.label if len(member.label) <= MOST_CHARACTERS else f"{member.label[: MOST_CHARACTERS - 1]}…"
        heading = f"{name}, seed {member.seed}: {what}"
        row[0].annotate(
            heading, (0, 1), (0, 17), "axes fraction", "offset points", fontweight="bold", annotation_clip=False
        ).set_in_layout(False)
        tie(member.label, *row, words=f"{member.label}, seed {member.seed}: {what}")
    caption = (
        "Glimpses on one image of the validation split, through training: of the configurations that converged "
        "most, least and in between, the member with the best and the one with the worst score. Each window has "
        "the number of its glimpse; the last panel has the path of each glimpse's centre, marked where it ends."
    )
    return Drawn(figure, caption, pd.concat([_numbers(member) for member in members]))


def _numbers(member: Watched) -> pd.DataFrame:
    """A row an evaluation and glimpse."""
    evaluations, glimpses, _ = member.windows.shape
    table = pd.DataFrame(member.windows.reshape(-1, 4), columns=["x", "y", "width", "height"])
    table.insert(0, "glimpse", np.tile(np.arange(1, glimpses + 1), evaluations))
    table.insert(0, "step", np.repeat(member.steps, glimpses))
    table.insert(0, "seed", member.seed)
    table.insert(0, "label", member.label)
    return table


def _image(data: Path, index: int) -> np.ndarray | None:
    try:
        images = read(data)["validation"]["image"]
        if images.ndim != 4 or images.dtype != np.uint8 or index >= len(images):
            return None
        image = np.array(images[index])
    except (SeedsweepError, OSError, KeyError):
        return None
    return image[0] if len(image) != 3 else image.transpose(1, 2, 0)


def _windows(axes: Axes, windows: np.ndarray, shape: tuple[int, int]) -> None:
    height, width = shape
    for number, (x, y, across, down) in enumerate(windows):
        colour = COLOURS[number % len(COLOURS)]
        left, top = _pixel(x, width) - across * width / 2, _pixel(y, height) - down * height / 2
        axes.add_patch(Rectangle((left, top), across * width, down * height, fill=False, ec=colour, lw=1.4))
        axes.text(
            np.clip(left, 0, width - 1), np.clip(top, 0, height - 1), str(number + 1), color="white", fontsize=7,
            ha="left", va="top", bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _paths(axes: Axes, windows: np.ndarray, shape: tuple[int, int]) -> None:
    height, width = shape
    for number in range(windows.shape[1]):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        x, y = _pixel(windows[:, number, 0], width), _pixel(windows[:, number, 1], height)
        axes.plot(x, y, color=colour, lw=1)
        axes.plot(x[-1], y[-1], marker, color=colour, ms=4, mec="white", mew=0.6)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _pixel(location: Any, side: int) -> Any:
    return (location + 1) * (side - 1) / 2
