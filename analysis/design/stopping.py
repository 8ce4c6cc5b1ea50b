"""How many seeds each configuration should have now: all of them, or, of a study that goes on until it is decided, as
many as its looks so far ask for."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from seedsweep.analysis.decisions import Group, Rules, decide
from seedsweep.analysis.pair_tests import Forecast
from seedsweep.analysis.verdicts import (
    UNDECIDED,
    Compared,
    axis_of,
    needs_intervals,
    pairs_of,
    verdict,
)
from seedsweep.core.records.decision import CONVERGING, Claim, SeedCounts

#: A claim that is decided in the end in fewer simulated continuations than this cannot be decided.
FUTILE = 0.05
#: Continuations that are simulated, and the configurations up to which: of more none is held for futile.
CONTINUATIONS, MOST_FORECAST = 60, 40


@dataclass(frozen=True)
class Aims:
    """What a study wants decided. metric: of its scores.  named: places of the configurations that it names."""

    claims: Sequence[Claim]
    names: Sequence[str]
    named: Sequence[int]
    metric: str


@dataclass(frozen=True)
class Progress:
    """reached: how many looks each group took part in.  wanted: seeds that each should have now.  stopped: why no group
    goes on before its most seeds: `decided` or `futile`; empty where it goes on, or has them all."""

    reached: tuple[int, ...]
    wanted: tuple[int, ...]
    stopped: str = ""


def progress(groups: Sequence[Group], rules: Rules, seeds: SeedCounts, aims: Aims, *, entered: bool = True) -> Progress:
    """Replay the looks on the first seeds of each group, whatever came after.

    groups: what has finished, from seed 0 on without a gap.  entered: whether all that is compared is there; before
    that no look is complete. A look is complete once all groups that go on have its seeds: so what is decided does not
    depend on the order in which results arrive.
    """
    sizes, going = seeds.sizes, list(range(len(groups)))
    reached, wanted = [0] * len(groups), [sizes[0] if seeds.until == "decided" else seeds.compare] * len(groups)
    for number, size in enumerate(sizes):
        if not entered or not going or any(len(groups[place].converged) < size for place in going):
            break
        for place in going:
            reached[place] = number + 1
        if seeds.until == "all" or number + 1 == len(sizes):
            continue
        cut = tuple(group.first(sizes[look - 1]) for group, look in zip(groups, reached, strict=True))
        open_ones, stopped = _still_open(_Look(cut, rules, tuple(reached), frozenset(going), aims, sizes[-1]))
        if stopped:
            return Progress(tuple(reached), tuple(wanted), stopped)
        going = [place for place in going if place in open_ones]
        for place in going:
            wanted[place] = sizes[number + 1]
    return Progress(tuple(reached), tuple(wanted))


@dataclass(frozen=True, eq=False)
class _Look:
    """What is known at a look; equal ones are judged once. going: places of those that take part in it.  most: seeds in
    the end."""

    groups: tuple[Group, ...]
    rules: Rules
    reached: tuple[int, ...]
    going: frozenset[int]
    aims: Aims
    most: int

    @functools.cached_property
    def _content(self) -> tuple[object, ...]:
        groups = [
            (group.converged.tobytes(), *((axis, values.tobytes()) for axis, values in group.scores.items()))
            for group in self.groups
        ]
        return (*groups, repr(self.rules), self.reached, self.going, repr(self.aims), self.most)

    def __hash__(self) -> int:
        return hash(self._content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Look) and self._content == other._content


@functools.lru_cache(maxsize=256)
def _still_open(look: _Look) -> tuple[frozenset[int], str]:
    """Places of the groups that need more seeds, and, if none does, why."""
    groups, rules, aims = look.groups, look.rules, look.aims
    margins = needs_intervals(aims.claims)
    compared = _compared(groups, rules, look.reached, aims, margins=margins)
    wishes = _open_wishes(compared, aims)
    if not wishes:
        return frozenset(), "decided"
    shut = [0 if len(groups) <= MOST_FORECAST else CONTINUATIONS] * len(wishes)
    # Without claims a pair may differ on any axis.
    axes = {axis_of(claim, aims.metric) for claim in aims.claims} if aims.claims else None
    # Who left does not come back.
    last = len(rules.looked) if rules.looked else 1
    ends = [last if place in look.going else own for place, own in enumerate(look.reached)]
    ahead = replace(rules, method=Forecast(rules.method))
    for number in range(CONTINUATIONS if len(groups) <= MOST_FORECAST else 0):
        if min(shut) >= FUTILE * CONTINUATIONS:
            # More would not take it back.
            break
        made = _continued(groups, look, number)
        still = _open_wishes(_compared(made, ahead, ends, aims, margins=margins, only=axes), aims)
        for place, wish in enumerate(wishes):
            shut[place] += wish not in still
    hopeful = {wish for wish, times in zip(wishes, shut, strict=True) if times >= FUTILE * CONTINUATIONS}
    if not hopeful:
        return frozenset(), "futile"
    # The omnibus test is of all groups: none leaves before it has rejected.
    needed = {wish.axis for wish in hopeful}
    if not all(compared.decisions.axes[axis].differs for axis in needed if axis in compared.decisions.axes):
        return look.going, ""
    return look.going & {place for wish in hopeful for place in wish.places}, ""


class _Wish(NamedTuple):
    """What a claim leaves open: the places whose comparison on an axis is not decided. claim: its number; each has
    wishes of its own, so that none is given up with another's.  axis: empty of a share."""

    claim: int
    axis: str
    places: tuple[int, ...]


def _open_wishes(compared: Compared, aims: Aims) -> list[_Wish]:
    """What is not decided: of undecided claims the pairs that are open; without claims the pairs that differ on no
    axis."""
    axes = compared.decisions.axes
    found: list[_Wish] = []
    if not aims.claims:
        for pair in axes[CONVERGING].pairs:
            if not any(axis.pair(pair.first, pair.second).differs for axis in axes.values()):
                found.append(_Wish(0, CONVERGING, (pair.first, pair.second)))
        return found
    for number, claim in enumerate(aims.claims):
        if verdict(claim, compared, aims.metric) != UNDECIDED:
            continue
        if claim.below is not None:
            found.append(_Wish(number, "", (list(aims.names).index(claim.below[0]),)))
        for pair in pairs_of(claim, compared, aims.metric):
            # Scores may differ, and neither be the better one yet.
            if not pair.better or claim.alike:
                found.append(_Wish(number, axis_of(claim, aims.metric), (pair.first, pair.second)))
    return found


def _compared(
    groups: Sequence[Group],
    rules: Rules,
    reached: Sequence[int],
    aims: Aims,
    *,
    margins: bool,
    only: Collection[str] | None = None,
) -> Compared:
    decisions = decide(groups, rules, reached, estimates=margins, only=only)
    return Compared(aims.names, aims.named, groups, rules, reached, decisions)


def _continued(groups: Sequence[Group], look: _Look, number: int) -> list[Group]:
    """The groups that go on with all their seeds: what is missing is drawn from what there is, P(converge) from its
    posterior with Jeffreys' prior, scores from those of members of the same outcome by the Bayesian bootstrap (Rubin
    1981): few seeds do not know how likely each of their scores is."""
    made = list(groups)
    for place in look.going:
        group, known = groups[place], groups[place].converged
        # By name: what is drawn does not depend on the order of the configurations. What the search found, one at
        # most, has none of the study's.
        name = look.aims.names[place] if place in look.aims.named else ""
        rng = np.random.default_rng([number, look.most, zlib.crc32(name.encode())])
        share = rng.beta(known.sum() + 0.5, (~known).sum() + 0.5)
        drawn = rng.random(look.most - len(known)) < share
        like = np.empty(len(drawn), int)
        for outcome in (False, True):
            own = np.flatnonzero(known == outcome)
            own = own if len(own) else np.arange(len(known))
            weights = np.cumsum(rng.dirichlet(np.ones(len(own))))
            where = np.flatnonzero(drawn == outcome)
            like[where] = own[np.minimum(np.searchsorted(weights, rng.random(len(where))), len(own) - 1)]
        scores = {axis: np.concatenate([values, values[like]]) for axis, values in group.scores.items()}
        made[place] = Group(np.concatenate([known, drawn]), scores)
    return made
