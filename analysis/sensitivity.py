"""How much hangs on the criterion: every member is judged again by other thresholds and holds, and decided again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis import claims
from seedsweep.analysis.comparison import Comparison
from seedsweep.analysis.decisions import decide
from seedsweep.analysis.results import Results
from seedsweep.analysis.sentences import join, separator, unbeaten
from seedsweep.analysis.verdicts import Compared, needs_intervals
from seedsweep.core.records.criterion import Criterion, judge

#: Above so many evaluations to judge, or seeds of pairs to test, over all criteria, nothing is judged again: each is a
#: few seconds.
MOST_EVALUATIONS, MOST_SEEDS = 3_000_000, 300_000
#: By how much the threshold is moved towards the bad end, of the metric's range; how much of the way to the good end.
EASIER, HARDER = (0.1, 0.05), (0.25, 0.5)
#: Of the final scores in a table of others.
QUARTILES = (0.25, 0.5, 0.75)
#: Of the scores' range, within which two thresholds are one.
BESIDE = 0.05
#: Of the way from the only end of a metric to the threshold.
AROUND = (-0.5, -0.25, 0.25, 0.5)
COLUMNS = ("threshold", "hold", "label", "converged", "members", "verdict", "holds")


@dataclass(frozen=True)
class Criteria:
    """What other criteria say of the same members.

    table: threshold, hold, label, converged, members; verdict: what became of each registered claim, or, without
        claims, which configurations are unbeaten on each axis; holds: whether that is as by the study's own criterion.
        A row for each configuration and criterion, the study's own among them; empty where they are too many.
    sentence: in how many of them the verdict is that of the study's own, and where it is not.
    """

    table: pd.DataFrame
    sentence: str

    @property
    def verdicts(self) -> pd.DataFrame:
        """threshold, hold, verdict, holds: a row a criterion."""
        return self.table[["threshold", "hold", "verdict", "holds"]].drop_duplicates(["threshold", "hold"])


def vary(results: Results, comparison: Comparison) -> Criteria | None:
    """Judge and decide again by each criterion of the study's grid; None where there is no verdict yet, nothing to
    decide, or no criterion but the study's own.

    The looks are those that the study took by its own criterion. Each criterion is decided as if it were the only one.
    """
    compared, frames = comparison.compared, [frame.sort_values("seed") for frame in results.configurations]
    # Of a table of others all members are compared, of a study those from seed 0 on without a gap.
    frames = [frame.head(len(group.converged)) for frame, group in zip(frames, compared.groups, strict=True)]
    if not compared.decisions.look or (len(frames) < 2 and not results.claims):
        return None
    curves = _curves(results, pd.concat(frames))
    thresholds, holds = grid(results, min((len(one.steps) for one in curves if one.diverged_at is None), default=1))
    criteria = [(threshold, hold) for threshold in thresholds for hold in holds]
    if len(criteria) < 2:
        return None
    evaluations = len(criteria) * sum(len(one.steps) for one in curves)
    pairs = len(frames) * (len(frames) - 1) // 2
    if evaluations > MOST_EVALUATIONS or len(criteria) * pairs * max(map(len, frames)) > MOST_SEEDS:
        members = f"{len(curves)} members of {len(frames)} configurations"
        return Criteria(
            pd.DataFrame(columns=list(COLUMNS)),
            f"Other criteria were not tried: judging {members} by {len(criteria)} of them takes too long for a page.",
        )
    own = _verdict(results, comparison)
    known = {_content(compared): own}
    rows = []
    for threshold, hold in criteria:
        criterion = replace(results.study.criterion, threshold=threshold, hold=hold)
        anew = _judged(compared, curves, criterion, results)
        content = _content(anew)
        if content not in known:
            known[content] = _verdict(results, replace(comparison, compared=_decided(anew, results)))
        said = known[content]
        for name, group in zip(compared.names, anew.groups, strict=True):
            counts = (int(group.converged.sum()), len(group.converged))
            rows.append((threshold, hold, name, *counts, said, said == own))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Criteria(table, _sentence(results, table))


def grid(results: Results, evaluations: int) -> tuple[list[float], list[int]]:
    """Thresholds and holds that are tried, growing; the study's own are always among them.

    evaluations: the fewest of a member that did not diverge, beyond which no hold is tried. What the study does not
    declare: the own threshold and some on both sides of it, by the distance between the ends of the metric, or from its
    only end, or, in a table of others, where the scores lie; a hold of 1, the own one and twice that.
    """
    own, declared = results.study.criterion, results.sensitivity
    thresholds, holds = list(declared.threshold), list(declared.hold) or [1, 2 * own.hold]
    low, high = own.low, own.high
    if not thresholds and low is not None and high is not None and low < high:
        better, (bad, good) = results.sign, (low, high) if results.sign > 0 else (high, low)
        moved = [own.threshold - better * share * (high - low) for share in EASIER]
        thresholds = [one for one in moved if (one - bad) * better >= 0]
        thresholds += [own.threshold + share * (good - own.threshold) for share in HARDER]
    if not thresholds and not results.designed:
        finals = results.compared[results.score_column].dropna().to_numpy(float)
        found = [float(f"{one:.3g}") for one in np.quantile(finals, QUARTILES)] if len(finals) else []
        # One beside the own one would say the same.
        thresholds = [one for one in found if abs(one - own.threshold) > BESIDE * np.ptp(finals)]
    if not thresholds and results.designed and (low is None) != (high is None):
        end = low if high is None else high
        thresholds = [own.threshold + share * abs(own.threshold - (end or 0.0)) for share in AROUND]
    tried = {float(f"{threshold:.10g}") for threshold in thresholds} | {own.threshold}
    return sorted(tried), sorted({hold for hold in holds if 0 < hold <= evaluations} | {own.hold})


@dataclass(frozen=True)
class _Curve:
    """A member's evaluations: steps [E], scores [E]."""

    seed: int
    steps: list[int]
    scores: np.ndarray
    diverged_at: int | None
    stopped_at: int | None


def _curves(results: Results, members: pd.DataFrame) -> list[_Curve]:
    """Of some members, in their order."""
    keys = list(zip(members.configuration.astype(str), members.seed.astype(int).tolist(), strict=True))
    tabled = _tabled(results) if any(key not in results.curves for key in keys) else {}
    ends = [
        [None if np.isnan(at) else int(at) for at in members[name].astype("Float64").to_numpy(float, na_value=np.nan)]
        for name in ("diverged_at", "stopped_at")
    ]
    found = []
    for key, out, stopped in zip(keys, *ends, strict=True):
        if key in results.curves:
            curves, place = results.curves[key]
            steps, scores = curves.steps, curves.column(results.metric)[:, place]
        else:
            steps, scores = tabled[key]
        found.append(_Curve(key[1], steps, scores, out, stopped))
    return found


def _tabled(results: Results) -> Mapping[tuple[str, int], tuple[list[int], np.ndarray]]:
    """Steps and scores of each member of a table of others; what is not finite is NaN."""
    every = results.evaluations.sort_values("step", kind="stable")
    scores = np.where(np.isfinite(every[results.metric]), every[results.metric], np.nan)
    grouped = every.assign(score=scores).groupby(["configuration", "seed"], observed=True)
    own: dict[Any, pd.DataFrame] = dict(iter(grouped[["step", "score"]]))
    return {
        (str(name), int(seed)): (table.step.tolist(), table.score.to_numpy(float))
        for (name, seed), table in own.items()
    }


def _judged(compared: Compared, curves: Sequence[_Curve], criterion: Criterion, results: Results) -> Compared:
    """The same members, by another criterion."""
    converged = np.array(
        [
            judge(one.seed, one.steps, one.scores, one.diverged_at, criterion, one.stopped_at).outcome == "converged"
            for one in curves
        ],
        bool,
    )
    ends = np.cumsum([len(group.converged) for group in compared.groups])
    parts = np.split(converged, ends[:-1])
    groups = [replace(group, converged=part) for group, part in zip(compared.groups, parts, strict=True)]
    return replace(compared, groups=groups)


def _content(compared: Compared) -> tuple[bytes, ...]:
    return tuple(group.converged.tobytes() for group in compared.groups)


def _decided(compared: Compared, results: Results) -> Compared:
    """Decided anew, at the looks that were taken; intervals, which take most of the time, where a claim asks them, or,
    without claims, which scores are better."""
    wanted = not results.claims or needs_intervals(results.claims)
    return replace(compared, decisions=decide(compared.groups, compared.rules, compared.reached, estimates=wanted))


def _verdict(results: Results, comparison: Comparison) -> str:
    """What became of each registered claim; without any, which configurations are unbeaten on each axis."""
    if results.claims:
        judged = claims.judge(results, comparison)
        return ", ".join(one.verdict for one in judged[: len(results.claims)])
    names, shares = comparison.compared.names, comparison.compared.rules.shares
    axes = [axis for name, axis in comparison.compared.decisions.axes.items() if shares[name]]
    best = {axis.name: [names[place] for place in unbeaten(comparison, axis)] for axis in axes}
    return "; ".join(f"{name}: {separator(found).join(found)}" for name, found in best.items())


def _sentence(results: Results, table: pd.DataFrame) -> str:
    verdicts = table.drop_duplicates(["threshold", "hold"])
    thresholds, holds = (sorted(verdicts[name].unique()) for name in ("threshold", "hold"))
    tried = []
    if len(thresholds) > 1:
        tried.append(f"thresholds {thresholds[0]:g} to {thresholds[-1]:g}")
    if len(holds) > 1:
        tried.append(f"hold lengths {holds[0]} to {holds[-1]}")
    what, elsewhere = "The verdict is the same", "it is another"
    if not results.claims:
        what, elsewhere = "The same configurations are unbeaten", "others are"
    count = f"{what} under {int(verdicts.holds.sum())} of {len(verdicts)} criteria, {' and '.join(tried)}"
    changed = verdicts[~verdicts.holds]
    return f"{count}." if changed.empty else f"{count}; {elsewhere} at {_where(changed, thresholds, holds)}."


def _where(changed: pd.DataFrame, thresholds: Sequence[float], holds: Sequence[int]) -> str:
    """Which criteria these are: whole thresholds, whole holds, or one by one."""
    if len(holds) == 1 or _is_whole(changed, "threshold", len(holds)):
        return _range("thresholds", thresholds, set(changed.threshold), "{:g}".format)
    if len(thresholds) == 1 or _is_whole(changed, "hold", len(thresholds)):
        return _range("hold lengths", holds, set(changed.hold), str)
    each = []
    for threshold, own in changed.groupby("threshold"):
        words = join([str(hold) for hold in sorted(own.hold)])
        each.append(f"{threshold:g} " + ("with any hold" if len(own) == len(holds) else f"held for {words}"))
    return join(each, "or")


def _is_whole(changed: pd.DataFrame, name: str, count: int) -> bool:
    return bool((changed.groupby(name).size() == count).all())


def _range(name: str, every: Sequence[float], some: set[float], word: Callable[[float], str]) -> str:
    """`thresholds of 0.95 and above`."""
    within = [value in some for value in every]
    count = sum(within)
    if all(within[-count:]):
        return f"{name} of {word(every[-count])} and above"
    if all(within[:count]):
        return f"{name} of {word(every[count - 1])} and below"
    return f"{name} of {join([word(value) for value in every if value in some])}"
