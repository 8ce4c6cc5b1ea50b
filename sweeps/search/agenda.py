"""What a study still has to run, from the ledger: the same question after a crash as at the start."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict

from seedsweep.analysis.design.racing import goals
from seedsweep.core.errors import UserError
from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.ledger import CohortSpec, Ledger
from seedsweep.core.training.schedules import Hyperparameters
from seedsweep.shards.samples import DataSettings
from seedsweep.sweeps.search.exploration import Exploration, distribution, grid_points, objective
from seedsweep.sweeps.search.size import total
from seedsweep.sweeps.study.schema import FIRST_SEARCH_SEED, WHOLE, InitFrom, Study


class Agenda:
    """Cohorts to run, one after another, as results come in.

    The five (or however many) named configurations are explored first; their comparison does not wait for the
    exploration, and so fills every gap in which the search waits for a value.
    """

    def __init__(
        self,
        study: Study,
        ledger: Ledger,
        data_fingerprints: Mapping[DataSettings, str],
        start_fingerprints: Mapping[InitFrom, str] | None = None,
    ):
        self.study, self.ledger = study, ledger
        self._fingerprints, self._starts = data_fingerprints, start_fingerprints or {}
        self._variants = {name: study.variant(name) for name in study.variants}
        self._total = total(study.model_dump(mode="json"))
        self.exploration = _exploration(study)
        self._explored: dict[int, Hyperparameters] = {}
        self._hashes: dict[int, str] = {}
        #: Explored numbers by their configuration: two may be one.
        self._numbers: dict[str, list[int]] = defaultdict(list)
        #: All before this number have every search seed in a cohort.
        self._begun_to = 0
        self._specs: dict[tuple[str, str], CohortSpec] = {}
        #: By phase and configuration, the seeds that cohorts have, and the outcomes of those that finished.
        self._taken: dict[tuple[str, str], set[int]] = defaultdict(set)
        self._outcomes: dict[tuple[str, str], dict[int, Outcome]] = defaultdict(dict)
        self._finished: dict[tuple[str, str], CohortSpec] = {}
        self._begun: list[CohortSpec] = []
        self._running: set[tuple[str, str]] = set()
        self._given_up: set[tuple[str, str]] = set()
        self._failures: Counter[tuple[str, str]] = Counter()
        #: Of the members of all finished cohorts.
        self.outcomes: Counter[str] = Counter()
        self._read()

    def next(self) -> CohortSpec | None:
        """A cohort to run now, or None: none is left (`done`) or what is next depends on one that runs."""
        spec = self._resumed() or self._explore() or self._compare()
        if spec is None:
            return None
        key = spec.key
        if key not in self._specs:
            self.ledger.record(spec).create(spec)
            self._know(spec)
        self._running.add(key)
        return spec

    def anything_left(self) -> bool:
        """Whether `next` would give a cohort, before any runs."""
        spec = self.next()
        if spec is not None:
            self._running.discard(spec.key)
            self._begun.insert(0, spec)
        return spec is not None

    def studied(self, spec: CohortSpec) -> Study:
        """The study as a cohort's variant has it."""
        return self._variants[spec.variant] if spec.variant else self.study

    @property
    def done(self) -> bool:
        """Whether nothing runs; after `next` gave None, nothing is left to run."""
        return not self._running

    def finish(self, spec: CohortSpec) -> None:
        """A cohort's outcome was committed."""
        self._running.discard(spec.key)
        self._take_over(spec)
        if spec.phase == "explore":
            for number in self._numbers[spec.configuration]:
                self._tell(number)

    def fail(self, spec: CohortSpec, lost: bool = False) -> bool:
        """A cohort failed: it is tried again, or after so many retries given up for this launch (True).

        lost: with its node, which is no failure of its own.
        """
        self._running.discard(spec.key)
        self._failures[spec.key] += not lost
        if self._failures[spec.key] <= self.study.resources.retries:
            self._begun.append(spec)
            return False
        self._given_up.add(spec.key)
        if spec.phase == "explore":
            self.exploration.tell(spec.number, None)
        return True

    def retry(self) -> None:
        """Take up again what was given up, as a new launch would."""
        for key in sorted(self._given_up):
            spec = self._specs[key]
            self._failures.pop(key)
            self._begun.append(spec)
        self._given_up.clear()

    @property
    def failed(self) -> list[CohortSpec]:
        """Cohorts given up in this launch."""
        return [self._specs[key] for key in sorted(self._given_up)]

    @property
    def finished(self) -> list[CohortSpec]:
        """Cohorts whose outcome is in the ledger."""
        return list(self._finished.values())

    @property
    def total(self) -> tuple[int, int]:
        """Cohorts and members of the whole study, as far as can be known now: a race goes on only where it is open."""
        study = self.study
        if not study.seeds.race:
            return self._total
        wanted = list(self._goals().values())
        if self._expects_more:
            wanted.append(min(study.seeds.start, study.seeds.compare))
        explored = study.search.explore, study.seeds.search
        blocks = explored[0] * -(-explored[1] // study.most_together) + sum(map(self._blocks, wanted))
        return blocks, explored[0] * explored[1] + sum(wanted)

    def best(self) -> int | None:
        """Number of the best configuration that the search added to the named ones, once all are explored."""
        if not self._explored_all:
            return None
        found = range(len(self.study.search.first), min(self.study.search.explore, self.exploration.asked))
        values = {number: value for number in found if (value := self.exploration.value(number)) is not None}
        return max(values, key=lambda number: (values[number], -number), default=None)

    @property
    def _explored_all(self) -> bool:
        more = self.exploration.asked < self.study.search.explore and not self.exploration.exhausted
        return not more and self.exploration.all_told

    @property
    def _expects_more(self) -> bool:
        """Whether the search may still add a configuration to the comparison."""
        return self.study.search.explore > len(self.study.search.first) and not self._explored_all

    def _goals(self) -> dict[int, int]:
        """How many comparison seeds each configuration, by its number, should have now."""
        best = self.best()
        named = range(len(self._variants) or len(self.study.search.first))
        numbers, seeds = [*named, *([] if best is None else [best])], self.study.seeds
        if not seeds.race:
            return dict.fromkeys(numbers, seeds.compare)
        converged = {}
        for number in numbers:
            known = self._outcomes["compare", self._compared(number)]
            judged = (known.get(seed) for seed in range(seeds.compare))
            converged[number] = [None if outcome is None else outcome.outcome == "converged" for outcome in judged]
        return goals(converged, seeds.start, seeds.compare, entered=not self._expects_more)

    def _blocks(self, goal: int) -> int:
        """Cohorts of a raced configuration with so many seeds."""
        count, size, most = 0, 0, self.study.seeds.compare
        while size < goal:
            more = min(2 * size or self.study.seeds.start, most, goal)
            count += -(-(more - size) // self.study.most_together)
            size = more
        return count

    def _know(self, spec: CohortSpec) -> None:
        self._specs[spec.key] = spec
        self._taken[spec.phase, spec.configuration].update(spec.seeds)

    def _take_over(self, spec: CohortSpec) -> None:
        """A finished cohort's outcomes."""
        self._finished[spec.key] = spec
        for outcome in self.ledger.record(spec).outcomes():
            self._outcomes[spec.phase, spec.configuration][outcome.seed] = outcome
            self.outcomes[outcome.outcome] += 1

    def _read(self) -> None:
        """Take over what the ledger holds."""
        for record in self.ledger.records():
            spec = record.spec()
            self._know(spec)
            if record.finished:
                self._take_over(spec)
            else:
                self._begun.append(spec)
        explored = {s.number: s for s in self._specs.values() if s.phase == "explore"}
        for number in range(max(explored, default=-1) + 1):
            if number in explored:
                values = explored[number].hyperparameters
                self.exploration.restore({key: values[key] for key in self.study.search.space})
                self._add(number, self.study.configured(values))
            elif self.exploration.ready:
                # It equals an earlier one, whose cohort serves both, or its folder was removed: asked again, the
                # search gives the same.
                self._ask()
            else:
                raise UserError(
                    f"{self.ledger.folder}: explored configuration {number} is missing, so that the search cannot be "
                    "rebuilt: start afresh with --fresh"
                )
            self._tell(number)

    def _tell(self, number: int) -> None:
        """Tell the search a configuration's objective once all its search seeds are finished."""
        finished = self._outcomes["explore", self._configuration(number)]
        outcomes = [finished[seed] for seed in self._search_seeds if seed in finished]
        if len(outcomes) == len(self._search_seeds):
            scores = [0.0 if o.outcome == "diverged" or o.final is None else o.final for o in outcomes]
            self.exploration.tell(number, objective([o.outcome == "converged" for o in outcomes], scores))

    def _ask(self) -> None:
        number = self.exploration.asked
        values = self.exploration.ask()
        named = number < len(self.study.search.first)
        self._add(number, self.study.first[number] if named else self.study.configured(values))

    def _add(self, number: int, hyperparameters: Hyperparameters) -> None:
        """A configuration that was asked."""
        self._explored[number] = hyperparameters
        self._numbers[self._configuration(number)].append(number)

    def _resumed(self) -> CohortSpec | None:
        """The first of the begun cohorts that is wanted: all but those of a best found that is not the best now."""
        best = self.best()
        for spec in self._begun:
            if spec.phase == "explore" or spec.origin == "named" or spec.number == best:
                self._begun.remove(spec)
                return spec
        return None

    def _explore(self) -> CohortSpec | None:
        while True:
            for number in range(self._begun_to, self.exploration.asked):
                if spec := self._missing("explore", number, self._search_seeds):
                    return spec
                self._begun_to = number + 1
            more = self.exploration.asked < self.study.search.explore and not self.exploration.exhausted
            if not more or not self.exploration.ready:
                return None
            self._ask()
            self._tell(self.exploration.asked - 1)

    def _compare(self) -> CohortSpec | None:
        variants = list(self._variants)
        for number, goal in self._goals().items():
            if variants:
                spec = self._missing_of_variant(number, variants[number], range(goal))
            else:
                self._compared(number)
                spec = self._missing("compare", number, range(goal))
            if spec:
                return spec
        return None

    def _compared(self, number: int) -> str:
        """Hash of a compared configuration, which need not have been explored."""
        if self._variants:
            study = self._variants[list(self._variants)[number]]
            return self._hash(study, study.hyperparameters)
        if number not in self._explored:
            self._explored[number] = self.study.first[number]
        return self._configuration(number)

    def _missing(self, phase: str, number: int, seeds: range) -> CohortSpec | None:
        """A cohort of those of the seeds that no cohort has yet."""
        hyperparameters, configuration = self._explored[number], self._configuration(number)
        origin = "named" if number < len(self.study.search.first) else "search"
        block = self._missing_seeds(phase, configuration, seeds)
        return CohortSpec(phase, number, configuration, asdict(hyperparameters), origin, block) if block else None

    def _missing_of_variant(self, number: int, name: str, seeds: range) -> CohortSpec | None:
        """A cohort of those of the variant's comparison seeds that no cohort has yet."""
        study = self._variants[name]
        configuration = self._compared(number)
        block = self._missing_seeds("compare", configuration, seeds)
        hyperparameters = asdict(study.hyperparameters)
        return CohortSpec("compare", number, configuration, hyperparameters, "named", block, name) if block else None

    def _missing_seeds(self, phase: str, configuration: str, seeds: range) -> tuple[int, ...]:
        """The first so many of the seeds that no cohort has yet, as one cohort takes."""
        taken = self._taken[phase, configuration]
        missing = (seed for seed in seeds if seed not in taken)
        return tuple(itertools.islice(missing, self.study.most_together))

    def _configuration(self, number: int) -> str:
        if number not in self._hashes:
            self._hashes[number] = self._hash(self.study, self._explored[number])
        return self._hashes[number]

    def _hash(self, study: Study, hyperparameters: Hyperparameters) -> str:
        start = self._starts[study.init_from] if study.init_from else ""
        return study.configuration_hash(hyperparameters, self._fingerprints[study.data], start)

    @property
    def _search_seeds(self) -> range:
        return range(FIRST_SEARCH_SEED, FIRST_SEARCH_SEED + self.study.seeds.search)


def _exploration(study: Study) -> Exploration:
    space = study.search.space
    return Exploration(
        study.search.sampler,
        study.search.seed,
        study.search.window,
        {k: distribution(d.low, d.high, d.log, k in WHOLE) for k, d in space.items()},
        [{key: getattr(first, key) for key in space} for first in study.first],
        {k: grid_points(d.low, d.high, d.log, k in WHOLE, d.points) for k, d in space.items()},
    )
