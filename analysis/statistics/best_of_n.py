"""What single runs are worth: which configuration they would name, and how good the best of n is by luck alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from seedsweep.analysis.statistics.proportions import quadrature
from seedsweep.analysis.statistics.scores import central, smoothed


def named_best(scores: Sequence[np.ndarray]) -> np.ndarray:
    """How often a comparison of one seed each names each configuration the best, [configurations]; exact.

    scores: one array a configuration, a score a seed. Every seed is as likely; ties are broken evenly: with u the
    place of i's tie-breaker in [0,1], i wins against all j with probability prod_j P(x_j < x_i) + u P(x_j = x_i),
    integrated over u. Errors: ValueError for a configuration without scores.
    """
    if any(len(values) == 0 for values in scores):
        raise ValueError("a configuration without scores cannot be compared")
    sizes = np.array([len(values) for values in scores])
    own, owner = np.concatenate(scores), np.repeat(np.arange(len(scores)), sizes)
    order = np.argsort(own, kind="stable")
    own, owner = own[order], owner[order]
    is_of = owner[:, None] == np.arange(len(scores))
    # Of each configuration [., j], the share of its scores among the so many lowest of all.
    reached = np.concatenate([np.zeros((1, len(scores))), np.cumsum(is_of, axis=0)]) / sizes
    below, up_to = reached[np.searchsorted(own, own, "left")], reached[np.searchsorted(own, own, "right")]
    equal = up_to - below
    # The product's degree is the number of others that have an equal score: Gauss-Legendre of these nodes is exact.
    nodes, weights = quadrature(int((equal > 0).sum(1).max() - 1) // 2 + 1)
    wins = sum(
        weight * np.where(is_of, 1.0, below + node * equal).prod(1) for node, weight in zip(nodes, weights, strict=True)
    )
    return np.asarray(np.bincount(owner, wins, len(scores)) / sizes)


@dataclass(frozen=True)
class Replication:
    """Of a comparison with one seed each: how often it names each configuration the best, with an interval for the
    finite number of seeds that were run; each [configurations]."""

    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


def replication(
    scores: Sequence[np.ndarray], confidence: float = 0.95, rounds: int = 200, span: tuple[float, float] = (0.0, 1.0)
) -> Replication:
    """`named_best` with an interval from `smoothed`. Errors: ValueError for a configuration without scores.

    Where many scores are equal, the interval is somewhat narrow: at 12 seeds it held in 90 % of simulations.
    """
    share = named_best(scores)
    quantiles = [smoothed(values, rounds, points=64, span=span) for values in scores]
    # The draws of all configurations come from one seed: without another order for each they would be paired.
    orders = np.random.default_rng(1).permuted(np.tile(np.arange(rounds), (len(scores), 1)), axis=1)
    drawn = [named_best([q[o[i]] for q, o in zip(quantiles, orders, strict=True)]) for i in range(rounds)]
    low, high = central(drawn, confidence)
    return Replication(share, np.minimum(low, share), np.maximum(high, share))


def expected_best(
    scores: np.ndarray, most: int = 50, confidence: float = 0.95, span: tuple[float, float] = (0.0, 1.0)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected best score of 1, 2, ... of the n seeds, up to `most`, each [k], with a band from `smoothed`.

    Unbiased: the mean of the best over all choices of so many different seeds (Tang 2020, equation 3). Errors:
    ValueError without scores.
    """
    if not len(scores):
        raise ValueError("the best of no scores")
    runs = np.arange(1, min(len(scores), most) + 1)
    points = 400
    # Of k draws the largest is in the j-th of J equal shares of the distribution with probability (j^k - (j-1)^k)/J^k.
    largest = np.diff((np.arange(points + 1) / points)[None, :] ** runs[:, None], axis=1)
    drawn = smoothed(scores, points=points, span=span) @ largest.T
    low, high = central(drawn, confidence)
    best = _largest(len(scores), runs) @ np.sort(scores)
    return best, np.minimum(low, best), np.maximum(high, best)


def _largest(n: int, runs: np.ndarray) -> np.ndarray:
    """Probability that the i-th smallest of n values is the largest of k chosen ones: C(i-1, k-1) / C(n, k), [k,i]."""
    k, i = runs[:, None], np.arange(1, n + 1)[None, :]
    logs = _log_choose(np.maximum(i, k) - 1, k - 1) - _log_choose(np.full_like(k, n), k)
    return np.where(i >= k, np.exp(logs), 0.0)


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
