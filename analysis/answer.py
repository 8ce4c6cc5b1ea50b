"""The comparison in one table, and the answer in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.luck import named_best
from analysis.proportions import pairwise, wilson
from analysis.tables import Results, convergence_steps, final_scores
from analysis.times import incidence

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Comparison:
    """Compared configurations in the order of the study, the pairs, and the sentence.

    configurations: label, members, converged, fell_back, never, diverged, p, low, high, median_final,
                    median_steps, named_best.
    pairs:          first, second (labels), p, adjusted.
    """

    configurations: pd.DataFrame
    pairs: pd.DataFrame
    answer: str


def compare(results: Results) -> Comparison:
    """Judge the comparison's members, however many are finished."""
    rows: list[dict[str, Any]] = []
    scores = []
    for group in results.configurations:
        converged = int((group.outcome == "converged").sum())
        low, high = wilson(converged, len(group))
        final, times = final_scores(group), convergence_steps(group)
        rows.append(
            {
                "label": group.label.iloc[0],
                "origin": group.origin.iloc[0],
                "alpha": group.alpha.iloc[0],
                "members": len(group),
                **{outcome: int((group.outcome == outcome).sum()) for outcome in _OUTCOMES},
                "p": converged / len(group),
                "low": low,
                "high": high,
                "median_final": float(np.median(final)),
                "median_steps": incidence(times, results.study["training"]["steps"]).median()[0],
            }
        )
        scores.append(final)
    table = pd.DataFrame(rows)
    if not rows:
        return Comparison(table, pd.DataFrame(), "No answer yet: no member of the comparison has finished.")
    table["named_best"] = _shares(table, scores)
    labels = list(table.label)
    tested = pairwise(list(zip(table.converged, table.members, strict=True)))
    pairs = pd.DataFrame(
        [(labels[i], labels[j], p, adjusted) for i, j, p, adjusted in tested],
        columns=["first", "second", "p", "adjusted"],
    )
    return Comparison(table, pairs, _sentence(results, table, pairs))


_OUTCOMES = ("converged", "fell_back", "never", "diverged")


def _shares(table: pd.DataFrame, scores: list[np.ndarray]) -> np.ndarray:
    """How often one seed of each *named* configuration names each the best; NaN for one that the search found."""
    named = np.flatnonzero(table.origin == "named")
    shares = np.full(len(table), np.nan)
    if len(named):
        shares[named] = named_best([scores[i] for i in named])
    return shares


def _sentence(results: Results, table: pd.DataFrame, pairs: pd.DataFrame) -> str:
    real = pairs[pairs.adjusted < SIGNIFICANCE] if len(pairs) else pairs
    wanted = results.study["seeds"]["compare"]
    so_far = "" if (table.members >= wanted).all() else "So far, with seeds still missing: "
    ranked = table.sort_values(["p", "median_final"], ascending=False)
    best = ranked.iloc[0]
    against_best = real[(real["first"] == best.label) | (real["second"] == best.label)] if len(real) else real
    names = {str(name) for name in against_best.get(["first", "second"], pd.DataFrame()).to_numpy().flat}
    others = [str(label) for label in table.label if label != best.label]
    beaten = [label for label in others if label in names]
    rivals = [label for label in others if label not in names]
    if not len(real):
        smallest = f" (smallest adjusted p = {pairs.adjusted.min():.2g})" if len(pairs) else ""
        verdict = f"It was the seed as far as {_seeds(table)} can tell: no two configurations differ{smallest}."
    elif not beaten:
        row = real.sort_values("adjusted").iloc[0]
        verdict = f"Only some differ: {_pair(table, row)}; the best, {best.label}, stands out from none."
    elif rivals:
        verdict = (
            f"Both: {_phrase(best)} and is better than {_join(beaten)}, but "
            f"cannot be told from {_join(rivals)}; between those it is the seed."
        )
    else:
        verdict = f"It was the configuration: {_phrase(best)} and is better than every other."
    return so_far + verdict + _claim(results, table, pairs, best)


def _claim(results: Results, table: pd.DataFrame, pairs: pd.DataFrame, best: Any) -> str:
    """What became of the configuration that the study's claim calls the best."""
    claimed = results.study.get("claimed_best")
    if not claimed:
        return ""
    members = results.compared
    wanted = [members[name] == value for name, value in claimed.items()]
    match = members[(members.origin == "named") & np.logical_and.reduce(wanted)]
    if match.empty:
        return ""
    row = table[table.label == match.label.iloc[0]].iloc[0]
    rates = "" if row.label == best.label else f" {_phrase(row, capital=True)}."
    return (
        f"{rates} One run of each named configuration, as in the report, would name {row.label} the best in "
        f"{100 * row.named_best:.0f} % of tries (pure luck: {100 / (table.origin == 'named').sum():.0f} %)."
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


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
