"""Intervals and tests of P(converge). All is computed over the tables there are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from seedsweep.analysis.statistics.proportions import boschloo, clopper_pearson, difference, same_share
from tests.calibration.row import Row, Seen

#: P(converge) from .02 to .98.
SHARES = np.linspace(0.02, 0.98, 49)
ROUNDING = 1e-7


def chances(seeds: int, shares: np.ndarray = SHARES) -> np.ndarray:
    """Probability of each number of converged seeds at each P(converge), [P,seeds+1]."""
    found: np.ndarray = stats.binom.pmf(np.arange(seeds + 1), seeds, shares[:, None])
    return found


def share(seeds: int, _rounds: int, _rng: np.random.Generator) -> Iterator[Seen]:
    low, high = np.array([clopper_pearson(k, seeds) for k in range(seeds + 1)]).T
    holds = (low <= SHARES[:, None]) & (SHARES[:, None] <= high)
    for p, covered in zip(SHARES, (chances(seeds) * holds).sum(1), strict=True):
        yield Seen(f"p = {p:.2f}", float(covered), 0)


def two_equal(seeds: int, _rounds: int, _rng: np.random.Generator) -> Iterator[Seen]:
    every = range(seeds + 1)
    rejected = np.array([[boschloo((k, seeds), (l, seeds)) <= 0.05 for l in every] for k in every])
    for p, chance in zip(SHARES, chances(seeds), strict=True):
        yield Seen(f"p = {p:.2f}", float(chance @ rejected @ chance), 0)


def differ(seeds: int, _rounds: int, _rng: np.random.Generator) -> Iterator[Seen]:
    """At every fourth P(converge) of both."""
    every, shares = range(seeds + 1), SHARES[::4]
    low = np.array([[difference((k, seeds), (l, seeds))[0] for l in every] for k in every])
    # The upper bound is the lower one of the other less the one.
    for p, own in zip(shares, chances(seeds, shares), strict=True):
        for q, other in zip(shares, chances(seeds, shares), strict=True):
            holds = (low <= p - q + ROUNDING) & (p - q <= -low.T + ROUNDING)
            yield Seen(f"p = {p:.2f} and {q:.2f}", float(own @ holds @ other), 0)


def many_equal(seeds: int, rounds: int, rng: np.random.Generator) -> Iterator[Seen]:
    for groups in (3, 6):
        for p in (0.05, 0.5, 0.8):
            drawn = rng.binomial(seeds, p, (rounds, groups))
            found = [same_share([(int(k), seeds) for k in counts]) <= 0.05 for counts in drawn]
            yield Seen(f"{groups} of p = {p}", float(np.mean(found)), rounds)


ROWS = [
    Row("P(converge)", share),
    Row("difference of two P(converge)", differ, heavy=(20, 40)),
    Row("two equal P(converge), Boschloo", two_equal, size=True),
    Row("equal P(converge), chi-square by permutation", many_equal, 4000, 200, size=True, heavy=(20, 40)),
]
