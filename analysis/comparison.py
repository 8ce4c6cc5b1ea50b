"""The comparison in numbers: what each configuration did, how each pair differs, and what the seeds could show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis.design.racing import seeds_of_each
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
    f1_variance,
    interquartile_mean,
    median_interval,
    split_variance,
    superiority,
)
from seedsweep.analysis.statistics.survival import incidence, logrank_pairs
from seedsweep.analysis.tables import Results, convergence_steps
from seedsweep.core.records.criterion import OUTCOMES

PAIR_COLUMNS = (
    *("first", "second", "p", "adjusted", "difference", "low", "high", "greater"),
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
    """Compared configurations in the order of the study, and their pairs.

    configurations: label, name, origin, what varies, members, converged, fell_back, never, diverged; p (of converging)
                    with low, high (Wilson), exact_low, exact_high (Clopper-Pearson), jeffreys_low and jeffreys_high;
                    p_diverged with diverged_low, diverged_high (Wilson); median_score, iqm and median_steps, each with
                    _low and _high; named_best with _low and _high; the median of each measure of the test split, with
                    _low and _high.
    pairs:          first, second (labels); p and adjusted (Boschloo, Holm); difference of P(converge) with low, high
                    (Newcombe); greater, Pr(p_first > p_second); better, with better_low, better_high: probability that
                    a score of the first is better than one of the second; times_adjusted (log-rank, Holm).
    power:          None with fewer than two configurations.
    unfinished:     whether seeds are still missing.
    """

    configurations: pd.DataFrame
    pairs: pd.DataFrame
    power: Power | None
    variance: Variance
    unfinished: bool


def compare(results: Results) -> Comparison:
    """Compare the comparison's members, however many are finished."""
    groups = results.configurations
    if not groups:
        nothing = float("nan")
        return Comparison(pd.DataFrame(), pd.DataFrame(), None, Variance(nothing, nothing, nothing), unfinished=True)
    scores = [results.scores(group) for group in groups]
    table = pd.DataFrame([_row(results, group, own) for group, own in zip(groups, scores, strict=True)])
    for name, values in _named_best(results, table, scores).items():
        table[name] = values
    ranked = best_first(results, table)
    return Comparison(
        table,
        _pairs(results, table, scores),
        _power(ranked.iloc[0], ranked.iloc[1]) if len(ranked) > 1 else None,
        split_variance(scores, validation_variance(results)),
        _seeds_missing(results),
    )


def best_first(results: Results, table: pd.DataFrame) -> pd.DataFrame:
    """Configurations, the one that converged most often first, the better median score deciding between equals."""
    order = pd.DataFrame({"p": table.p, "score": results.sign * table.median_score})
    return table.loc[order.sort_values(["p", "score"], ascending=False).index]


def validation_variance(results: Results) -> float:
    """Mean variance of a final F1 by the images that it was measured on; NaN for another measure, or where their number
    is not known."""
    images, evaluations = results.study.data.get("validation"), results.evaluations
    if results.metric != "f1" or not isinstance(images, int) or "accuracy" not in evaluations:
        return float("nan")
    f1, accuracy = (results.last(results.compared, name) for name in ("f1", "accuracy"))
    finite = np.isfinite(f1) & np.isfinite(accuracy)
    # F1 = 2 TP / (2 TP + errors); without an error there is no variance.
    errors, f1 = images * (1 - accuracy[finite]), np.minimum(f1[finite], 1 - 1e-9)
    return float(f1_variance(f1 * errors / (2 * (1 - f1)), errors).mean()) if len(f1) else float("nan")


def _row(results: Results, group: pd.DataFrame, scores: np.ndarray) -> dict[str, Any]:
    """One configuration, but for what is said of it beside the others."""
    n, converged = len(group), int((group.outcome == "converged").sum())
    low, high = wilson(converged, n)
    exact_low, exact_high = clopper_pearson(converged, n)
    jeffreys_low, jeffreys_high = jeffreys(converged, n)
    diverged = int((group.outcome == "diverged").sum())
    diverged_low, diverged_high = wilson(diverged, n)
    median_low, median_high = median_interval(scores)
    iqm, iqm_low, iqm_high = interquartile_mean(scores, span=results.span)
    steps, steps_low, steps_high = incidence(convergence_steps(group), results.budget).median()
    return {
        **{name: group[name].iloc[0] for name in ("label", "name", "origin", *results.varying_columns)},
        "members": n,
        **{outcome: int((group.outcome == outcome).sum()) for outcome in OUTCOMES},
        "p": converged / n,
        "low": low,
        "high": high,
        "exact_low": exact_low,
        "exact_high": exact_high,
        "jeffreys_low": jeffreys_low,
        "jeffreys_high": jeffreys_high,
        "p_diverged": diverged / n,
        "diverged_low": diverged_low,
        "diverged_high": diverged_high,
        "median_score": float(np.median(scores)),
        "median_score_low": median_low,
        "median_score_high": median_high,
        "iqm": iqm,
        "iqm_low": iqm_low,
        "iqm_high": iqm_high,
        "median_steps": steps,
        "median_steps_low": steps_low,
        "median_steps_high": steps_high,
        **_tested(results, group),
    }


def _tested(results: Results, group: pd.DataFrame) -> dict[str, float]:
    """Median of each measure of the test split over the members that have it."""
    found: dict[str, float] = {}
    for name in results.tested:
        values = group[name].dropna().to_numpy(float)
        low, high = median_interval(values)
        found[name] = float(np.median(values)) if len(values) else float("nan")
        found |= {f"{name}_low": low, f"{name}_high": high}
    return found


def _named_best(results: Results, table: pd.DataFrame, scores: list[np.ndarray]) -> dict[str, np.ndarray]:
    """How often one seed of each *named* configuration names each the best; NaN for one that the search found."""
    named = np.flatnonzero(table.origin == "named")
    shares = {name: np.full(len(table), np.nan) for name in ("named_best", "named_best_low", "named_best_high")}
    if len(named):
        found = replication([results.sign * scores[i] for i in named], span=results.upward_span)
        for name, values in zip(shares, (found.share, found.low, found.high), strict=True):
            shares[name][named] = values
    return shares


def _pairs(results: Results, table: pd.DataFrame, scores: list[np.ndarray]) -> pd.DataFrame:
    counts = list(zip(table.converged, table.members, strict=True))
    labels, upward = list(table.label), [results.sign * own for own in scores]
    times = [convergence_steps(group) for group in results.configurations]
    by_time = {(i, j): adjusted for i, j, _, adjusted in logrank_pairs(times, results.budget)}
    rows = []
    for i, j, p, adjusted in pairwise(counts):
        low, high = newcombe(counts[i], counts[j])
        difference, greater = table.p[i] - table.p[j], probability_greater(counts[i], counts[j])
        said = (labels[i], labels[j], p, adjusted, difference, low, high, greater)
        rows.append((*said, *superiority(upward[i], upward[j]), by_time[i, j]))
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def _power(best: Any, second: Any) -> Power:
    seeds = int(min(best.members, second.members))
    needed, detectable = seeds_for_power(best.p, second.p), minimum_detectable(best.p, seeds)
    return Power(best.label, second.label, best.p, second.p, needed, seeds, detectable)


def _seeds_missing(results: Results) -> bool:
    """Whether the comparison is to have more seeds than have finished."""
    # A named configuration may have no member yet.
    converged: dict[str, dict[int, bool]] = {name: {} for name in results.study.configurations}
    for group in results.configurations:
        converged[group.label.iloc[0]] = dict(zip(group.seed, group.outcome == "converged", strict=True))
    entered = _search_ended(results)
    wanted = seeds_of_each(converged, results.study.seeds, entered=entered)
    return not entered or any(len(converged[label]) < seeds for label, seeds in wanted.items())


def _search_ended(results: Results) -> bool:
    """Whether all that the search adds to the comparison is in it: it adds none where every explored configuration was
    named."""
    study, members = results.study, results.members
    if not study.found or (results.compared.origin == "search").any():
        return True
    explored = members[members.phase == "explore"]
    all_named = bool((explored.origin == "named").all())
    return all_named and explored.configuration.nunique() >= study.search.explore
