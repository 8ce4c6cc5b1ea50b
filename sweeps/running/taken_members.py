"""Members that another run of the same folder has trained: copied with their origin, never trained twice.

A member is another's equal where configuration (`Configuration.identity`: what it is trained on, with what, from which
weights), seed, number of steps, code and `environment` are equal. It is judged anew, by this study's own criterion.
Where a member's path depends on its seed alone, a cohort is put together from those of other shapes; else its company
must be the same, and so is the cohort. Only what has finished is read, and believed once it was judged anew by the
other run's criterion (`core.records.verified`).

Launches that need the same members at once do not wait for one another: each trains them, with the same results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.claim import Claim
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Outcome, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.files import replace
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.origins import origins_of
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study, read_study
from seedsweep.core.records.verified import verified
from seedsweep.core.training import checkpoint
from seedsweep.sweeps.running.environment import Environment
from seedsweep.sweeps.study.configuration import kind


@dataclass(frozen=True)
class Source:
    """A finished cohort of another run, verified. run: its name.  facts: where and how it ran."""

    run: str
    record: CohortRecord
    spec: CohortSpec
    facts: dict[str, Any]
    outcomes: dict[int, Outcome]
    curves: Curves

    def origins(self, seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
        """As a record says where some of its members come from, in the words of the run that trained them."""
        theirs = [seed for seed in self.spec.seeds if seed in seeds]
        for earlier in self.facts.get("taken_from", ()):
            if taken := [seed for seed in earlier["seeds"] if seed in theirs]:
                yield {**earlier, "seeds": taken}
        own = [seed for seed in theirs if seed not in origins_of(self.facts)]
        if own:
            names = ("engine", "host", "device", "seconds")
            yield {
                "run": self.run,
                "cohort": "/".join(self.spec.key),
                "seeds": own,
                "curves_sha256": self.record.curves_hash(),
                **{name: self.facts[name] for name in names},
            }


@dataclass(frozen=True)
class Found:
    """A cohort's members as other runs have them. source_of: of each member's cohort there, by its seed.

    weights, state: what they have learnt, and all that they need to train on, as files; where the study keeps them.
    Members of several cohorts have no common state.
    """

    curves: Curves
    outcomes: list[Outcome]
    source_of: Mapping[int, Source]
    weights: dict[str, Any] | None = None
    state: bytes | None = None

    @property
    def sources(self) -> list[Source]:
        """Each once."""
        return list({str(one.record.folder): one for one in self.source_of.values()}.values())

    def commit(self, claim: Claim, facts: Mapping[str, Any]) -> None:
        """Copy them into a cohort, and finish it. facts: where the copy was made, which replace those of the first
        cohort that is copied.

        What is kept beside the curves comes first: without the outcome nothing of it counts.  Errors: FencedError,
        OSError.
        """
        if self.weights is not None:
            checkpoint.save(claim.record.weights, self.weights)
        if self.state is not None:
            replace(claim.record.state, self.state)
        first = self.sources[0]
        if first.record.has_files:
            claim.files(first.record)
        if warnings := dict.fromkeys(said for one in self.sources if (said := one.record.warning())):
            claim.record.warn("; ".join(warnings))
        seeds = [outcome.seed for outcome in self.outcomes]
        origins = [
            origin
            for one in self.sources
            for origin in one.origins([seed for seed in seeds if self.source_of[seed] is one])
        ]
        claim.commit(self.curves, self.outcomes, {**first.facts, **facts, "taken_from": origins})


@dataclass
class OtherRuns:
    """The other runs of a run's folder. doubts: of what was not believed, a line each."""

    paths: RunPaths
    doubts: list[str] = field(default_factory=list)

    def find(self, spec: CohortSpec, study: Study, environment: Environment) -> Found | None:
        """All members of a cohort that would be trained in this environment; None where one of them is nowhere.

        study: as the cohort's configuration has it.
        """
        source_of: dict[int, Source] = {}
        for source in self._sources(spec, study, environment):
            for seed in spec.seeds:
                # What this run itself trained, before it was begun afresh, is nothing from elsewhere.
                if seed in source.outcomes and origins_of(source.facts).get(seed) != self.paths.name:
                    source_of.setdefault(seed, source)
            if len(source_of) == len(spec.seeds):
                return _found(spec, study, source_of)
        return None

    def _sources(self, spec: CohortSpec, study: Study, environment: Environment) -> Iterator[Source]:
        """Those that hold equals of a cohort's members, in the order of the runs' names."""
        for other in RunPaths.all_of(self.paths.runs):
            if other.name == self.paths.name or not (other.cohorts / spec.configuration).is_dir():
                continue
            for record in Ledger(other.cohorts).records_of(spec.configuration, spec.phase):
                try:
                    source = _equal(other, record, spec, study, environment)
                except (SeedsweepError, OSError) as error:
                    self.doubts.append(f"nothing was taken from {other.name}: {error}")
                    continue
                if source is not None:
                    yield source


def _equal(
    other: RunPaths, record: CohortRecord, spec: CohortSpec, study: Study, environment: Environment
) -> Source | None:
    """A cohort of another run if it is finished, and its members are equals of this one's. Errors: SeedsweepError where
    it is damaged, or was edited; OSError."""
    if not record.finished:
        return None
    theirs, facts = record.spec(), record.run()
    same = (theirs.configuration, theirs.steps, theirs.code) == (spec.configuration, spec.steps, spec.code)
    if not same or set(spec.seeds).isdisjoint(theirs.seeds) or facts.get("environments") != [environment]:
        return None
    if study.resources.keep_weights and not (record.weights.exists() and record.state.exists()):
        return None
    criterion = read_study(other.study).criterion
    outcomes, curves = verified(record, criterion)
    # The best evaluation is that of the criterion's metric, and so is what a function or a command reports.
    by_metric = kind(study) != "task" or any(outcome.test for outcome in outcomes)
    if by_metric and study.criterion.metric != criterion.metric:
        return None
    wanted = list(dict.fromkeys([*study.metrics, study.criterion.metric]))
    if study.criterion.metric not in curves.columns or (kind(study) != "task" and curves.columns != wanted):
        return None
    return Source(other.name, record, theirs, facts, {outcome.seed: outcome for outcome in outcomes}, curves)


def _found(spec: CohortSpec, study: Study, source_of: Mapping[int, Source]) -> Found | None:
    """The members of a cohort; None where they do not come to the same as one that was trained."""
    curves = _curves(spec, source_of)
    if curves is None:
        return None
    outcomes, criterion = [], study.criterion
    for seed, scores in zip(spec.seeds, curves.column(criterion.metric).T, strict=True):
        one = source_of[seed].outcomes[seed]
        outcomes.append(judge(seed, curves.steps, scores, one.diverged_at, criterion, one.stopped_at, one.test))
    found = Found(curves, outcomes, source_of)
    return _with_weights(found, spec) if study.resources.keep_weights else found


def _curves(spec: CohortSpec, source_of: Mapping[int, Source]) -> Curves | None:
    """Of members of several cohorts, as one cohort of them has it: up to where the last of them stopped."""
    sources = [source_of[seed] for seed in spec.seeds]
    every = [source.curves for source in sources]
    if every[0].seeds == list(spec.seeds) and all(source is sources[0] for source in sources):
        return every[0]
    longest = max(every, key=lambda curves: len(curves.steps))
    stopped = [step for seed in spec.seeds if (step := source_of[seed].outcomes[seed].stopped_at) is not None]
    steps = longest.steps
    if len(stopped) == len(spec.seeds):
        steps = steps[: steps.index(max(stopped)) + 1]
    places = [curves.seeds.index(seed) for curves, seed in zip(every, spec.seeds, strict=True)]
    first, count = longest.windows.shape, len(steps)
    values = np.full((count, len(places), len(longest.columns)), np.nan)
    windows = np.zeros((count, len(places), *first[2:]), np.float32)
    for member, (curves, place) in enumerate(zip(every, places, strict=True)):
        known = min(count, len(curves.steps))
        alike = curves.steps[:known] == steps[:known] and curves.columns == longest.columns
        if not alike or curves.watched != longest.watched or curves.windows.shape[2:] != first[2:]:
            return None
        # Of one that stopped, and its whole cohort with it, nobody knows where it looks afterwards.
        if known < count and windows.size:
            return None
        values[:known, member] = curves.values[:known, place]
        windows[:known, member] = curves.windows[:known, place]
    return Curves(list(steps), values, list(longest.columns), list(spec.seeds), windows, list(longest.watched))


def _with_weights(found: Found, spec: CohortSpec) -> Found | None:
    """With what the study keeps; None where the other runs do not have it."""
    stored: dict[str, dict[str, Any]] = {}
    for source in found.sources:
        weights = checkpoint.load(source.record.weights)
        if weights is None or weights.get("seeds") != list(source.spec.seeds):
            return None
        stored[str(source.record.folder)] = weights
    rows = [(stored[str(found.source_of[seed].record.folder)], seed) for seed in spec.seeds]
    names = rows[0][0]["tensors"]
    if any(weights["tensors"].keys() != names.keys() for weights in stored.values()):
        return None
    tensors = {
        name: torch.stack([weights["tensors"][name][weights["seeds"].index(seed)] for weights, seed in rows])
        for name in names
    }
    first, state = found.sources[0], None
    if first.spec.key == spec.key and first.spec.seeds == spec.seeds:
        if checkpoint.load(first.record.state) is None:
            return None
        state = first.record.state.read_bytes()
    kept = {"seeds": list(spec.seeds), "tensors": tensors}
    return Found(found.curves, found.outcomes, found.source_of, kept, state)
