"""Shares of seeds: intervals, tests of two, and how many seeds a difference needs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

#: Of the posteriors: Jeffreys' prior of a proportion is Beta(1/2, 1/2).
PRIOR = 0.5
SIGNIFICANCE, POWER = 0.05, 0.8
#: Beyond so many seeds of each configuration a number is not worth giving.
MOST_SEEDS = 1000
#: Seeds to which power is computed table by table.
EXACT_TO = 100


def wilson(converged: int, members: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927); (0, 1) for no members."""
    if members == 0:
        return 0.0, 1.0
    interval = stats.binomtest(converged, members).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def clopper_pearson(converged: int, members: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a proportion (Clopper & Pearson 1934): covers at least so often, whatever the proportion, and
    more often as a rule; (0, 1) for no members."""
    if members == 0:
        return 0.0, 1.0
    interval = stats.binomtest(converged, members).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def jeffreys(converged: int, members: int, confidence: float = 0.95) -> tuple[float, float]:
    """Equal-tailed interval of the posterior with Jeffreys' prior, closed at an end where no or all members converged
    (Brown, Cai & DasGupta 2001, section 3.1.2); (0, 1) for no members."""
    posterior = _posterior(converged, members)
    low = posterior.ppf((1 - confidence) / 2) if converged else 0.0
    high = posterior.ppf((1 + confidence) / 2) if converged < members else 1.0
    return float(low), float(high)


def newcombe(first: tuple[int, int], second: tuple[int, int], confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two proportions, first less second, each (converged, members), from their Wilson
    intervals (Newcombe 1998, method 10); (-1, 1) without members."""
    if not first[1] or not second[1]:
        return -1.0, 1.0
    p, q = first[0] / first[1], second[0] / second[1]
    (p_low, p_high), (q_low, q_high) = wilson(*first, confidence), wilson(*second, confidence)
    return p - q - float(np.hypot(p - p_low, q_high - q)), p - q + float(np.hypot(p_high - p, q - q_low))


@functools.lru_cache(maxsize=4096)
def boschloo(first: tuple[int, int], second: tuple[int, int]) -> float:
    """P-value that two (converged, members) have one P(converge) (Boschloo 1970), two-sided; 1 without members."""
    (a, m), (b, n) = first, second
    if m == 0 or n == 0 or (a, m) == (b, n) or a + b in (0, m + n):
        return 1.0
    return float(min(1.0, stats.boschloo_exact([[a, b], [m - a, n - b]]).pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return [float(value) for value in adjusted]


def pairwise(
    groups: Sequence[Any], test: Callable[[Any, Any], float] = boschloo
) -> list[tuple[int, int, float, float]]:
    """(i, j, p, adjusted p) of every pair, with Holm's adjustment over the family: of (converged, members) by
    Boschloo's exact test, or of other groups by another."""
    pairs = list(itertools.combinations(range(len(groups)), 2))
    values = [test(groups[i], groups[j]) for i, j in pairs]
    return [(i, j, p, q) for (i, j), p, q in zip(pairs, values, holm(values), strict=True)]


def probability_greater(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Pr(p_A > p_B) of two (converged, members), from independent Beta posteriors with Jeffreys' prior.

    The expectation of B's distribution function over A's quantiles, by Gauss-Legendre.
    """
    nodes, weights = quadrature(200)
    return float(weights @ _posterior(*second).cdf(_posterior(*first).ppf(nodes)))


def power(p: float, q: float, seeds: int, significance: float = SIGNIFICANCE) -> float:
    """How often Boschloo's two-sided test of so many seeds each finds the difference of two P(converge); exact."""
    own, other = (stats.binom.pmf(np.arange(seeds + 1), seeds, share) for share in (p, q))
    return float(own @ _rejected(seeds, significance) @ other)


def seeds_for_power(p: float, q: float, wanted: float = POWER, significance: float = SIGNIFICANCE) -> int | None:
    """Least seeds of each configuration that find the difference so often; None beyond MOST_SEEDS.

    The power of an exact test grows with the seeds by steps up and small steps down: the least number is exact to a
    few seeds. Beyond EXACT_TO it is the normal approximation's.
    """
    if abs(p - q) < 1e-9:
        return None
    quantiles = stats.norm.ppf(1 - significance / 2) + stats.norm.ppf(wanted)
    about = quantiles**2 * (p * (1 - p) + q * (1 - q)) / (p - q) ** 2
    if about > EXACT_TO:
        return int(np.ceil(about)) if about <= MOST_SEEDS else None
    low, high = 1, 4
    while power(p, q, high, significance) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(p, q, middle, significance) >= wanted else (middle, high)
    return high


def minimum_detectable(p: float, seeds: int, wanted: float = POWER, significance: float = SIGNIFICANCE) -> float | None:
    """Least difference from P(converge) = p, to either side, that so many seeds each would find with this power; None
    where they would find none."""
    found = []
    for end in (0.0, 1.0):
        if power(p, end, seeds, significance) < wanted:
            continue
        near, far = p, end
        while abs(far - near) > 1e-4:
            middle = (near + far) / 2
            near, far = (near, middle) if power(p, middle, seeds, significance) >= wanted else (middle, far)
        found.append(abs(far - p))
    return min(found, default=None)


def _posterior(converged: int, members: int) -> stats.rv_continuous:
    return stats.beta(converged + PRIOR, members - converged + PRIOR)


def quadrature(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


@functools.lru_cache(maxsize=256)
def _rejected(seeds: int, significance: float) -> np.ndarray:
    """Whether Boschloo's two-sided test rejects, for k of n against l of n, bool [n+1, n+1].

    One-sided p-values are the largest probability over the common p of tables whose Fisher p is not larger; twice the
    smaller of the two sides' is compared with the level.
    """
    k, l = np.meshgrid(np.arange(seeds + 1), np.arange(seeds + 1), indexing="ij")
    greater = stats.hypergeom.sf(k - 1, 2 * seeds, k + l, seeds).ravel()
    # Rounded, or tables of one p would be ordered by their last digits.
    order = np.argsort(np.round(greater, 12), kind="stable")
    ordered = np.round(greater, 12)[order]
    ends = np.searchsorted(ordered, ordered, side="right") - 1
    largest = np.zeros(len(order))
    for p in np.linspace(0, 1, 65)[1:-1]:
        pmf = stats.binom.pmf(np.arange(seeds + 1), seeds, p)
        largest = np.maximum(largest, np.cumsum(np.outer(pmf, pmf).ravel()[order])[ends])
    one_sided = np.empty(len(order))
    one_sided[order] = largest
    table = one_sided.reshape(seeds + 1, seeds + 1)
    rejected: np.ndarray = 2 * np.minimum(table, table.T) < significance
    return rejected
