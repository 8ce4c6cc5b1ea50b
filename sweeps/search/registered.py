"""What of a run is registered, as its search goes on: what was named or explored later steers none of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.registration import Registration
from seedsweep.sweeps.search.exploration import Exploration


class Registered:
    """decides: what is registered.  named: the study's configurations, by name.  explored: those asked so far, which
    grow.  points: names of those that the search explores."""

    def __init__(
        self,
        decides: Registration,
        exploration: Exploration,
        named: Mapping[str, CohortSpec],
        explored: Sequence[CohortSpec],
        points: Iterable[str],
    ):
        self._explore, self._exploration, self._explored = decides.explore, exploration, explored
        self._named = {own.configuration for name, own in named.items() if name in decides.configurations}
        self._points = sum(name in decides.configurations for name in points)

    @property
    def entered(self) -> bool:
        """Whether all that is registered is compared."""
        return self._explore <= self._points or self._ended

    @property
    def best(self) -> int | None:
        """Number of the best that the search found, as far as it is registered; None before that has ended."""
        if not self._explore or not self._ended:
            return None
        first = enumerate(self._explored[: self._explore])
        found = (n for n, each in first if not each.name and each.configuration not in self._named)
        return self._exploration.best(found, self._explore)

    @property
    def compared(self) -> set[str]:
        """Configurations that are compared now, by hash."""
        best = self.best
        return self._named | (set() if best is None else {self._explored[best].configuration})

    def added(self, best: int | None) -> list[int]:
        """Numbers of what the search adds to the comparison: the registered best, which comes last, and before it the
        best of all, where that was explored later."""
        later = [] if best is None or best < self._explore else [best]
        registered = self.best
        return later if registered is None else [*later, registered]

    @property
    def _ended(self) -> bool:
        search, count = self._exploration, self._explore
        return (search.asked >= count or search.exhausted) and search.told(count)
