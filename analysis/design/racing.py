"""Seed racing: more seeds where it is still open which configuration is best, and no more elsewhere."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from seedsweep.analysis.statistics.proportions import newcombe
from seedsweep.core.records.study import SeedCounts

Key = TypeVar("Key", bound=Hashable)


def seeds_of_each(
    converged: Mapping[Key, Mapping[int, bool]], seeds: SeedCounts, entered: bool = True
) -> dict[Key, int]:
    """How many comparison seeds each configuration of a study should have now: all of them, or as far as the race is.

    converged: of each configuration, in the order of the comparison, whether each seed that finished converged.
    entered: as of `seeds_wanted`.
    """
    if not seeds.race:
        return dict.fromkeys(converged, seeds.compare)
    keys = list(converged)
    known = {place: [converged[key].get(seed) for seed in range(seeds.compare)] for place, key in enumerate(keys)}
    wanted = seeds_wanted(known, seeds.start, seeds.compare, entered)
    return {key: wanted[place] for place, key in enumerate(keys)}


def seeds_wanted(
    converged: Mapping[int, Sequence[bool | None]], start: int, most: int, entered: bool = True
) -> dict[int, int]:
    """How many seeds each configuration should have, given whether each of its first seeds converged; None and beyond
    the end: not known yet.

    Rounds of `start`, twice, four times, ... up to `most` seeds each. After a round the configuration that converged
    most often is the incumbent; a challenger stays while the interval of their difference (Newcombe, 95 %) holds 0. A
    round is judged once all that are in it are finished, by its first seeds alone: so the race is the same in whatever
    order results arrive, and in one that is given more seeds later. `entered` false: more configurations are to come,
    and only the first round is run.
    """
    size, racing = min(start, most), sorted(converged)
    reached = dict.fromkeys(racing, size)
    while entered and size < most and len(racing) > 1:
        seen = {number: converged[number][:size] for number in racing}
        if any(len(known) < size or None in known for known in seen.values()):
            break
        counts = {number: (sum(map(bool, known)), size) for number, known in seen.items()}
        incumbent = max(racing, key=lambda number: (counts[number], -number))
        racing = [n for n in racing if n == incumbent or newcombe(counts[incumbent], counts[n])[0] <= 0]
        size = min(2 * size, most)
        if len(racing) > 1:
            reached |= dict.fromkeys(racing, size)
    return reached
