"""How two configurations are tested and their difference is estimated, on either axis: by independent seeds, seed by
seed, or after every seed.

What is compared: of `converging` whether each seed converged; of scores the scores, more being better, NaN where a
member diverged.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from scipy import special, stats

from seedsweep.analysis.statistics.anytime import betting, betting_interval
from seedsweep.analysis.statistics.blocks import same_within_seeds
from seedsweep.analysis.statistics.pairing import compared, mcnemar, signed_rank
from seedsweep.analysis.statistics.proportions import boschloo, difference, same_share
from seedsweep.analysis.statistics.ranks import rank_sum, same_scores, shift, superiority
from seedsweep.core.records.decision import CONVERGING

#: Estimate, lower and upper bound.
Estimate = tuple[float, float, float]


class Method(Protocol):
    """One way of comparing two configurations. first [m], second [n], both in the order of their seeds."""

    #: Whether p and intervals hold at whatever number of seeds one stops.
    anytime: bool

    def p(self, axis: str, first: np.ndarray, second: np.ndarray) -> float:
        """Two-sided, that they are equal; 1 where either has no seed."""

    def p_all(self, axis: str, groups: Sequence[np.ndarray]) -> float:
        """That all groups [n] are equal; 1 with fewer than two."""

    def direction(self, axis: str, first: np.ndarray, second: np.ndarray) -> int:
        """1 where `p` is for the first being the better one, else -1."""

    def estimate(self, axis: str, first: np.ndarray, second: np.ndarray, confidence: float) -> Estimate:
        """Of converging the difference of P(converge), first less second; of scores the probability that one of the
        first is better, ties by half."""

    def shift(self, first: np.ndarray, second: np.ndarray, confidence: float) -> Estimate:
        """By how much scores of the first are higher."""


class Independent:
    """Boschloo's exact test and the interval that inverts it; the exact rank-sum test."""

    anytime = False

    def p(self, axis: str, first: np.ndarray, second: np.ndarray) -> float:
        """As `Method`."""
        return boschloo(counts(first), counts(second)) if axis == CONVERGING else rank_sum(first, second)

    def p_all(self, axis: str, groups: Sequence[np.ndarray]) -> float:
        """As `Method`: by permutation."""
        return same_share([counts(own) for own in groups]) if axis == CONVERGING else same_scores(groups)

    def direction(self, axis: str, first: np.ndarray, second: np.ndarray) -> int:
        """As `Method`."""
        return 1 if mean_wins(first, second) > 0 else -1

    def estimate(self, axis: str, first: np.ndarray, second: np.ndarray, confidence: float) -> Estimate:
        """As `Method`."""
        if axis != CONVERGING:
            return superiority(first, second, confidence)
        return mean_difference(first, second), *difference(counts(first), counts(second), confidence)

    def shift(self, first: np.ndarray, second: np.ndarray, confidence: float) -> Estimate:
        """As `Method`: Hodges and Lehmann's."""
        return shift(first, second, confidence)


class SeedBySeed:
    """Equal seeds are pairs: McNemar's exact test, the exact signed-rank test, and intervals by betting on the pairs.
    Seeds that only one has are left out.

    Few large gains may outweigh many small losses in signed ranks: what is said of a pair is who wins in more seeds,
    and where the ranks point the other way nothing is.
    """

    anytime = False

    def p(self, axis: str, first: np.ndarray, second: np.ndarray) -> float:
        """As `Method`."""
        one, other = _common(first, second)
        if axis == CONVERGING:
            return mcnemar(one, other)
        return signed_rank(one, other) if _signed_ranks(one, other) * _mean_sign(one, other) > 0 else 1.0

    def p_all(self, axis: str, groups: Sequence[np.ndarray]) -> float:
        """As `Method`: by permutation within seeds."""
        return same_within_seeds(groups)

    def direction(self, axis: str, first: np.ndarray, second: np.ndarray) -> int:
        """As `Method`."""
        return 1 if _mean_sign(*_common(first, second)) > 0 else -1

    def estimate(self, axis: str, first: np.ndarray, second: np.ndarray, confidence: float) -> Estimate:
        """As `Method`."""
        values = compared(*_common(first, second))
        low, high = betting_interval(values, confidence)
        middle = float(values.mean()) if len(values) else float("nan")
        found = (middle, low, high)
        return (2 * middle - 1, 2 * low - 1, 2 * high - 1) if axis == CONVERGING else found

    def shift(self, first: np.ndarray, second: np.ndarray, confidence: float) -> Estimate:
        """As `Method`: the median of the pairs' differences, and between which shifts those lie that the bets do not
        reject."""
        apart = _apart(*_common(first, second))
        if not len(apart):
            return float("nan"), -np.inf, np.inf
        refused = 1 - confidence

        def side(place: float) -> int:
            """-1 where a shift of so much is too low, 1 where too high, 0 where neither is shown."""
            values = compared(apart, np.full(len(apart), place))
            if values.mean() == 0.5 or betting(values) >= refused:
                return 0
            return -1 if values.mean() > 0.5 else 1

        # What is bet on changes at the differences alone: each is tried, and one place in each gap between.
        places, ends = _with_gaps(np.unique(apart))
        sides = [side(place) for place in places]
        low = next((end for (end, _), own in zip(ends, sides, strict=True) if own >= 0), np.inf)
        high = next((end for (_, end), own in zip(ends[::-1], sides[::-1], strict=True) if own <= 0), -np.inf)
        with np.errstate(invalid="ignore"):
            # NaN where it would lie between -inf and inf.
            return float(np.median(apart)), float(low), float(high)


class AfterEverySeed(SeedBySeed):
    """As `SeedBySeed`, tested by betting, too: valid at whatever number of seeds one stops."""

    anytime = True

    def p(self, axis: str, first: np.ndarray, second: np.ndarray) -> float:
        """As `Method`."""
        return betting(compared(*_common(first, second)))

    def p_all(self, axis: str, groups: Sequence[np.ndarray]) -> float:
        """As `Method`: of the pairs' p-values the smallest, times their number (Bonferroni)."""
        pairs = list(itertools.combinations(groups, 2))
        return min([1.0, *(len(pairs) * self.p(axis, *pair) for pair in pairs)])

    def direction(self, axis: str, first: np.ndarray, second: np.ndarray) -> int:
        """As `Method`: of the seeds up to where the bets had won the most."""
        values = compared(*_common(first, second))
        least = betting(values) * (1 + 1e-9)
        seeds = bisect.bisect_left(range(len(values) + 1), -least, key=lambda seeds: -betting(values[:seeds]))
        return 1 if values[:seeds].mean() > 0.5 else -1


class Forecast:
    """A method for what may still be seen, a thousand times: p-values by their approximations for many seeds, where
    exact ones take long. Nothing is decided by them."""

    def __init__(self, method: Method):
        self._method, self.anytime = method, method.anytime
        self._by_seed = isinstance(method, SeedBySeed)

    def p(self, axis: str, first: np.ndarray, second: np.ndarray) -> float:
        """As `Method`."""
        if axis == CONVERGING or self._by_seed:
            # Exact: tables of counts come again and again, and each is computed once.
            return self._method.p(axis, first, second)
        return _kruskal_wallis_of((_bytes(first), _bytes(second))) if len(first) and len(second) else 1.0

    def p_all(self, axis: str, groups: Sequence[np.ndarray]) -> float:
        """As `Method`."""
        if not self._by_seed:
            return _kruskal_wallis_of(tuple(_bytes(own) for own in groups if len(own)))
        size = min(len(own) for own in groups)
        if self.anytime or not size:
            return self._method.p_all(axis, groups)
        ranks = np.apply_along_axis(stats.rankdata, 1, np.stack([_finite(own[:size]) for own in groups], 1))
        return _chi_square(ranks.sum(0) - ranks.mean() * size, ranks.var(1, ddof=1).sum())

    def direction(self, axis: str, first: np.ndarray, second: np.ndarray) -> int:
        """As `Method`."""
        return self._method.direction(axis, first, second)

    def estimate(self, axis: str, first: np.ndarray, second: np.ndarray, confidence: float) -> Estimate:
        """As `Method`."""
        return self._method.estimate(axis, first, second, confidence)

    def shift(self, first: np.ndarray, second: np.ndarray, confidence: float) -> Estimate:
        """As `Method`."""
        return self._method.shift(first, second, confidence)


def _bytes(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values, float).tobytes()


@functools.lru_cache(maxsize=4096)
def _kruskal_wallis_of(groups: tuple[bytes, ...]) -> float:
    """By its chi-square distribution; of flags it is that of a table of counts. Earlier looks are the same in all that
    may still be seen."""
    if len(groups) < 2:
        return 1.0
    values = [np.frombuffer(own) for own in groups]
    sizes = np.array([len(own) for own in values])
    ranks = _midranks(_finite(np.concatenate(values)))
    sums = np.add.reduceat(ranks, np.cumsum(sizes) - sizes)
    middle = (len(ranks) + 1) / 2
    variance = float(((ranks - middle) ** 2).sum()) / max(len(ranks) - 1, 1)
    return _chi_square((sums - sizes * middle) / np.sqrt(sizes), variance)


def _midranks(values: np.ndarray) -> np.ndarray:
    """As `scipy.stats.rankdata` [n], without what it checks, which takes most of its time."""
    order = np.argsort(values)
    ordered = values[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    after = np.append(first[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((first + after + 1) / 2, after - first)
    return ranks


def _chi_square(apart: np.ndarray, variance: float) -> float:
    """Of deviations of groups [G] with this variance."""
    return float(special.chdtrc(len(apart) - 1, (apart**2).sum() / variance)) if variance > 0 else 1.0


def counts(converged: np.ndarray) -> tuple[int, int]:
    """How many converged, and how many there are."""
    return int(converged.sum()), len(converged)


def mean_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Of two shares; NaN where either is of nothing."""
    return float(first.mean() - second.mean()) if len(first) and len(second) else float("nan")


def mean_wins(first: np.ndarray, second: np.ndarray) -> float:
    """How much more often one of the first is above one of the second than below, -1 to 1; NaN is below all."""
    one, other = _finite(first), _finite(second)
    return float((one[:, None] > other).mean() - (one[:, None] < other).mean())


def _mean_sign(first: np.ndarray, second: np.ndarray) -> float:
    """The same of pairs of seeds."""
    return float(np.mean(2 * compared(first, second) - 1)) if len(first) else 0.0


def _signed_ranks(first: np.ndarray, second: np.ndarray) -> float:
    """Sum of the signed ranks of the pairs' differences, as `signed_rank` has them."""
    apart = _apart(first, second)
    sizes = [float(f"{size:.9g}") for size in np.abs(apart)]
    return float((np.sign(apart) * stats.rankdata(sizes)).sum())


def _with_gaps(places: np.ndarray) -> tuple[list[float], list[tuple[float, float]]]:
    """Places [N], growing, and one in each gap between, before and behind them, with the ends of each place or gap."""
    found, ends = [], []
    for before, after in itertools.pairwise([-np.inf, *places, np.inf]):
        if before < after:
            inside = before / 2 + after / 2 if np.isfinite([before, after]).all() else np.nextafter(before, after)
            inside = np.nextafter(after, before) if not np.isfinite(before) and np.isfinite(after) else inside
            found.append(float(inside))
            ends.append((float(before), float(after)))
        if after < np.inf:
            found.append(float(after))
            ends.append((float(after), float(after)))
    return found, ends


def _common(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = min(len(first), len(second))
    return first[:size], second[:size]


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Differences, infinite where one diverged, 0 where both did."""
    one, other = _finite(first), _finite(second)
    with np.errstate(invalid="ignore"):
        return np.where(one == other, 0.0, one - other)


def _finite(values: np.ndarray) -> np.ndarray:
    """Diverged ones below every number, where they can be compared."""
    return np.where(np.isnan(np.asarray(values, float)), -np.inf, values)
