"""The comparison in numbers: what each configuration did, how each pair differs, and what the seeds could show."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis.design.racing import seeds_of_each
from seedsweep.analysis.results import Results, convergence_steps
from seedsweep.analysis.statistics.best_of_n import replication
from seedsweep.analysis.statistics.proportions import (
    clopper_pearson,
    jeffreys,
    minimum_detectable,
    newcombe,
    pairwise,
    probability_greater,
    seeds_for_power,
    wilson,
)
from seedsweep.analysis.statistics.scores import (
    Variance,
    interquartile_mean,
    median_interval,
    split_variance,
    superiority,
)
from seedsweep.analysis.statistics.survival import incidence, logrank_pairs
from seedsweep.core.records.criterion import OUTCOMES

PAIR_COLUMNS = (
    *("first", "second", "exploratory", "p", "adjusted", "difference", "low", "high", "greater"),
    *("better", "better_low", "better_high", "times_adjusted"),
)


@dataclass(frozen=True)
class Power:
    """Of the best configuration and the second: seeds of each that would tell them apart (None: too many to say), and
    the least difference from the best's P(converge) that the `seeds` that were run would find (None: none)."""

    best: str
    second: str
    p_best: float
    p_second: float
    needed: int | None
    seeds: int
    detectable: float | None


@dataclass(frozen=True)
class Comparison:
    """Compared configurations and their pairs, in the order of the study; what is exploratory comes last, and takes no
    part in anything that is said of several: adjusted p's, named_best, power and variance.

    configurations: label, name, origin, exploratory, what varies, members, converged, fell_back, never, diverged; p (of
                    converging) with low, high (Wilson), exact_low, exact_high (Clopper-Pearson), jeffreys_low and
                    jeffreys_high; p_diverged with diverged_low, diverged_high (Wilson); median_score, iqm and
                    median_steps, each with _low and _high; named_best with _low and _high; the median of each measure
                    of the test split, with _low and _high.
    pairs:          first, second (labels), exploratory; p and adjusted (Boschloo, Holm; NaN where exploratory);
                    difference of P(converge) with low, high (Newcombe); greater, Pr(p_first > p_second); better, with
                    better_low, better_high: probability that a score of the first is better than one of the second;
                    times_adjusted (log-rank, Holm; NaN where exploratory).
    power:          None with fewer than two configurations.
    unfinished:     whether seeds that decide are still missing.
    """

    configurations: pd.DataFrame
    pairs: pd.DataFrame
    power: Power | None
    variance: Variance
    unfinished: bool

    @property
    def decided(self) -> pd.DataFrame:
        """The configurations that decide the answer."""
        table = self.configurations
        return table[~table.exploratory] if len(table) else table


def compare(results: Results) -> Comparison:
    """Compare the comparison's members, however many are finished."""
    groups, late = results.configurations, results.exploratory
    rows = [_row(results, group) for group in (*groups, *late)]
    table = pd.DataFrame(rows)
    scores = [results.scores(group) for group in groups]
    for name, values in _named_best(results, table[: len(groups)], scores).items():
        table[name] = np.concatenate([values, np.full(len(late), np.nan)])
    ranked = best_first(results, table[: len(groups)])
    return Comparison(
        table,
        pd.DataFrame(_pairs(results, groups) + _exploratory_pairs(results), columns=list(PAIR_COLUMNS)),
        _power(ranked.iloc[0], ranked.iloc[1]) if len(ranked) > 1 else None,
        split_variance(scores),
        _seeds_missing(results),
    )


def best_first(results: Results, table: pd.DataFrame) -> pd.DataFrame:
    """Configurations, the one that converged most often first, the better median score deciding between equals."""
    if table.empty:
        return table
    order = pd.DataFrame({"p": table.p, "score": results.sign * table.median_score})
    return table.loc[order.sort_values(["p", "score"], ascending=False).index]


def _row(results: Results, group: pd.DataFrame) -> dict[str, Any]:
    """One configuration, but for what is said of it beside the others."""
    scores, (converged, n) = results.scores(group), counts(group)
    diverged = int((group.outcome == "diverged").sum())
    iqm, *iqm_ends = interquartile_mean(scores, span=results.span)
    steps, *steps_ends = incidence(convergence_steps(group), results.budget).median()
    row = {
        **{name: group[name].iloc[0] for name in ("label", "name", "origin", *results.varying_columns)},
        "exploratory": bool(group.exploratory.any()),
        "members": n,
        **{outcome: int((group.outcome == outcome).sum()) for outcome in OUTCOMES},
        **{"p": converged / n, **_interval("", wilson(converged, n))},
        **_interval("exact_", clopper_pearson(converged, n)),
        **_interval("jeffreys_", jeffreys(converged, n)),
        **{"p_diverged": diverged / n, **_interval("diverged_", wilson(diverged, n))},
        **{"median_score": float(np.median(scores)), **_interval("median_score_", median_interval(scores))},
        **{"iqm": iqm, **_interval("iqm_", iqm_ends)},
        **{"median_steps": steps, **_interval("median_steps_", steps_ends)},
    }
    for name in results.tested:
        values = group[name].dropna().to_numpy(float)
        row[name] = float(np.median(values)) if len(values) else float("nan")
        row |= _interval(f"{name}_", median_interval(values))
    return row


def _interval(name: str, ends: Sequence[float]) -> dict[str, float]:
    return {f"{name}low": ends[0], f"{name}high": ends[1]}


def _named_best(results: Results, table: pd.DataFrame, scores: list[np.ndarray]) -> dict[str, np.ndarray]:
    """How often one seed of each *named* configuration names each the best; NaN for one that the search found."""
    named = np.flatnonzero(table.origin == "named") if len(table) else np.zeros(0, int)
    shares = {name: np.full(len(table), np.nan) for name in ("named_best", "named_best_low", "named_best_high")}
    if len(named):
        found = replication([results.sign * scores[i] for i in named], span=results.upward_span)
        for name, values in zip(shares, (found.share, found.low, found.high), strict=True):
            shares[name][named] = values
    return shares


def _pairs(results: Results, groups: Sequence[pd.DataFrame]) -> list[tuple[Any, ...]]:
    """Every pair of those that decide, tested."""
    by_time = logrank_pairs([convergence_steps(group) for group in groups], results.budget)
    tested = pairwise([counts(group) for group in groups])
    return [
        _pair(results, groups[i], groups[j], p, adjusted, times)
        for (i, j, p, adjusted), (*_, times) in zip(tested, by_time, strict=True)
    ]


def _exploratory_pairs(results: Results) -> list[tuple[Any, ...]]:
    """Every pair, with all seeds, of which one at least is exploratory: estimates alone."""
    none = float("nan")
    return [
        _pair(results, first, second, none, none, none)
        for first, second in itertools.combinations(results.whole.values(), 2)
        if first.exploratory.any() or second.exploratory.any()
    ]


def _pair(
    results: Results, first: pd.DataFrame, second: pd.DataFrame, p: float, adjusted: float, times: float
) -> tuple[Any, ...]:
    """As PAIR_COLUMNS has it; without a p it is exploratory."""
    own, other = counts(first), counts(second)
    return (
        *(first.label.iloc[0], second.label.iloc[0], bool(np.isnan(p)), p, adjusted),
        *(own[0] / own[1] - other[0] / other[1], *newcombe(own, other), probability_greater(own, other)),
        *(*superiority(results.sign * results.scores(first), results.sign * results.scores(second)), times),
    )


def counts(members: pd.DataFrame) -> tuple[int, int]:
    """How many of some members converged, and how many there are."""
    return int((members.outcome == "converged").sum()), len(members)


def _power(best: Any, second: Any) -> Power:
    seeds = int(min(best.members, second.members))
    needed, detectable = seeds_for_power(best.p, second.p), minimum_detectable(best.p, seeds)
    return Power(best.label, second.label, best.p, second.p, needed, seeds, detectable)


def _seeds_missing(results: Results) -> bool:
    """Whether the comparison is to have more seeds that decide than have finished."""
    registered, study = results.registered, results.study
    named = study.configurations if registered is None else registered.configurations
    explore = study.search.explore * study.found if registered is None else registered.explore
    # A named configuration may have no member yet.
    converged: dict[str, dict[int, bool]] = {name: {} for name in named}
    for group in results.configurations:
        converged[group.label.iloc[0]] = dict(zip(group.seed, group.outcome == "converged", strict=True))
    entered = _search_ended(results, explore)
    wanted = seeds_of_each(converged, results.seeds, entered=entered)
    return not entered or any(len(converged[label]) < seeds for label, seeds in wanted.items())


def _search_ended(results: Results, explore: int) -> bool:
    """Whether all that the search adds to the comparison is in it: it adds none where every explored configuration was
    named."""
    if not explore or any(group.origin.iloc[0] == "search" for group in results.configurations):
        return True
    explored = results.members[results.members.phase == "explore"]
    all_named = bool((explored.origin == "named").all())
    return all_named and explored.configuration.nunique() >= explore
