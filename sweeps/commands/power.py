"""What a study's seeds would tell apart, and at which cost: by simulation of its own analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Size:
    """Seeds of each configuration, with so many looks, and in what share of simulated studies they tell one from
    another, by axis. seeds_to: where nothing is shown from `seeds` up to here.  None: of an axis that asks for none."""

    seeds: int
    looks: int
    told: Mapping[str, float | None]
    seeds_to: int | None = None


@dataclass(frozen=True)
class Power:
    """What a study's seeds would tell apart. intro: what is simulated.  axes: on which.  sizes: the fewest seeds first.
    more: axes on which even the most seeds that are tried show too little.  claims: what becomes of each, and of
    stopping when decided, a sentence each."""

    intro: str
    axes: tuple[str, ...]
    sizes: tuple[Size, ...]
    more: tuple[str, ...]
    claims: tuple[str, ...]


def lines(study: Study, asked: Assumed, cost: Cost | None) -> list[str | Table]:
    """How often what is assumed is shown, by the number of seeds, and the study's claims; what stopping when decided
    saves. cost: None where it is not known."""
    return said(find(study, asked, cost), study, asked, cost)


def said(found: Power | None, study: Study, asked: Assumed, cost: Cost | None) -> list[str | Table]:
    """As `lines`, of what was found."""
    if found is None:
        return []
    return [found.intro, *([_table(found, study, asked, cost)] if found.axes else []), *found.claims]


def find(study: Study, asked: Assumed, cost: Cost | None) -> Power | None:
    """As `lines`; None where nothing is compared."""
    if study.compared < 2:
        return None
    design = _design(study)
    # An axis without a share decides nothing.
    axes = [axis for axis in axes_of(study.claims, study.criterion.metric) if design.level(axis)]
    sizes, more = _sizes(study, design, axes, asked) if axes else ([], [])
    claims = _of_claims(study, design, axes, asked, cost)
    return Power(_intro(study, design, axes, asked), tuple(axes), tuple(sizes), tuple(more), tuple(claims))


def _intro(study: Study, design: Design, axes: Sequence[str], asked: Assumed) -> str:
    """What the table says, and what is assumed."""
    count = study.compared
    pairs = count * (count - 1) // 2
    if not axes:
        return f"power: {count} configurations; no share of the level is left to compare them."
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
            f" Convergence is tested at {levels[CONVERGING]}; assumed: one converges in {percent(asked.lower)} of "
            f"seeds, {others} {percent(asked.higher)}."
        )
    if scores := [axis for axis in axes if axis != CONVERGING]:
        has = ", ".join(
            f"{'Scores are' if axis == SCORE else f'{axis} is'} tested at {levels[axis]}" for axis in scores
        )
        said += (
            f" {'' if SCORE in scores else 'Of scores, '}{has}; assumed: they are normal, of equal spread, "
            f"and one is worse than {'every' if count > 2 else 'the'} other in {percent(asked.wins)} of pairs of seeds."
        )
    return said


def _sizes(study: Study, design: Design, axes: Sequence[str], asked: Assumed) -> tuple[list[Size], list[str]]:
    """By the number of seeds, and where more are needed than are tried. axes: those with a share of the level, one at
    least."""
    truths, seeds = {axis: one_lower(study, asked, axis) for axis in axes}, study.seeds
    designs = {axis: of_scores(design, axis) for axis in axes}
    sizes, shows, needed = {seeds.compare, 2 * seeds.compare}, 2, dict[str, int | None]()
    if _plain(seeds):
        # One seed shows nothing, nor do two.
        sizes = sizes if seeds.compare > 1 else set()
        shows = seeds_that_show(study.compared, design.level(CONVERGING)) or MOST_WITHOUT
        needed = {axis: seeds_needed(truth, [(0, 1)], design.level(axis)) for axis, truth in truths.items()}
        sizes |= {size for size in needed.values() if size}
    found = []
    if shows > 2 and axes[0] == CONVERGING:
        found.append(Size(2, 1, {axis: 0.0 if axis == CONVERGING else None for axis in axes}, shows - 1))
    for size in sorted(size for size in sizes if size >= 2):
        told = {
            axis: float(
                simulate(truths[axis], replace(own, seeds=_at(seeds, size)), None if _plain(seeds) else FEW).told[0, 1]
            )
            for axis, own in designs.items()
        }
        found.append(Size(size, 1, told))
    if len(seeds.sizes) > 1 and seeds.until == "all" and _plain(seeds):
        told = {axis: float(simulate(truths[axis], own).told[0, 1]) for axis, own in designs.items()}
        found.append(Size(seeds.compare, len(seeds.sizes), told))
    return found, [axis for axis in axes if _plain(seeds) and not needed[axis]]


def _table(found: Power, study: Study, asked: Assumed, cost: Cost | None) -> Table:
    known = ["time here", "node hours"] if cost else []
    nothing = [""] * len(known)
    titles = {CONVERGING: f"{asked.higher:g} from {asked.lower:g}", SCORE: f"scores, {asked.wins:g}"}
    table = Table("seeds of each", *(titles.get(axis, f"{axis}, {asked.wins:g}") for axis in found.axes), *known)
    several = len(study.seeds.sizes) > 1
    for size in found.sizes:
        if size.seeds_to:
            told = ["" if share is None else "never" for share in size.told.values()]
            table.add_row(f"up to {size.seeds_to}", *told, *nothing)
            continue
        looks = "" if not several else ", one look" if size.looks == 1 else f", {size.looks} looks"
        told = ["" if share is None else _in(share) for share in size.told.values()]
        table.add_row(f"{size.seeds}{looks}", *told, *(cost(size.seeds) if cost else ()))
    if found.more:
        cells = [f"under {percent(POWER)}" if axis in found.more else "" for axis in found.axes]
        table.add_row("more", *cells, *nothing)
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
