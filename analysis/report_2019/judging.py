"""What decides a claim of the report, by the one rule for claims (`analysis.verdicts`), at 5 % a claim:

better     P(converge) is higher than that of each other; not tested where every seed of all converges, or none.
alike      P(converge) differs by less than MARGIN.
close      the row's first measure differs by less than CLOSE, as two seeds' difference has its median.
higher     the row's first measure is higher at the last evaluation.
ahead      as `higher`; refuted, too, where a difference of CLOSE is ruled out, as two seeds' difference has its median:
           where the two are equal, or nearly so.
sooner     the criterion is met for good after fewer steps; a seed that never meets it is later than all that do.
mostly, rarely   the share of seeds that converge, or of which some conditions hold, is above or below one half.
sometimes  that share is above SOME; for controls of what may be rare.
anywhere   one of several configurations, each at its part of the level, converges `mostly`; refuted where each does
           `rarely`.
somewhere  in one of several pairs, each at its part of the level, the first is `better`; refuted where the second is in
           some and the first in none; where both of each pair are at the ceiling, or both at the floor (P(converge) is
           significantly on that side of one half, or all seeds are), nothing there can tell the two apart, and the
           claim is not tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seedsweep.analysis.decisions import Group, Pair, Rules, decide
from seedsweep.analysis.design.planning import seeds_to_decide
from seedsweep.analysis.report_2019.rows import OF_MEASURES, OF_SHARES, Condition, Rule
from seedsweep.analysis.report_2019.spelling import spelt
from seedsweep.analysis.results import Results, convergence_steps
from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.analysis.verdicts import REFUTED, SUPPORTED, UNDECIDED, Compared, verdict
from seedsweep.core.records.decision import CONVERGING, SCORE, Claim

NOT_TESTED = "not tested"
LEVEL = 0.05
#: A difference of P(converge) that would not matter, the share on the sides of which lie `mostly` and `rarely`, and the
#: one above which lies `sometimes`.
MARGIN, HALF, SOME = 0.25, 0.5, 0.1
#: A difference of F1, AUC or accuracy that would not matter.
CLOSE = 0.05


@dataclass(frozen=True)
class Mark:
    """On which side of a claim what decided it lies, with its 95 % interval, from -1, against, to 1, for: a claim whose
    interval is above 0 is supported, one whose interval is below 0 is refuted."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Found:
    """verdict: with NOT_TESTED of `better` and `somewhere` alone.  evidence: in words.  asked: what was compared, and
    the claim; None of `somewhere` and `anywhere`, and where it is not tested."""

    verdict: str
    evidence: str
    mark: Mark
    asked: tuple[Compared, Claim] | None = None

    @property
    def seeds(self) -> int | None:
        """Of each configuration that would decide an undecided claim; None where they are not known. Takes seconds."""
        return seeds_to_decide(*self.asked, SCORE) if self.asked and self.verdict == UNDECIDED else None


def found(rule: Rule, name: str, measure: str, members: Mapping[str, pd.DataFrame], results: Results) -> Found:
    """What a run's members say of a claim.

    name: of its subject.  measure: that rules OF_MEASURES compare.  members: of each configuration that the rule
    names.
    """
    if rule.kind == "somewhere":
        pairs = [tuple(_group(results, members[each]) for each in case) for case in rule.cases]
        return somewhere(rule.cases, pairs)
    if rule.kind == "anywhere":
        names = (name, *rule.others)
        return anywhere(names, [_group(results, members[each]) for each in names])
    if rule.kind in OF_SHARES:
        return share(rule.kind, rule.words, _holds(results, members[name], rule.conditions))
    names = (name, *rule.others)
    groups = [_group(results, members[each], measure, sooner=rule.kind == "sooner") for each in names]
    return compared(rule.kind, names, groups, measure)


def share(kind: str, words: str, holds: np.ndarray) -> Found:
    """`mostly`, `rarely` or `sometimes`, of flags [seeds]. words: what holds."""
    # `mostly` is that what does not hold is rare.
    group = Group(holds if kind == "rarely" else ~holds, {})
    claim = Claim(below=("", 1 - SOME if kind == "sometimes" else HALF))
    own = _decided(("",), [group], CONVERGING)
    k, n = int(holds.sum()), len(holds)
    low, high = clopper_pearson(k, n)
    evidence = f"{words} in {k} of {n} seeds ({100 * low:.0f} to {100 * high:.0f} %)"
    turn = SOME if kind == "sometimes" else HALF
    mark = Mark(*(_side(of, turn) for of in (k / n, low, high)))
    return Found(verdict(claim, own, SCORE), evidence, _turned(mark) if kind == "rarely" else mark, (own, claim))


def compared(kind: str, names: Sequence[str], groups: Sequence[Group], measure: str) -> Found:
    """`better`, `alike`, `close`, `higher`, `ahead` or `sooner`, of the first of some configurations."""
    axis = SCORE if kind in OF_MEASURES else CONVERGING
    claim = Claim(best=names[0], axis=axis)
    if kind in ("alike", "close"):
        claim = Claim(alike=(names[0], names[1]), margin=MARGIN if kind == "alike" else CLOSE, axis=axis)
    if kind == "ahead":
        claim = Claim(better=(names[0], names[1]), margin=CLOSE, axis=axis)
    own = _decided(names, groups, axis)
    pairs = [own.decisions.axes[axis].pair(0, other) for other in range(1, len(names))]
    decided = verdict(claim, own, SCORE)
    if kind == "ahead" and pairs[0].shift_high < CLOSE:
        # Even where it is significantly higher: by so little it is as good as equal.
        decided = REFUTED
    if kind in ("close", "ahead"):
        parts = [f"{names[p.second]} (median {p.shift:+.3f}, {p.shift_low:+.3f} to {p.shift_high:+.3f})" for p in pairs]
        evidence = f"{spelt(measure)} against that of {'; '.join(parts)}"
    elif axis == SCORE:
        what = "met for good sooner than in" if kind == "sooner" else f"{spelt(measure)} above that of"
        parts = [f"{names[p.second]} (with probability {p.estimate:.2f}, {p.low:.2f} to {p.high:.2f})" for p in pairs]
        evidence = f"{what} {'; '.join(parts)}"
    else:
        parts = [
            f"{names[p.second]} {_of(groups[p.second])} (difference {100 * p.low:+.0f} to {100 * p.high:+.0f} points)"
            for p in pairs
        ]
        evidence = f"converged {_of(groups[0])}, against {'; '.join(parts)}"
    if kind == "better" and own.decisions.axes[axis].constant:
        every = "every seed" if groups[0].converged.any() else "no seed"
        return Found(NOT_TESTED, f"{every} converges, which tells none apart: {evidence}", _mark(kind, pairs, decided))
    return Found(decided, evidence, _mark(kind, pairs, decided), (own, claim))


def anywhere(names: Sequence[str], groups: Sequence[Group]) -> Found:
    """One of several configurations converges mostly."""
    level = LEVEL / len(names)
    bounds = [clopper_pearson(int(g.converged.sum()), len(g.converged), 1 - level) for g in groups]
    evidence = f"converged: {'; '.join(f'{name} {_of(group)}' for name, group in zip(names, groups, strict=True))}"
    supported, refuted = any(low > HALF for low, _ in bounds), all(high < HALF for _, high in bounds)
    shares = [(group.converged.mean(), *ends) for group, ends in zip(groups, bounds, strict=True)]
    sides = np.array([[_side(of, HALF) for of in own] for own in shares])
    mark = Mark(*(float(side) for side in sides.max(0)))
    return Found(SUPPORTED if supported else REFUTED if refuted else UNDECIDED, evidence, mark)


def somewhere(cases: Sequence[tuple[str, str]], pairs: Sequence[Sequence[Group]]) -> Found:
    """In one of several pairs of configurations the first is better."""
    verdicts, parts, marks = [], [], []
    for names, groups in zip(cases, pairs, strict=True):
        own = _decided(names, groups, CONVERGING, LEVEL / len(cases))
        verdicts.append(verdict(Claim(best=names[0]), own, SCORE))
        marks.append(_mark("better", [own.decisions.axes[CONVERGING].pair(0, 1)], verdicts[-1]))
        parts.append(f"{names[0]} {_of(groups[0])}, {names[1]} {_of(groups[1])}")
    evidence = f"converged: {'; '.join(parts)}"
    for final in (SUPPORTED, REFUTED):
        if final in verdicts:
            return Found(final, evidence, marks[verdicts.index(final)])
    mark = max(marks, key=lambda one: one.estimate)
    if all(_end(first) == _end(second) != 0 for first, second in pairs):
        return Found(NOT_TESTED, f"nothing separates the two: {evidence}", mark)
    return Found(UNDECIDED, evidence, mark)


def _end(group: Group) -> int:
    """1: at the ceiling, -1: at the floor, 0: at neither, or nobody knows."""
    k, n = int(group.converged.sum()), len(group.converged)
    low, high = clopper_pearson(k, n)
    return 1 if low > HALF or k == n else -1 if high < HALF or k == 0 else 0


def _mark(kind: str, pairs: Sequence[Pair], decided: str) -> Mark:
    """Of the subject's pairs, that which is most against the claim."""
    if kind in ("alike", "close"):
        pair, most = pairs[0], MARGIN if kind == "alike" else CLOSE
        middle, *ends = (
            (pair.estimate, pair.low, pair.high) if kind == "alike" else (pair.shift, pair.shift_low, pair.shift_high)
        )
        nearest = 0.0 if ends[0] < 0 < ends[1] else min(map(abs, ends))
        return Mark(*(max(1 - abs(away) / most, -1.0) for away in (middle, max(map(abs, ends)), nearest)))
    if kind == "ahead" and decided == REFUTED:
        shifts = np.array([pairs[0].shift, pairs[0].shift_low, pairs[0].shift_high])
        return Mark(*map(float, np.clip(shifts / CLOSE - 1, -1, 1)))
    every = np.array([[pair.estimate, pair.low, pair.high] for pair in pairs])
    # Of scores the probability that the subject's is the better one, which turns at one half.
    worst = (2 * every - 1 if pairs[0].null else every).min(0)
    return Mark(*map(float, worst))


def _side(share: float, turn: float) -> float:
    """Of a share from 0 to 1, from -1 to 1: 0 where it turns."""
    return float((share - turn) / (turn if share < turn else 1 - turn))


def _turned(mark: Mark) -> Mark:
    return Mark(-mark.estimate, -mark.high, -mark.low)


def _decided(names: Sequence[str], groups: Sequence[Group], axis: str, level: float = LEVEL) -> Compared:
    rules = Rules(level, {axis: 1.0})
    reached = [int(len(group.converged) > 0) for group in groups]
    return Compared(names, range(len(names)), groups, rules, reached, decide(groups, rules))


def _group(results: Results, members: pd.DataFrame, measure: str = "", *, sooner: bool = False) -> Group:
    converged = (members.outcome == "converged").to_numpy(bool)
    if sooner:
        steps = convergence_steps(members)
        return Group(converged, {SCORE: -np.where(converged, steps, results.budget + 1.0)})
    scores = (results.sign_of(measure) or 1.0) * results.last(members, measure) if measure else np.zeros(len(members))
    return Group(converged, {SCORE: scores})


def _holds(results: Results, members: pd.DataFrame, conditions: Sequence[Condition]) -> np.ndarray:
    """Of each seed whether all conditions hold, [seeds]; of one that diverged none does."""
    if not conditions:
        converged: np.ndarray = (members.outcome == "converged").to_numpy(bool)
        return converged
    every: np.ndarray = np.all([_holds_one(results, members, condition) for condition in conditions], axis=0)
    return every


def _holds_one(results: Results, members: pd.DataFrame, condition: Condition) -> np.ndarray:
    values, side, limit = results.last(members, condition.measure), condition.side, condition.limit
    if condition.of:
        values = np.abs(values - results.last(members, condition.of))
        side = "below" if side == "within" else "above"
    held: np.ndarray = values > limit if side == "above" else values < limit
    return held


def _of(group: Group) -> str:
    return f"{group.converged.sum()}/{len(group.converged)}"
