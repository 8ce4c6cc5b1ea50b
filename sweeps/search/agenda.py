"""What a study still has to run, from the ledger: the same question after a crash as at the start."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seedsweep.analysis.design.racing import seeds_of_each
from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.ledger import CohortRecord, CohortSpec, Ledger
from seedsweep.core.records.study import InitFrom, Study
from seedsweep.sweeps.search.exploration import Exploration, objective
from seedsweep.sweeps.search.space import Point, Space, contains, space_of
from seedsweep.sweeps.study.configuration import Configuration, configuration, named

#: Search seeds are drawn from here upwards, comparison seeds from 0: the two sets never meet.
FIRST_SEARCH_SEED = 1_000_000

Key = tuple[str, str]
Held = tuple[CohortRecord, CohortSpec]


@dataclass(frozen=True)
class Candidate:
    """A configuration that is explored or compared: the fields of CohortSpec that its cohorts share."""

    configuration: str
    name: str
    overrides: Mapping[str, Any]
    values: Mapping[str, Any]
    steps: int


class Agenda:
    """Cohorts to run, one after another, as results come in.

    The named configurations that lie in the search space are explored first. The comparison of all named ones does not
    wait for the exploration, and so fills every gap in which the search waits for a value.

    data_fingerprint: of the data of a study as a configuration has it.  start_fingerprint: of the weights that members
    start from. Both are asked for every configuration.  most_together: members of one cohort; 1 for functions and
    commands.  code: hash of the user's files.  samples: of a study's training split, where it counts in epochs.
    """

    def __init__(
        self,
        study: Study,
        ledger: Ledger,
        data_fingerprint: Callable[[Study], str],
        start_fingerprint: Callable[[InitFrom], str],
        most_together: int,
        code: str = "",
        samples: Callable[[Study], int] | None = None,
    ):
        self.study, self.ledger = study, ledger
        self._data_fingerprint, self._start_fingerprint, self._samples = data_fingerprint, start_fingerprint, samples
        self._most_together, self._code = most_together, code
        self._named = {each.configuration: each for each in map(self._candidate, named(study))}
        space = space_of(study) if self._to_explore else Space(())
        #: Points of the named configurations that lie in the space, by name.
        self._points: dict[str, Point] = {}
        for each in self._named.values():
            if self._to_explore and (point := contains(space, each.overrides, study)) is not None:
                self._points[each.name] = point
        search, first = study.search, list(self._points.values())
        self.exploration = Exploration(search.sampler, search.seed, search.window, space, first)
        self._explored: list[Candidate] = []
        #: Explored numbers by their configuration: several may be one.
        self._numbers: dict[str, list[int]] = defaultdict(list)
        #: All before this number have every search seed in a cohort.
        self._begun_to = 0
        #: Numbers of compared configurations.
        self._compared_numbers: dict[str, int] = {}
        self._specs: dict[Key, CohortSpec] = {}
        #: By phase and configuration: cohorts, the seeds that they have, and the outcomes of those that finished.
        self._cohorts: Counter[Key] = Counter()
        self._taken: dict[Key, set[int]] = defaultdict(set)
        self._outcomes: dict[Key, dict[int, Outcome]] = defaultdict(dict)
        #: By compared configuration, whether each seed that finished converged.
        self._converged: dict[str, dict[int, bool]] = defaultdict(dict)
        self._finished: dict[Key, CohortSpec] = {}
        self._begun: list[CohortSpec] = []
        self._running: set[Key] = set()
        self._given_up: set[Key] = set()
        self._failures: Counter[Key] = Counter()
        #: Of the members of all finished cohorts.
        self.outcomes: Counter[str] = Counter()
        self._read()
        self._ask_ahead()

    def next(self) -> CohortSpec | None:
        """A cohort to run now, or None: none is left (`done`) or what is next depends on one that runs."""
        spec = self._upcoming()
        if spec is None:
            return None
        if spec in self._begun:
            self._begun.remove(spec)
        if self._specs.get(spec.key) != spec:
            self.ledger.record(spec).create(spec)
            self._know(spec)
        self._running.add(spec.key)
        self._ask_ahead()
        return spec

    @property
    def waiting(self) -> bool:
        """Whether `next` would give a cohort."""
        return self._upcoming() is not None

    @property
    def done(self) -> bool:
        """Whether nothing runs; after `next` gave None, nothing is left to run."""
        return not self._running

    def studied(self, spec: CohortSpec) -> Study:
        """The study as a cohort's configuration has it."""
        return configuration(self.study, spec.name, spec.overrides).study

    def finish(self, spec: CohortSpec) -> None:
        """A cohort's outcome was committed."""
        self._running.discard(spec.key)
        self._take_over(spec)
        self._tell_all(spec)
        self._ask_ahead()

    def fail(self, spec: CohortSpec, *, lost: bool = False) -> bool:
        """A cohort failed: it is tried again, or after so many retries given up for this launch (True).

        lost: with its node, which is no failure of its own.
        """
        self._running.discard(spec.key)
        self._failures[spec.key] += not lost
        if self._failures[spec.key] <= self.study.resources.retries:
            self._begun.append(spec)
            return False
        self._given_up.add(spec.key)
        self._tell_all(spec)
        self._ask_ahead()
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
        seeds = self.study.seeds
        sizes = [self._size("explore", each, self._search_seeds) for each in self._numbers]
        compared = self._compared()
        sizes += [self._size("compare", compared[n].configuration, range(w)) for n, w in self._seeds_wanted().items()]
        still_to_ask = max(0, int(min(self._to_explore, self.exploration.most)) - self.exploration.asked)
        sizes += [self._size("explore", "", self._search_seeds)] * still_to_ask
        if self._expects_more:
            first = min(seeds.start, seeds.compare) if seeds.race else seeds.compare
            sizes.append(self._size("compare", "", range(first)))
        return sum(cohorts for cohorts, _ in sizes), sum(members for _, members in sizes)

    def best(self) -> int | None:
        """Number of the best configuration that the search found beside the named ones, once all are explored."""
        if not self._explored_all:
            return None
        found = [number for number, each in enumerate(self._explored) if each.configuration not in self._named]
        values = {number: value for number in found if (value := self.exploration.value(number)) is not None}
        return max(values, key=lambda number: (values[number], -number), default=None)

    @property
    def _to_explore(self) -> int:
        """How many configurations are explored."""
        return self.study.search.explore if self.study.found else 0

    @property
    def _more_to_ask(self) -> bool:
        return self.exploration.asked < self._to_explore and not self.exploration.exhausted

    @property
    def _explored_all(self) -> bool:
        return not self._more_to_ask and self.exploration.all_told

    @property
    def _expects_more(self) -> bool:
        """Whether the search may still add a configuration to the comparison."""
        return self._to_explore > len(self._points) and not self._explored_all

    def _compared(self) -> dict[int, Candidate]:
        """Configurations that are compared now, by number.

        A number is as the ledger has it. Else that of a named one is its place in the study, that of what the search
        found the number under which it was explored; or the next free one, where another has it.
        """
        numbers, best = dict(self._compared_numbers), self.best()
        compared = [*enumerate(self._named.values()), *([] if best is None else [(best, self._explored[best])])]
        for wanted, each in compared:
            if each.configuration not in numbers:
                taken = numbers.values()
                numbers[each.configuration] = max(taken) + 1 if wanted in taken else wanted
        return dict(sorted({numbers[each.configuration]: each for _, each in compared}.items()))

    def _seeds_wanted(self) -> dict[int, int]:
        """How many comparison seeds each compared configuration, by number, should have now."""
        converged = {number: self._converged[each.configuration] for number, each in self._compared().items()}
        return seeds_of_each(converged, self.study.seeds, entered=not self._expects_more)

    def _size(self, phase: str, configuration: str, seeds: range) -> tuple[int, int]:
        """Cohorts and members of a configuration in the end: those that it has, and those that it misses."""
        key = (phase, configuration)
        taken: set[int] = self._taken.get(key, set())
        missing = sum(seed not in taken for seed in seeds)
        return self._cohorts[key] + -(-missing // self._most_together), len(taken) + missing

    def _read(self) -> None:
        """Take over what the ledger holds."""
        held: dict[Key, list[Held]] = defaultdict(list)
        explored: dict[int, CohortSpec] = {}
        for record in self.ledger.records():
            spec = record.spec()
            self._know(spec)
            held[spec.phase, spec.configuration].append((record, spec))
            if spec.phase == "explore" and (not spec.name or spec.name in self._points):
                explored[spec.number] = spec
        for number in range(max(explored, default=-1) + 1):
            if number in explored:
                self._restore(explored[number])
            else:
                # It equals an earlier one, whose cohort serves both, or its folder was removed: asked again, the
                # search gives the same.
                self._ask()
            each = self._explored[number]
            self._adopt(held.pop(("explore", each.configuration), []), each)
            self._tell(number)
        known = {each.configuration: each for each in self._explored} | self._named
        for (_, own), cohorts in held.items():
            self._adopt(cohorts, known.get(own))

    def _adopt(self, cohorts: list[Held], candidate: Candidate | None) -> None:
        """Take over the cohorts of one configuration; None: of one that the study does not have any more.

        Those that are not finished, or trained fewer steps than the study has now, go on with the present code.
        """
        for record, spec in cohorts:
            if record.finished and (candidate is None or spec.steps >= candidate.steps):
                self._take_over(spec)
            elif candidate is not None:
                values = dict(candidate.values)
                self._begun.append(replace(spec, values=values, steps=candidate.steps, code=self._code))

    def _restore(self, spec: CohortSpec) -> None:
        """A configuration that was asked before, as the ledger has it."""
        if spec.name:
            self.exploration.restore(self._points[spec.name], sampled=False)
            self._add(self._of_name(spec.name))
        else:
            self.exploration.restore(dict(spec.overrides), sampled=True)
            self._add(self._candidate(configuration(self.study, "", spec.overrides)))

    def _ask(self) -> None:
        point = self.exploration.ask()
        name = next((name for name, own in self._points.items() if own == point), "")
        if name:
            self._add(self._of_name(name))
        else:
            self._add(self._candidate(configuration(self.study, "", point)))

    def _of_name(self, name: str) -> Candidate:
        return next(each for each in self._named.values() if each.name == name)

    def _add(self, candidate: Candidate) -> None:
        """A configuration that was asked."""
        self._numbers[candidate.configuration].append(len(self._explored))
        self._explored.append(candidate)

    def _ask_ahead(self) -> None:
        """Ask for as many configurations as have their cohorts already, and one more."""
        while not self._unbegun and self._more_to_ask and self.exploration.ready:
            self._ask()
            self._tell(self.exploration.asked - 1)

    @property
    def _unbegun(self) -> bool:
        """Whether an explored configuration has search seeds that no cohort has."""
        while self._begun_to < len(self._explored):
            if self._missing_seeds("explore", self._explored[self._begun_to], self._search_seeds):
                return True
            self._begun_to += 1
        return False

    def _tell_all(self, spec: CohortSpec) -> None:
        """Tell the search what became of an explored cohort."""
        if spec.phase == "explore":
            for number in self._numbers[spec.configuration]:
                self._tell(number)

    def _tell(self, number: int) -> None:
        """Tell the search a configuration's objective once all its search seeds are finished, or that it failed."""
        key = ("explore", self._explored[number].configuration)
        finished, study = self._outcomes[key], self.study
        outcomes = [finished[seed] for seed in self._search_seeds if seed in finished]
        if len(outcomes) == study.seeds.search:
            scores = [self._score(outcome) for outcome in outcomes]
            converged = [outcome.outcome == "converged" for outcome in outcomes]
            self.exploration.tell(number, objective(converged, scores, study.criterion))
        elif any(self._specs[each].phase == "explore" and each[0] == key[1] for each in self._given_up):
            self.exploration.tell(number, None)

    def _score(self, outcome: Outcome) -> float | None:
        """A member's final score as the study takes it; None of one that diverged."""
        if outcome.outcome == "diverged":
            return None
        return outcome.best if self.study.score == "best" else outcome.final

    def _know(self, spec: CohortSpec) -> None:
        """A cohort that is on record."""
        key = (spec.phase, spec.configuration)
        self._cohorts[key] += spec.key not in self._specs
        self._taken[key].update(spec.seeds)
        self._specs[spec.key] = spec
        if spec.phase == "compare":
            self._compared_numbers.setdefault(spec.configuration, spec.number)

    def _take_over(self, spec: CohortSpec) -> None:
        """A finished cohort's outcomes."""
        self._finished[spec.key] = spec
        for outcome in self.ledger.record(spec).outcomes():
            self._outcomes[spec.phase, spec.configuration][outcome.seed] = outcome
            self.outcomes[outcome.outcome] += 1
            if spec.phase == "compare":
                self._converged[spec.configuration][outcome.seed] = outcome.outcome == "converged"

    def _upcoming(self) -> CohortSpec | None:
        """The cohort that `next` gives."""
        compared = self._compared()
        hashes = {each.configuration for each in compared.values()}
        for spec in self._begun:
            # All but those of a best found that is not the best now.
            if spec.phase == "explore" or spec.configuration in hashes:
                return spec
        if self._unbegun:
            return self._missing("explore", self._begun_to, self._explored[self._begun_to], self._search_seeds)
        for number, wanted in self._seeds_wanted().items():
            if spec_missing := self._missing("compare", number, compared[number], range(wanted)):
                return spec_missing
        return None

    def _missing(self, phase: str, number: int, each: Candidate, seeds: range) -> CohortSpec | None:
        """A cohort of those of the seeds that no cohort has yet."""
        block = self._missing_seeds(phase, each, seeds)
        if not block:
            return None
        overrides, values = dict(each.overrides), dict(each.values)
        return CohortSpec(
            phase, number, each.configuration, each.name, overrides, values, block, each.steps, self._code
        )

    def _missing_seeds(self, phase: str, each: Candidate, seeds: range) -> tuple[int, ...]:
        """The first so many of the seeds that no cohort has yet, as one cohort takes."""
        taken = self._taken[phase, each.configuration]
        missing = (seed for seed in seeds if seed not in taken)
        return tuple(itertools.islice(missing, self._most_together))

    def _candidate(self, own: Configuration) -> Candidate:
        study, training = own.study, own.study.training
        if training.epochs and not training.steps and self._samples is not None:
            training = training.resolved(self._samples(study))
        start = self._start_fingerprint(study.init_from) if study.init_from else ""
        identity = own.identity(self._data_fingerprint(study), start, training.steps)
        return Candidate(identity, own.name, own.overrides, own.values, training.steps)

    @property
    def _search_seeds(self) -> range:
        return range(FIRST_SEARCH_SEED, FIRST_SEARCH_SEED + self.study.seeds.search)
