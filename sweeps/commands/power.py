"""What a study's seeds would tell apart, and at which cost: by simulation of its own analysis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rich.table import Table

from seedsweep.analysis.design.planning import (
    POWER,
    Simulated,
    Truth,
    judged_here,
    level_of,
    seeds_needed,
    seeds_that_show,
    simulate,
)
from seedsweep.core.errors import UserError
from seedsweep.core.records.decision import Claim, SeedCounts, axes_of
from seedsweep.core.records.study import Study

#: P(converge) of two configurations, where nothing else is asked.
ASSUMED = (0.9, 0.6)
#: Studies that are simulated one after another.
FEW = 50
#: Where even one seed less can show nothing, more is not tried.
MOST_WITHOUT = 65

#: Of so many seeds of each configuration: time here, node hours.
Cost = Callable[[int], tuple[str, str]]


def pair_of(text: str) -> tuple[float, float]:
    """`0.9,0.6`, in brackets or not, the higher first. Errors: UserError."""
    try:
        first, second = map(float, text.strip().strip("[]()").split(","))
    except ValueError:
        raise UserError(f"--power {text}: write two shares of seeds that converge, such as 0.9,0.6") from None
    if not (0 <= first <= 1 and 0 <= second <= 1) or first == second:
        raise UserError(f"--power {text}: these must be two different shares from 0 to 1, such as 0.9,0.6")
    return max(first, second), min(first, second)


def lines(study: Study, pair: tuple[float, float], cost: Cost | None) -> list[str | Table]:
    """How often the pair of P(converge) is told apart, by the number of seeds, and the study's claims; what stopping
    when decided saves. cost: None where it is not known."""
    if study.compared < 2:
        return []
    higher, lower = pair
    count, level = study.compared, level_of(study.decision, _axes(study))
    pairs = count * (count - 1) // 2
    others = f"the other {count - 1} in" if count > 2 else "the other in"
    adjusted = f"adjusted for all {pairs} pairs and" if pairs > 1 else "adjusted for"
    axes = "both axes" if len(_axes(study)) == 2 else f"all {len(_axes(study))} axes"
    said: list[str | Table] = [
        f"power: {count} configurations, {adjusted} {axes}; simulated for convergence alone, which has "
        f"{100 * level:.2g} % of error. Assumed: one converges in {_percent(lower)} of seeds, {others} "
        f"{_percent(higher)}.",
        _table(study, pair, cost),
    ]
    return said + list(_of_claims(study, pair, cost))


def _table(study: Study, pair: tuple[float, float], cost: Cost | None) -> Table:
    """By the number of seeds."""
    truth, seeds, axes = _one_lower(study, pair), study.seeds, _axes(study)
    known = ["time here", "node hours"] if cost else []
    nothing = [""] * len(known)
    table = Table("seeds of each", f"{pair[0]:g} told from {pair[1]:g}", *known)
    sizes, shows, needed = {seeds.compare, 2 * seeds.compare}, 2, 0
    if _plain(seeds):
        shows = seeds_that_show(study.compared, study.decision, axes) or MOST_WITHOUT
        needed = seeds_needed(truth.shares, [(0, 1)], level_of(study.decision, axes)) or 0
        sizes |= {needed}
    if shows > 2:
        table.add_row(f"up to {shows - 1}", "never: can show nothing", *nothing)
    looks = ", one look" if len(seeds.sizes) > 1 else ""
    for size in sorted(size for size in sizes if size >= shows):
        found = simulate(truth, _at(seeds, size), study.decision, axes=axes, studies=None if _plain(seeds) else FEW)
        table.add_row(f"{size}{looks}", _in_studies(found.told[0, 1]), *(cost(size) if cost else ()))
    if _plain(seeds) and not needed:
        table.add_row("up to 1000", f"in less than {_percent(POWER)}", *nothing)
    if looks and seeds.until == "all" and _plain(seeds):
        found = simulate(truth, seeds, study.decision, axes=axes)
        words = f"{seeds.compare}, {len(seeds.sizes)} looks"
        table.add_row(words, _in_studies(found.told[0, 1]), *(cost(seeds.compare) if cost else ()))
    return table


def _of_claims(study: Study, pair: tuple[float, float], cost: Cost | None) -> list[str]:
    """How often the first claim is supported, where it is so, and what stopping saves."""
    claims, (higher, lower), seeds = judged_here(study.claims), pair, study.seeds
    claim = next((claim for claim in claims if claim.best or claim.better), None)
    if not _plain(seeds) or (claim is None and (study.claims or seeds.until == "all")):
        return []
    if claim is None:
        truth, pairs = _one_lower(study, pair), [(0, 1)]
    else:
        truth = replace(_one_lower(study, pair), claims=claims)
        truth = replace(truth, shares=tuple(higher if name == claim.names[0] else lower for name in truth.names))
        pairs = truth.claims_at(study.decision.level).pairs(claim)
    place = claims.index(claim) if claim else None

    def reached(found: Simulated) -> float:
        return found.told[0, 1] if place is None else found.verdicts[place]["supported"]

    axes, said = _axes(study), list[str]()
    fixed = simulate(truth, _at(seeds, seeds.compare), study.decision, axes=axes)
    needed = seeds_needed(truth.shares, pairs, level_of(study.decision, axes))
    if claim is not None:
        enough = f"{needed} seeds in {_percent(POWER)}" if needed else "1000 seeds in fewer than 80 %"
        said.append(
            f"That {_claimed(claim)}, if it converges in {_percent(higher)} and the others in {_percent(lower)}: "
            f"{seeds.compare} seeds support it {_in_studies(reached(fixed))}, {enough}."
        )
    if seeds.until == "decided":
        found = simulate(truth, seeds, study.decision, axes=axes)
        mean = found.seeds / study.compared
        saved = f", {cost(round(mean))[0]} in place of {cost(seeds.compare)[0]}" if cost else ""
        looks = ", ".join(map(str, seeds.sizes))
        said.append(
            f"Until decided, in that case: {mean:.0f} seeds each in the mean (looks at {looks}){saved}; "
            f"{'supported' if claim else 'told apart'} {_in_studies(reached(found))}, "
            f"with all {seeds.compare} and one look {_in_studies(reached(fixed))}."
        )
    return said


def _one_lower(study: Study, pair: tuple[float, float]) -> Truth:
    """The second converges less often than all others."""
    names = (*study.configurations, *(["the best found"] if study.found else []))
    shares = tuple(pair[1] if place == 1 else pair[0] for place in range(len(names)))
    return Truth(shares, names, tuple(range(len(study.configurations))))


def _axes(study: Study) -> tuple[str, ...]:
    return axes_of(study.claims, study.criterion.metric)


def _plain(seeds: SeedCounts) -> bool:
    """Whether studies can be simulated all at once."""
    return not seeds.paired and not seeds.anytime


def _at(seeds: SeedCounts, size: int) -> SeedCounts:
    """With so many seeds and one look."""
    return SeedCounts(compare=size, looks="any" if seeds.anytime else (), paired=seeds.paired)


def _claimed(claim: Claim) -> str:
    if claim.best is not None:
        return f"{claim.best} is the best"
    return f"{claim.names[0]} is better than {claim.names[1]}"


def _in_studies(share: float) -> str:
    return f"in {_percent(share)} of studies"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
