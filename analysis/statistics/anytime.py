"""A test and an interval that hold at any time, however often one looks: bets against a mean (Waudby-Smith & Ramdas
2024).

Values lie in [0, 1] and come one by one. In each pair of seeds a value is 1 where the first configuration does better,
1/2 where both do alike, 0 where the second does better (`pairing.compared`): equal distributions have a mean of 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import optimize

#: The means that are bet on, [J]. Gauss and Chebyshev's nodes: for whether 0 or 1 comes, their average is that over
#: Beta(1/2, 1/2), the bets of Krichevsky & Trofimov (1981), exact to 2 J - 1 values; of more it is a mixture all the
#: same, so that the level holds.
BETS = (1 + np.cos(np.pi * (np.arange(64) + 0.5) / 64)) / 2
#: How near bounds are found.
NEAR = 1e-7


def betting(values: Sequence[float] | np.ndarray, null: float = 0.5) -> float:
    """P-value, two-sided, that each of the values [n], given those before, has this mean; valid at any time.

    It is 1 / the largest wealth so far, at most 1: where the mean is `null`, it is ever below a level with a
    probability of at most that level (Ville 1939), so that one may stop, or go on, by what it says. A further value
    never raises it. The order of the values matters: it is to be fixed before, as by the number of the seed.

    A bet on the mean p multiplies the wealth by x p / null + (1 - x) (1 - p) / (1 - null), whose mean is 1 under the
    null; the wealth is the average over p (a universal portfolio: Cover & Ordentlich 1996, Orabona & Jun 2024). A
    value of 1/2 against a null of 1/2 changes nothing.

    Raises ValueError for a value outside of [0, 1] or NaN, and for a null outside of (0, 1).
    """
    return float(np.exp(-_largest(_checked(values), null)))


def betting_interval(values: Sequence[float] | np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the mean of the values [n], valid at any time: means that `betting` does not reject.

    All intervals of the first 1 ... n values hold the mean together, at least so often; each lies within the one
    before. It leaves out 1/2 exactly where `betting` is below 1 - confidence. (0, 1) for no values; (nan, nan) where
    every mean is rejected: the values then have no constant one.

    Raises ValueError as `betting`.
    """
    checked = _checked(values)
    level = 1 - confidence

    def holds(mean: float) -> bool:
        return float(np.exp(-_largest(checked, mean))) >= level

    def bound(outside: float, inside: float) -> float:
        while abs(outside - inside) > NEAR:
            middle = (outside + inside) / 2
            outside, inside = (outside, middle) if holds(middle) else (middle, inside)
        return inside

    # The logarithm of the wealth is convex in the null, and so is the largest of several: what holds is an interval.
    inside, ends = 0.5, (0.0, 1.0)
    if not holds(inside):
        found = optimize.minimize_scalar(
            lambda mean: _largest(checked, mean), bounds=(0, 1), method="bounded", options={"xatol": NEAR / 10}
        )
        inside = float(found.x)
        if not holds(inside):
            return np.nan, np.nan
        ends = (0.5, 1.0) if inside > 0.5 else (0.0, 0.5)
    # At 0 and 1 the wealth is infinite, but where all values are that mean.
    low = 0.0 if not np.any(checked > 0) else bound(ends[0], inside)
    high = 1.0 if not np.any(checked < 1) else bound(ends[1], inside)
    return low, high


def _checked(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """The values as floats [n]."""
    found = np.asarray(values, dtype=float)
    within = (found >= 0) & (found <= 1)
    if not within.all():
        raise ValueError(f"values of a bet lie in [0, 1], these do not: {found[~within]}")
    return found


def _largest(values: np.ndarray, null: float) -> float:
    """Logarithm of the largest wealth after 0 ... n of the values [n]."""
    if not 0 < null < 1:
        raise ValueError(f"a mean to bet against lies between 0 and 1, {null} does not")
    x = values[:, None]
    wealth = np.cumsum(np.log(x * BETS / null + (1 - x) * (1 - BETS) / (1 - null)), axis=0)
    # The largest bet's wealth apart, which may be beyond floats.
    top = wealth.max(axis=1)
    mixed = top + np.log(np.exp(wealth - top[:, None]).mean(axis=1))
    return float(mixed.max(initial=0.0))
