"""Final scores of seeds: profiles, averages that say what they hide, and where their variance comes from.

More is better: where less is, scores are given with their signs turned.
NaN is the score of a member that diverged: below every number.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

from seedsweep.analysis.statistics.proportions import jeffreys

#: Draws of every bootstrapped interval. They have a fixed seed: the same values give the same interval.
ROUNDS = 1000
#: Results cached of each function: a report is written again and again while a study runs.
MOST_CACHED = 20_000


def smoothed(
    values: np.ndarray, rounds: int = ROUNDS, points: int = 200, span: tuple[float, float] = (0.0, 1.0)
) -> np.ndarray:
    """Distributions that the values [n] may come from, as quantiles in the middles of so many equal shares,
    [rounds,points]: Banks' smoothed Bayesian bootstrap (1988).

    Shares of the gaps between neighbours, and between the extremes and the ends of the span, are Dirichlet's; equal
    values stay equal; the span reaches at least as far as the values. The plain bootstrap draws nothing beyond the
    extremes: of 12 scores in two clumps its intervals at 95 % hold in 80 % (profiles) to 93 % (interquartile mean) of
    simulations, these in 93 to 96 %.
    """
    rng = np.random.default_rng(0)
    knots = np.sort(np.concatenate([span, values]))
    reached = np.cumsum(rng.dirichlet(np.ones(len(values) + 1), rounds), axis=1)
    middles = (np.arange(points) + 0.5) / points
    return np.stack([np.interp(middles, np.concatenate([[0.0], row[:-1], [1.0]]), knots) for row in reached])


def central(drawn: Any, confidence: float) -> np.ndarray:
    """Between which bounds this share of the draws [R,...] is, as many below as above: [2,...]."""
    bounds: np.ndarray = np.quantile(np.asarray(drawn), [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return bounds


def profile(
    values: np.ndarray, thresholds: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Performance profile P(score > t) (Agarwal 2021) of scores [n], with a pointwise band, Jeffreys' interval: each
    [T]. The bootstrap's band is empty where all or no seeds are above t."""
    above = (np.asarray(values, float)[:, None] > thresholds).sum(0)
    low, high = np.array([jeffreys(int(k), len(values), confidence) for k in above]).T
    return above / len(values), low, high


def median_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the median from order statistics, whatever the distribution; the extremes where the values are too
    few for one, NaN without values."""
    if not len(values):
        return float("nan"), float("nan")
    ordered = np.sort(values)
    # The k-th smallest is above the median with probability P(Binomial(n, 1/2) < k).
    rank = max(int(stats.binom.ppf((1 - confidence) / 2, len(ordered), 0.5)), 1)
    return float(ordered[rank - 1]), float(ordered[-rank])


def interquartile_mean(
    values: np.ndarray, confidence: float = 0.95, span: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float, float]:
    """Mean of the middle half, with an interval from `smoothed`; NaN without values.

    It hides up to a quarter of failures: never to be shown alone. Errors: ValueError for a value that is not finite.
    """
    if not len(values):
        return float("nan"), float("nan"), float("nan")
    if not np.isfinite(values).all():
        raise ValueError("the interquartile mean of values that are not finite: say what a diverged member counts as")
    return _interquartile_mean(np.asarray(values, float).tobytes(), confidence, span)


@functools.lru_cache(MOST_CACHED)
def _interquartile_mean(content: bytes, confidence: float, span: tuple[float, float]) -> tuple[float, float, float]:
    values = np.frombuffer(content)
    drawn = smoothed(values, span=span)[:, 50:150].mean(1)
    low, high = central(drawn, confidence)
    return float(stats.trim_mean(values, 0.25)), float(low), float(high)


def superiority(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Probability that a value of `first` [m] is above one of `second` [n], ties by half (of improvement, Agarwal
    2021), with Newcombe's score interval (2006, method 5); 0 to 1 where either is empty.

    NaN, a member that diverged, is below every number.
    """
    if not len(first) or not len(second):
        return float("nan"), 0.0, 1.0
    ordered = [np.where(np.isfinite(values), values, -np.inf).tobytes() for values in (first, second)]
    return _superiority(ordered[0], ordered[1], confidence)


@functools.lru_cache(MOST_CACHED)
def _superiority(first: bytes, second: bytes, confidence: float) -> tuple[float, float, float]:
    ordered = np.frombuffer(first), np.frombuffer(second)
    wins = float(((ordered[0][:, None] > ordered[1]) + (ordered[0][:, None] == ordered[1]) / 2).mean())
    m, n = map(len, ordered)
    middle = (m + n) / 2 - 1
    z = stats.norm.ppf((1 + confidence) / 2)

    # At 0 and 1 the variance is 0: the roots lie next to the observed share.
    def excess(theta: float) -> float:
        variance = theta * (1 - theta) / (m * n)
        variance *= 1 + middle * (1 - theta) / (2 - theta) + middle * theta / (1 + theta)
        return float(abs(theta - wins) - z * np.sqrt(variance))

    low = optimize.brentq(excess, 0, wins - 1e-9) if wins > 0 else 0.0
    high = optimize.brentq(excess, wins + 1e-9, 1) if wins < 1 else 1.0
    return wins, float(low), float(high)


@dataclass(frozen=True)
class Variance:
    """Of final scores, in squares of the score: between configurations, and between the seeds of one."""

    configurations: float
    seeds: float


def split_variance(groups: Sequence[np.ndarray]) -> Variance:
    """Variance components of one-way random effects (Searle 1992, section 3.6), not below 0; NaN with fewer than two
    groups or no group of two. `groups`: scores [n] of each configuration."""
    sizes = np.array([len(group) for group in groups if len(group)], float)
    total, count = sizes.sum(), len(sizes)
    if count < 2 or total <= count:
        return Variance(float("nan"), float("nan"))
    means = np.array([group.mean() for group in groups if len(group)])
    within = sum(((group - group.mean()) ** 2).sum() for group in groups if len(group)) / (total - count)
    grand = (sizes * means).sum() / total
    between = (sizes * (means - grand) ** 2).sum() / (count - 1)
    n0 = (total - (sizes**2).sum() / total) / (count - 1)
    return Variance(max(float((between - within) / n0), 0.0), float(within))
