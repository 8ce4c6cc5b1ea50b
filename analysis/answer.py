"""The answer in words, from the comparison's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from seedsweep.analysis import labels
from seedsweep.analysis.claims import Judged, is_real, judge, of_pair
from seedsweep.analysis.comparison import Comparison, best_first
from seedsweep.analysis.results import Results
from seedsweep.analysis.statistics.proportions import POWER
from seedsweep.core.records.study import Claim

#: Configurations that a sentence names.
MOST_NAMED = 6


@dataclass(frozen=True)
class Answer:
    """verdict: of the configuration and the seed, which it was, and what became of the claims; a few words.
    text:    a sentence or two with its numbers.
    claims:  each claim with its verdict, a sentence.
    changes: differences from the registration, a sentence each.
    exploratory: what was added after results and decides nothing, a sentence each with its estimate.
    facts:   what the seeds could show: how many would be needed, what could be found, where the variance is.
    notes:   what varies, where the data differ, and what the test split says.
    """

    verdict: str
    text: str
    claims: list[str] = field(default_factory=list)
    exploratory: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """What is said of a run in a terminal."""
        return [self.text, *self.changes, *self.claims, *self.exploratory]


def answer(results: Results, comparison: Comparison) -> Answer:
    """What the comparison says."""
    table = comparison.decided
    claims = [_claim(one) for one in judge(results, comparison)]
    exploratory = [
        f"{_phrase(row, capital=True)}; the median {results.score_name} is "
        f"{row.median_score:.3g} ({row.median_score_low:.3g} to {row.median_score_high:.3g})."
        for row in comparison.configurations[len(table) :].itertuples()
    ]
    if table.empty:
        text = "No answer yet: no member of the comparison has finished."
        return Answer("None yet.", text, claims, exploratory, changes=list(results.changes))
    short, text = _judged(results, comparison)
    verdict = f"{'So far: ' if comparison.unfinished else ''}{short}."
    text += "".join(_single_runs(results, table, claim.best) for claim in results.claims if claim.best)
    if comparison.unfinished:
        text = f"So far, with seeds still missing: {text}"
    verdict = " ".join([verdict, *claims])
    facts, notes = _facts(results, comparison), _notes(results, table)
    return Answer(verdict, text, claims, exploratory, facts, notes, list(results.changes))


def _judged(results: Results, comparison: Comparison) -> tuple[str, str]:
    """Whether it was the configuration or the seed: in a few words, and in a sentence with its numbers."""
    table, pairs = comparison.decided, comparison.pairs
    pairs = pairs[~pairs.exploratory.astype(bool)]
    real = pairs[is_real(pairs)]
    best = best_first(results, table).iloc[0]
    beaten = [str(label) for label in table.label if of_pair(real, best.label, label) is not None]
    rivals = [str(label) for label in table.label if label not in (*beaten, best.label)]
    if not len(real):
        smallest = f" (smallest adjusted p = {pairs.adjusted.min():.2g})" if len(pairs) else ""
        if not table.converged.sum():
            bound = "at least" if results.study.criterion.direction == "max" else "at most"
            criterion = f"{results.study.criterion.metric} {bound} {results.study.criterion.threshold:g}"
            return (
                "no seed met the criterion",
                f"No seed of any configuration met the criterion, {criterion}: which converges more often cannot be "
                "said.",
            )
        if (table.converged == table.members).all():
            return (
                "every seed met the criterion",
                f"Every seed of every configuration met the criterion ({_seeds(table)}): no difference in who "
                "converges was found.",
            )
        return (
            "no difference between configurations is told from the seed",
            f"With {_seeds(table)} no difference between configurations was found{smallest}.",
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


def _claim(judged: Judged) -> str:
    """A claim and its verdict, a sentence."""
    reason = f" ({judged.reason})" if judged.reason else ""
    return f"That {_claimed(judged.claim)}: {judged.verdict}{reason}."


def _claimed(claim: Claim) -> str:
    by = f" by {claim.measure or 'score'}" if claim.axis == "score" else ""
    if claim.best is not None:
        return f"{claim.best} is the best of the named{by}"
    if claim.better is not None:
        return f"{claim.better[0]} is better than {claim.better[1]}{by}"
    if claim.alike is not None:
        return f"{claim.alike[0]} and {claim.alike[1]} are alike{by}"
    assert claim.below is not None
    return f"{claim.below[0]} converges in less than {100 * claim.below[1]:g} % of seeds"


def _single_runs(results: Results, table: pd.DataFrame, name: str) -> str:
    """How often single runs would have named a configuration the best."""
    found = table[(table.origin == "named") & (table["name"] == name)]
    if found.empty:
        return ""
    row = found.iloc[0]
    rates = "" if row.label == best_first(results, table).label.iloc[0] else f" {_phrase(row, capital=True)}."
    return (
        f"{rates} One run of each named configuration would name {row.label} the best in "
        f"{100 * row.named_best:.0f} % of tries (pure luck: {100 / (table.origin == 'named').sum():.0f} %)."
    )


def _facts(results: Results, comparison: Comparison) -> list[str]:
    """What the seeds that were run could and could not show."""
    facts = []
    seeds, table = results.seeds, comparison.decided
    if seeds.race:
        facts.append(
            f"Seeds were raced: {seeds.start} each, then twice as many as long as the interval of a "
            f"configuration's difference from the best held 0, up to {seeds.compare}: {table.members.sum()} "
            f"members in place of {seeds.compare * len(table)}. Who was dropped early has a wider interval, and, "
            "dropped for doing badly, seems somewhat worse than it is: in simulations by 3 to 9 points of P(converge)."
        )
    # Equal shares would need more seeds than any number.
    if (power := comparison.power) and power.p_best != power.p_second:
        how_many = "more than 1000 seeds" if power.needed is None else f"{power.needed} seeds"
        facts.append(
            f"To tell {power.best} from {power.second} in {100 * POWER:.0f} % of studies, {how_many} of each would be "
            f"needed, if their P(converge) were {power.p_best:.2f} and {power.p_second:.2f}."
        )
        least = power.detectable
        found = "no difference at all" if least is None else f"a difference of at least {100 * least:.0f} points"
        facts.append(
            f"With {power.seeds} seed{'s' * (power.seeds != 1)} each, {found} from {power.best}'s P(converge) would be "
            f"found in {100 * POWER:.0f} % of studies, before any adjustment for several pairs."
        )
    parts = comparison.variance
    whole = parts.configurations + parts.seeds
    if whole > 0:
        facts.append(
            f"Of the variance of the {results.score_name}, {100 * parts.configurations / whole:.0f} % is between "
            f"configurations and {100 * parts.seeds / whole:.0f} % between seeds of one."
        )
    return facts


def _notes(results: Results, table: pd.DataFrame) -> list[str]:
    notes = []
    names = labels.short_names(results.varying)
    if names:
        notes.append(f"The configurations differ in {_join(list(names.values()), 'and')}.")
    data = [path for path in results.varying if path.startswith("data.")]
    if data:
        fields = _join([path.removeprefix("data.") for path in data], "and")
        notes.append(f"Their data differ ({fields}): scores may be of different validation splits.")
    measured = "measured at the end, and anew when steps were added" if results.regrown else "measured once at the end"
    score = f"test_{results.study.score}_{results.metric}"
    if score in table:
        words = [
            f"{row['label']} {row[score]:.3g} ({row[f'{score}_low']:.3g} to {row[f'{score}_high']:.3g})"
            for row in table.to_dict("records")
        ]
        notes.append(
            f"Median {results.metric} on the test split, {measured}, of the {results.study.score} "
            f"evaluation, with its 95 % interval: {_join(words, 'and')}."
        )
    elif results.tested:
        notes.append(f"The test split was {measured}: {_join(results.tested, 'and')} in tables/.")
    return notes


def _phrase(row: Any, *, capital: bool = False) -> str:
    seeds = f"{row.converged} of {row.members} seeds (95 % interval {100 * row.low:.0f} to {100 * row.high:.0f} %)"
    label = row.label[0].upper() + row.label[1:] if capital else row.label
    return f"{label} converged in {seeds}"


def _pair(table: pd.DataFrame, row: Any) -> str:
    first, second = (table[table.label == label].iloc[0] for label in (row["first"], row["second"]))
    return f"{_phrase(first)}, {_phrase(second)} (adjusted p = {row.adjusted:.2g})"


def _seeds(table: pd.DataFrame) -> str:
    low, high = table.members.min(), table.members.max()
    return f"{low} seed{'' if low == 1 else 's'} each" if low == high else f"{low} to {high} seeds each"


def _join(words: Sequence[str], last: str = "or") -> str:
    if len(words) > MOST_NAMED:
        words = [*words[: MOST_NAMED - 1], f"{len(words) - MOST_NAMED + 1} others"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
