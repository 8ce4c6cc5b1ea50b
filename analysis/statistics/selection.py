"""What picking the best does to its estimate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Random halves of the seeds.
HALVES = 400


def honest_share(converged: Sequence[np.ndarray]) -> tuple[float, float]:
    """The highest share of seeds that converged, [n] each, and what is left of it when one half of the seeds picks and
    the other measures, on average over random halves.

    Ties are picked evenly. The second is not too high, as the picking half knows nothing of the measuring one; it is
    that of a pick by half as many seeds. NaN where a group has fewer than two seeds.
    """
    shares = np.array([own.mean() if len(own) else np.nan for own in converged])
    if min(map(len, converged), default=0) < 2:
        return float(np.nanmax(shares, initial=0.0)), float("nan")
    rng = np.random.default_rng(0)
    picked, measured = np.empty((len(converged), HALVES)), np.empty((len(converged), HALVES))
    for place, own in enumerate(converged):
        half = len(own) // 2
        drawn = rng.permuted(np.tile(own.astype(float), (HALVES, 1)), axis=1)
        picked[place], measured[place] = drawn[:, :half].mean(1), drawn[:, half:].mean(1)
    # Less than a seed makes: it decides between equal ones alone.
    best = (picked + rng.random(picked.shape) * 1e-6).argmax(0)
    return float(shares.max()), float(measured[best, np.arange(HALVES)].mean())
