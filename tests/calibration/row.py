"""A row of the calibration: what is simulated, and how often it holds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

SEEDS = (5, 12, 20, 40)
#: A test rejects a true null hypothesis at most so often; an interval at 95 % holds at least so often.
SIZE, COVERAGE = 0.05, 0.93
#: Standard errors by which a simulation may miss that.
ALLOWED = 3
#: How many times as many studies decide where the first seem to miss.
AGAIN = 4


@dataclass(frozen=True)
class Seen:
    """One truth: how often an interval held or a test rejected, in so many simulated studies; NaN: so few seeds have no
    interval. rounds 0: computed, not simulated."""

    truth: str
    share: float
    rounds: int


#: Of so many seeds a configuration, so many simulated studies and a generator.
Measure = Callable[[int, int, np.random.Generator], Iterable[Seen]]


@dataclass(frozen=True)
class Row:
    """One test or interval.

    rounds: simulated studies of each truth.  short: those of the short version, which leaves the numbers of seeds
    `heavy` out.  size: whether it is a test that rejects, not an interval that holds.
    """

    name: str
    measure: Measure
    rounds: int = 4000
    short: int = 200
    size: bool = False
    seeds: tuple[int, ...] = SEEDS
    heavy: tuple[int, ...] = ()


@dataclass(frozen=True)
class Line:
    """A row at one number of seeds. worst, mean: over the truths that have an interval; NaN where none has.

    met: None where none has.  rounds: simulated studies of each truth; 0: computed.
    """

    row: Row
    seeds: int
    truths: int
    worst: float
    at: str
    mean: float
    met: bool | None
    rounds: int


def run(row: Row, seeds: int, rounds: int) -> Line:
    """A row with so many simulated studies of each truth.

    Of a thousand truths a few seem to miss by chance: a line that does is simulated anew with AGAIN times as many
    studies, and only these count, whatever they show.
    """
    line = _run(row, seeds, rounds, 0)
    return _run(row, seeds, AGAIN * rounds, 1) if line.met is False else line


def _run(row: Row, seeds: int, rounds: int, attempt: int) -> Line:
    rng = np.random.default_rng([zlib.crc32(row.name.encode()), seeds, attempt])
    seen = list(row.measure(seeds, rounds, rng))
    shown = [one for one in seen if not np.isnan(one.share)]
    if not shown:
        return Line(row, seeds, len(seen), np.nan, "", np.nan, None, rounds)
    worst = (max if row.size else min)(shown, key=lambda one: one.share)
    mean = float(np.mean([one.share for one in shown]))
    met = all(holds(one, size=row.size) for one in shown)
    return Line(row, seeds, len(seen), worst.share, worst.truth, mean, met, worst.rounds)


def holds(seen: Seen, *, size: bool) -> bool:
    """Whether it is as often as it should be, but for what a simulation may miss it by."""
    limit = SIZE if size else COVERAGE
    error = ALLOWED * np.sqrt(limit * (1 - limit) / seen.rounds) if seen.rounds else 1e-9
    return bool(seen.share <= limit + error if size else seen.share >= limit - error)


def table(lines: Iterable[Line]) -> str:
    """As Markdown."""
    head = "| test or interval | seeds | truths | studies of each | worst | at | mean | asked | met |"
    rows = [head, "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for line in lines:
        asked = f"size <= {SIZE:.0%}" if line.row.size else f"coverage >= {COVERAGE:.0%}"
        shown = [f"{line.worst:.1%}", line.at, f"{line.mean:.1%}", asked, "yes" if line.met else "**no**"]
        if line.met is None:
            shown = ["", "", "", asked, "too few seeds for an interval"]
        rows.append(
            "| "
            + " | ".join([line.row.name, str(line.seeds), str(line.truths), str(line.rounds or "all"), *shown])
            + " |"
        )
    return "\n".join(rows)
