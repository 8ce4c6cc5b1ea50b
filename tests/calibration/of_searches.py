"""Of P(converge) against what a search varied."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import expit

from seedsweep.analysis.statistics.logistic import Logistic, fit
from tests.calibration.of_scores import held
from tests.calibration.row import Row, Seen

CONFIGURATIONS = (10, 20, 60)


def fitted(rng: np.random.Generator, configurations: int, seeds: int, spread: float) -> tuple[Logistic, float]:
    """A model of two numbers, the second without effect, and the effect of the first."""
    values, slope = rng.random((configurations, 2)), float(rng.normal(0, 2))
    logit = 0.3 + slope * (values[:, 0] - 0.5) + rng.normal(0, spread, configurations)
    each = np.full(configurations, seeds)
    return fit(values, rng.binomial(each, expit(logit)), each), slope


def band(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    for configurations in CONFIGURATIONS:
        found = []
        for _ in range(rounds):
            model, slope = fitted(rng, configurations, seeds, 0.0)
            _, low, high = model.predict(np.array([[0.3, 0.5]]))
            found.append(held(low[0], float(expit(0.3 - 0.2 * slope)), high[0]))
        yield Seen(f"{configurations} configurations", float(np.mean(found)), rounds)


def no_effect(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    for configurations in CONFIGURATIONS:
        for spread in (0.0, 1.0):
            found = [fitted(rng, configurations, seeds, spread)[0].p_values()[1] <= 0.05 for _ in range(rounds)]
            yield Seen(
                f"{configurations} configurations{', that differ' * bool(spread)}", float(np.mean(found)), rounds
            )


ROWS = [
    Row("P(converge) against a searched number, band", band, 1000, 50, seeds=(3, 5, 12)),
    Row("a searched number without effect", no_effect, 1000, 50, size=True, seeds=(3, 5, 12)),
]
