"""Shares of seeds: intervals, and tests of two or more."""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import optimize, special

#: One-sided level of Boschloo's test up to which intervals that hold 0 order tables as the test does.
FIRST_IN_ORDER = 0.1
#: Up to so many tables of two groups all are looked at; of more the limit of many seeds is taken.
MOST_TABLES = 45_000
#: Where a finer grid has its points.
FINER = np.linspace(-1, 1, 17)
#: Random deals of an omnibus test, and the states to which it is exact: about 0.1 s.
DRAWS, MOST_STATES = 9999, 4_000_000


def exact_of(share: np.ndarray, members: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """As `clopper_pearson`, of shares [N] of so many members [N], which need not be whole numbers."""
    share, members = np.asarray(share, float), np.asarray(members, float)
    met, error = share * members, (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        low = special.betaincinv(np.maximum(met, 1e-9), members - met + 1, error)
        high = special.betaincinv(met + 1, np.maximum(members - met, 1e-9), 1 - error)
    return np.where(met > 1e-9, low, 0.0), np.where(members - met > 1e-9, high, 1.0)


def clopper_pearson(converged: int, members: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a proportion (Clopper & Pearson 1934): covers at least so often, whatever the proportion, and
    more often as a rule; (0, 1) for no members."""
    if members == 0:
        return 0.0, 1.0
    # Quantiles of Beta distributions, which the binomial's tails are.
    low = special.betaincinv(converged, members - converged + 1, (1 - confidence) / 2) if converged else 0.0
    high = special.betaincinv(converged + 1, members - converged, (1 + confidence) / 2) if converged < members else 1.0
    return float(low), float(high)


@functools.lru_cache(maxsize=65536)
def boschloo(first: tuple[int, int], second: tuple[int, int]) -> float:
    """P-value that two (converged, members) have one P(converge) (Boschloo 1970), two-sided: twice the smaller of the
    one-sided ones; 1 without members.

    Many times faster than `scipy.stats.boschloo_exact`, which does not look at all tables at once: a comparison of 80
    configurations has 3160 pairs. Of more than MOST_TABLES (about 200 members each) it is the chi-square test's.
    """
    (a, m), (b, n) = first, second
    if m == 0 or n == 0 or (a, m) == (b, n) or a + b in (0, m + n):
        return 1.0
    if (m + 1) * (n + 1) > MOST_TABLES:
        pooled = (a + b) / (m + n)
        score = (a / m - b / n) / math.sqrt(pooled * (1 - pooled) * (1 / m + 1 / n))
        return float(min(1.0, 2 * special.ndtr(-abs(score))))
    return min(1.0, 2 * min(_boschloo_greater(a, m, b, n), _boschloo_greater(b, n, a, m)))


def difference(first: tuple[int, int], second: tuple[int, int], confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of the difference of two P(converge), first less second, each (converged, members); shares from
    -1 to 1, and (-1, 1) without members.

    It holds at least as often as it says, whatever the two P(converge), and leaves out 0 exactly where `boschloo` is
    below 1 - confidence. With more confidence it is wider (from .8 up). Of more than MOST_TABLES it is Newcombe's
    method 10 (1998), and agrees with `boschloo` all the same.
    """
    if first[1] == 0 or second[1] == 0:
        return -1.0, 1.0
    if (first[1] + 1) * (second[1] + 1) > MOST_TABLES:
        return _difference_of_many(first, second, confidence)
    return _least_difference(*first, *second, 1 - confidence), -_least_difference(*second, *first, 1 - confidence)


def _difference_of_many(first: tuple[int, int], second: tuple[int, int], confidence: float) -> tuple[float, float]:
    shares, members = (np.array([one[place] for one in (first, second)], float) for place in (0, 1))
    shares = shares / members
    low, high = _wilson(shares, members, confidence)
    apart = float(shares[0] - shares[1])
    below = apart - float(np.hypot(shares[0] - low[0], high[1] - shares[1]))
    above = apart + float(np.hypot(high[0] - shares[0], shares[1] - low[1]))
    if boschloo(first, second) >= 1 - confidence:
        return min(below, 0.0), max(above, 0.0)
    least = math.ulp(0.0)
    return (max(below, least), above) if apart > 0 else (below, min(above, -least))


@functools.lru_cache(maxsize=65536)
def _least_difference(a: int, m: int, b: int, n: int, significance: float) -> float:
    """Lower bound of the difference at half of this significance.

    Tables are put into an order, and the bound is the least difference at which the tables from the top of the order
    to the own one can have that probability (Buehler 1957). Any order gives a bound that holds often enough. A good
    one, here by Newcombe's lower bound, makes it high (Kabaila & Lloyd 2003); by Fisher's p alone, nothing would be
    known of two groups that all converged.

    Where Boschloo's one-sided test finds the difference, that is the bound, or 0 if it is below. Elsewhere the order
    starts with Fisher's p, as the test's does, up to what the test finds at FIRST_IN_ORDER, and the bound is 0 at most.
    So at each difference up to 0 what is above the bound is a part of the second order, and at each above 0 of the
    first. All these sets hold with a table those with more of the first or fewer of the second converged: their
    probability grows with the difference.
    """
    found = _boschloo_greater(a, m, b, n) < significance / 2
    bound, fisher = _newcombe_lower(m, n), _fisher_greater(m, n)
    tables = (bound >= bound[a, b] - 1e-10).astype(float)
    if not found:
        start = _found(m, n, max(significance / 2, FIRST_IN_ORDER))
        tables = _at_most(fisher, fisher[a, b]) if start[a, b] else np.maximum(tables, start)

    @functools.cache
    def excess(at: float, largest: Callable[[np.ndarray, float], float] = _largest) -> float:
        return math.log(max(largest(tables, at), 1e-300) / (significance / 2))

    low, high = (0.0, 1.0) if found else (-1.0, 0.0)
    if excess(low) >= 0:
        # Above 0 by the test alone: the least number that is.
        return math.ulp(0.0) if found else -1.0
    if excess(high) <= 0:
        return high
    root = _root(excess, lambda at: excess(at, _roughly_largest), low, high)
    return max(root, math.ulp(0.0)) if found else root


def _root(exact: Callable[[float], float], rough: Callable[[float], float], low: float, high: float) -> float:
    """Where a growing function is 0, between two numbers at which it is not. rough: one much like it that takes less
    time."""
    near, apart = low, high - low
    if rough(low) < 0 < rough(high):
        near, apart = optimize.brentq(rough, low, high, xtol=1e-5), 1e-4
    below, above = max(near - apart, low), min(near + apart, high)
    while exact(below) > 0 and below > low:
        below, apart = max(below - 8 * apart, low), 8 * apart
    while exact(above) < 0 and above < high:
        above, apart = min(above + 8 * apart, high), 8 * apart
    root: float = optimize.brentq(exact, below, above, xtol=1e-8)
    return root


@functools.lru_cache(maxsize=128)
def lower_beyond(seeds: int, apart: float, significance: float) -> np.ndarray:
    """Whether the lower bound of `difference` is above `apart`, for each k of so many seeds less l of as many,
    [n+1,n+1]: all tables at once, to about 1 % of the probabilities. significance: 1 less the confidence.

    As `_least_difference` orders them: the bound is above where the tables from the top of the order to the own one
    have less than half of the significance at this difference.
    """
    if (seeds + 1) ** 2 > MOST_TABLES:
        return _newcombe_lower(seeds, seeds, 1 - significance) > apart
    fisher, bound = _fisher_greater(seeds, seeds), np.round(_newcombe_lower(seeds, seeds), 9)
    found = _found(seeds, seeds, significance / 2) > 0
    if apart == 0:
        return found
    order = -bound
    if apart < 0:
        # What the test finds is above 0. The others begin with Fisher's p.
        start = _found(seeds, seeds, max(significance / 2, FIRST_IN_ORDER)) > 0
        order = np.where(start, np.log(np.maximum(fisher, 1e-300)).round(9) - 1e3, order)
    values, place = np.unique(order, return_inverse=True)
    place, largest, k = place.ravel(), np.zeros(len(values)), np.arange(seeds + 1)
    low = max(0.0, -apart)
    room = min(1.0, 1 - apart) - low
    for angle in np.linspace(0, np.pi / 2, 65 + 12 * math.isqrt(seeds)):
        q = low + room * np.sin(angle) ** 2
        own, other = (_binomial(np.array([share]), seeds)[0] for share in (min(max(q + apart, 0.0), 1.0), q))
        chances = np.bincount(place, np.outer(own, other).ravel(), len(values))
        np.maximum(largest, np.cumsum(chances), out=largest)
    above = largest[place].reshape(len(k), len(k)) < significance / 2
    return found | above if apart < 0 else found & above


@functools.lru_cache(maxsize=256)
def _found(m: int, n: int, level: float) -> np.ndarray:
    """1 for each table whose one-sided p by Boschloo, "first greater", is below the level, [m+1,n+1]."""
    fisher = _fisher_greater(m, n)
    values = np.unique(fisher)
    count = bisect.bisect_left(values, level, key=lambda value: _largest(_at_most(fisher, value), 0.0))
    return _at_most(fisher, values[count - 1] if count else -1.0)


def _wilson(share: np.ndarray, members: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Score intervals of shares [N] of so many members [N] (Wilson 1927)."""
    z2 = special.ndtri((1 + confidence) / 2) ** 2
    centre = (members * share + z2 / 2) / (members + z2)
    half = np.sqrt(z2 * (members * share * (1 - share) + z2 / 4)) / (members + z2)
    low, high = np.maximum(centre - half, 0), np.minimum(centre + half, 1)
    return np.where(share > 0, low, 0.0), np.where(share < 1, high, 1.0)


@functools.lru_cache(maxsize=64)
def _newcombe_lower(m: int, n: int, confidence: float = 0.95) -> np.ndarray:
    """Lower bound of the difference of k of m and l of n by Newcombe's method 10 (1998), [m+1,n+1]."""
    own, other = np.arange(m + 1) / m, np.arange(n + 1) / n
    low, _ = _wilson(own, np.full(m + 1, m), confidence)
    _, high = _wilson(other, np.full(n + 1, n), confidence)
    found: np.ndarray = np.subtract.outer(own, other) - np.hypot.outer(own - low, high - other)
    return found


@functools.lru_cache(maxsize=65536)
def _boschloo_greater(a: int, m: int, b: int, n: int) -> float:
    """Largest probability, over the common p, of tables whose Fisher p for "first greater" is not above the own."""
    fisher = _fisher_greater(m, n)
    return _largest(_at_most(fisher, fisher[a, b]), 0.0)


def _at_most(fisher: np.ndarray, value: float) -> np.ndarray:
    """1 for each table whose p is not above this; tables with the same p may differ in the last digits."""
    return (fisher <= value * (1 + 1e-9)).astype(float)


def _largest(tables: np.ndarray, difference: float) -> float:
    """Largest probability of a set of tables (1 or 0, [m+1,n+1]) over all pairs of P(converge) with this difference, to
    two millionths of it."""
    angles, values = _along(tables, difference)
    if not values.any():
        return 0.0
    padded, step = np.concatenate([[-1.0], values, [-1.0]]), angles[1]
    tops = angles[(values >= padded[:-2]) & (values > padded[2:]) & (values > 0.9 * values.max())]
    # Finer grids around each top, until three points of one are a parabola.
    while step > 5e-3:
        centres = np.clip(tops, step, np.pi / 2 - step)
        finer = centres[:, None] + step * FINER
        around = _probability(tables, difference, finer.ravel()).reshape(finer.shape)
        tops, step = finer[np.arange(len(tops)), around.argmax(1)], step / 8
    return max(map(_vertex, around))


def _roughly_largest(tables: np.ndarray, difference: float) -> float:
    """As `_largest`, to two thousandths of it."""
    return _vertex(_along(tables, difference)[1])


def _along(tables: np.ndarray, difference: float) -> tuple[np.ndarray, np.ndarray]:
    """The probability at angles from 0 to a right one: a polynomial whose maxima are about 1/sqrt(m + n) wide."""
    angles = _angles(33 + 4 * math.isqrt(sum(tables.shape) - 2))
    return angles, _probability(tables, difference, angles)


@functools.lru_cache(maxsize=256)
def _angles(count: int) -> np.ndarray:
    return np.linspace(0, np.pi / 2, count)


def _probability(tables: np.ndarray, difference: float, angles: np.ndarray) -> np.ndarray:
    """Probability of a set of tables where the second P(converge) is at this angle of its range, [A]. A share's
    standard error is the same at all angles."""
    start = max(0.0, -difference)
    q = start + (min(1.0, 1 - difference) - start) * np.sin(angles) ** 2
    own, other = _binomial(q + difference, tables.shape[0] - 1), _binomial(q, tables.shape[1] - 1)
    found: np.ndarray = np.einsum("pk,pk->p", own @ tables, other)
    return found


def _vertex(values: np.ndarray) -> float:
    """Largest value of a curve through points at equal distances [P]: the vertex of a parabola, or an end."""
    top = int(values.argmax())
    if not 0 < top < len(values) - 1:
        return float(values[top])
    left, here, right = values[top - 1 : top + 2].tolist()
    bend = left - 2 * here + right
    return float(here - (right - left) ** 2 / (8 * bend) if bend < 0 else here)


@functools.lru_cache(maxsize=64)
def _fisher_greater(m: int, n: int) -> np.ndarray:
    """Fisher's one-sided p of k of m against l of n, [m+1,n+1]."""
    k, l = np.arange(m + 1), np.arange(n + 1)
    total = _log_choices(m + n)[np.add.outer(k, l)]
    found: np.ndarray = np.exp(np.add.outer(_log_choices(m), _log_choices(n)) - total)
    # With k + l as it is: the own table and those with more of the first.
    for row in reversed(range(m)):
        found[row, 1:] += found[row + 1, :-1]
    return found


@functools.lru_cache(maxsize=256)
def _log_choices(n: int) -> np.ndarray:
    """Logarithms of the ways to choose k of n, [n+1]."""
    k = np.arange(n + 1)
    found: np.ndarray = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return found


def _binomial(p: np.ndarray, n: int) -> np.ndarray:
    """Probability of k of n at each p, [P,n+1]."""
    # At 0 and 1 the logarithms would be infinite; sums may lie a last digit outside.
    p = np.clip(p, 1e-300, 1 - 1e-16)[:, None]
    none = np.log1p(-p)
    found: np.ndarray = np.exp(_log_choices(n) + (np.log(p) - none) * np.arange(n + 1) + n * none)
    return found


def same_share(counts: Sequence[tuple[int, int]]) -> float:
    """P-value that all groups [(converged, members)] have one P(converge): how often the chi-square statistic is not
    below the own when the pooled seeds are dealt to the groups at random; 1 where all or none converged, or with fewer
    than two groups with members.

    It keeps its level whatever the P(converge), since the pooled count is given (Fisher's argument). Exact where that
    is quick, else from DRAWS random deals, the same at each call, with the own one counted in.
    """
    groups = sorted((int(converged), int(members)) for converged, members in counts if members)
    sizes = tuple(sorted(members for _, members in groups))
    pooled = sum(converged for converged, _ in groups)
    if len(groups) < 2 or pooled in (0, sum(sizes)):
        return 1.0
    values, chances = _deals(sizes, pooled)
    own = sum(converged**2 / members for converged, members in groups)
    # Equal sums may differ in the last digits.
    return float(chances[np.searchsorted(values, own * (1 - 1e-12))])


@functools.lru_cache(maxsize=256)
def _deals(sizes: tuple[int, ...], pooled: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums of k^2/n over the groups, with which chi-square grows, when so many are dealt to groups of these sizes,
    ascending [V], and the probability of at least each, then of more than the last [V+1]."""
    exact = _all_deals(sizes, pooled)
    if exact is not None:
        values, chances = exact
        above = np.append(np.cumsum(chances[::-1])[::-1], 0.0)
        return values, above / above[0]
    rng = np.random.default_rng(0)
    left, rest, values = np.full(DRAWS, pooled), sum(sizes), np.zeros(DRAWS)
    for size in sizes:
        rest -= size
        dealt = rng.hypergeometric(size, rest, left)
        left, values = left - dealt, values + dealt**2 / size
    return np.sort(values), np.arange(DRAWS + 1, 0, -1) / (DRAWS + 1)


def _all_deals(sizes: tuple[int, ...], pooled: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The sums of `_deals`, each once, and their probabilities but for a factor; None where that takes long.

    Group by group: a state is the seeds dealt and the sum so far, scaled to a whole number, in one integer.
    """
    scale, total = math.lcm(*sizes), sum(sizes)
    span = scale * total + 1
    if span * (total + 1) >= 2**63:
        return None
    states: np.ndarray = np.zeros(1, dtype=np.int64)
    chances: np.ndarray = np.ones(1)
    work, rest = 0, total
    for size in sizes:
        work += len(states) * (size + 1)
        if work > MOST_STATES:
            return None
        rest -= size
        k = np.arange(size + 1)
        found = np.add.outer(states, k * span + k**2 * (scale // size)).ravel()
        within = (found // span <= pooled) & (found // span + rest >= pooled)
        states, place = np.unique(found[within], return_inverse=True)
        # Binomial counts with the right sum have the probabilities of a deal, whatever their p.
        chance = np.outer(chances, _binomial(np.array([pooled / total]), size)[0]).ravel()
        chances = np.bincount(place, chance[within], len(states))
    return (states % span) / scale, chances


@functools.lru_cache(maxsize=64)
def quadrature(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2
