"""What a study saves that goes on until it is decided: all of its claims, as any of them keeps it going."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from seedsweep.analysis.decisions import Group, decide
from seedsweep.analysis.design.planning import Design, Truth, simulate
from seedsweep.analysis.design.stopping import Aims, progress
from seedsweep.analysis.verdicts import SUPPORTED, UNDECIDED, VERDICTS, Compared, needs_intervals, verdict
from seedsweep.core.records.decision import CONVERGING, SCORE, SeedCounts
from seedsweep.sweeps.commands.truths import all_claimed, in_studies

#: Studies that are simulated one after another.
FEW = 50

#: Of so many seeds of each configuration: time here, node hours.
Cost = Callable[[int], tuple[str, str]]


def saved(truths: Sequence[Truth], design: Design, cost: Cost | None) -> str:
    """Of the truths of the study's claims, one each, or of one in which two are told apart."""
    seeds, on = design.seeds, [[truth for truth in truths if truth.axis == axis] for axis in (CONVERGING, SCORE)]
    both = [all_claimed(own) if own[0].claims else own[0] for own in on if own]
    one_look = replace(design, seeds=SeedCounts(compare=seeds.compare))
    once = [simulate(truth, one_look) for truth in both]
    if len(both) == 1:
        found = simulate(both[0], design, FEW if both[0].axis == SCORE else None)
        mean, verdicts, told = found.seeds, list(found.verdicts), float(found.told[0, 1])
    else:
        mean, verdicts = _on_both_axes(both, design)
        told = 0.0
    whole = [each for one in once for each in one.verdicts]
    if not whole:
        what, shares = "told apart", (told, float(once[0].told[0, 1]))
    elif len(whole) == 1:
        what, shares = "supported", (verdicts[0][SUPPORTED], whole[0][SUPPORTED])
    else:
        what = "the claim that is decided least often is decided"
        least, least_once = (min(1 - each[UNDECIDED] for each in every) for every in (verdicts, whole))
        shares = (least, least_once)
    each = mean / len(both[0].values)
    takes, whole_takes = (cost(round(many))[0] if cost else "" for many in (each, seeds.compare))
    less = f", {takes} in place of {whole_takes}" if takes != whole_takes else ""
    before, case = _case(both)
    return (
        f"{before}Until decided, {case}: {each:.0f} seeds each on average (looks at "
        f"{', '.join(map(str, seeds.sizes))}){less}; {what} {in_studies(shares[0])}, with all {seeds.compare} and one "
        f"look {in_studies(shares[1])}."
    )


def _case(truths: Sequence[Truth]) -> tuple[str, str]:
    """What is so, in words; a sentence before them where two claims contradict each other."""
    held = [truth.claims_at(0.0, 0.0).holds(claim, truth.values) for truth in truths for claim in truth.claims]
    if len(held) < 2:
        return "", "in that case"
    if all(held):
        return "", f"if {'both' if len(held) == 2 else f'all {len(held)}'} claims hold so"
    return (
        f"The {len(held)} claims cannot all hold at once. ",
        f"where {sum(held)} of them {'holds' if sum(held) == 1 else 'hold'}",
    )


def _on_both_axes(truths: Sequence[Truth], design: Design) -> tuple[float, list[dict[str, float]]]:
    """Seeds in all configurations, the mean, and of each claim how often it is what: by the functions that decide the
    real study, as `planning.one_by_one` asks them. A configuration has as many seeds as the axis asks for that goes on
    longer. Who converges and the scores are drawn independently."""
    seeds, rng = design.seeds, np.random.default_rng(0)
    size, spent = (len(truths[0].values), seeds.sizes[-1]), 0
    said = [Counter[str]() for truth in truths for _ in truth.claims]
    for _ in range(FEW):
        wanted, verdicts = [0] * size[0], list[str]()
        for truth in truths:
            values = np.array(truth.values)[:, None]
            if truth.axis == CONVERGING:
                groups = [Group(own, {}) for own in rng.random(size) < values]
            else:
                met = np.zeros(size[1], bool)
                groups = [Group(met, {SCORE: own}) for own in rng.standard_normal(size) + values]
            own, found = _decided(truth, design, groups)
            wanted = [max(pair) for pair in zip(wanted, own, strict=True)]
            verdicts += found
        spent += sum(wanted)
        for count, one in zip(said, verdicts, strict=True):
            count[one] += 1
    return spent / FEW, [{one: count[one] / FEW for one in VERDICTS} for count in said]


def _decided(truth: Truth, design: Design, groups: Sequence[Group]) -> tuple[Sequence[int], list[str]]:
    """Of a study on one axis: the seeds of each configuration, and the verdicts on its claims. groups: all seeds."""
    whole, names, named = design.rules, truth.names, truth.named or ()
    rules = replace(whole, level=design.level(truth.axis) + whole.below, shares={truth.axis: 1.0})
    found = progress(groups, rules, design.seeds, Aims(truth.claims, names, named, ""))
    cut = [
        Group(group.converged[:seeds], {axis: own[:seeds] for axis, own in group.scores.items()})
        for group, seeds in zip(groups, found.wanted, strict=True)
    ]
    decisions = decide(cut, rules, found.reached, estimates=needs_intervals(truth.claims), only=(truth.axis,))
    compared = Compared(names, named, cut, whole, found.reached, decisions)
    return found.wanted, [verdict(claim, compared, "") for claim in truth.claims]
