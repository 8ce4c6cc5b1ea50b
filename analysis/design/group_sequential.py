"""Looks at a comparison that were declared: each tests at a lower level, so that all of them keep one.

Pocock's design (1977): one nominal level for all looks. Statistics of looks at n_1 < ... < n_K seeds are correlated as
a Brownian motion at n_k / n_K. Of a p-value at one look, `overall` is the level of the whole design at which that look
would just reject. The smallest over the looks so far is a valid p-value (Liu & Anderson 2008).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from scipy import optimize, special

#: Nodes of the integration over a look's statistic.
NODES = 161
#: Paths simulated for an omnibus test.
PATHS = 100_000


def overall(p: float, sizes: Sequence[int]) -> float:
    """Probability that any look of a design has a two-sided p-value of at most p, where nothing differs; `p` with one
    look.

    sizes: seeds of each configuration at each look, growing. By numerical integration over the statistics of the looks
    (Armitage, McPherson & Rowe 1969).
    """
    if len(sizes) < 2 or not 0 < p < 1:
        return float(p)
    return _crossing(float(p), tuple(sizes))


def nominal(level: float, sizes: Sequence[int]) -> float:
    """Level of each look at which all together keep this one: the inverse of `overall`."""
    if len(sizes) < 2:
        return level
    return _nominal(level, tuple(sizes))


def overall_of_several(p: float, sizes: Sequence[int], freedom: int) -> float:
    """As `overall`, of a test whose statistic is chi-square with so many degrees of freedom: its looks are less alike,
    and it crosses a bound more often. Simulated with a fixed seed."""
    if len(sizes) < 2 or not 0 < p < 1:
        return float(p)
    smallest = _smallest_of_several(tuple(sizes), freedom)
    share = (1 + np.searchsorted(smallest, p, side="right")) / (1 + len(smallest))
    return float(min(max(share, p), p * len(sizes), 1.0))


@functools.lru_cache(maxsize=4096)
def _crossing(p: float, sizes: tuple[int, ...]) -> float:
    bound = -special.ndtri(p / 2)
    times = np.array(sizes) / sizes[-1]
    nodes, weights = _quadrature()
    reach = bound * np.sqrt(times)
    # Density of the Brownian motion at each look, on the paths that have not crossed.
    density = _normal(nodes * reach[0], np.sqrt(times[0]))
    for before, after, step in zip(reach, reach[1:], np.sqrt(np.diff(times)), strict=False):
        kernel = _normal(after * nodes[:, None] - before * nodes[None, :], step)
        density = kernel @ (density * weights * before)
    inside = float(density @ weights * reach[-1])
    return float(np.clip(1 - inside, p, min(1.0, p * len(sizes))))


def _normal(apart: np.ndarray, scale: float) -> np.ndarray:
    """Density at this distance from the mean, of any shape."""
    found: np.ndarray = np.exp(-0.5 * (apart / scale) ** 2) / (scale * np.sqrt(2 * np.pi))
    return found


@functools.lru_cache(maxsize=1)
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(NODES)


@functools.lru_cache(maxsize=1024)
def _nominal(level: float, sizes: tuple[int, ...]) -> float:
    low = level / len(sizes)
    return float(optimize.brentq(lambda p: _crossing(p, sizes) - level, low * 0.999, level, xtol=1e-10))


@functools.lru_cache(maxsize=64)
def _smallest_of_several(sizes: tuple[int, ...], freedom: int) -> np.ndarray:
    """The smallest p-value over the looks, sorted, [paths]."""
    rng = np.random.default_rng(0)
    paths = max(2000, min(PATHS, 20_000_000 // (freedom * len(sizes))))
    motion, smallest, before = np.zeros((paths, freedom), np.float32), np.ones(paths), 0
    for size in sizes:
        motion += rng.standard_normal(motion.shape, np.float32) * np.float32(np.sqrt(size - before))
        before = size
        smallest = np.minimum(smallest, special.chdtrc(freedom, (motion**2).sum(1) / size))
    return np.sort(smallest)
