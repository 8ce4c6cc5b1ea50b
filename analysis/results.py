"""A study's results, as everything that is said of them reads them."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis import labels
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.decision import Claim, Decision, SeedCounts, Sensitivity, axes_of
from seedsweep.core.records.registration import Registration
from seedsweep.core.records.study import Study

IDENTITY = ("configuration", "label", "name", "phase", "number", "origin", "exploratory", "seed")
STEPS = ("first_met", "converged_at", "lost_at", "diverged_at", "stopped_at")
OUTCOME = ("outcome", *STEPS, "final", "best")
#: Beginnings of the columns of the test split.
TESTED = ("test_last_", "test_best_")
RUN = ("host", "device", "engine", "cohort_seconds", "cohort_members")
#: Where members differ in their code, have more steps than were registered, or were taken from other runs: the hash of
#: the user's files, the outcome at the registered length, and the run that trained a member, empty where this one did.
CHANGED = ("code", "registered_outcome", "taken_from")
#: A numeric path whose values span this factor has a logarithmic axis.
DECADES = 100.0


@dataclass(frozen=True)
class Axis:
    """A numeric path by which configurations can be placed. column: of `Results.members`.  name: for people."""

    path: str
    column: str
    name: str
    log: bool


@dataclass(frozen=True)
class Results:
    """A study and its tables.

    members:     IDENTITY (exploratory: whether a compared member was added after results), a column for each path that
                 varies (`column_of`), OUTCOME as `core.records.criterion.Outcome` has it, `test_last_NAME` and
                 `test_best_NAME` for each measure of the test split, and RUN; CHANGED where it applies.
    evaluations: configuration, phase, label, seed, step and every measure; unfinished cohorts are here up to their
                 checkpoint.
    curves:      of the comparison's members, by configuration and seed: the cohort's, and the member's place in it.
    values:      what each configuration was resolved to, by its hash: dotted path -> value.
    registered:  what the run decides; None: all of it.
    lost:        whether what the run registered is missing: all claims are exploratory.
    changes:     differences from the registration, a sentence each.
    regrown:     whether members had finished with fewer steps than they have now.
    same_best:   how often new search seeds would name the same configuration the best found; None: not known.
    designed:    whether a study said how many seeds and looks there are; not of others' tables.
    """

    study: Study
    members: pd.DataFrame
    evaluations: pd.DataFrame
    curves: Mapping[tuple[str, int], tuple[Curves, int]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    registered: Registration | None = None
    lost: bool = False
    changes: Sequence[str] = ()
    regrown: bool = False
    designed: bool = True
    same_best: float | None = None

    @functools.cached_property
    def budget(self) -> int:
        """Steps that a member trains: as the study says, or, where it does not, as far as any was evaluated."""
        seen = int(self.evaluations.step.max()) if len(self.evaluations) else 1
        return max(self.study.training.steps, seen)

    @functools.cached_property
    def taken(self) -> Counter[str]:
        """How many members were taken from other runs, by the run that trained them."""
        if "taken_from" not in self.members:
            return Counter()
        return Counter(run for run in self.members.taken_from.fillna("").astype(str) if run)

    @functools.cached_property
    def compared(self) -> pd.DataFrame:
        """Members of the comparison, the exploratory ones too."""
        return self.members[self.members.phase == "compare"]

    @functools.cached_property
    def configurations(self) -> list[pd.DataFrame]:
        """The members that decide the answer, by configuration: registered ones with their registered seeds, the named
        ones first, in the order of their numbers."""
        return _by_number(self.compared[~self.compared.exploratory.astype(bool)])

    @functools.cached_property
    def exploratory(self) -> list[pd.DataFrame]:
        """Configurations that were added after results, and registered ones with all their seeds where some were added;
        their label says so."""
        groups = []
        for group in _by_number(self.compared):
            if group.exploratory.any():
                seeds = "" if group.exploratory.all() else f", all {len(group)} seeds"
                groups.append(group.assign(label=f"{group.label.iloc[0]}{seeds} (exploratory)"))
        return groups

    @property
    def whole(self) -> dict[int, pd.DataFrame]:
        """Each configuration with all its seeds, by its number."""
        found = {int(group.number.iloc[0]): group for group in self.shown}
        return dict(sorted(found.items()))

    @functools.cached_property
    def shown(self) -> list[pd.DataFrame]:
        """All of them, those that decide first."""
        return [*self.configurations, *self.exploratory]

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The registered claims, whatever the study says by now; none where they are lost."""
        if self.lost:
            return ()
        return self.study.claims if self.registered is None else self.registered.claims

    @property
    def late_claims(self) -> tuple[Claim, ...]:
        """Those that were added after results, or may have been."""
        return tuple(claim for claim in self.study.claims if claim not in self.claims)

    @property
    def seeds(self) -> SeedCounts:
        """How many seeds decide."""
        return self.study.seeds if self.registered is None else self.registered.seeds

    @property
    def decision(self) -> Decision:
        """The level, and how it is shared."""
        return self.study.decision if self.registered is None else self.registered.decision

    @property
    def secondary(self) -> tuple[str, ...]:
        """Measures that are estimated beside the score."""
        return self.study.secondary if self.registered is None else self.registered.secondary

    @property
    def sensitivity(self) -> Sensitivity:
        """By which other criteria the answer is judged, too."""
        return self.study.sensitivity if self.registered is None else self.registered.sensitivity

    @property
    def axes(self) -> tuple[str, ...]:
        """On which configurations are compared: as the registered claims ask."""
        return axes_of(self.claims, self.metric)

    @functools.cached_property
    def varying(self) -> list[str]:
        """Paths in which compared configurations differ."""
        return labels.varying(self._values_of(group) for group in self.shown)

    @functools.cached_property
    def varying_columns(self) -> list[str]:
        """Their columns among the members."""
        return [column_of(path) for path in self.varying]

    @functools.cached_property
    def tested(self) -> list[str]:
        """Columns of the test split's measures."""
        return [str(name) for name in self.members if str(name).startswith(TESTED)]

    @functools.cached_property
    def axis(self) -> Axis | None:
        """The path on whose axis the comparison can be drawn: the only one in which the named configurations differ
        (all compared ones, where fewer than two are named), a number in every one. None: there is no such path."""
        groups = self.shown
        named = [group for group in groups if group.origin.iloc[0] == "named"]
        paths = labels.varying(self._values_of(group) for group in (named if len(named) > 1 else groups))
        numbers = [self._values_of(group).get(paths[0]) for group in groups] if len(paths) == 1 else []
        if not numbers or not all(map(labels.is_number, numbers)):
            return None
        column = column_of(paths[0])
        drawn = self.members[column].dropna()
        log = bool(drawn.min() > 0) and (self.is_logarithmic(paths[0]) or drawn.max() >= DECADES * drawn.min())
        return Axis(paths[0], column, labels.short_names(paths)[paths[0]], log)

    def is_logarithmic(self, path: str) -> bool:
        """Whether a path is searched on a logarithmic scale."""
        space = self.study.search.space
        dimension = space.get(path) or space.get(f"hyperparameters.{path}")
        return dimension is not None and dimension.log

    @property
    def metric(self) -> str:
        """The criterion's."""
        return self.study.criterion.metric

    @property
    def sign(self) -> float:
        """1 where a higher score is better, else -1: a score times this is better the higher it is."""
        return 1.0 if self.study.criterion.direction == "max" else -1.0

    def sign_of(self, measure: str) -> float | None:
        """As `sign`, of any measure; None where the record does not say whether more or less of it is better."""
        if measure == self.metric:
            return self.sign
        known = self.study.measures.get(measure)
        return None if known is None else 1.0 if known.direction == "max" else -1.0

    @property
    def score_column(self) -> str:
        """Of `members`: the score by which they are compared."""
        return "best" if self.study.score == "best" else "final"

    @property
    def score_name(self) -> str:
        """`final f1`, or `best f1` where the study takes the best evaluation."""
        return f"{self.score_column} {self.metric}"

    @property
    def at_threshold(self) -> str:
        """`at or above 0.9`, as the criterion asks it."""
        return f"at or {'above' if self.sign > 0 else 'below'} {self.study.criterion.threshold:g}"

    @functools.cached_property
    def span(self) -> tuple[float, float]:
        """Between which values a score that decides can be: the metric's ends where they are known.

        Else 0 and 1 where more is better and all scores lie there, or a quarter of their range more than they reach,
        not below 0 where none is.
        """
        scores = self._deciding_scores
        low, high = min(scores, default=0.0), max(scores, default=1.0)
        known = self.study.criterion
        if known.low is None and known.high is None and self.sign > 0 and low >= 0 and high <= 1:
            return 0.0, 1.0
        quarter = (high - low) / 4 or max(abs(high), 1.0) / 4
        below = max(low - quarter, 0.0) if low >= 0 else low - quarter
        first = below if known.low is None else min(known.low, low)
        return float(first), float(high + quarter if known.high is None else max(known.high, high))

    @property
    def upward_span(self) -> tuple[float, float]:
        """The span of `sign` times a score."""
        low, high = self.span
        return (low, high) if self.sign > 0 else (-high, -low)

    @functools.cached_property
    def curve_span(self) -> tuple[float, float]:
        """Between which values curves are drawn: as `span`, and, where an end of the metric is not known, what all but
        a hundredth of the evaluations reach, and the threshold."""
        low, high = self.span
        known = self.study.criterion
        if (known.low is not None and known.high is not None) or self.metric not in self.evaluations:
            return low, high
        values = self.evaluations[self.metric].to_numpy(float)
        values = values[np.isfinite(values)]
        if not len(values) or (known.low is None and (low, high) == (0.0, 1.0)):
            return low, high
        reached = (*np.quantile(values, [0.01, 0.99]), known.threshold)
        return float(min(low, *reached)), float(max(high, *reached))

    @functools.cached_property
    def worst(self) -> float:
        """What a member without a score counts as, a failure and not a gap: the metric's bad end, or, where that is not
        known, the worst score there is."""
        low, high = self.span
        known = self.study.criterion
        scores = self._deciding_scores
        if self.sign > 0:
            return low if known.low is not None or not len(scores) or (low, high) == (0.0, 1.0) else float(scores.min())
        return high if known.high is not None or not len(scores) else float(scores.max())

    @property
    def worst_is(self) -> str:
        """What `worst` is, in words."""
        known = self.study.criterion
        end = known.low if self.sign > 0 else known.high
        return "the end of the metric" if end is not None and end == self.worst else "the worst that there is"

    def scores(self, members: pd.DataFrame) -> np.ndarray:
        """The score of each of some members, [n]; of one that diverged the worst, whatever it had reached before."""
        ended = members[self.score_column].mask(members.outcome == "diverged")
        return ended.fillna(self.worst).to_numpy(float)

    def last(self, members: pd.DataFrame, measure: str) -> np.ndarray:
        """A measure of some compared members at their last evaluation, [n], of one that was stopped where it stopped;
        NaN where it is not finite any more, or where there is none."""
        own = self.evaluations
        if measure not in own:
            return np.full(len(members), np.nan)
        own = own[(own.phase == "compare") & own.configuration.isin(members.configuration.unique())]
        if members.stopped_at.notna().any():
            ends = members.set_index(["configuration", "seed"]).stopped_at.astype(float)
            keys = pd.MultiIndex.from_arrays([own.configuration.astype(str), own.seed])
            own = own[~(own.step.to_numpy(float) > ends.reindex(keys).to_numpy(float))]
        found = own.sort_values("step").drop_duplicates(["configuration", "seed"], keep="last")
        index = pd.MultiIndex.from_arrays([found.configuration.astype(str), found.seed])
        wanted = pd.MultiIndex.from_arrays([members.configuration, members.seed])
        values: np.ndarray = pd.Series(found[measure].to_numpy(float), index).reindex(wanted).to_numpy(float)
        return np.where(np.isfinite(values), values, np.nan)

    def ranked(self, members: pd.DataFrame) -> pd.DataFrame:
        """Some members, the worst first."""
        order = (self.sign * members[self.score_column]).rename("order")
        keyed = pd.DataFrame({"order": order, "seed": members.seed}).sort_values(["order", "seed"], na_position="first")
        return members.loc[keyed.index]

    @property
    def _deciding_scores(self) -> np.ndarray:
        """Of all members but the exploratory ones, [n]."""
        deciding = self.members[~self.members.exploratory.astype(bool)]
        return deciding[self.score_column].dropna().to_numpy(float)

    def _values_of(self, group: pd.DataFrame) -> Mapping[str, Any]:
        return self.values.get(group.configuration.iloc[0], {})


def column_of(path: str) -> str:
    """A path's column among the members': itself, unless the column of another thing has this name."""
    return f"hyperparameters.{path}" if is_fixed(path) else path


def is_fixed(column: str) -> bool:
    """Whether a column of the members is none of a path."""
    return column in (*IDENTITY, *OUTCOME, *RUN, *CHANGED) or column.startswith(TESTED)


def convergence_steps(members: pd.DataFrame) -> np.ndarray:
    """The step at which each member converged for good, NaN for one that did not."""
    return members.converged_at.astype("Float64").to_numpy(float, na_value=np.nan)


def _by_number(members: pd.DataFrame) -> list[pd.DataFrame]:
    return [group for _, group in members.groupby("number", sort=True)]
