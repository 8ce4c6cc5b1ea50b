"""Several tests at one level: pairs of configurations, and axes that share it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np


def adjusted_pairs(p_values: Sequence[float], groups: int, omnibus: float) -> list[float]:
    """Adjusted p-values of all pairs of so many groups: those at or below a level are rejected, and the level is kept.

    p_values: in any order.  omnibus: p-value that all groups are equal: no pair is rejected where it is not.
    Holm's step-down (1979) with Shaffer's numbers of hypotheses (1986, section 3) that can still be true: if A = B is
    false, A = C and B = C are not both true; once the omnibus test has rejected, not all are. Errors: ValueError where
    there are not as many p-values as pairs.
    """
    count = groups * (groups - 1) // 2
    if len(p_values) != count:
        raise ValueError(f"{len(p_values)} p-values for the {count} pairs of {groups} groups")
    if count == 1:
        return [min(1.0, float(p_values[0]))]
    order = np.argsort(p_values, kind="stable")
    adjusted, largest = np.empty(count), min(1.0, float(omnibus))
    for rejected, index in enumerate(order):
        largest = max(largest, min(1.0, most_true(groups, max(rejected, 1)) * float(p_values[index])))
        adjusted[index] = largest
    return [float(value) for value in adjusted]


def most_true(groups: int, false: int) -> int:
    """How many pairs of so many groups can be equal at most, where at least so many are not."""
    possible = _numbers_of_equal_pairs(groups) & ((1 << (groups * (groups - 1) // 2 - false + 1)) - 1)
    return possible.bit_length() - 1


@functools.cache
def _numbers_of_equal_pairs(groups: int) -> int:
    """Bit n: whether n pairs can be equal; n is a sum over clusters of equal groups."""
    if groups < 2:
        return 1
    found = 0
    for cluster in range(1, groups + 1):
        found |= _numbers_of_equal_pairs(groups - cluster) << (cluster * (cluster - 1) // 2)
    return found


def passed_on(level: float, shares: Mapping[str, float], exhausted: Mapping[str, bool]) -> dict[str, float]:
    """The level of each axis, where those that are exhausted leave theirs to the others in proportion to their shares
    (Bretz, Maurer, Brannath & Posch 2009); one that is exhausted keeps at least its own.

    exhausted: all that the axis could reject it has rejected, or nothing in it could differ.
    """
    total = sum(shares.values())
    levels = {}
    for axis, share in shares.items():
        taken = sum(other for name, other in shares.items() if exhausted[name] and name != axis)
        others = sum(other for name, other in shares.items() if not exhausted[name] or name == axis)
        levels[axis] = level * (share + taken * share / others if others else share) / total
    return levels
