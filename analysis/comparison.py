"""The comparison as tables: what each configuration did, how each pair differs, and what was decided."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis import pair_tests
from seedsweep.analysis.decisions import INDEPENDENT, Decisions, Group, Pair, Rules, decide
from seedsweep.analysis.design.stopping import Aims, Progress, progress
from seedsweep.analysis.results import Results, convergence_steps
from seedsweep.analysis.statistics.best_of_n import replication
from seedsweep.analysis.statistics.pairing import correlation
from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.analysis.statistics.scores import (
    Variance,
    interquartile_mean,
    median_interval,
    split_variance,
    tolerance,
)
from seedsweep.analysis.statistics.survival import incidence
from seedsweep.analysis.verdicts import Compared, pairs_of, share_interval
from seedsweep.core.records.criterion import OUTCOMES
from seedsweep.core.records.decision import AXES, CONVERGING, SCORE

PAIR_COLUMNS = (
    *("first", "second", "exploratory", "difference", "low", "high", "adjusted", "differs"),
    *("better", "better_low", "better_high", "shift", "shift_low", "shift_high", "score_adjusted", "score_differs"),
)
#: Of so many pairs all have intervals; of more, so many on each axis.
MOST_ESTIMATED = 400
#: Above so many configurations the correlation of equal seeds is not looked for.
MOST_CORRELATED = 30


#: Columns of `Comparison.measured_pairs`.
MEASURED_PAIRS = [
    *("measure", "first", "second", "better", "better_low", "better_high"),
    *("shift", "shift_low", "shift_high", "adjusted", "differs"),
]


@dataclass(frozen=True)
class Comparison:
    """Compared configurations and their pairs, in the order of the study; what is exploratory comes last, and takes no
    part in anything that is decided.

    configurations: label, name, origin, exploratory, what varies, members, converged, fell_back, never, diverged; p (of
        converging) with low, high (exact, looks counted), p_diverged with diverged_low, diverged_high (exact);
        median_score, iqm and median_steps, each with _low and _high; surpassed: the score that 9 of 10 new seeds
        reach, at 95 %; rank_low, rank_high: its place in converging, that hold together for all; named_best with _low
        and _high; the median of each measure of the test split, with _low and _high. Intervals are at 95 % each; NaN
        where so few seeds have none.
    pairs: first, second (labels), exploratory; difference of P(converge) with low, high; adjusted (p, for all that the
        page decides; NaN where exploratory); differs: 1 where the first is significantly better, -1 where the second;
        better, with better_low, better_high: probability that a score of the first is better; shift, with shift_low,
        shift_high: by how much; score_adjusted, score_differs likewise. Intervals of one axis hold together at its
        level; NaN before the first look, and of pairs that are far from a decision where there are very many.
    secondary: measure, label, members, median and iqm, each with _low and _high: of what the study names beside the
        score; nothing is decided by it.
    correlation: of equal seeds across configurations, the mean over the pairs; NaN where it says nothing.
    """

    configurations: pd.DataFrame
    pairs: pd.DataFrame
    secondary: pd.DataFrame
    variance: Variance
    correlation: float
    compared: Compared
    progress: Progress
    unfinished: bool

    @property
    def decided(self) -> pd.DataFrame:
        """The configurations that decide the answer."""
        table = self.configurations
        return table[~table.exploratory] if len(table) else table

    @property
    def measured_pairs(self) -> pd.DataFrame:
        """The pairs by each measure that a claim names beside the score, those with the smallest p first. Its columns
        are as those of `pairs` on the score. Empty before the first look."""
        names = self.compared.names
        rows = [
            (
                *(measure, names[pair.first], names[pair.second], pair.estimate, pair.low, pair.high),
                *(pair.shift, pair.shift_low, pair.shift_high, pair.adjusted, pair.differs),
            )
            for measure, axis in self.compared.decisions.axes.items()
            if measure not in AXES
            for pair in sorted(axis.pairs, key=lambda pair: pair.adjusted)
            if pair.estimate == pair.estimate
        ]
        return pd.DataFrame(rows, columns=MEASURED_PAIRS)


def compare(results: Results) -> Comparison:
    """Compare the comparison's members, however many are finished."""
    groups, late = results.configurations, results.exploratory
    compared, reached, missing = decided(results)
    rows = [_row(results, group) for group in (*groups, *late)]
    for place, row in enumerate(rows[: len(groups)]):
        # Between looks there are more seeds than the last look took: theirs is an estimate as of now.
        seen, rules = compared.reached[place], compared.rules
        if seen and (rules.method.anytime or rules.looked[seen - 1 :][:1] == (row["members"],)):
            low, high = share_interval(compared, place, 0.05)
            # That of all looks may leave the share of the last one out.
            row.update(_interval("", (min(low, row["p"]), max(high, row["p"]))))
        row.update(_interval("rank_", _ranks(compared, place)))
    table = pd.DataFrame(rows)
    scores = [results.scores(group) for group in groups]
    for name, values in _named_best(results, table[: len(groups)], scores).items():
        table[name] = np.concatenate([values, np.full(len(late), np.nan)])
    pairs = _pairs(compared, [group.label.iloc[0] for group in groups]) + _exploratory_pairs(results)
    return Comparison(
        table,
        pd.DataFrame(pairs, columns=list(PAIR_COLUMNS)),
        _secondary(results),
        split_variance(scores),
        _correlation(compared.groups),
        compared,
        reached,
        missing,
    )


def decided(results: Results) -> tuple[Compared, Progress, bool]:
    """What is compared with the decisions, how far the looks are, and whether seeds that decide are missing."""
    frames = results.configurations
    axes = results.axes
    groups = [group_of(results, frame, axes) for frame in frames]
    rules = Rules.of(results.seeds, results.decision, results.claims, results.metric)
    names = [str(frame.label.iloc[0]) for frame in frames]
    named = [place for place, frame in enumerate(frames) if frame.origin.iloc[0] == "named"]
    if not results.designed:
        rules = replace(rules, sizes=(), method=INDEPENDENT)
        once = Progress(tuple(int(len(group.converged) > 0) for group in groups), ())
        decisions = _decide(groups, rules, once.reached, Aims((), names, named, results.metric))
        return Compared(names, named, groups, rules, once.reached, decisions), once, False
    entered = _all_entered(results, names)
    aims = Aims(results.claims, names, named, results.metric)
    reached = progress(groups, rules, results.seeds, aims, entered=entered)
    seen = reached.reached
    if rules.method.anytime and entered:
        # Each seed is a look, once all that is compared is there.
        begun = int(min((len(group.converged) for group in groups), default=0) > 0)
        seen = (begun,) * len(groups)
    compared = Compared(names, named, groups, rules, seen, _decide(groups, rules, seen, aims))
    short = any(len(group.converged) < wanted for group, wanted in zip(groups, reached.wanted, strict=True))
    return compared, reached, not entered or (short and not reached.stopped)


def _decide(groups: Sequence[Group], rules: Rules, reached: Sequence[int], aims: Aims) -> Decisions:
    """With intervals of all pairs; of many, as intervals take most of the time, of those that are told apart, whose
    interval says whether one is better, those that claims are about, and the MOST_ESTIMATED that are nearest to a
    decision on some axis."""
    if math.comb(len(groups), 2) <= MOST_ESTIMATED:
        return decide(groups, rules, reached)
    found = decide(groups, rules, reached, estimates=False)
    wanted: set[tuple[int, int]] = set()
    for axis in found.axes.values():
        nearest = sorted(axis.pairs, key=lambda pair: pair.p)[:MOST_ESTIMATED]
        apart = [pair for pair in axis.pairs if pair.differs]
        wanted |= {(pair.first, pair.second) for pair in (*nearest, *apart)}
    plain = Compared(aims.names, aims.named, groups, rules, reached, found)
    for claim in aims.claims:
        if set(claim.names) <= set(aims.names):
            pairs = pairs_of(claim, plain, aims.metric)
            wanted |= {(min(pair.first, pair.second), max(pair.first, pair.second)) for pair in pairs}
    return decide(groups, rules, reached, estimates=wanted)


def group_of(results: Results, members: pd.DataFrame, axes: Sequence[str]) -> Group:
    """A configuration as it is compared: its members from seed 0 on without a gap, or, of a table of others, all."""
    ordered = members.sort_values("seed")
    if results.designed:
        ordered = ordered[ordered.seed.to_numpy() == np.arange(len(ordered))]
    scores = {
        axis: _upward(results, ordered, results.metric if axis == SCORE else axis)
        for axis in axes
        if axis != CONVERGING
    }
    return Group((ordered.outcome == "converged").to_numpy(bool), scores)


def best_first(table: pd.DataFrame) -> pd.DataFrame:
    """Configurations, the one first whose P(converge) is surely the highest, then by the score: 38 of 40 before 1 of
    1."""
    if table.empty:
        return table
    return table.sort_values(["low", "p", "upward"], ascending=False, kind="stable")


def _upward(results: Results, members: pd.DataFrame, measure: str) -> np.ndarray:
    """A measure of some members, more being better; NaN where there is none, and of a member that diverged, whatever it
    had reached before."""
    sign = results.sign_of(measure)
    if sign is None:
        return np.full(len(members), np.nan)
    own = members[results.score_column].to_numpy(float) if measure == results.metric else results.last(members, measure)
    return np.where(members.outcome == "diverged", np.nan, sign * own)


def _row(results: Results, group: pd.DataFrame) -> dict[str, Any]:
    """One configuration, but for what is said of it beside the others."""
    scores, (converged, n) = results.scores(group), counts(group)
    diverged = int((group.outcome == "diverged").sum())
    iqm, *iqm_ends = interquartile_mean(scores)
    steps, *steps_ends = incidence(convergence_steps(group), results.budget).median()
    surpassed, _ = tolerance(results.sign * scores)
    row = {
        **{name: group[name].iloc[0] for name in ("label", "name", "origin", *results.varying_columns)},
        "exploratory": bool(group.exploratory.any()),
        "members": n,
        **{outcome: int((group.outcome == outcome).sum()) for outcome in OUTCOMES},
        **{"p": converged / n, **_interval("", clopper_pearson(converged, n))},
        **{"p_diverged": diverged / n, **_interval("diverged_", clopper_pearson(diverged, n))},
        **{"median_score": float(np.median(scores)), **_interval("median_score_", median_interval(scores))},
        **{"iqm": iqm, **_interval("iqm_", iqm_ends)},
        **{"median_steps": steps, **_interval("median_steps_", steps_ends)},
        "surpassed": results.sign * surpassed,
        "upward": results.sign * float(np.median(scores)),
        **{"rank_low": math.nan, "rank_high": math.nan},
    }
    for name in results.tested:
        values = group[name].dropna().to_numpy(float)
        row[name] = float(np.median(values)) if len(values) else float("nan")
        row |= _interval(f"{name}_", median_interval(values))
    return row


def _interval(name: str, ends: Sequence[float]) -> dict[str, float]:
    return {f"{name}low": ends[0], f"{name}high": ends[1]}


def _ranks(compared: Compared, place: int) -> tuple[float, float]:
    """Between which places in converging a configuration lies: those that are significantly better are before it, those
    that are worse behind it."""
    if not compared.reached[place]:
        return math.nan, math.nan
    count = len(compared.groups)
    axis = compared.decisions.axes[CONVERGING]
    signs = [axis.pair(place, other).differs for other in range(count) if other != place]
    return 1.0 + signs.count(-1), float(count - signs.count(1))


def _named_best(results: Results, table: pd.DataFrame, scores: list[np.ndarray]) -> dict[str, np.ndarray]:
    """How often one seed of each *named* configuration names each the best; NaN for one that the search found."""
    named = np.flatnonzero(table.origin == "named") if len(table) else np.zeros(0, int)
    shares = {name: np.full(len(table), np.nan) for name in ("named_best", "named_best_low", "named_best_high")}
    if len(named):
        found = replication([results.sign * scores[i] for i in named])
        for name, values in zip(shares, (found.share, found.low, found.high), strict=True):
            shares[name][named] = values
    return shares


def _pairs(compared: Compared, labels: Sequence[str]) -> list[tuple[Any, ...]]:
    """Every pair of those that decide."""
    axes = compared.decisions.axes
    return [
        _pair((labels[one.first], labels[one.second]), one, other, exploratory=False)
        for one, other in zip(axes[CONVERGING].pairs, axes[SCORE].pairs, strict=True)
    ]


def _exploratory_pairs(results: Results) -> list[tuple[Any, ...]]:
    """Every pair, with all seeds, of which one at least is exploratory: estimates alone."""
    rows = []
    method = pair_tests.Independent()
    late = {number for number, group in results.whole.items() if group.exploratory.any()}
    for (one_number, first), (other_number, second) in itertools.combinations(results.whole.items(), 2):
        if late.isdisjoint((one_number, other_number)):
            continue
        converged = [(group.outcome == "converged").to_numpy(bool) for group in (first, second)]
        own, theirs = (_upward(results, group, results.metric) for group in (first, second))
        one = Pair(0, 1, math.nan, math.nan, 0, *method.estimate(CONVERGING, converged[0], converged[1], 0.95))
        estimates = (*method.estimate(SCORE, own, theirs, 0.95), *method.shift(own, theirs, 0.95))
        other = Pair(0, 1, math.nan, math.nan, 0, *estimates)
        rows.append(_pair((first.label.iloc[0], second.label.iloc[0]), one, other, exploratory=True))
    return rows


def _pair(labels: tuple[str, str], converging: Pair, score: Pair, *, exploratory: bool) -> tuple[Any, ...]:
    """As PAIR_COLUMNS has it."""
    return (
        *(*labels, exploratory),
        *(converging.estimate, converging.low, converging.high, converging.adjusted, converging.differs),
        *(score.estimate, score.low, score.high, score.shift, score.shift_low, score.shift_high),
        *(score.adjusted, score.differs),
    )


def _secondary(results: Results) -> pd.DataFrame:
    """As `Comparison.secondary` has it."""
    rows = []
    for measure in results.secondary:
        for group in results.shown:
            values = group[measure].to_numpy(float) if measure in group else results.last(group, measure)
            values = values[np.isfinite(values)]
            iqm, *ends = interquartile_mean(values)
            rows.append(
                {
                    **{"measure": measure, "label": group.label.iloc[0], "members": len(values)},
                    "median": float(np.median(values)) if len(values) else math.nan,
                    **_interval("median_", median_interval(values)),
                    **{"iqm": iqm, **_interval("iqm_", ends)},
                }
            )
    columns = ("measure", "label", "members", "median", "median_low", "median_high", "iqm", "iqm_low", "iqm_high")
    return pd.DataFrame(rows, columns=list(columns))


def _correlation(groups: Sequence[Group]) -> float:
    """Of the scores of equal seeds, the mean over the pairs."""
    if not 1 < len(groups) <= MOST_CORRELATED:
        return math.nan
    found = []
    for one, other in itertools.combinations(groups, 2):
        size = min(len(one.converged), len(other.converged))
        found.append(correlation(one.on(SCORE, size), other.on(SCORE, size)) if size > 1 else math.nan)
    known = [value for value in found if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def counts(members: pd.DataFrame) -> tuple[int, int]:
    """How many of some members converged, and how many there are."""
    return int((members.outcome == "converged").sum()), len(members)


def _all_entered(results: Results, labels: Sequence[str]) -> bool:
    """Whether every configuration that is to be compared has a member."""
    registered, study = results.registered, results.study
    named = study.configurations if registered is None else registered.configurations
    explore = study.search.explore * study.found if registered is None else registered.explore
    return set(named) <= set(labels) and _search_ended(results, explore)


def _search_ended(results: Results, explore: int) -> bool:
    """Whether all that the search adds to the comparison is in it: it adds none where every explored configuration was
    named."""
    if not explore or any(group.origin.iloc[0] == "search" for group in results.configurations):
        return True
    explored = results.members[results.members.phase == "explore"]
    all_named = bool((explored.origin == "named").all())
    return all_named and explored.configuration.nunique() >= explore
