"""Final scores of seeds: profiles, averages that say what they hide, and where their variance comes from.

More is better: where less is, scores are given with their signs turned.
NaN is the score of a member that diverged: below every number.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from seedsweep.analysis.statistics.proportions import clopper_pearson

#: Draws of every interval that is drawn. They have a fixed seed: the same values give the same interval.
ROUNDS = 4000
#: An interval of 95 % that in truth holds in less than 93 % is not given.
EXCESS = 1.4
#: Results cached of each function: a report is written again and again while a study runs.
MOST_CACHED = 20_000


def profile(
    values: np.ndarray, thresholds: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Performance profile P(score > t) (Agarwal 2021) of scores [n], with a pointwise band, Clopper and Pearson's exact
    interval: each [T]."""
    above = (np.asarray(values, float)[:, None] > thresholds).sum(0)
    low, high = np.array([clopper_pearson(int(k), len(values), confidence) for k in above]).reshape(-1, 2).T
    return above / max(len(values), 1), low, high


def quantile_interval(
    values: np.ndarray, shares: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Intervals of quantiles of the distribution of values [n], at shares [Q] of it, from order statistics (David &
    Nagaraja 2003, section 7.1): each [Q], on the scale of the values.

    They hold at least so often whatever the distribution, with ties too. NaN where so few values have no bound; -inf
    where a member that diverged is the bound.
    """
    n, tail = len(values), (1 - confidence) / 2
    # The k-th smallest is above the quantile with probability P(Binomial(n, share) < k), and below it with
    # P(Binomial(n, share) >= k).
    first = stats.binom.ppf(tail, n, shares) if n else np.zeros(len(shares))
    last = stats.binom.ppf(1 - tail, n, shares) + 1 if n else np.ones(len(shares))
    none = float("nan")
    bounds = np.concatenate([[none], ordered(values), [none]])
    return bounds[first.astype(int)], bounds[last.astype(int)]


def median_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """`quantile_interval` of the median: NaN at 95 % of fewer than six values."""
    low, high = quantile_interval(values, np.array([0.5]), confidence)
    return float(low[0]), float(high[0])


def tolerance(values: np.ndarray, content: float = 0.9, confidence: float = 0.95) -> tuple[float, float]:
    """Lower tolerance bound (Wilks 1941) of values [n]: the score that at least a share `content` of new seeds reaches,
    at this confidence, whatever the distribution; and the share that reaches the worst of the values.

    The bound is NaN where so few values have none (at 90 % and 95 %: fewer than 29), -inf where it is a member that
    diverged; the share is 0 without values.
    """
    low, _ = quantile_interval(values, np.array([1 - content]), 2 * confidence - 1)
    return float(low[0]), float((1 - confidence) ** (1 / len(values))) if len(values) else 0.0


def ordered(values: np.ndarray) -> np.ndarray:
    """Values from the worst to the best; NaN is the worst, -inf."""
    values = np.asarray(values, float)
    return np.sort(np.where(np.isnan(values), -np.inf, values))


def interquartile_mean(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean of the middle half of values [n], with an interval on their scale; NaN where so few values have none.

    It hides up to a quarter of failures: never to be shown alone. Errors: ValueError for a value that is not finite.

    The interval: up to the i-th smallest of n values lies a share of their distribution that is distributed as the i-th
    smallest of n uniform numbers. Each draw of such shares puts what lies between two neighbours on the lower one for
    the lower bound, on the upper one for the upper bound (Gaffke 2005; Learned-Miller & Thomas 2020, whose bounds of a
    mean these are, for the middle half). Of a share it is Clopper and Pearson's interval, of a quantile that of order
    statistics. More than a quarter of the distribution lies below the smallest of n values with probability .75^n: from
    twelve values on there is an interval at 95 %, which at twelve holds in 93.7 % at least.
    """
    if len(values) and not np.isfinite(values).all():
        raise ValueError("the interquartile mean of values that are not finite: say what a diverged member counts as")
    return _interquartile_mean(np.sort(np.asarray(values, float)).tobytes(), confidence)


@functools.lru_cache(MOST_CACHED)
def _interquartile_mean(content: bytes, confidence: float) -> tuple[float, float, float]:
    values, none = np.frombuffer(content), float("nan")
    if not len(values):
        return none, none, none
    cut = len(values) // 4
    estimate = float(values[cut : len(values) - cut].mean())
    if 2 * 0.75 ** len(values) > EXCESS * (1 - confidence):
        return estimate, none, none
    middle = _middle_halves(len(values))
    low = middle @ np.concatenate([values[:1], values])
    high = middle @ np.concatenate([values, values[-1:]])
    below, above = central(low, high, confidence)
    # Of equal scores the sums differ by rounding alone.
    return estimate, min(float(below), estimate), max(float(above), estimate)


@functools.lru_cache(2)
def _middle_halves(count: int) -> np.ndarray:
    """Draws of the shares of the middle half that lie between so many ordered values, and beyond them: [R,count+1]."""
    reached = np.cumsum(gaps(count, ROUNDS), axis=1)
    ends = np.concatenate([np.zeros((ROUNDS, 1)), reached], axis=1)
    return np.asarray(2 * np.diff(np.clip(ends, 0.25, 0.75), axis=1))


def gaps(count: int, rounds: int, seed: int | tuple[int, ...] = 0) -> np.ndarray:
    """Draws of the shares of a distribution that lie between so many ordered values of it, and beyond them,
    [rounds,count+1]."""
    return np.random.default_rng(seed).dirichlet(np.ones(count + 1), rounds)


def central(low: np.ndarray, high: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Of draws [R,...] of lower and of upper bounds: below and above which not more than half of 1 - confidence are."""
    beyond = int((1 - confidence) / 2 * (len(low) + 1))
    return np.sort(low, axis=0)[max(beyond - 1, 0)], np.sort(high, axis=0)[-max(beyond, 1)]


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
