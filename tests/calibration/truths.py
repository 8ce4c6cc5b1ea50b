"""Distributions of final scores: scales, ties, failures."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

#: Scores that a truth consists of: each is as likely.
POINTS = 40_000
Quantile = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Truth:
    """A distribution of scores. quantile: of shares [N], each [N]."""

    name: str
    quantile: Quantile

    @functools.cached_property
    def scores(self) -> np.ndarray:
        """All scores there are, sorted, [POINTS]: what is drawn is one of them, so that what is true is exact."""
        return np.sort(self.quantile((np.arange(POINTS) + 0.5) / POINTS))

    def draw(self, rng: np.random.Generator, *shape: int) -> np.ndarray:
        """Scores of seeds, of this shape."""
        return self.scores[rng.integers(POINTS, size=shape)]

    def at(self, share: float) -> float:
        """The quantile."""
        return float(self.scores[int(np.ceil(share * POINTS)) - 1])

    @property
    def middle_half(self) -> float:
        """The interquartile mean."""
        return float(self.scores[POINTS // 4 : 3 * POINTS // 4].mean())


def failing(share: float, failed: float | Quantile, good: Quantile) -> Quantile:
    """So many fail: they have one score, or a distribution of their own."""

    def quantile(u: np.ndarray) -> np.ndarray:
        bad = failed(np.clip(u / share, 0, 1)) if callable(failed) else np.full_like(u, failed)
        return np.where(u < share, bad, good(np.clip((u - share) / (1 - share), 0, 1)))

    return quantile


HIGH: Quantile = stats.beta(60, 3).ppf

TRUTHS = [
    Truth("F1", stats.beta(30, 2).ppf),
    Truth("accuracy of 16 images", lambda u: np.round(stats.beta(8, 1).ppf(u) * 16) / 16),
    *[Truth(f"{share:.0%} fail at 0", failing(share, 0.0, HIGH)) for share in (0.02, 0.1, 0.2, 0.3)],
    Truth("30 % fail anyhow", failing(0.3, stats.beta(2, 8).ppf, stats.uniform(0.95, 0.001).ppf)),
    Truth("half at 1, 20 % at 0", lambda u: np.clip(stats.norm(1.0, 0.1).ppf(np.maximum(u, 1e-6)), 0, 1) * (u > 0.2)),
    Truth("percent, 30 % at chance", failing(0.3, 10.0, lambda u: 100 * HIGH(u))),
    Truth("rewards, heavy tails", lambda u: -200 + 50 * stats.t(2).ppf(u)),
    Truth("losses of 1e-6, 10 % diverge", failing(0.1, -1e3, lambda u: -1e-6 * stats.lognorm(1).ppf(1 - u + 1e-9))),
    Truth("within .007", stats.uniform(0.984, 0.007).ppf),
    Truth("all equal", lambda u: np.full_like(u, 0.3)),
    *[Truth(f"0 or 1, {share:.0%}", failing(1 - share, 0.0, np.ones_like)) for share in (0.05, 0.5, 0.7, 0.95)],
]
