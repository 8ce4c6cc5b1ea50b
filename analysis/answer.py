"""The comparison in one table, and the answer in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis.design.racing import goals
from seedsweep.analysis.statistics.best_of_n import replication
from seedsweep.analysis.statistics.proportions import (
    POWER,
    SIGNIFICANCE,
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
    f1_variance,
    interquartile_mean,
    median_interval,
    modes,
    split_variance,
    superiority,
)
from seedsweep.analysis.statistics.survival import incidence, logrank_pairs
from seedsweep.analysis.tables import Results, convergence_steps
from seedsweep.core.records.criterion import OUTCOMES

#: Configurations that a sentence names.
MOST_NAMED = 6


@dataclass(frozen=True)
class Comparison:
    """Compared configurations in the order of the study, the pairs, the sentence, and what more can be said.

    configurations: label, members, converged, fell_back, never, diverged; p (of converging) with low, high (Wilson),
                    exact_low, exact_high (Clopper-Pearson) and jeffreys_low, jeffreys_high; p_diverged with
                    diverged_low, diverged_high (Wilson);
                    median_final, iqm and median_steps, each with _low and _high; named_best with _low and _high;
                    bic_gain and dip_p of the final scores (`analysis.statistics.scores.modes`).
    pairs:          first, second (labels); p and adjusted (Boschloo, Holm); difference of P(converge) with low, high
                    (Newcombe); greater, Pr(p_first > p_second); better, with better_low, better_high: probability that
                    a final score of the first is above one of the second; times_adjusted (log-rank, Holm).
    verdict:        of the configuration and the seed, which it was, and what became of the claim; a few words.
    unfinished:     whether seeds are still missing.
    facts:          sentences about luck: seeds that would be needed, what could be found, where the variance is.
    """

    configurations: pd.DataFrame
    pairs: pd.DataFrame
    verdict: str
    answer: str
    facts: list[str]
    unfinished: bool


def compare(results: Results) -> Comparison:
    """Judge the comparison's members, however many are finished."""
    groups = results.configurations
    if not groups:
        answer = "No answer yet: no member of the comparison has finished."
        return Comparison(pd.DataFrame(), pd.DataFrame(), "None yet.", answer, [], True)
    budget, scores = results.study["training"]["steps"], [results.scores(group) for group in groups]
    rows = [_row(group, final, budget, results.span) for group, final in zip(groups, scores, strict=True)]
    table = pd.DataFrame(rows)
    for name, values in _named_best(table, scores, results.span).items():
        table[name] = values
    pairs = _pairs(table, scores, [convergence_steps(group) for group in groups], budget)
    unfinished = _missing(results)
    short, answer = _judged(table, pairs)
    claimed = _claimed(results, table)
    verdict = f"{'So far: ' if unfinished else ''}{short}."
    if claimed is not None:
        verdict += f" That {claimed.label} is the best of the named: {_claim_holds(table, pairs, claimed)}."
        answer += _luck(table, claimed)
    if unfinished:
        answer = f"So far, with seeds still missing: {answer}"
    return Comparison(table, pairs, verdict, answer, _facts(results, table, scores), unfinished)


def _row(group: pd.DataFrame, final: np.ndarray, budget: int, bounds: tuple[float, float]) -> dict[str, Any]:
    """One configuration, but for what is said of it beside the others."""
    n, converged = len(group), int((group.outcome == "converged").sum())
    low, high = wilson(converged, n)
    exact_low, exact_high = clopper_pearson(converged, n)
    jeffreys_low, jeffreys_high = jeffreys(converged, n)
    diverged = int((group.outcome == "diverged").sum())
    diverged_low, diverged_high = wilson(diverged, n)
    median_low, median_high = median_interval(final)
    iqm, iqm_low, iqm_high = interquartile_mean(final, span=bounds)
    steps, steps_low, steps_high = incidence(convergence_steps(group), budget).median()
    clumps = modes(final)
    return {
        "label": group.label.iloc[0],
        "origin": group.origin.iloc[0],
        "alpha": group.alpha.iloc[0],
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
        "median_final": float(np.median(final)),
        "median_final_low": median_low,
        "median_final_high": median_high,
        "iqm": iqm,
        "iqm_low": iqm_low,
        "iqm_high": iqm_high,
        "median_steps": steps,
        "median_steps_low": steps_low,
        "median_steps_high": steps_high,
        "bic_gain": clumps.bic_gain,
        "dip_p": clumps.dip_p,
    }


def _named_best(table: pd.DataFrame, scores: list[np.ndarray], bounds: tuple[float, float]) -> dict[str, np.ndarray]:
    """How often one seed of each *named* configuration names each the best; NaN for one that the search found."""
    named = np.flatnonzero(table.origin == "named")
    shares = {name: np.full(len(table), np.nan) for name in ("named_best", "named_best_low", "named_best_high")}
    if len(named):
        found = replication([scores[i] for i in named], span=bounds)
        for name, values in zip(shares, (found.share, found.low, found.high), strict=True):
            shares[name][named] = values
    return shares


def _pairs(table: pd.DataFrame, scores: list[np.ndarray], times: list[np.ndarray], budget: int) -> pd.DataFrame:
    counts = list(zip(table.converged, table.members, strict=True))
    labels = list(table.label)
    by_time = {(i, j): adjusted for i, j, _, adjusted in logrank_pairs(times, budget)}
    rows = []
    for i, j, p, adjusted in pairwise(counts):
        low, high = newcombe(counts[i], counts[j])
        difference, greater = table.p[i] - table.p[j], probability_greater(counts[i], counts[j])
        said = (labels[i], labels[j], p, adjusted, difference, low, high, greater)
        rows.append((*said, *superiority(scores[i], scores[j]), by_time[i, j]))
    columns = ["first", "second", "p", "adjusted", "difference", "low", "high", "greater"]
    return pd.DataFrame(rows, columns=[*columns, "better", "better_low", "better_high", "times_adjusted"])


def _facts(results: Results, table: pd.DataFrame, scores: list[np.ndarray]) -> list[str]:
    """What the seeds that were run could and could not show."""
    facts = []
    ranked = _ranked(table)
    seeds = int(ranked.members.iloc[:2].min())
    planned = results.study["seeds"]
    if planned.get("race"):
        facts.append(
            f"Seeds were raced: {planned['start']} each, then twice as many as long as the interval of a "
            f"configuration's difference from the best held 0, up to {planned['compare']}: {table.members.sum()} "
            f"members in place of {planned['compare'] * len(table)}. Who was dropped early has a wider interval, and, "
            "dropped for doing badly, seems somewhat worse than it is: in simulations by 3 to 9 points of P(converge)."
        )
    if len(ranked) > 1:
        best, second = ranked.iloc[0], ranked.iloc[1]
        needed = seeds_for_power(best.p, second.p)
        how_many = "more than 1000 seeds" if needed is None else f"{needed} seeds"
        facts.append(
            f"To tell {best.label} from {second.label} in {100 * POWER:.0f} % of studies, {how_many} of each would be "
            f"needed, if their P(converge) were {best.p:.2f} and {second.p:.2f}."
        )
        least = minimum_detectable(best.p, seeds)
        found = "no difference at all" if least is None else f"a difference of at least {100 * least:.0f} points"
        facts.append(
            f"With {seeds} seed{'s' * (seeds != 1)} each, {found} from {best.label}'s P(converge) would be found in "
            f"{100 * POWER:.0f} % of studies, before any adjustment for several pairs."
        )
    clumped = table[(table.bic_gain > 0) & (table.dip_p < SIGNIFICANCE)]
    metric = results.study["criterion"]["metric"]
    if len(clumped):
        facts.append(
            f"The final {metric} comes in two clumps with {_join(list(clumped.label), 'and')} (two Gaussians by BIC, "
            f"and a dip that fewer than {100 * SIGNIFICANCE:.0f} % of uniform samples have): no mean or median "
            "describes those."
        )
    else:
        facts.append(
            f"In no configuration can the final {metric} be told from one clump (two Gaussians by BIC, and a dip that "
            f"fewer than {100 * SIGNIFICANCE:.0f} % of uniform samples have); with a dozen seeds only clear gaps can."
        )
    parts = split_variance(scores, _validation_variance(results))
    whole = parts.configurations + parts.seeds
    if whole > 0:
        noise = ""
        if np.isfinite(parts.validation):
            share = 100 * parts.validation / whole
            amount = "less than 1 %" if share < 1 else f"at most about {share:.0f} %"
            noise = f"; {amount} can come from the validation set's size"
        facts.append(
            f"Of the variance of the final {metric}, {100 * parts.configurations / whole:.0f} % is between "
            f"configurations and {100 * parts.seeds / whole:.0f} % between seeds of one{noise}."
        )
    return facts


def _validation_variance(results: Results) -> float:
    """Mean variance of a final F1 by the images that it was measured on; NaN for another measure, or where their number
    is not known."""
    images = results.study.get("data", {}).get("validation")
    evaluations = results.evaluations
    if results.study["criterion"]["metric"] != "f1" or not images or "accuracy" not in evaluations:
        return float("nan")
    compared = evaluations[evaluations.phase == "compare"].sort_values("step")
    last = compared.groupby(["configuration", "seed"], observed=True)[["f1", "accuracy"]].last()
    last = last[np.isfinite(last.f1) & np.isfinite(last.accuracy)]
    # F1 = 2 TP / (2 TP + errors); without an error there is no variance.
    errors = (images * (1 - last.accuracy)).to_numpy(float)
    f1 = np.minimum(last.f1.to_numpy(float), 1 - 1e-9)
    return float(f1_variance(f1 * errors / (2 * (1 - f1)), errors).mean()) if len(last) else float("nan")


def _judged(table: pd.DataFrame, pairs: pd.DataFrame) -> tuple[str, str]:
    """Whether it was the configuration or the seed: in a few words, and in a sentence with its numbers."""
    real = _real(pairs)
    best = _ranked(table).iloc[0]
    beaten = [str(label) for label in table.label if _differ(real, best.label, label)]
    rivals = [str(label) for label in table.label if label not in (*beaten, best.label)]
    if not len(real):
        smallest = f" (smallest adjusted p = {pairs.adjusted.min():.2g})" if len(pairs) else ""
        return (
            "no difference between configurations is told from the seed",
            f"It was the seed as far as {_seeds(table)} can tell: no two configurations differ{smallest}.",
        )
    if not beaten:
        row = real.sort_values("adjusted").iloc[0]
        return (
            "some configurations differ, none stands out",
            f"Only some differ: {_pair(table, row)}; the best, {best.label}, stands out from none.",
        )
    if rivals:
        return (
            "the configuration matters, but the best cannot be told from the next",
            f"Both: {_phrase(best)} and is better than {_join(beaten)}, but "
            f"cannot be told from {_join(rivals)}; between those it is the seed.",
        )
    return (
        f"{best.label} is better than every other",
        f"It was the configuration: {_phrase(best)} and is better than every other.",
    )


def _real(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs that differ, the adjustment for their number included."""
    return pairs[pairs.adjusted < SIGNIFICANCE] if len(pairs) else pairs


def _differ(real: pd.DataFrame, one: str, other: str) -> bool:
    if not len(real):
        return False
    first, second = real["first"], real["second"]
    return bool((((first == one) & (second == other)) | ((first == other) & (second == one))).any())


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    """The best first."""
    return table.sort_values(["p", "median_final"], ascending=False)


def _missing(results: Results) -> bool:
    """Whether the comparison is to have more seeds than have finished."""
    seeds, search = results.study["seeds"], results.study.get("search") or {}
    groups = results.configurations
    if not seeds.get("race"):
        return any(len(group) < seeds["compare"] for group in groups)
    # The search's best enters once all are explored.
    entered = search.get("explore", 0) <= len(search.get("first", ())) or any(
        group.origin.iloc[0] == "search" for group in groups
    )
    converged = {}
    for number, group in enumerate(groups):
        known = dict(zip(group.seed, group.outcome == "converged", strict=True))
        converged[number] = [bool(known[seed]) if seed in known else None for seed in range(seeds["compare"])]
    wanted = goals(converged, seeds["start"], seeds["compare"], entered)
    return not entered or any(len(group) < wanted[number] for number, group in enumerate(groups))


def _claimed(results: Results, table: pd.DataFrame) -> Any | None:
    """The row of the configuration that the study's claim calls the best, if there is one."""
    claimed = results.study.get("claimed_best")
    if not claimed:
        return None
    members = results.compared
    wanted = [members[name] == value for name, value in claimed.items()]
    match = members[(members.origin == "named") & np.logical_and.reduce(wanted)]
    return None if match.empty else table[table.label == match.label.iloc[0]].iloc[0]


def _claim_holds(table: pd.DataFrame, pairs: pd.DataFrame, claimed: Any) -> str:
    """Supported where the claimed best is better than every other named one, refuted where one of them is better."""
    real = _real(pairs)
    others = table[(table.origin == "named") & (table.label != claimed.label)]
    told = [(float(other.p), _differ(real, claimed.label, other.label)) for other in others.itertuples()]
    if any(different and p > claimed.p for p, different in told):
        return "refuted"
    return "supported" if told and all(different for _, different in told) else "undecided"


def _luck(table: pd.DataFrame, claimed: Any) -> str:
    rates = "" if claimed.label == _ranked(table).label.iloc[0] else f" {_phrase(claimed, capital=True)}."
    return (
        f"{rates} One run of each named configuration, as in the report, would name {claimed.label} the best in "
        f"{100 * claimed.named_best:.0f} % of tries (pure luck: {100 / (table.origin == 'named').sum():.0f} %)."
    )


def _phrase(row: Any, capital: bool = False) -> str:
    seeds = f"{row.converged} of {row.members} seeds (95 % interval {100 * row.low:.0f} to {100 * row.high:.0f} %)"
    label = row.label[0].upper() + row.label[1:] if capital else row.label
    return f"{label} converged in {seeds}"


def _pair(table: pd.DataFrame, row: Any) -> str:
    first, second = (table[table.label == label].iloc[0] for label in (row["first"], row["second"]))
    return f"{_phrase(first)}, {_phrase(second)} (adjusted p = {row.adjusted:.2g})"


def _seeds(table: pd.DataFrame) -> str:
    low, high = table.members.min(), table.members.max()
    return f"{low} seed{'' if low == 1 else 's'} each" if low == high else f"{low} to {high} seeds each"


def _join(words: list[str], last: str = "or") -> str:
    if len(words) > MOST_NAMED:
        words = [*words[: MOST_NAMED - 1], f"{len(words) - MOST_NAMED + 1} others"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
