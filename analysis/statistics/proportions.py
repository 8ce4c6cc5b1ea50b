"""Shares of seeds: intervals, tests of two, and how many seeds a difference needs."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import special, stats

#: Jeffreys' prior of a proportion is Beta(1/2, 1/2).
PRIOR = 0.5
SIGNIFICANCE, POWER = 0.05, 0.8
#: Above so many seeds of each configuration no number is given.
MOST_SEEDS = 1000
#: Seeds to which power is computed table by table.
EXACT_TO = 100


def wilson(converged: int, members: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927); (0, 1) for no members."""
    low, high = wilson_of(np.array([converged / max(members, 1)]), np.array([members]), confidence)
    return float(low[0]), float(high[0])


def wilson_of(share: np.ndarray, members: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's intervals of shares [N] of so many members [N], which need not be whole numbers."""
    z2 = special.ndtri((1 + confidence) / 2) ** 2
    centre = (members * share + z2 / 2) / (members + z2)
    half = np.sqrt(z2 * (members * share * (1 - share) + z2 / 4)) / (members + z2)
    low, high = np.maximum(centre - half, 0), np.minimum(centre + half, 1)
    return np.where(share > 0, low, 0.0), np.where((share < 1) | (members == 0), high, 1.0)


def clopper_pearson(converged: int, members: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a proportion (Clopper & Pearson 1934): covers at least so often, whatever the proportion, and
    more often as a rule; (0, 1) for no members."""
    if members == 0:
        return 0.0, 1.0
    # Quantiles of Beta distributions, which the binomial's tails are.
    low = special.betaincinv(converged, members - converged + 1, (1 - confidence) / 2) if converged else 0.0
    high = special.betaincinv(converged + 1, members - converged, (1 + confidence) / 2) if converged < members else 1.0
    return float(low), float(high)


def jeffreys(converged: int, members: int, confidence: float = 0.95) -> tuple[float, float]:
    """Equal-tailed interval of the posterior with Jeffreys' prior, closed at an end where no or all members converged
    (Brown, Cai & DasGupta 2001, section 3.1.2); (0, 1) for no members."""
    posterior = _posterior(converged, members)
    low = special.betaincinv(*posterior, (1 - confidence) / 2) if converged else 0.0
    high = special.betaincinv(*posterior, (1 + confidence) / 2) if converged < members else 1.0
    return float(low), float(high)


def newcombe(first: tuple[int, int], second: tuple[int, int], confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two proportions, first less second, each (converged, members), from their Wilson
    intervals (Newcombe 1998, method 10); (-1, 1) without members."""
    if not first[1] or not second[1]:
        return -1.0, 1.0
    p, q = first[0] / first[1], second[0] / second[1]
    (p_low, p_high), (q_low, q_high) = wilson(*first, confidence), wilson(*second, confidence)
    return p - q - float(np.hypot(p - p_low, q_high - q)), p - q + float(np.hypot(p_high - p, q - q_low))


@functools.lru_cache(maxsize=65536)
def boschloo(first: tuple[int, int], second: tuple[int, int]) -> float:
    """P-value that two (converged, members) have one P(converge) (Boschloo 1970), two-sided: twice the smaller of the
    one-sided ones; 1 without members.

    Many times faster than `scipy.stats.boschloo_exact`, which does not look at all tables at once: a comparison of 80
    configurations has 3160 pairs.
    """
    (a, m), (b, n) = first, second
    if m == 0 or n == 0 or (a, m) == (b, n) or a + b in (0, m + n):
        return 1.0
    return min(1.0, 2 * min(_boschloo_greater(a, m, b, n), _boschloo_greater(b, n, a, m)))


def _boschloo_greater(a: int, m: int, b: int, n: int) -> float:
    """Largest probability, over the common p, of tables whose Fisher p for "first greater" is not above the own."""
    fisher = _fisher_greater(m, n)
    # Tables with the same p may differ in the last digits.
    extreme = (fisher <= fisher[a, b] * (1 + 1e-9)).astype(float)

    def probability(p: np.ndarray) -> np.ndarray:
        own, other = _binomial(p, m), _binomial(p, n)
        found: np.ndarray = np.einsum("pk,pk->p", own @ extreme, other)
        return found

    # A polynomial whose maxima are about 1/sqrt(m + n) wide: a grid finds the highest, finer grids its top.
    low, high, count = 0.0, 1.0, 33 + 4 * math.isqrt(m + n)
    while True:
        p = np.linspace(low, high, count)
        values = probability(p)
        top = int(values.argmax())
        if p[1] - p[0] < 1e-4:
            return float(values[top])
        low, high, count = float(p[max(top - 1, 0)]), float(p[min(top + 1, count - 1)]), 17


@functools.lru_cache(maxsize=64)
def _fisher_greater(m: int, n: int) -> np.ndarray:
    """Fisher's one-sided p of k of m against l of n, [m+1,n+1]."""
    k, l = np.meshgrid(np.arange(m + 1), np.arange(n + 1), indexing="ij")
    found: np.ndarray = stats.hypergeom.sf(k - 1, m + n, k + l, m)
    return found


def _binomial(p: np.ndarray, n: int) -> np.ndarray:
    """Probability of k of n at each p, [P,n+1]."""
    k = np.arange(n + 1)
    logs = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    found: np.ndarray = np.exp(logs + special.xlogy(k, p[:, None]) + special.xlog1py(n - k, -p[:, None]))
    return found


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


@functools.lru_cache(maxsize=65536)
def probability_greater(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Pr(p_A > p_B) of two (converged, members), from independent Beta posteriors with Jeffreys' prior.

    The expectation of B's distribution function over A's quantiles, by Gauss-Legendre.
    """
    nodes, weights = quadrature(200)
    return float(weights @ special.betainc(*_posterior(*second), special.betaincinv(*_posterior(*first), nodes)))


def power(p: float, q: float, seeds: int, significance: float = SIGNIFICANCE) -> float:
    """How often Boschloo's two-sided test of so many seeds each finds the difference of two P(converge); exact."""
    own, other = _binomial(np.array([p, q]), seeds)
    return float(own @ rejected(seeds, significance) @ other)


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


def _posterior(converged: int, members: int) -> tuple[float, float]:
    """Parameters of the Beta posterior."""
    return converged + PRIOR, members - converged + PRIOR


@functools.lru_cache(maxsize=64)
def quadrature(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


@functools.lru_cache(maxsize=256)
def rejected(seeds: int, significance: float) -> np.ndarray:
    """Whether Boschloo's two-sided test rejects, for k of n against l of n, bool [n+1, n+1].

    One-sided p-values are the largest probability over the common p of tables whose Fisher p is not larger; twice the
    smaller of the two sides' is compared with the level.
    """
    greater = _fisher_greater(seeds, seeds).ravel()
    # Rounded: tables with the same p may differ in the last digits.
    order = np.argsort(np.round(greater, 12), kind="stable")
    ordered = np.round(greater, 12)[order]
    ends = np.searchsorted(ordered, ordered, side="right") - 1
    largest = np.zeros(len(order))
    for pmf in _binomial(np.linspace(0, 1, 65)[1:-1], seeds):
        largest = np.maximum(largest, np.cumsum(np.outer(pmf, pmf).ravel()[order])[ends])
    one_sided = np.empty(len(order))
    one_sided[order] = largest
    table = one_sided.reshape(seeds + 1, seeds + 1)
    found: np.ndarray = 2 * np.minimum(table, table.T) < significance
    return found
