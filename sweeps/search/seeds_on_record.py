"""Which seeds of each configuration have a cohort in the ledger, and what became of those that finished."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from seedsweep.core.records.cohort_spec import PHASES, CohortSpec
from seedsweep.core.records.criterion import Outcome

Key = tuple[str, str]


@dataclass
class Seeds:
    """Of a configuration in one phase: its number and cohorts on record, the seeds that they have, and the outcomes of
    those that finished."""

    number: int = 0
    cohorts: set[Key] = field(default_factory=set)
    seeds: set[int] = field(default_factory=set)
    outcomes: dict[int, Outcome] = field(default_factory=dict)


class SeedsOnRecord:
    """All of a ledger.

    most_together: members of one cohort.  specs, finished: cohorts, and those with an outcome, by key.
    outcomes: how many members of all finished cohorts had which.
    """

    def __init__(self, most_together: int):
        self._most_together = most_together
        self._of: dict[str, dict[str, Seeds]] = {phase: defaultdict(Seeds) for phase in PHASES}
        self.specs: dict[Key, CohortSpec] = {}
        self.finished: dict[Key, CohortSpec] = {}
        self.outcomes: Counter[str] = Counter()

    def of(self, phase: str, configuration: str) -> Seeds:
        """Of a configuration, which need not be on record."""
        return self._of[phase][configuration]

    def numbers(self, phase: str) -> dict[str, int]:
        """Of the configurations on record, by their hash."""
        return {of: each.number for of, each in self._of[phase].items() if each.cohorts}

    def add(self, spec: CohortSpec) -> None:
        """A cohort that is on record."""
        known = self.of(spec.phase, spec.configuration)
        known.number = known.number if known.cohorts else spec.number
        known.cohorts.add(spec.key)
        known.seeds.update(spec.seeds)
        self.specs[spec.key] = spec

    def finish(self, spec: CohortSpec, outcomes: Iterable[Outcome]) -> None:
        """What became of a cohort's members."""
        self.finished[spec.key] = spec
        known = self.of(spec.phase, spec.configuration)
        for outcome in outcomes:
            known.outcomes[outcome.seed] = outcome
            self.outcomes[outcome.outcome] += 1

    def missing(self, phase: str, configuration: str, seeds: range) -> tuple[int, ...]:
        """The first so many of the seeds that no cohort has yet, as one cohort takes."""
        have = self.of(phase, configuration).seeds
        return tuple(itertools.islice((seed for seed in seeds if seed not in have), self._most_together))

    def size(self, phase: str, configuration: str, seeds: range) -> tuple[int, int]:
        """Cohorts and members of a configuration in the end: those that it has, and those that it misses."""
        known = self.of(phase, configuration)
        missing = sum(seed not in known.seeds for seed in seeds)
        return len(known.cohorts) + -(-missing // self._most_together), len(known.seeds) + missing
