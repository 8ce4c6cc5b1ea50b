"""Of time to convergence: bands, medians, tests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seedsweep.analysis.statistics.survival import incidence
from tests.calibration.of_scores import held
from tests.calibration.row import Row, Seen

#: Mean times, of a budget of 2: nearly all converge in it, or a third.
SCALES = (0.5, 1.0, 1.5, 5.0)
BUDGET = 2.0


def ends(rng: np.random.Generator, seeds: int, *, early: bool) -> np.ndarray:
    """To when each seed is observed, [n]: to the budget, or not that far."""
    return rng.uniform(0.5, 2.5, seeds).clip(max=BUDGET) if early else np.full(seeds, BUDGET)


def band(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    for early in (False, True):
        for share in (0.1, 0.3, 0.5, 0.7, 0.9):
            # At this step so many have converged.
            at, found = 1.0, []
            scale = -at / np.log(1 - share)
            for _ in range(rounds):
                times, until = rng.exponential(scale, seeds), ends(rng, seeds, early=early)
                curve = incidence(np.where(times <= until, times, np.nan), BUDGET, until)
                place = np.searchsorted(curve.steps, at, side="right") - 1
                found.append(held(curve.low[place], share, curve.high[place]))
            yield Seen(f"at {share:.0%}{', censored early' * early}", float(np.mean(found)), rounds)


def median(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    for early in (False, True):
        for scale in SCALES:
            found = []
            for _ in range(rounds):
                times, until = rng.exponential(scale, seeds), ends(rng, seeds, early=early)
                _, low, high = incidence(np.where(times <= until, times, np.nan), BUDGET, until).median()
                true = scale * np.log(2)
                # A bound that is NaN lies beyond the budget.
                found.append(low <= true and not high < true if low <= BUDGET else true > BUDGET)
            yield Seen(f"mean {scale}{', censored early' * early}", float(np.mean(found)), rounds)


ROWS = [
    Row("time to convergence, pointwise band", band, 1500, 60),
    Row("median time to convergence", median, 1500, 60),
]
