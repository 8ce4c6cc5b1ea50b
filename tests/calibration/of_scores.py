"""Intervals of scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seedsweep.analysis.statistics.best_of_n import median_best, named_best, replication
from seedsweep.analysis.statistics.scores import interquartile_mean, median_interval, profile, tolerance
from tests.calibration.row import Row, Seen
from tests.calibration.truths import HIGH, TRUTHS, Truth, failing

#: Sums of equal scores differ by rounding.
ROUNDING = 1e-9


def held(low: float, true: float, high: float) -> float:
    """Whether an interval holds; NaN where there is none, and a bound that is NaN is none."""
    if np.isnan(low) and np.isnan(high):
        return float("nan")
    margin = ROUNDING * abs(true)
    return float(not low > true + margin and not high < true - margin)


def median(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    for truth in TRUTHS:
        true = truth.at(0.5)
        found = [held(low, true, high) for low, high in map(median_interval, truth.draw(rng, rounds, seeds))]
        yield Seen(truth.name, float(np.mean(found)), rounds)


def middle_half(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    for truth in TRUTHS:
        found = []
        for values in truth.draw(rng, rounds, seeds):
            _, low, high = interquartile_mean(values)
            found.append(held(low, truth.middle_half, high))
        yield Seen(truth.name, float(np.mean(found)), rounds)


def share_above(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    """Of the performance profile, at one score each time."""
    for truth in TRUTHS:
        places = truth.draw(rng, rounds)
        found = []
        for at, values in zip(places, truth.draw(rng, rounds, seeds), strict=True):
            _, low, high = profile(values, np.array([at]))
            true = 1 - np.searchsorted(truth.scores, at, side="right") / len(truth.scores)
            found.append(held(low[0], true, high[0]))
        yield Seen(truth.name, float(np.mean(found)), rounds)


def best_of(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    """Of the best of 1, 2, 4, ... runs."""
    runs = [runs for runs in (1, 2, 4, 8, 16, 32) if runs <= seeds]
    for truth in TRUTHS:
        drawn = [median_best(values) for values in truth.draw(rng, rounds, seeds)]
        for count in runs:
            true = truth.at(0.5 ** (1 / count))
            found = [held(low[count - 1], true, high[count - 1]) for _, low, high in drawn]
            yield Seen(f"best of {count}, {truth.name}", float(np.mean(found)), rounds)


def tolerated(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    """Whether so many new seeds reach the bound, and the worst of the seeds that ran."""
    for truth in TRUTHS:
        bound, worst = [], []
        for values in truth.draw(rng, rounds, seeds):
            low, content = tolerance(values)
            reached = 1 - np.searchsorted(truth.scores, [low, values.min()]) / len(truth.scores)
            bound.append(np.nan if np.isnan(low) else reached[0] >= 0.9)
            worst.append(reached[1] >= content)
        yield Seen(truth.name, float(np.mean(bound)), rounds)
        yield Seen(f"the worst, {truth.name}", float(np.mean(worst)), rounds)


F1, COARSE, THIRD = TRUTHS[0], TRUTHS[1], Truth("", failing(0.3, 0.0, HIGH))
SETS: list[tuple[str, list[Truth]]] = [
    ("two equal", [F1, F1]),
    ("six equal", [F1] * 6),
    ("six with ties", [COARSE] * 6),
    ("a third fails of each of three", [THIRD] * 3),
    ("one better of four", [COARSE, COARSE, COARSE, F1]),
    ("always and mostly", [TRUTHS[-1], TRUTHS[-2], TRUTHS[-3]]),
    ("far apart", [Truth("", failing(0.1, 0.0, HIGH)), Truth("", lambda u: 0.5 + 0.1 * u)]),
]


def named(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    """How often one seed each names a configuration, the worst covered of the set."""
    for name, truths in SETS:
        thinned = [truth.scores[::20] for truth in truths]
        true = named_best(thinned)
        found = []
        for _ in range(rounds):
            drawn = replication([rng.choice(scores, seeds) for scores in thinned])
            found.append([held(*ends) for ends in zip(drawn.low, true, drawn.high, strict=True)])
        yield Seen(name, float(np.mean(found, axis=0).min()), rounds)


ROWS = [
    Row("median", median, 4000, 300),
    Row("interquartile mean", middle_half, 2000, 100),
    Row("performance profile, pointwise", share_above, 2000, 200),
    Row("best of n runs, its median", best_of, 1000, 100),
    Row("tolerance bound", tolerated, 2000, 150),
    Row("share of single-seed comparisons that name it", named, 400, 20),
]
