"""What a study's seeds would tell apart, and at which cost: by simulation of its own analysis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rich.table import Table

from seedsweep.analysis.design.planning import (
    POWER,
    Design,
    Simulated,
    Truth,
    mean_apart,
    seeds_needed,
    seeds_that_show,
    seeds_to_support,
    simulate,
)
from seedsweep.core.errors import UserError
from seedsweep.core.records.decision import CONVERGING, SCORE, Claim, SeedCounts, axes_of
from seedsweep.core.records.study import Study

#: Studies that are simulated one after another.
FEW = 50
#: Where even one seed less can show nothing, more is not tried.
MOST_WITHOUT = 65
#: Claims of which it is said what the seeds would make of them.
MOST_CLAIMS = 6

#: Of so many seeds of each configuration: time here, node hours.
Cost = Callable[[int], tuple[str, str]]


@dataclass(frozen=True)
class Assumed:
    """higher, lower: P(converge) of two configurations.  wins: in how many pairs of seeds one of the better scores
    higher."""

    higher: float = 0.9
    lower: float = 0.6
    wins: float = 0.9


def assumed(text: str) -> Assumed:
    """`0.9,0.6`: two P(converge), the higher first; `0.8`: how often one scores better; `0.9,0.6,0.8`: both; in
    brackets or not. Errors: UserError."""
    like = (
        "write two shares of seeds that converge, such as 0.9,0.6, or in how many pairs of seeds one scores better, 0.8"
    )
    try:
        given = [*map(float, text.strip().strip("[]()").split(","))]
    except ValueError:
        raise UserError(f"--power {text}: {like}") from None
    if len(given) > 3:
        raise UserError(f"--power {text}: {like}")
    shares, wins = given[: len(given) // 2 * 2], given[len(given) // 2 * 2 :]
    found = Assumed()
    if wins:
        if not 0.5 < wins[0] < 1:
            raise UserError(f"--power {text}: in how many pairs of seeds one scores better lies between 0.5 and 1")
        found = replace(found, wins=wins[0])
    if shares:
        first, second = shares
        if not (0 <= first <= 1 and 0 <= second <= 1) or first == second:
            raise UserError(f"--power {text}: these must be two different shares from 0 to 1, such as 0.9,0.6")
        found = replace(found, higher=max(shares), lower=min(shares))
    return found


def lines(study: Study, asked: Assumed, cost: Cost | None) -> list[str | Table]:
    """How often what is assumed is shown, by the number of seeds, and the study's claims; what stopping when decided
    saves. cost: None where it is not known."""
    if study.compared < 2:
        return []
    design, count = _design(study), study.compared
    pairs = count * (count - 1) // 2
    others = f"the other {count - 1} in" if count > 2 else "the other in"
    adjusted = f"adjusted for all {pairs} pairs and" if pairs > 1 else "adjusted for"
    axes = axes_of(study.claims, study.criterion.metric)
    both = "both axes" if len(axes) == 2 else f"all {len(axes)} axes"
    converging, score = (f"{100 * design.level(axis):.2g} %" for axis in (CONVERGING, SCORE))
    said: list[str | Table] = [
        f"power: {count} configurations, {adjusted} {both}: in how many simulated studies one is told from another, "
        f"one axis at a time. Convergence has {converging} of error; assumed: one converges in "
        f"{_percent(asked.lower)} of seeds, {others} {_percent(asked.higher)}. Scores have {score}; assumed: they are "
        f"normal, of equal spread, and one is worse than every other in {_percent(asked.wins)} of pairs of seeds.",
        _table(study, design, asked, cost),
    ]
    return said + list(_of_claims(study, design, asked, cost))


def _table(study: Study, design: Design, asked: Assumed, cost: Cost | None) -> Table:
    """By the number of seeds."""
    truths, seeds = [_one_lower(study, asked, axis) for axis in (CONVERGING, SCORE)], study.seeds
    truths = [truth for truth in truths if design.level(truth.axis)]
    known = ["time here", "node hours"] if cost else []
    nothing = [""] * len(known)
    titles = {CONVERGING: f"{asked.higher:g} from {asked.lower:g}", SCORE: f"scores, {asked.wins:g}"}
    table = Table("seeds of each", *(titles[truth.axis] for truth in truths), *known)
    sizes, shows, needed = {seeds.compare, 2 * seeds.compare}, 2, dict[str, int | None]()
    if _plain(seeds):
        shows = seeds_that_show(study.compared, design.level(CONVERGING)) or MOST_WITHOUT
        needed = {truth.axis: seeds_needed(truth, [(0, 1)], design.level(truth.axis)) for truth in truths}
        sizes |= {size for size in needed.values() if size}
    if shows > 2 and truths[0].axis == CONVERGING:
        table.add_row(f"up to {shows - 1}", "never", *[""] * (len(truths) - 1), *nothing)
    looks = ", one look" if len(seeds.sizes) > 1 else ""
    for size in sorted(size for size in sizes if size >= 2):
        one_look = replace(design, seeds=_at(seeds, size))
        found = [simulate(truth, one_look, None if _plain(seeds) else FEW).told[0, 1] for truth in truths]
        table.add_row(f"{size}{looks}", *map(_in, found), *(cost(size) if cost else ()))
    if _plain(seeds) and not all(needed.values()):
        cells = ["" if needed[truth.axis] else f"under {_percent(POWER)}" for truth in truths]
        table.add_row("more", *cells, *nothing)
    if looks and seeds.until == "all" and _plain(seeds):
        found = [simulate(truth, design).told[0, 1] for truth in truths]
        words = f"{seeds.compare}, {len(seeds.sizes)} looks"
        table.add_row(words, *map(_in, found), *(cost(seeds.compare) if cost else ()))
    return table


def _of_claims(study: Study, design: Design, asked: Assumed, cost: Cost | None) -> list[str]:
    """How often each claim is supported, where it is so, and what stopping saves."""
    seeds = study.seeds
    if not _plain(seeds):
        return []
    one_look = replace(design, seeds=_at(seeds, seeds.compare))
    said, first = list[str](), list[tuple[Truth, Simulated]]()
    for claim in study.claims[:MOST_CLAIMS]:
        truth, words = _claimed(study, claim, asked)
        if not (design.level(truth.axis) if claim.below is None else design.rules.below):
            continue
        fixed, needed = simulate(truth, one_look), seeds_to_support(truth, design)
        enough = f"{needed} seeds in {_percent(POWER)}" if needed else "more than are tried in 80 %"
        share = fixed.verdicts[0]["supported"]
        said.append(f"{words}: {seeds.compare} seeds support it {_in_studies(share)}, {enough}.")
        if claim.best or claim.better:
            first.append((truth, fixed))
    if seeds.until == "decided" and not study.claims:
        truth = _one_lower(study, asked, CONVERGING)
        first.append((truth, simulate(truth, one_look)))
    if seeds.until == "decided" and first:
        said.append(_saved(study, design, *first[0], cost))
    return said


def _saved(study: Study, design: Design, truth: Truth, fixed: Simulated, cost: Cost | None) -> str:
    """What stopping when decided saves."""
    seeds = study.seeds
    found = simulate(truth, design, FEW if truth.axis == SCORE else None)
    mean = found.seeds / study.compared
    saved = f", {cost(round(mean))[0]} in place of {cost(seeds.compare)[0]}" if cost else ""
    what = "supported" if truth.claims else "told apart"
    share, once = (one.verdicts[0]["supported"] if truth.claims else one.told[0, 1] for one in (found, fixed))
    return (
        f"Until decided, in that case: {mean:.0f} seeds each in the mean (looks at {', '.join(map(str, seeds.sizes))})"
        f"{saved}; {what} {_in_studies(share)}, with all {seeds.compare} and one look {_in_studies(once)}."
    )


def _claimed(study: Study, claim: Claim, asked: Assumed) -> tuple[Truth, str]:
    """A truth in which a claim holds, and both in words."""
    plain = _one_lower(study, asked, CONVERGING if claim.axis == CONVERGING else SCORE)
    # Of scores a measure has an axis of its own, with its part of the level; one stands for all here.
    own = replace(plain, claims=(claim.model_copy(update={"measure": None}),))
    subject, by = claim.names[0], f" by {claim.measure or 'score'}" if own.axis == SCORE else ""
    if claim.below is not None:
        share = claim.below[1] / 2
        shares = tuple(share if name == subject else asked.higher for name in own.names)
        what = f"{subject} converges in less than {_percent(claim.below[1])}, if it does in {_percent(share)}"
        return replace(own, values=shares), f"That {what}"
    if claim.alike is not None:
        first, second = claim.alike
        what = f"{first} and {second} are alike{by} within {claim.margin:g}"
        if own.axis == CONVERGING:
            equal = replace(own, values=(asked.higher,) * len(own.names))
            return equal, f"That {what}, if both converge in {_percent(asked.higher)}"
        # The spread of seeds is not known before: it is taken to be the margin.
        in_spreads = own.claims[0].model_copy(update={"margin": 1.0})
        equal = replace(own, values=(0.0,) * len(own.names), claims=(in_spreads,))
        return equal, f"That {what}, if they are equal and the standard deviation of seeds is {claim.margin:g}"
    what = f"{subject} is the best{by}" if claim.best else f"{subject} is better than {claim.names[1]}{by}"
    if own.axis == CONVERGING:
        shares = tuple(asked.higher if name == subject else asked.lower for name in own.names)
        if_so = f"if it converges in {_percent(asked.higher)} and the others in {_percent(asked.lower)}"
        return replace(own, values=shares), f"That {what}, {if_so}"
    means = tuple(mean_apart(asked.wins) if name == subject else 0.0 for name in own.names)
    # A margin, in units of the score, refutes; it takes no part in whether a claim is supported.
    bare = own.claims[0].model_copy(update={"margin": None})
    if_so = f"if a seed of it is better than one of another in {_percent(asked.wins)} of pairs"
    return replace(own, values=means, claims=(bare,)), f"That {what}, {if_so}"


def _one_lower(study: Study, asked: Assumed, axis: str) -> Truth:
    """The second is worse than all others."""
    names = (*study.configurations, *(["the best found"] if study.found else []))
    better, worse = (asked.higher, asked.lower) if axis == CONVERGING else (0.0, -mean_apart(asked.wins))
    values = tuple(worse if place == 1 else better for place in range(len(names)))
    return Truth(values, names, tuple(range(len(study.configurations))), axis=axis)


def _design(study: Study) -> Design:
    return Design(study.seeds, study.decision, study.claims, study.criterion.metric)


def _plain(seeds: SeedCounts) -> bool:
    """Whether studies can be simulated all at once."""
    return not seeds.paired and not seeds.anytime


def _at(seeds: SeedCounts, size: int) -> SeedCounts:
    """With so many seeds and one look."""
    return SeedCounts(compare=size, looks="any" if seeds.anytime else (), paired=seeds.paired)


def _in(share: float) -> str:
    return f"in {_percent(share)}"


def _in_studies(share: float) -> str:
    return f"{_in(share)} of studies"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
