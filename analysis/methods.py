"""What pages and captions say of how it was decided: criterion, registration, looks, tests and intervals."""

from __future__ import annotations

import math

from seedsweep.analysis.comparison import Comparison
from seedsweep.analysis.design import group_sequential
from seedsweep.analysis.pair_tests import AfterEverySeed, SeedBySeed
from seedsweep.analysis.results import Results
from seedsweep.analysis.sentences import join
from seedsweep.core.records.decision import RULES, SeedCounts
from seedsweep.core.records.origins import in_words

#: What of a design a study may say otherwise after results.
DESIGN = ("claims", "configurations", "seeds", "decision", "secondary", "sensitivity")


def sortable(value: float) -> str:
    """As a browser sorts it; empty where there is no number."""
    if math.isnan(value):
        return ""
    return f"{value:.12g}" if math.isfinite(value) else f"{'-' if value < 0 else ''}Infinity"


def measured(results: Results) -> str:
    """The metric, and on what it is measured where that is known: a task's on validation; what a function, a command or
    a table of others reports may be of anything."""
    of_a_task = bool(results.study.task) and not results.study.metrics
    return f"{results.metric} on validation" if of_a_task else results.metric


def criterion(results: Results) -> str:
    """When a member has converged."""
    held = results.study.criterion.hold
    if results.evaluations.empty or results.evaluations.step.nunique() > 1:
        steps = f" of {results.budget} steps"
        when = f"held for the last {held} evaluations{steps}" if held > 1 else f"at the last evaluation{steps}"
    else:
        when = "at the only evaluation"
    return f"Converged: {measured(results)} {results.at_threshold}, {when}."


def registration(results: Results) -> list[str]:
    """Since when the design is fixed, if it is, and what the study says otherwise by now, a sentence each."""
    registered, study = results.registered, results.study
    if registered is None:
        return []
    said = _registered(results, registered.when)
    if results.exploratory:
        named = f"{len(registered.configurations)} configurations"
        found = " and the best that the search finds" if registered.explore else ""
        most = "up to " if registered.seeds.until == "decided" else ""
        said += f": {named}{found}, {most}{registered.seeds.compare} seeds of each"
    sentences = [f"{said}."]
    if results.taken:
        sentences.append(f"{in_words(results.taken)}: what became of these may have been known before.")
    if otherwise := [name for name in DESIGN if getattr(registered, name) != getattr(study, name)]:
        if otherwise == ["seeds"] and _asks_for_more(study.seeds, registered.seeds):
            sentences.append("The study now asks for more seeds than were registered; the registered ones decide.")
        else:
            what = join(otherwise)
            sentences.append(
                f"The study now differs from what was registered in its {what}; what was registered decides."
            )
    if registered.analysis != RULES:
        sentences.append(
            f"It was registered with version {registered.analysis} of the rules by which a study is decided; this page "
            f"follows version {RULES}."
        )
    return sentences


def _asks_for_more(seeds: SeedCounts, registered: SeedCounts) -> bool:
    """Whether that is all that differs."""
    number_alone = {"compare", "most"}
    alike = seeds.model_dump(exclude=number_alone) == registered.model_dump(exclude=number_alone)
    return alike and seeds.compare > registered.compare


def _registered(results: Results, when: str) -> str:
    """Before which members that was: before the first that this run trained itself."""
    members = len(results.members)
    if own := members - results.taken.total():
        its = "its own " if results.taken else ""
        first = f"the first of {its}{own} members" if own > 1 else f"{its or 'the first '}member"
        return f"Registered before {first} finished ({when})"
    return f"Registered ({when})" if members else f"Registered before the first member finished ({when})"


def look(results: Results, comparison: Comparison) -> list[str]:
    """How often was tested, at which level, and how much of it is spent, a sentence each."""
    compared, percent = comparison.compared, f"{100 * comparison.compared.rules.level:g} %"
    sizes, groups = compared.rules.looked, compared.groups
    if not results.designed:
        return [
            f"Tested once, at {percent} in all: that holds if these seeds were chosen before their results were seen."
        ]
    if compared.rules.method.anytime:
        return [f"Tested after every seed by a method that keeps {percent} in all whenever one stops."]
    seen = max(compared.reached, default=0)
    if len(sizes) < 2:
        yet = "Tested once" if compared.decisions.look else "To be tested once"
        return [f"{yet}, at {results.seeds.compare} seeds of each configuration, at {percent} in all."]
    each = group_sequential.nominal(compared.rules.level, sizes)
    spent = group_sequential.overall(each, sizes[:seen]) if seen else 0.0
    gone = f"{100 * spent:.1f}" if seen else "nothing"
    at = f" (at {sizes[seen - 1]} seeds)" if seen else f" (the first at {sizes[0]} seeds)"
    said = [f"Look {seen} of {len(sizes)}{at}, each at {100 * each:.1f} %: {gone} of the {percent} is spent."]
    if 0 < min(compared.reached) < seen:
        left = [name for name, own in zip(compared.names, compared.reached, strict=True) if own < seen]
        said.append(f"After an earlier look {join(left)} got no more seeds.")
    if any(
        len(group.converged) > (sizes[own - 1] if own else 0)
        for group, own in zip(groups, compared.reached, strict=True)
    ):
        what = (
            "pairs, places and the verdict are as of that look" if seen else "there is no verdict before the first look"
        )
        said.append(f"Counts are of all seeds that have finished; {what}.")
    return said


def tests(comparison: Comparison, *, bold: bool = True) -> str:
    """How pairs were tested and estimated. bold: whether the table marks those that differ so."""
    rules = comparison.compared.rules
    if isinstance(rules.method, AfterEverySeed):
        how = "Tested and estimated by betting on pairs of seeds, which holds after every seed"
    elif isinstance(rules.method, SeedBySeed):
        how = (
            "Equal seeds are pairs: P(converge) by McNemar's exact test, scores by the exact signed-rank test, "
            "intervals by betting on the pairs"
        )
    else:
        how = (
            "P(converge) by Boschloo's exact test and the intervals that invert it; scores by the exact rank-sum test "
            "(Wilcoxon, Mann and Whitney) and the shift that inverts it"
        )
    counted = "pairs, axes and looks" if rules.looked[1:] else "pairs and axes"
    marked = f"bold where it is at most {rules.level:g}" if bold else f"compared with {rules.level:g}"
    below = ""
    if rules.below:
        below = (
            f" Of the level of {100 * rules.level:g} %, {100 * rules.below:.3g} % is for claims that a share is below "
            "a number and the rest for the axes; the interval beside such a claim is at its share of the level."
        )
    return (
        f"{how}. Adjusted p: for all {counted}, {marked}.{below} "
        "The intervals of an axis hold together for all its pairs; "
        "where one of P(converge) ends at 0, the test gives the sign; scores can differ although neither is better in "
        "most pairs of seeds. Intervals of exploratory rows are at 95 % each, not adjusted."
    )


def share_interval(comparison: Comparison) -> str:
    """Of P(converge)."""
    compared = comparison.compared
    if compared.rules.method.anytime and max(compared.reached, default=0):
        return "by betting, which holds after every seed, the others Clopper-Pearson"
    looked = bool(compared.rules.looked[1:]) and max(compared.reached, default=0) > 0
    return "Clopper-Pearson" + ", all looks counted, the others as if there were one" * looked


def missing_scores(results: Results) -> str:
    """What seeds without a score count as; empty where all have one."""
    if not results.shown:
        return ""
    without = int(results.compared[results.score_column].isna().sum())
    if not without:
        return ""
    have = "seed has" if without == 1 else "seeds have"
    it = "it is" if without == 1 else "they are"
    return (
        f"{without} {have} no finite {results.score_name}: in tests {it} below every number, in medians and means "
        f"{'it counts' if without == 1 else 'they count'} as {results.worst:.4g}, {results.worst_is}."
    )
