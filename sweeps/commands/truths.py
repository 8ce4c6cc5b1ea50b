"""What is taken to be so where it is asked what a study's seeds would tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seedsweep.analysis.design.planning import Design, Truth, mean_apart
from seedsweep.core.errors import UserError
from seedsweep.core.records.decision import CONVERGING, SCORE, Claim, Decision, parts_of
from seedsweep.core.records.study import Study


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


def of_scores(design: Design, axis: str) -> Design:
    """The design with the level of an axis of scores where `planning` looks for that of SCORE."""
    if axis in (CONVERGING, SCORE):
        return design
    shares = design.decision.shares_of(parts_of(design.claims, design.metric))
    swapped = {**shares, SCORE: shares[axis], axis: shares[SCORE]}
    return replace(design, decision=Decision(level=design.decision.level, shares=swapped))


def one_lower(study: Study, asked: Assumed, axis: str) -> Truth:
    """The second is worse than all others. axis: of convergence, or any of scores."""
    names = (*study.configurations, *(["the best found"] if study.found else []))
    better, worse = (asked.higher, asked.lower) if axis == CONVERGING else (0.0, -mean_apart(asked.wins))
    values = tuple(worse if place == 1 else better for place in range(len(names)))
    named = tuple(range(len(study.configurations)))
    return Truth(values, names, named, axis=CONVERGING if axis == CONVERGING else SCORE)


def claimed(study: Study, claim: Claim, asked: Assumed) -> tuple[Truth, str]:
    """A truth in which a claim holds, and both in words."""
    plain = one_lower(study, asked, claim.axis)
    # The truth has one axis of scores, whatever is measured: `of_scores` gives it the measure's level.
    own = replace(plain, claims=(claim.model_copy(update={"measure": None}),))
    subject, by = claim.names[0], f" by {claim.measure or 'score'}" if own.axis == SCORE else ""
    if claim.below is not None:
        share = claim.below[1] / 2
        shares = tuple(share if name == subject else asked.higher for name in own.names)
        what = f"{subject} converges in less than {percent(claim.below[1])}, if it does in {percent(share)}"
        return replace(own, values=shares), f"That {what}"
    if claim.alike is not None:
        first, second = claim.alike
        what = f"{first} and {second} are alike{by} within {claim.margin:g}"
        if own.axis == CONVERGING:
            equal = replace(own, values=(asked.higher,) * len(own.names))
            return equal, f"That {what}, if both converge in {percent(asked.higher)}"
        # The spread of seeds is not known before: it is taken to be the margin.
        in_spreads = own.claims[0].model_copy(update={"margin": 1.0})
        equal = replace(own, values=(0.0,) * len(own.names), claims=(in_spreads,))
        return equal, f"That {what}, if they are equal and the standard deviation of seeds is {claim.margin:g}"
    what = f"{subject} is the best{by}" if claim.best else f"{subject} is better than {claim.names[1]}{by}"
    if own.axis == CONVERGING:
        shares = tuple(asked.higher if name == subject else asked.lower for name in own.names)
        others = "the other" if len(own.names) == 2 else "the others"
        if_so = f"if it converges in {percent(asked.higher)} and {others} in {percent(asked.lower)}"
        return replace(own, values=shares), f"That {what}, {if_so}"
    means = tuple(mean_apart(asked.wins) if name == subject else 0.0 for name in own.names)
    # A margin, in units of the score, refutes; it takes no part in whether a claim is supported.
    bare = own.claims[0].model_copy(update={"margin": None})
    if_so = f"if a seed of it is better than one of another in {percent(asked.wins)} of pairs"
    return replace(own, values=means, claims=(bare,)), f"That {what}, {if_so}"


def all_claimed(truths: Sequence[Truth]) -> Truth:
    """One truth for claims on one axis, made of the truths of each: where two contradict each other the first one
    holds."""
    first = truths[0]
    known: dict[int, float] = {}
    for truth in truths:
        (claim,) = truth.claims
        places = [first.names.index(name) for name in claim.names]
        if claim.best:
            places += [place for place in first.named or () if place not in places]
        like = next((known[place] for place in places if place in known), None) if claim.alike else None
        for place in places:
            known.setdefault(place, truth.values[place] if like is None else like)
    values = tuple(known.get(place, value) for place, value in enumerate(first.values))
    return replace(first, values=values, claims=tuple(claim for truth in truths for claim in truth.claims))


def percent(share: float) -> str:
    """`90 %`."""
    return f"{100 * share:.0f} %"


def in_studies(share: float) -> str:
    """`in 90 % of studies`."""
    return f"in {percent(share)} of studies"
