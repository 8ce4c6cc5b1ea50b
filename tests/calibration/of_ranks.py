"""Tests and intervals of two and more configurations by the ranks of their scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seedsweep.analysis.statistics.ranks import rank_sum, same_scores, shift, superiority
from tests.calibration.of_scores import held
from tests.calibration.row import Row, Seen
from tests.calibration.truths import TRUTHS, Truth

NAMED = {truth.name: truth for truth in TRUTHS}
PAIRS = [
    *[(truth, truth) for truth in TRUTHS],
    *[(NAMED[one], NAMED[other]) for one, other in (("F1", "30% fail at 0"), ("F1", "30 % fail anyhow"))],
    *[(NAMED[one], NAMED[other]) for one, other in (("0 or 1, 95%", "0 or 1, 50%"), ("2% fail at 0", "all equal"))],
]


def two_equal(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    for truth in TRUTHS:
        found = [rank_sum(*both) <= 0.05 for both in truth.draw(rng, rounds, 2, seeds)]
        yield Seen(truth.name, float(np.mean(found)), rounds)


def six_equal(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    for name in ("F1", "30% fail at 0"):
        found = [same_scores(list(drawn)) <= 0.05 for drawn in NAMED[name].draw(rng, rounds, 6, seeds)]
        yield Seen(name, float(np.mean(found)), rounds)


def above(first: Truth, second: Truth) -> float:
    """How often a score of the first is above one of the second, equal ones by half."""
    below = np.searchsorted(second.scores, first.scores, "left"), np.searchsorted(second.scores, first.scores, "right")
    return float(np.mean(below) / len(second.scores))


def better(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    for first, second in PAIRS:
        true, found = above(first, second), []
        for own, other in zip(first.draw(rng, rounds, seeds), second.draw(rng, rounds, seeds), strict=True):
            _, low, high = superiority(own, other)
            found.append(held(low, true, high))
        yield Seen(f"{first.name} against {second.name}", float(np.mean(found)), rounds)


def shifted(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    """By as much as the scores are apart."""
    for truth in TRUTHS:
        by, found = float(np.ptp(truth.scores)) / 8, []
        for own, other in truth.draw(rng, rounds, 2, seeds):
            _, low, high = shift(own + by, other)
            found.append(held(low, by, high))
        yield Seen(truth.name, float(np.mean(found)), rounds)


ROWS = [
    Row("two with equal scores, rank sum", two_equal, 2000, 100, size=True),
    Row("six with equal scores, Kruskal-Wallis by permutation", six_equal, 400, 30, size=True, heavy=(20, 40)),
    Row("P(a score is better)", better, 2000, 100),
    Row("shift of scores", shifted, 2000, 100),
]
