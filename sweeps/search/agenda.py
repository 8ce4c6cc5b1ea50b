"""What a study still has to run, from the ledger: the same question after a crash as at the start."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from seedsweep.analysis.search_certainty import Certainty, certainty, merit, objective
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.registration import Registration
from seedsweep.core.records.study import InitFrom, Study
from seedsweep.sweeps.search.company import program
from seedsweep.sweeps.search.exploration import Exploration
from seedsweep.sweeps.search.interim import interim_progress
from seedsweep.sweeps.search.registered import Registered
from seedsweep.sweeps.search.seeds_on_record import Key, SeedsOnRecord
from seedsweep.sweeps.search.space import Point, Space, contains, space_of
from seedsweep.sweeps.study.configuration import Configuration, configuration, named

#: Search seeds are drawn from here upwards, comparison seeds from 0: the two sets never meet.
FIRST_SEARCH_SEED = 1_000_000

#: Re-runs of the search seeds that are simulated, a fifth of them of many configurations.
RERUNS, MANY_EXPLORED = 500, 100


class Agenda:
    """Cohorts to run, trial by trial, as results come in.

    A trial is one cohort, or several: of configurations that were asked as one batch (`search.together`), the cohorts
    of the same seeds that can train together (`company.program`). So who shares a trial depends on what was asked, and
    never on when. One that failed in company goes on alone, so that the fault is found where it is.

    The named configurations that lie in the search space are explored first. The comparison of all named ones does not
    wait for the exploration, and so fills every gap in which the search waits for a value.

    How long what is registered goes on is asked of the registration alone. What the study has beyond it
    (configurations, seeds, a longer search) gets all of the study's seeds, as nothing is decided by it.

    data_fingerprint: of the data of a study as a configuration has it.  start_fingerprint: of the weights that members
    start from. Both are asked for every configuration.  most_together: members of one cohort; 1 for functions and
    commands.  code: hash of the user's files.  samples: of a study's training split, where it counts in epochs.
    registered: what decides; None: the study as it is.
    superseded: configurations on record that the study does not have any more, as their data or the weights that they
    start from were made anew; their cohorts count for nothing.
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
        registered: Registration | None = None,
    ):
        self.study, self.ledger = study, ledger
        self._data_fingerprint, self._start_fingerprint, self._samples = data_fingerprint, start_fingerprint, samples
        self._code, self._decides = code, registered or Registration.of(study)
        self._search_seeds = range(FIRST_SEARCH_SEED, FIRST_SEARCH_SEED + study.seeds.search)
        #: How many configurations are explored.
        self._to_explore = study.search.explore if study.found else 0
        #: What cohorts of a configuration share, without number and seeds: by name, and as they were asked.
        self._named = {own.name: self._shared(own) for own in named(study)}
        self._explored: list[CohortSpec] = []
        #: Points of the named configurations that lie in the space, by name.
        self._points: dict[str, Point] = {}
        space = space_of(study) if self._to_explore else Space(())
        for name, each in self._named.items():
            if self._to_explore and (point := contains(space, each.overrides, study)) is not None:
                self._points[name] = point
        search, first = study.search, list(self._points.values())
        self.exploration = Exploration(search.sampler, search.seed, search.window, space, first, search.together)
        self._registered = Registered(self._decides, self.exploration, self._named, self._explored, self._points)
        #: All explored ones before this number have every search seed in a cohort.
        self._begun_to = 0
        self._known = SeedsOnRecord(most_together)
        self._begun: list[CohortSpec] = []
        self._running: set[Key] = set()
        self._given_up: set[Key] = set()
        #: Those that failed in company.
        self._alone: set[Key] = set()
        self._failures: Counter[Key] = Counter()
        self.superseded: set[str] = set()
        self._read()
        self._ask_ahead()

    def next(self) -> list[CohortSpec]:
        """The cohorts of a trial to run now; none where none is left (`done`) or what is next depends on one that
        runs."""
        trial = self.upcoming()
        for spec in trial:
            if spec in self._begun:
                self._begun.remove(spec)
            if self._known.specs.get(spec.key) != spec:
                self.ledger.record(spec).create(spec)
                self._known.add(spec)
            self._running.add(spec.key)
        if trial:
            self._ask_ahead()
        return trial

    def upcoming(self) -> list[CohortSpec]:
        """What `next` gives; nothing begins."""
        first = self._upcoming()
        return [] if first is None else sorted([first, *self._company(first)], key=lambda spec: spec.number)

    @property
    def waiting(self) -> bool:
        """Whether `next` would give a cohort."""
        return self._upcoming() is not None

    @property
    def done(self) -> bool:
        """Whether nothing runs; after `next` gave nothing, nothing is left to run."""
        return not self._running

    def studied(self, spec: CohortSpec) -> Study:
        """The study as a cohort's configuration has it."""
        return configuration(self.study, spec.name, spec.overrides).study

    def finish(self, spec: CohortSpec) -> None:
        """A cohort's outcome was committed."""
        self._running.discard(spec.key)
        self._known.finish(spec, self.ledger.record(spec).outcomes())
        self._tell_all(spec)
        self._ask_ahead()

    def fail(self, spec: CohortSpec, *, lost: bool = False, shared: bool = False) -> bool:
        """A cohort failed: it is tried again, or after so many retries given up for this launch (True).

        lost: with its node, which is no failure of its own.  shared: in a trial with others: no failure of its own
        either, and it is tried again alone.
        """
        self._running.discard(spec.key)
        self._failures[spec.key] += not (lost or shared)
        if shared and not lost:
            self._alone.add(spec.key)
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
            spec = self._known.specs[key]
            self._failures.pop(key)
            self._begun.append(spec)
        self._given_up.clear()

    @property
    def failed(self) -> list[CohortSpec]:
        """Cohorts given up in this launch."""
        return [self._known.specs[key] for key in sorted(self._given_up)]

    @property
    def finished(self) -> list[CohortSpec]:
        """Cohorts whose outcome is in the ledger."""
        return list(self._known.finished.values())

    @property
    def outcomes(self) -> Counter[str]:
        """Of the members of all finished cohorts."""
        return self._known.outcomes

    @property
    def total(self) -> tuple[int, int]:
        """Cohorts and members of the whole study, as far as can be known now: what goes on until it is decided may need
        more."""
        compared = self._compared()
        sizes = [
            self._known.size("explore", each, self._search_seeds) for each in {e.configuration for e in self._explored}
        ]
        sizes += [
            self._known.size("compare", compared[n].configuration, range(w)) for n, w in self._seeds_wanted().items()
        ]
        still_to_ask = max(0, int(min(self._to_explore, self.exploration.most)) - self.exploration.asked)
        sizes += [self._known.size("explore", "", self._search_seeds)] * still_to_ask
        if self._expects_more:
            sizes.append(self._known.size("compare", "", range(self._seeds_of_the_next)))
        return sum(cohorts for cohorts, _ in sizes), sum(members for _, members in sizes)

    def best(self) -> int | None:
        """Number of the best configuration that the search found beside the named ones, once all are explored."""
        return self.exploration.best(self._found) if self._explored_all else None

    def certainty(self) -> Certainty | None:
        """How often new search seeds would name the same one as best; None before all are explored, or where there is
        no choice."""
        numbers = [number for number in self._found if self.exploration.value(number) is not None]
        if not self._explored_all or len(numbers) < 2:
            return None
        met, merits = [], []
        for number in numbers:
            known = self._known.of("explore", self._explored[number].configuration).outcomes
            outcomes = [known[seed] for seed in self._search_seeds]
            finals = [each.score(self.study.score) for each in outcomes]
            met.append([each.outcome == "converged" for each in outcomes])
            merits.append([np.nan if score is None else merit(score, self.study.criterion) for score in finals])
        points = self.exploration.coordinates(numbers)
        rounds = RERUNS if len(numbers) <= MANY_EXPLORED else RERUNS // 5
        return certainty(np.array(met), np.array(merits, float), points, rounds)

    @property
    def _found(self) -> list[int]:
        """Explored configurations that the study does not name."""
        known = {each.configuration for each in self._named.values()}
        return [number for number, each in enumerate(self._explored) if each.configuration not in known]

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

    def _compared(self) -> dict[int, CohortSpec]:
        """Configurations that are compared now, by number.

        A number is as the ledger has it. Else that of a named one is its place in the study, that of what the search
        found the number under which it was explored; or the next free one, where another has it.
        """
        found = [(number, self._explored[number]) for number in self._registered.added(self.best())]
        compared = [*enumerate(self._named.values()), *found]
        numbers = self._known.numbers("compare")
        for wanted, each in compared:
            if each.configuration not in numbers:
                taken = numbers.values()
                numbers[each.configuration] = max(taken) + 1 if wanted in taken else wanted
        return dict(sorted({numbers[each.configuration]: each for _, each in compared}.items()))

    def _seeds_wanted(self) -> dict[int, int]:
        """How many comparison seeds each compared configuration, by number, should have now."""
        compared, most = self._compared(), self._decides.seeds.compare
        wanted = dict.fromkeys(compared, max(self.study.seeds.compare, most))
        if not self._until_decided:
            return wanted
        hashes = self._registered.compared
        decide = {number: each for number, each in compared.items() if each.configuration in hashes}
        outcomes = [self._known.of("compare", each.configuration).outcomes for each in decide.values()]
        names = [each.name for each in decide.values()]
        found = interim_progress(self.study, self._decides, names, outcomes, entered=self._registered.entered)
        # Those that have all that is registered go on to what was added.
        wanted.update({n: seeds for n, seeds in zip(decide, found.wanted, strict=True) if seeds < most})
        return wanted

    @property
    def _until_decided(self) -> bool:
        """Whether the looks say how many seeds there are. A study that asks for all by now gets all: the looks at the
        first ones stay what they are."""
        return self.study.seeds.until == self._decides.seeds.until == "decided"

    @property
    def _seeds_of_the_next(self) -> int:
        """Comparison seeds with which what the search may still add begins."""
        until_decided = self._until_decided and not self._registered.entered
        return self._decides.seeds.sizes[0] if until_decided else self.study.seeds.compare

    def _read(self) -> None:
        """Take over what the ledger holds."""
        held: dict[Key, list[CohortSpec]] = defaultdict(list)
        explored: dict[int, CohortSpec] = {}
        for record in self.ledger.records(superseded=True):
            spec = record.spec()
            held[spec.phase, spec.configuration].append(spec)
            if spec.phase == "explore" and (not spec.name or spec.name in self._points):
                explored[spec.number] = spec
        for number in range(max(explored, default=-1) + 1):
            # One that is not on record equals an earlier one, whose cohort serves both, or its folder was removed:
            # asked again, the search gives the same.
            self._ask(explored.get(number))
            each = self._explored[number]
            self._adopt(held.pop(("explore", each.configuration), []), each)
            self._tell(number)
        known = {each.configuration: each for each in [*self._explored, *self._named.values()]}
        for (_, of), cohorts in held.items():
            if of in known:
                self._adopt(cohorts, known[of])
            else:
                self.superseded.add(of)

    def _adopt(self, cohorts: list[CohortSpec], own: CohortSpec) -> None:
        """Take over the cohorts of one configuration. Those that are not finished, or trained fewer steps than the
        study has now, go on with the present code."""
        for spec in cohorts:
            self._known.add(spec)
            if self.ledger.record(spec).finished and spec.steps >= own.steps:
                self._known.finish(spec, self.ledger.record(spec).outcomes())
            else:
                self._begun.append(replace(spec, values=own.values, steps=own.steps, code=self._code))

    def _ask(self, recorded: CohortSpec | None = None) -> None:
        """The next configuration to explore: one that an earlier launch asked for, or the search's next."""
        if recorded:
            point = self._points[recorded.name] if recorded.name else dict(recorded.overrides)
            self.exploration.restore(point, sampled=not recorded.name)
            name = recorded.name
        else:
            point = self.exploration.ask()
            name = next((name for name, own in self._points.items() if own == point), "")
        self._explored.append(self._named[name] if name else self._shared(configuration(self.study, "", point)))

    def _ask_ahead(self) -> None:
        """Ask for as many configurations as have their cohorts already, and one more, with the rest of its batch."""
        while (self.exploration.within_batch or not self._unbegun) and self._more_to_ask and self.exploration.ready:
            self._ask()
            self._tell(self.exploration.asked - 1)

    @property
    def _unbegun(self) -> bool:
        """Whether an explored configuration has search seeds that no cohort has."""
        while self._begun_to < len(self._explored):
            if self._known.missing("explore", self._explored[self._begun_to].configuration, self._search_seeds):
                return True
            self._begun_to += 1
        return False

    def _tell_all(self, spec: CohortSpec) -> None:
        """Tell the search what became of an explored cohort; several of what it asked may be one configuration."""
        for number, each in enumerate(self._explored):
            if spec.phase == "explore" and each.configuration == spec.configuration:
                self._tell(number)

    def _tell(self, number: int) -> None:
        """Tell the search a configuration's objective once all its search seeds are finished, or that it failed."""
        of, study = self._explored[number].configuration, self.study
        finished = self._known.of("explore", of).outcomes
        outcomes = [finished[seed] for seed in self._search_seeds if seed in finished]
        if len(outcomes) == study.seeds.search:
            scores = [each.score(study.score) for each in outcomes]
            converged = [outcome.outcome == "converged" for outcome in outcomes]
            self.exploration.tell(number, objective(converged, scores, study.criterion))
        elif self._known.of("explore", of).cohorts & self._given_up:
            self.exploration.tell(number, None)

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

    def _company(self, first: CohortSpec) -> list[CohortSpec]:
        """The cohorts that share a trial with this one."""
        together, number = self.study.search.together, first.number
        if together == 1 or first.phase != "explore" or first.key in self._alone or number >= len(self._explored):
            return []
        begin, found = number // together * together, []
        for place, each in enumerate(self._explored[begin : begin + together], begin):
            # One that was asked before has its cohorts there.
            if all(each.configuration != other.configuration for other in [first, *self._explored[:place]]):
                missing = self._missing("explore", place, each, self._search_seeds)
                open_ones = [*self._begun, *([missing] if missing else [])]
                found += [e for e in open_ones if (e.configuration, e.block) == (each.configuration, first.block)]
        wanted = self._together_with(first)
        return [spec for spec in found if spec.key not in self._alone and self._together_with(spec) == wanted]

    def _together_with(self, spec: CohortSpec) -> tuple[object, ...]:
        """What cohorts of one trial have in common."""
        return spec.seeds, spec.varied, spec.steps, spec.code, program(self.studied(spec))

    def _missing(self, phase: str, number: int, each: CohortSpec, seeds: range) -> CohortSpec | None:
        """A cohort of those of the seeds that no cohort has yet."""
        block = self._known.missing(phase, each.configuration, seeds)
        return replace(each, phase=phase, number=number, seeds=block) if block else None

    def _shared(self, own: Configuration) -> CohortSpec:
        study, training = own.study, own.study.training
        if training.epochs and not training.steps and self._samples is not None:
            training = training.resolved(self._samples(study))
        start = self._start_fingerprint(study.init_from) if study.init_from else ""
        identity = own.identity(self._data_fingerprint(study), start, training.steps)
        return CohortSpec(
            "", 0, identity, own.name, own.overrides, own.values, (), training.steps, self._code, study.seeds.vary
        )
