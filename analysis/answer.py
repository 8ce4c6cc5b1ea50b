"""The answer in words, from what was decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis import labels, sentences
from seedsweep.analysis.claims import Judged, judge
from seedsweep.analysis.comparison import Comparison, best_first
from seedsweep.analysis.design import group_sequential
from seedsweep.analysis.design.planning import seeds_to_decide
from seedsweep.analysis.results import Results
from seedsweep.analysis.sentences import in_points, join, number, seeds_each
from seedsweep.analysis.statistics.selection import honest_share
from seedsweep.analysis.verdicts import UNDECIDED, axis_of
from seedsweep.core.records.decision import CONVERGING, Claim

#: A correlation of equal seeds from which it is said that pairs of seeds would tell more; below 0 they tell less.
CORRELATED = 0.3
#: Seeds of each configuration from which a correlation says something.
LEAST_CORRELATED = 10


@dataclass(frozen=True)
class Answer:
    """verdict: on each axis what was decided, and what became of the claims; a few words.
    paragraphs: sentences with their numbers: first of the axis that the claims are about, or else of who converges.
    claims:  each claim with its verdict, a sentence.
    changes: differences from the registration, a sentence each.
    exploratory: what was added after results and decides nothing, a sentence each with its estimate.
    facts:   what the seeds could show, what selection does to the best, where the variance is.
    notes:   what varies, where the data differ, and what the test split says.
    """

    verdict: str
    paragraphs: list[str]
    claims: list[str] = field(default_factory=list)
    exploratory: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The paragraphs in one."""
        return " ".join(self.paragraphs)

    @property
    def lines(self) -> list[str]:
        """What is said of a run in a terminal."""
        return [*self.paragraphs, *self.changes, *self.claims, *self.exploratory]


def answer(results: Results, comparison: Comparison) -> Answer:
    """What the comparison says."""
    table = comparison.decided
    judged = judge(results, comparison)
    claims = [_claim(one) + _needed(results, comparison, one) for one in judged]
    exploratory = [
        f"{_phrase(row)}; the median {results.score_name} is {_number(row, 'median_score')}."
        for row in comparison.configurations[len(table) :].itertuples()
    ]
    changes = list(results.changes)
    if table.empty:
        text = "No answer yet: no member of the comparison has finished."
        return Answer("none yet.", [text], claims, exploratory, changes=changes)
    notes = _notes(results, table)
    if not comparison.compared.decisions.look:
        return Answer("none yet.", [_not_yet(results, comparison)], claims, exploratory, [], notes, changes)
    short, paragraphs = _decided(results, comparison)
    runs = [_single_runs(table, claim.best) for claim in results.claims if claim.best]
    if last := " ".join(sentence for sentence in [*runs, _look(comparison)] if sentence):
        paragraphs.append(last)
    said = " ".join([short, *map(_claim, judged)])
    return Answer(said, paragraphs, claims, exploratory, _facts(results, comparison), notes, changes)


def _decided(results: Results, comparison: Comparison) -> tuple[str, list[str]]:
    """What was decided on each axis: in a few words, and a paragraph each."""
    table, decided = comparison.decided, comparison.compared.decisions.axes
    best = best_first(table).iloc[0]
    if len(table) < 2:
        return "nothing is compared.", [f"{_phrase(best)}. There is no other configuration to compare it with."]
    first = axis_of(results.claims[0], results.metric) if results.claims else CONVERGING
    axes = sorted((axis for axis in decided.values() if axis.level), key=lambda axis: axis.name != first)
    short = "; ".join(sentences.short(results, comparison, axis) for axis in axes)
    paragraphs = [sentences.of_axis(results, comparison, axis) for axis in axes]
    if 0 < table.converged.sum() < table.members.sum():
        places = [place for place, axis in enumerate(axes) if axis.name == CONVERGING]
        paragraphs[places[0] if places else -1] += f" Most often: {_phrase(best)}."
    return f"{short}.", paragraphs


def _not_yet(results: Results, comparison: Comparison) -> str:
    """Between looks there are counts, and no verdict."""
    table, sizes = comparison.decided, results.seeds.sizes
    counts = [f"{row.label} {row.converged} of {row.members}" for row in table.itertuples()]
    known, are = set(table.label), "is" if set(table.members) == {1} else "are"
    have = f"there {are} {seeds_each(list(table.members))} so far"
    if without := [name for name in results.study.configurations if name not in known]:
        of_each = [f"{row.members} of {row.label}" for row in table.itertuples()]
        have = f"so far there are {join([*of_each, *(f'none of {name}' for name in without)])}"
    return (
        f"No verdict yet: the comparison is tested at {sizes[0]} seeds of each configuration; {have}. "
        f"Converged: {join(counts)}."
    )


def _look(comparison: Comparison) -> str:
    """Which look it was, where there are several."""
    decisions, rules = comparison.compared.decisions, comparison.compared.rules
    seen = max(comparison.compared.reached, default=0)
    if decisions.looks < 2:
        return ""
    level = 100 * group_sequential.nominal(rules.level, rules.looked)
    stopped = {"decided": "; it ended, as all is decided", "futile": "; it ended, as more seeds would not decide it"}
    return (
        f"Look {seen} of {decisions.looks}, at {rules.looked[seen - 1]} seeds: each tests at "
        f"{level:.1f} %, so that all keep {100 * rules.level:g} %{stopped.get(comparison.progress.stopped, '')}."
    )


def _claim(judged: Judged) -> str:
    """A claim and its verdict, a sentence."""
    reason = f" ({judged.reason})" if judged.reason else ""
    if judged.bounds:
        low, high, confidence = judged.bounds
        reason = f" ({100 * low:.0f} to {100 * high:.0f} %, an interval at {100 * confidence:.3g} %)"
    return f"That {_claimed(judged.claim)}: {judged.verdict}{reason}."


def _needed(results: Results, comparison: Comparison, judged: Judged) -> str:
    """How many seeds would decide a claim that is open; nothing of a paired study: that is simulated of independent
    seeds, and pairs need another number."""
    if judged.verdict != UNDECIDED or judged.reason or comparison.unfinished:
        return ""
    if results.designed and results.seeds.paired:
        return ""
    claim = judged.claim
    seeds = seeds_to_decide(comparison.compared, claim, results.metric)
    if seeds is None:
        return ""
    as_seen = "P(converge) were as seen" if claim.axis == CONVERGING else "scores were as far apart as seen"
    if claim.alike is not None:
        as_seen = "the two were equal" + ("" if claim.axis == CONVERGING else " and seeds spread as seen")
    return f" {seeds} seeds each and one look would decide it in 80 % of studies, if {as_seen}."


def _claimed(claim: Claim) -> str:
    by = f" by {claim.measure or 'score'}" if claim.axis == "score" else ""
    within = ""
    if claim.alike is not None and claim.margin is not None:
        size = in_points(claim.margin) if claim.axis == CONVERGING else f"{claim.margin:g}"
        within = f" within {size}"
    if claim.best is not None:
        return f"{claim.best} is the best of the named{by}"
    if claim.better is not None:
        return f"{claim.better[0]} is better than {claim.better[1]}{by}"
    if claim.alike is not None:
        return f"{claim.alike[0]} and {claim.alike[1]} are alike{by}{within}"
    assert claim.below is not None
    return f"{claim.below[0]} converges in less than {100 * claim.below[1]:g} % of seeds"


def _single_runs(table: pd.DataFrame, name: str) -> str:
    """How often single runs would have named a configuration the best."""
    found = table[(table.origin == "named") & (table["name"] == name)]
    if found.empty:
        return ""
    row = found.iloc[0]
    return (
        f"One run of each named configuration would name {row.label} the best in {100 * row.named_best:.0f} % of "
        f"tries (chance: {100 / (table.origin == 'named').sum():.0f} %)."
    )


def _facts(results: Results, comparison: Comparison) -> list[str]:
    """What the seeds that were run could and could not show."""
    facts, table = [], comparison.decided
    groups = comparison.compared.groups
    if len(groups) > 1 and 0 < table.converged.sum() < table.members.sum():
        seen, honest = honest_share([group.converged for group in groups])
        if honest < seen:
            facts.append(
                f"The highest share that converged, {100 * seen:.0f} %, was picked from {len(groups)}, so it is "
                "too high on average: where one half of the seeds picks the best, in the other half it reaches "
                f"{100 * honest:.0f} %."
            )
    if results.same_best is not None and (table.origin == "search").any():
        facts.append(
            "How sure the search's choice of the best found is: new search seeds would choose the same one in "
            f"{100 * results.same_best:.0f} % of simulated tries."
        )
    enough = min(len(group.converged) for group in groups) >= LEAST_CORRELATED
    if enough and comparison.correlation >= CORRELATED and results.designed and not results.seeds.paired:
        facts.append(
            f"Equal seeds score alike across configurations (rank correlation {comparison.correlation:.2f}): a study "
            "of paired seeds (seeds.paired: true) would probably tell more."
        )
    parts = comparison.variance
    whole = parts.configurations + parts.seeds
    scores = results.scores(results.compared)
    if whole > 1e-12 * float(np.square(scores).max(initial=0.0)):
        facts.append(
            f"Of the variance of the {results.score_name}, an estimated {100 * parts.configurations / whole:.0f} % is "
            f"between configurations and {100 * parts.seeds / whole:.0f} % between seeds of one."
        )
    return facts


def _notes(results: Results, table: pd.DataFrame) -> list[str]:
    notes = []
    names = labels.short_names(results.varying)
    if names:
        notes.append(f"The configurations differ in {join(list(names.values()))}.")
    data = [path for path in results.varying if path.startswith("data.")]
    if data:
        fields = join([path.removeprefix("data.") for path in data])
        notes.append(f"Their data differ ({fields}): scores may be of different validation splits.")
    measured = "measured at the end, and anew when steps were added" if results.regrown else "measured once at the end"
    score = f"test_{results.study.score}_{results.metric}"
    if score in table:
        words = [f"{row.label} {_number(row, score)}" for row in table.itertuples() if not pd.isna(getattr(row, score))]
        notes.append(
            f"Median {results.metric} on the test split, {measured}, of the {results.study.score} evaluation: "
            f"{join(words)}."
        )
    elif results.tested:
        notes.append(f"The test split was {measured}: {join(results.tested)} in tables/.")
    return notes


def _number(row: Any, name: str) -> str:
    """`0.91 (0.85 to 0.95)`, with its 95 % interval, where there is one."""
    value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
    value, low, high = (number("%.3g", each, "") for each in (value, low, high))
    return f"{value} ({low} to {high})" if low and high else value


def _phrase(row: Any) -> str:
    seeds = f"{row.converged} of {row.members} seed{'' if row.members == 1 else 's'}"
    ends = f"{100 * row.low:.0f} to {100 * row.high:.0f} %"
    return f"{row.label} converged in {seeds} (95 % interval of the share: {ends})"
