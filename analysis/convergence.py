"""Statistics of convergence. Pure functions over counts and arrays."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy import stats


def wilson(converged: int, members: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927); (0, 1) for no members."""
    if members == 0:
        return 0.0, 1.0
    interval = stats.binomtest(converged, members).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def time_to_convergence(converged_at: np.ndarray, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """Kaplan-Meier: (steps, share converged by then), from 0 to the budget, both ends included.

    converged_at: [n], NaN for a member that did not converge, which is censored at the budget.
    """
    events = converged_at[np.isfinite(converged_at)]
    if not len(events):
        return np.array([0, budget]), np.zeros(2)
    censored = np.full(len(converged_at) - len(events), budget)
    estimate = stats.ecdf(stats.CensoredData(uncensored=events, right=censored))
    # An event at the budget comes before the censoring there.
    steps = np.concatenate([[0], estimate.cdf.quantiles, [budget]])
    share = np.concatenate([[0], estimate.cdf.probabilities, estimate.cdf.probabilities[-1:]])
    return steps, share


def median_time(steps: np.ndarray, share: np.ndarray) -> float:
    """First step by which half have converged; NaN if fewer did."""
    reached = np.flatnonzero(share >= 0.5)
    return float(steps[reached[0]]) if len(reached) else float("nan")


def pairwise(counts: Sequence[tuple[int, int]]) -> list[tuple[int, int, float, float]]:
    """(i, j, p, adjusted p) of every pair of (converged, members): Boschloo's exact test, two-sided, with Holm's
    adjustment over the family."""
    pairs = list(itertools.combinations(range(len(counts)), 2))
    values = [boschloo(counts[i], counts[j]) for i, j in pairs]
    return [(i, j, p, q) for (i, j), p, q in zip(pairs, values, holm(values), strict=True)]


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


def named_best(scores: Sequence[np.ndarray]) -> np.ndarray:
    """How often a comparison of one seed each names each configuration the best, [configurations]; exact.

    scores: one array a configuration, a score a seed. Every seed is as likely; ties are broken evenly: with u the
    place of i's tie-breaker in [0,1], i wins against all j with probability prod_j P(x_j < x_i) + u P(x_j = x_i),
    integrated over u. Errors: ValueError for a configuration without scores.
    """
    if any(len(values) == 0 for values in scores):
        raise ValueError("a configuration without scores cannot be compared")
    # Gauss-Legendre of this many nodes is exact for the product's degree.
    nodes, weights = np.polynomial.legendre.leggauss(len(scores) // 2 + 1)
    nodes, weights = (nodes + 1) / 2, weights / 2
    shares = []
    for i, own in enumerate(scores):
        wins = np.ones((len(own), len(nodes)))
        for j, other in enumerate(scores):
            if j != i:
                below = (other[None, :] < own[:, None]).mean(1)
                equal = (other[None, :] == own[:, None]).mean(1)
                wins *= below[:, None] + nodes[None, :] * equal[:, None]
        shares.append(float((wins @ weights).mean()))
    return np.array(shares)


def newcombe(first: tuple[int, int], second: tuple[int, int], confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two proportions, first less second, each (converged, members), from their Wilson
    intervals (Newcombe 1998, method 10); (-1, 1) without members."""
    if not first[1] or not second[1]:
        return -1.0, 1.0
    p, q = first[0] / first[1], second[0] / second[1]
    (p_low, p_high), (q_low, q_high) = wilson(*first, confidence), wilson(*second, confidence)
    return p - q - float(np.hypot(p - p_low, q_high - q)), p - q + float(np.hypot(p_high - p, q - q_low))


def median_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the median from order statistics, whatever the distribution; the extremes where the values are too
    few for one, NaN without values."""
    if not len(values):
        return float("nan"), float("nan")
    ordered = np.sort(values)
    # The k-th smallest is above the median with probability P(Binomial(n, 1/2) < k).
    rank = max(int(stats.binom.ppf((1 - confidence) / 2, len(ordered), 0.5)), 1)
    return float(ordered[rank - 1]), float(ordered[-rank])


def superiority(
    first: np.ndarray, second: np.ndarray, confidence: float = 0.95, rounds: int = 2000
) -> tuple[float, float, float]:
    """Probability that a value of `first` [m] is above one of `second` [n], ties by half, with a bootstrap interval.

    NaN, a member that diverged, is below every number. Same values, same interval: the draws have a fixed seed.
    """
    ordered = [np.where(np.isfinite(values), values, -np.inf) for values in (first, second)]
    wins = (ordered[0][:, None] > ordered[1]) + (ordered[0][:, None] == ordered[1]) / 2
    rng = np.random.default_rng(0)
    m, n = wins.shape
    drawn = [wins[rng.integers(m, size=m)][:, rng.integers(n, size=n)].mean() for _ in range(rounds)]
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(wins.mean()), float(low), float(high)
