"""The parts of a member's randomness."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

Part = Literal["init", "order", "draws", "sample"]
#: The parts that follow a member's seed where a study does not say otherwise.
VARIED: tuple[Part, ...] = ("init", "order", "draws")


class Parts(NamedTuple):
    """Seeds of a member's parts: its initial weights, the order of its samples, what it draws while it trains, and the
    sample that it trains on (0: the training split itself; else a bootstrap of it)."""

    init: int
    order: int
    draws: int
    sample: int


def parts_of(seed: int, varied: Collection[Part] = VARIED) -> Parts:
    """A seed is short for itself in each part that varies, and 0 in the others."""
    return Parts(*(seed if part in varied else 0 for part in Parts._fields))
