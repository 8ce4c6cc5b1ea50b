"""Axes: round ticks, limits that the data fill, and a scale that shows scores that pile up at their good end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from seedsweep.analysis.results import Results

#: Scores pile up where half of a configuration's are within this share of the span from its good end, and some of any
#: are as far as that.
NEAR, FAR = 0.05, 0.2
#: Share of an axis that two ticks are apart at least; its empty share at either end.
APART, EMPTY = 0.11, 0.04


@dataclass(frozen=True)
class ScoreScale:
    """An axis of scores from `low` to `high`; logarithmic in the distance to `end`, where there is one. least: the
    smallest distance that is told from 0.  sign: 1 where the end is above all scores, -1 where it is below."""

    low: float
    high: float
    end: float | None = None
    least: float = 0.0
    sign: float = 1.0

    def around(self, values: np.ndarray) -> ScoreScale:
        """From the lowest to the highest of these values, but those that are NaN."""
        known = values[np.isfinite(values)]
        return replace(self, low=float(known.min()), high=float(known.max())) if np.ptp(known) > 0 else self

    def reaching(self, values: np.ndarray) -> ScoreScale:
        """As far as these values, at least."""
        return self.around(np.array([self.low, self.high, *values]))

    @property
    def limits(self) -> tuple[float, float]:
        """A little beyond the scores."""
        low, high = self.forward(np.array([self.low, self.high]))
        ends = self.inverse(np.array([low - EMPTY * (high - low), high + EMPTY * (high - low)]))
        return float(ends[0]), float(ends[1])

    @property
    def word(self) -> str:
        """For the axis' label; empty on a linear one."""
        return "" if self.end is None else f", stretched towards {self.end:g}"

    @property
    def sentence(self) -> str:
        """For a caption; empty on a linear one."""
        if self.end is None:
            return ""
        return f" The axis of scores is logarithmic in the distance to {self.end:g}, where many of them lie."

    def grid(self, count: int) -> np.ndarray:
        """So many scores, evenly on the axis, from one limit to the other, [count]."""
        low, high = self.forward(np.array(self.limits))
        return self.inverse(np.linspace(low, high, count))

    def on(self, axes: Axes, which: str) -> None:
        """Make the axis `x` or `y` of a panel one of these scores."""
        if self.end is None:
            getattr(axes, f"{which}axis").set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        else:
            getattr(axes, f"set_{which}scale")("function", functions=(self.forward, self.inverse))
            ticks = self._ticks(self.end)
            getattr(axes, f"set_{which}ticks")(ticks, [f"{tick:.10g}" for tick in ticks])
        getattr(axes, f"set_{which}lim")(self.limits)

    def forward(self, scores: np.ndarray) -> np.ndarray:
        """Places on the axis."""
        if self.end is None:
            return scores
        # A tick of matplotlib's own may lie beyond the end.
        away = np.maximum(self.sign * (self.end - scores), -0.9 * self.least)
        return np.asarray(-self.sign * np.log10(away + self.least))

    def inverse(self, places: np.ndarray) -> np.ndarray:
        """Scores of places."""
        if self.end is None:
            return places
        return np.asarray(self.end - self.sign * (10.0 ** (-self.sign * places) - self.least))

    def _ticks(self, end: float) -> list[float]:
        """Round distances to the end that are far enough apart, from the end on, and the end itself."""
        first, last = self.forward(np.array(self.limits))
        found = [end]
        for away in (round_ * 10.0**power for power in range(-6, 7) for round_ in (1, 2, 5)):
            score = end - self.sign * away
            place, before = self.forward(np.array([score, found[-1]]))
            inside = min(first, last) <= place <= max(first, last)
            if inside and abs(place - before) >= APART * abs(last - first):
                found.append(score)
        return sorted(found)


def of_scores(results: Results, scores: Sequence[np.ndarray]) -> ScoreScale:
    """The scale on which scores and the criterion's threshold are drawn. scores: each configuration's, finite."""
    low, high = results.span
    every = np.append(np.concatenate(scores), results.study.criterion.threshold)
    first, last = float(every.min()), float(every.max())
    end = high if results.sign > 0 else low
    distances = [results.sign * (end - own) for own in scores]
    away = np.concatenate(distances)
    bounded = results.study.criterion.low is not None and results.study.criterion.high is not None
    bounded = bounded or (low, high) == (0.0, 1.0)
    least = away[away > 0].min(initial=np.inf)
    piled = any(np.median(own) <= NEAR * (high - low) for own in distances if len(own))
    if bounded and piled and np.isfinite(least) and away.max() >= FAR * (high - low):
        # The end is on the axis: how far the best ones are from it is what it shows.
        ends = (first, end) if results.sign > 0 else (end, last)
        return ScoreScale(*ends, end, float(max(least, 1e-4 * (high - low))), results.sign)
    if first == last:
        return ScoreScale(first - 0.5, last + 0.5)
    return ScoreScale(first, last)


def steps(axes: Axes, budget: float, most: int = 5) -> np.ndarray:
    """Round ticks on an axis of training steps, from 0 to the budget; returns them."""
    every = np.asarray(MaxNLocator(most, integer=True, steps=[1, 2, 5, 10]).tick_values(0, budget))
    ticks: np.ndarray = every[(every >= 0) & (every <= budget)]
    axes.set_xticks(ticks, [f"{tick:.10g}" for tick in ticks])
    return ticks


_ROUND: tuple[tuple[float, ...], ...] = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9))


def logarithmic(axes: Axes, low: float, high: float) -> None:
    """A logarithmic x axis for numbers from low to high, with plain round ticks: matplotlib's own are mathtext, which
    is off."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks: list[float] = []
    for rounds in _ROUND:
        ticks = []
        for tick in (r * 10.0**power for power in powers for r in rounds):
            # So that a label has room on a panel, too.
            apart = not ticks or np.log(tick / ticks[-1]) >= 0.17 * np.log(high / low)
            if 0.99 * low <= tick <= 1.01 * high and apart:
                ticks.append(tick)
        if len(ticks) >= 3:
            break
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
    axes.minorticks_off()
