"""Seed racing: more seeds where it is still open which configuration is best, and no more elsewhere."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from seedsweep.analysis.statistics.proportions import newcombe
from seedsweep.core.records.study import SeedCounts

Key = TypeVar("Key", bound=Hashable)


def seeds_of_each(
    converged: Mapping[Key, Mapping[int, bool]], seeds: SeedCounts, *, entered: bool = True
) -> dict[Key, int]:
    """How many comparison seeds each configuration of a study should have now: all of them, or as far as the race is.

    converged: of each configuration, in the order of the comparison, whether each seed that finished converged.
    entered: whether all configurations are there; if not, only the first round is run.

    Rounds of `seeds.start`, twice, four times, ... up to `seeds.compare` seeds each. After a round the configuration
    that converged most often is the incumbent, the first of equal ones; a challenger stays while the interval of their
    difference (Newcombe, 95 %) holds 0. A round is judged once all that are in it are finished, by its first seeds
    alone: so the race is the same in whatever order results arrive, and in one that is given more seeds later.
    """
    if not seeds.race:
        return dict.fromkeys(converged, seeds.compare)
    size, racing = min(seeds.start, seeds.compare), list(converged)
    reached = dict.fromkeys(racing, size)
    while entered and size < seeds.compare and len(racing) > 1:
        if any(seed not in converged[key] for key in racing for seed in range(size)):
            break
        counts = {key: (sum(converged[key][seed] for seed in range(size)), size) for key in racing}
        incumbent = max(racing, key=lambda key: counts[key])
        racing = [key for key in racing if key == incumbent or newcombe(counts[incumbent], counts[key])[0] <= 0]
        size = min(2 * size, seeds.compare)
        if len(racing) > 1:
            reached |= dict.fromkeys(racing, size)
    return reached
