"""Decisions in words: what is said of an axis, and how far it goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seedsweep.analysis import labels
from seedsweep.analysis.comparison import Comparison
from seedsweep.analysis.decisions import Axis, Pair, attainable
from seedsweep.analysis.design.planning import seeds_that_show
from seedsweep.analysis.results import Results
from seedsweep.core.records.decision import CONVERGING, SCORE

#: Configurations that a sentence names, groups of winners of which it says whom they beat, pairs with their numbers.
MOST_NAMED, MOST_GROUPS, MOST_PAIRS = 6, 3, 3
FOUND = "the best found"


def of_axis(results: Results, comparison: Comparison, axis: Axis) -> str:
    """What was decided on an axis, a sentence or some."""
    if axis.constant:
        return _constant(results, comparison, axis)
    words = _WORDS.get(axis.name, _WORDS[SCORE])
    if not axis.differs:
        return f"{words['null']}: no difference was shown{_p(axis.omnibus)}. {_fits(results, comparison, axis)}".strip()
    matters = f"{_subject(results)} matters for {_what(results, axis)}{_p(axis.omnibus)}."
    if not any(pair.differs for pair in axis.pairs):
        open_ones = "Which configurations differ is open: no pair is told apart."
        return f"{matters} {open_ones} {_fits(results, comparison, axis)}".strip()
    return " ".join([matters, *_told_apart(comparison, axis, words["more"]), _rest(comparison, axis)]).strip()


def short(results: Results, comparison: Comparison, axis: Axis) -> str:
    """The same in a few words."""
    what = _what(results, axis)
    if axis.constant and axis.name == CONVERGING:
        every = bool(comparison.decided.converged.sum())
        return "every seed met the criterion" if every else "no seed met the criterion"
    if not axis.differs:
        return f"no difference in {what} was shown"
    best, names = unbeaten(comparison, axis), _names(comparison)
    others = _others(comparison, best)
    if len(best) == 1 and all(axis.pair(best[0], other).better for other in others):
        verb = "converges more often" if axis.name == CONVERGING else f"is better by {what}"
        return f"{names[best[0]]} {verb} than {names[others[0]] if len(others) == 1 else 'every other'}"
    if any(pair.differs for pair in axis.pairs):
        return f"{'the two' if len(names) == 2 else 'some configurations'} differ in {what}"
    return f"not all configurations are equal in {what}"


def unbeaten(comparison: Comparison, axis: Axis) -> list[int]:
    """Places of those of which none is significantly better: the best is among them."""
    beaten = {pair.second if pair.better > 0 else pair.first for pair in axis.pairs if pair.better}
    return [place for place in range(len(comparison.compared.groups)) if place not in beaten]


def join(words: Sequence[str], last: str = "and") -> str:
    """`a, b and c`; of many the first ones."""
    if len(words) > MOST_NAMED:
        words = [*words[: MOST_NAMED - 1], f"{len(words) - MOST_NAMED + 1} others"]
    if len(words) == 1:
        return words[0]
    of = separator(words)
    return f"{of.join(words[:-1])}{';' if of == '; ' else ''} {last} {words[-1]}"


def separator(words: Sequence[str]) -> str:
    """Between names: one that no name has."""
    return "; " if any(", " in word for word in words) else ", "


def seeds_each(sizes: Sequence[int]) -> str:
    """`12 seeds each`."""
    low, high = min(sizes), max(sizes)
    return f"{low} seed{'' if low == 1 else 's'} each" if low == high else f"{low} to {high} seeds each"


def number(form: str, value: float, missing: str = "none") -> str:
    """A number in a `%` format, 0 without a sign of its own; of one that is NaN another word."""
    if math.isnan(value):
        return missing
    if math.isinf(value):
        return f"{'-' if value < 0 else ''}∞"
    text = form % value
    return text if float(text) else form % 0.0


def in_points(share: float) -> str:
    """Of a difference of shares."""
    return f"{100 * share:.0f} points"


_WORDS = {
    CONVERGING: {"null": "Convergence", "more": "more often"},
    SCORE: {"null": "Scores", "more": "better"},
}


def _constant(results: Results, comparison: Comparison, axis: Axis) -> str:
    sizes = [len(group.converged) for group in comparison.compared.groups]
    if axis.name != CONVERGING:
        if comparison.decided.diverged.sum() == comparison.decided.members.sum():
            return "Every seed of every configuration diverged: there is no score to compare."
        if all(np.isnan(group.scores[axis.name]).all() for group in comparison.compared.groups):
            return f"No seed has a {_what(results, axis)}."
        return f"All seeds have the same {_what(results, axis)}."
    if comparison.decided.converged.sum():
        most = _most(axis, axis.pairs)
        still = f" {most} with that." if most else ""
        return f"Every seed of every configuration met the criterion ({seeds_each(sizes)}).{still}"
    bound = "at least" if results.study.criterion.direction == "max" else "at most"
    criterion = f"{results.metric} {bound} {results.study.criterion.threshold:g}"
    return f"No seed of any configuration met the criterion, {criterion}: who converges more often cannot be said."


def _names(comparison: Comparison) -> list[str]:
    """What configurations are called in sentences; the search adds one at most."""
    compared = comparison.compared
    return [name if place in compared.named else FOUND for place, name in enumerate(compared.names)]


def _subject(results: Results) -> str:
    """What differs between configurations: one field, whose name stays as it is, or the configuration as a whole."""
    names = list(labels.short_names(results.varying).values())
    return names[0] if len(names) == 1 else "The configuration"


def _what(results: Results, axis: Axis) -> str:
    if axis.name == CONVERGING:
        return "convergence"
    return results.score_name if axis.name == SCORE else f"final {axis.name}"


def _p(value: float) -> str:
    return " (p < 0.001)" if value < 0.001 else f" (p = {value:.2g})"


def _told_apart(comparison: Comparison, axis: Axis, more: str) -> list[str]:
    """Who is significantly better than whom: winners over the same ones are named together."""
    names, count = _names(comparison), len(comparison.compared.groups)
    beaten: dict[tuple[int, ...], list[int]] = {}
    for place in range(count):
        worse = tuple(other for other in range(count) if other != place and axis.pair(place, other).better > 0)
        if worse:
            beaten.setdefault(worse, []).append(place)
    verb = "converge" if axis.name == CONVERGING else "score"
    found = []
    for worse, winners in sorted(beaten.items(), key=lambda item: (-len(item[0]), item[1])):
        one = verb if len(winners) > 1 else f"{verb}s"
        own, others = join([names[place] for place in winners]), join([names[place] for place in worse])
        numbers = _numbers(axis, axis.pair(winners[0], worse[0])) if len(winners) == len(worse) == 1 else ""
        # A name stays as it is; "the best found" is none.
        own = own[0].upper() + own[1:] if own.startswith(FOUND) else own
        found.append(f"{own} {one} {more} than {others}{numbers}.")
    if len(found) > MOST_GROUPS:
        found = [*found[:MOST_GROUPS], "The table of pairs has all that differ."]
    undirected = [pair for pair in axis.pairs if pair.differs and not pair.better]
    if len(undirected) > MOST_PAIRS:
        more = "more " if found else ""
        found.append(
            f"The scores of {len(undirected)} {more}pairs of configurations differ; in none of them is one shown to be "
            "better in most pairs of seeds."
        )
    elif undirected:
        each = [pair if pair.differs > 0 else pair.turned() for pair in undirected]
        told = [
            f"The scores of {names[pair.first]} and {names[pair.second]} differ, those of {names[pair.first]} being "
            f"better{_numbers(axis, pair)}"
            for pair in each
        ]
        last = (
            "; that they are better in most pairs of seeds is not shown."
            if len(told) == 1
            else ". In none of these is one shown to be better in most pairs of seeds."
        )
        found.append(". ".join(told) + last)
    return found


def _numbers(axis: Axis, pair: Pair) -> str:
    """Of a pair."""
    if axis.name == CONVERGING:
        low, high = (number("%.0f", 100 * end) for end in (pair.low, pair.high))
        return f" (by {in_points(pair.estimate)}, {low} to {high})"
    by, *ends = (number("%.3g", each) for each in (pair.shift, pair.shift_low, pair.shift_high))
    return (
        f" (by {by}, interval {ends[0]} to {ends[1]}; better in "
        f"{100 * pair.estimate:.0f} % of pairs of seeds, {100 * pair.low:.0f} to {100 * pair.high:.0f} %)"
    )


def _rest(comparison: Comparison, axis: Axis) -> str:
    """What is open among those that may be the best."""
    best = unbeaten(comparison, axis)
    names = _names(comparison)
    if len(best) == 1:
        open_to = [other for other in _others(comparison, best) if not axis.pair(best[0], other).better]
        if not open_to:
            return ""
        return f"Whether {names[best[0]]} is better than {join([names[place] for place in open_to], 'or')} is open."
    pairs = [pair for pair in axis.pairs if pair.first in best and pair.second in best]
    among = join([names[place] for place in best])
    if any(pair.differs for pair in pairs):
        return "" if len(best) == 2 else f"Which of {among} is the best is open."
    most = _most(axis, pairs, of_them=True)
    between = "Between" if len(best) == 2 else "Among"
    return f"{between} {among} no difference was shown{f'. {most} with these seeds' if most else ''}."


def _fits(results: Results, comparison: Comparison, axis: Axis) -> str:
    """What may be true all the same; empty where there are too many pairs to say."""
    sizes = [len(group.converged) for group in comparison.compared.groups]
    rules, count = comparison.compared.rules, len(sizes)
    # With what this axis has of the level: no other has left it more.
    own = replace(rules, level=axis.level, shares={axis.name: 1.0}, below=0.0)
    if not attainable(own, count, min(sizes))[axis.name]:
        first = rules.level * rules.shares[CONVERGING]
        enough = seeds_that_show(count, first) if axis.name == CONVERGING else None
        could = f"; {enough} seeds could" if enough and not rules.looked[1:] else ""
        return (
            f"With {count} configurations, {seeds_each(sizes)} cannot tell any pair apart, whatever the results{could}."
        )
    most = _most(axis, axis.pairs)
    return f"{most} with {seeds_each(sizes)}." if most else ""


def _most(axis: Axis, pairs: Sequence[Pair], *, of_them: bool = False) -> str:
    """What the intervals of some pairs reach to; empty where not all have one. of_them: of configurations that were
    just named, not of all."""
    if any(math.isnan(pair.low) for pair in pairs):
        return ""
    if axis.name == CONVERGING:
        widest = max(max(abs(pair.low), abs(pair.high)) for pair in pairs)
        between = "" if not of_them else " between the two" if len(pairs) == 1 else " between two of these"
        return f"Differences of up to {in_points(widest)}{between} are compatible"
    ends = [end for pair in pairs for end in (pair.low, pair.high)]
    low, high = min(*ends, 1 - max(ends)), max(*ends, 1 - min(ends))
    one = "one of these" if of_them and len(pairs) > 1 else "one"
    other = "the other" if len(pairs) == 1 else "another"
    return f"Chances of {100 * low:.0f} to {100 * high:.0f} % that a seed of {one} beats one of {other} are compatible"


def _others(comparison: Comparison, places: Sequence[int]) -> list[int]:
    return [place for place in range(len(comparison.compared.groups)) if place not in places]
