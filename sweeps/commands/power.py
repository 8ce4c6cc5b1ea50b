"""What a study's seeds would tell apart, and at which cost: by simulation of its own analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.table import Table

from seedsweep.analysis.design.planning import (
    POWER,
    Design,
    Truth,
    seeds_needed,
    seeds_that_show,
    seeds_to_support,
    simulate,
)
from seedsweep.analysis.verdicts import axis_of
from seedsweep.core.records.decision import CONVERGING, SCORE, SeedCounts, axes_of
from seedsweep.core.records.study import Study
from seedsweep.sweeps.commands.truths import Assumed, claimed, in_studies, of_scores, one_lower, percent
from seedsweep.sweeps.commands.until_decided import FEW, Cost, saved

#: Where even one seed less can show nothing, more is not tried.
MOST_WITHOUT = 65
#: Claims of which it is said what the seeds would make of them.
MOST_CLAIMS = 6


def lines(study: Study, asked: Assumed, cost: Cost | None) -> list[str | Table]:
    """How often what is assumed is shown, by the number of seeds, and the study's claims; what stopping when decided
    saves. cost: None where it is not known."""
    if study.compared < 2:
        return []
    design = _design(study)
    # An axis without a share decides nothing.
    axes = [axis for axis in axes_of(study.claims, study.criterion.metric) if design.level(axis)]
    said: list[str | Table] = [_intro(study, design, axes, asked)]
    said += [_table(study, design, axes, asked, cost)] if axes else []
    return said + list(_of_claims(study, design, axes, asked, cost))


def _intro(study: Study, design: Design, axes: Sequence[str], asked: Assumed) -> str:
    """What the table says, and what is assumed."""
    count = study.compared
    pairs = count * (count - 1) // 2
    if not axes:
        return f"power: {count} configurations; no part of the error is left to tell one from another."
    for_all = [f"all {pairs} pairs"] * (pairs > 1) + ["both axes" if len(axes) == 2 else f"all {len(axes)} axes"] * (
        len(axes) > 1
    )
    adjusted = f" adjusted for {' and '.join(for_all)}:" if for_all else ""
    said = (
        f"power: {count} configurations,{adjusted} in how many simulated studies one is told from another, one axis at "
        "a time."
    )
    levels = {axis: f"{100 * design.level(axis):.2g} %" for axis in axes}
    if CONVERGING in axes:
        others = f"the other {count - 1} in" if count > 2 else "the other in"
        said += (
            f" Convergence has {levels[CONVERGING]} of error; assumed: one converges in {percent(asked.lower)} of "
            f"seeds, {others} {percent(asked.higher)}."
        )
    if scores := [axis for axis in axes if axis != CONVERGING]:
        has = ", ".join(f"{'Scores have' if axis == SCORE else f'{axis} has'} {levels[axis]}" for axis in scores)
        said += (
            f" {'' if SCORE in scores else 'Of scores, '}{has} of error; assumed: they are normal, of equal spread, "
            f"and one is worse than every other in {percent(asked.wins)} of pairs of seeds."
        )
    return said


def _table(study: Study, design: Design, axes: Sequence[str], asked: Assumed, cost: Cost | None) -> Table:
    """By the number of seeds. axes: those with a share of the level, one at least."""
    truths, seeds = {axis: one_lower(study, asked, axis) for axis in axes}, study.seeds
    designs = {axis: of_scores(design, axis) for axis in axes}
    known = ["time here", "node hours"] if cost else []
    nothing = [""] * len(known)
    titles = {CONVERGING: f"{asked.higher:g} from {asked.lower:g}", SCORE: f"scores, {asked.wins:g}"}
    table = Table("seeds of each", *(titles.get(axis, f"{axis}, {asked.wins:g}") for axis in axes), *known)
    sizes, shows, needed = {seeds.compare, 2 * seeds.compare}, 2, dict[str, int | None]()
    if _plain(seeds):
        shows = seeds_that_show(study.compared, design.level(CONVERGING)) or MOST_WITHOUT
        needed = {axis: seeds_needed(truth, [(0, 1)], design.level(axis)) for axis, truth in truths.items()}
        sizes |= {size for size in needed.values() if size}
    if shows > 2 and axes[0] == CONVERGING:
        table.add_row(f"up to {shows - 1}", "never", *[""] * (len(axes) - 1), *nothing)
    looks = ", one look" if len(seeds.sizes) > 1 else ""
    for size in sorted(size for size in sizes if size >= 2):
        found = [
            simulate(truths[axis], replace(own, seeds=_at(seeds, size)), None if _plain(seeds) else FEW).told[0, 1]
            for axis, own in designs.items()
        ]
        table.add_row(f"{size}{looks}", *map(_in, found), *(cost(size) if cost else ()))
    if _plain(seeds) and not all(needed.values()):
        cells = ["" if needed[axis] else f"under {percent(POWER)}" for axis in axes]
        table.add_row("more", *cells, *nothing)
    if looks and seeds.until == "all" and _plain(seeds):
        found = [simulate(truths[axis], own).told[0, 1] for axis, own in designs.items()]
        words = f"{seeds.compare}, {len(seeds.sizes)} looks"
        table.add_row(words, *map(_in, found), *(cost(seeds.compare) if cost else ()))
    return table


def _of_claims(study: Study, design: Design, axes: Sequence[str], asked: Assumed, cost: Cost | None) -> list[str]:
    """How often each claim is supported, where it is so, and what stopping saves."""
    seeds = study.seeds
    if not _plain(seeds):
        return []
    said, truths = list[str](), list[Truth]()
    for number, claim in enumerate(study.claims):
        axis = axis_of(claim, study.criterion.metric)
        if not (design.level(axis) if claim.below is None else design.rules.below):
            continue
        truth, words = claimed(study, claim, asked)
        truths.append(truth)
        if number >= MOST_CLAIMS:
            continue
        own = of_scores(design, axis)
        fixed, needed = simulate(truth, replace(own, seeds=_at(seeds, seeds.compare))), seeds_to_support(truth, own)
        enough = f"{needed} seeds in {percent(POWER)}" if needed else "more than are tried in 80 %"
        share = fixed.verdicts[0]["supported"]
        said.append(f"{words}: {seeds.compare} seeds support it {in_studies(share)}, {enough}.")
    if seeds.until == "decided" and not study.claims and CONVERGING in axes:
        truths = [one_lower(study, asked, CONVERGING)]
    if seeds.until == "decided" and truths:
        said.append(saved(truths, design, cost))
    return said


def _design(study: Study) -> Design:
    return Design(study.seeds, study.decision, study.claims, study.criterion.metric)


def _plain(seeds: SeedCounts) -> bool:
    """Whether studies can be simulated all at once."""
    return not seeds.paired and not seeds.anytime


def _at(seeds: SeedCounts, size: int) -> SeedCounts:
    """With so many seeds and one look."""
    return SeedCounts(compare=size, looks="any" if seeds.anytime else (), paired=seeds.paired)


def _in(share: float) -> str:
    return f"in {percent(share)}"
