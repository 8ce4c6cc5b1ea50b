"""The figure of other criteria: how much hangs on the study's own."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seedsweep.analysis.figures.curves import MOST_CURVES, End, height_of, label
from seedsweep.analysis.figures.style import WIDTH, Drawn, look, styled, tie
from seedsweep.analysis.results import Results
from seedsweep.analysis.sensitivity import Criteria


@styled
def draw(results: Results, criteria: Criteria) -> Drawn | None:
    """P(converge) of each configuration over the thresholds at the study's own hold, and below it where the verdict
    holds; over the holds where there is one threshold alone. None where no other criterion was tried."""
    if criteria.table.empty:
        return None
    criterion, verdicts = results.study.criterion, criteria.verdicts
    across, down = ("threshold", "hold") if verdicts.threshold.nunique() > 1 else ("hold", "threshold")
    own, held = {"threshold": criterion.threshold, "hold": criterion.hold}, sorted(verdicts[down].unique())
    names = [group.label.iloc[0] for group in results.configurations[:MOST_CURVES]]
    figure = Figure(figsize=(WIDTH, height_of(names) + 0.4 + 0.22 * len(held)))
    ratios = [figure.get_figheight() - 0.9 - 0.22 * len(held), 0.2 + 0.22 * len(held)]
    axes, strip = figure.subplots(2, 1, sharex=True, height_ratios=ratios)
    for held_, said in ((True, "the same"), (False, "another")):
        some = verdicts[verdicts.holds == held_]
        at = [held.index(value) for value in some[down]]
        strip.plot(some[across], at, "o" if held_ else "x", color="black" if held_ else "#d55e00", ms=6, label=said)
    for panel in (axes, strip):
        panel.axvline(own[across], color="black", lw=0.8, ls=":")
    axes.set(ylabel="P(converge)", ylim=(-0.04, 1.04))
    strip.set(xlabel=across, ylabel=down, ylim=(-0.6, len(held) - 0.4))
    if across == "hold":
        strip.set_xticks(sorted(verdicts.hold.unique()))
    strip.set_yticks(range(len(held)), [f"{value:g}" for value in held])
    strip.legend(title="verdict", alignment="left", loc="center left", bbox_to_anchor=(1.0, 0.5))
    left_out = _lines(axes, results, criteria.table[criteria.table[down] == own[down]], across)
    kept = f"a hold of {criterion.hold}" if across == "threshold" else f"a threshold of {criterion.threshold:g}"
    whose = "registered" if results.registered else "study's"
    caption = (
        "How much hangs on the criterion: the share of the same seeds that converges by other criteria with "
        f"{kept}; dotted: the {whose} {across}. Below: a point for each criterion by which the verdict is the same, a "
        "cross where it is another. Each is decided as if it were the only one: a criterion picked from them "
        "after the fact keeps no level." + left_out
    )
    return Drawn(figure, caption, criteria.table)


def _lines(axes: Axes, results: Results, table: pd.DataFrame, across: str) -> str:
    """A line a configuration; returns what to say of those that are left out."""
    groups, ends = results.configurations, []
    for place, group in enumerate(groups[:MOST_CURVES]):
        name, line = group.label.iloc[0], look(place, group)
        own = table[table.label == name].sort_values(across)
        shares = (own.converged / own.members).to_numpy(float)
        tie(name, *axes.plot(own[across], shares, marker="o", ms=4, **line))
        ends.append(End(name, name, float(own[across].iloc[-1]), float(shares[-1]), line))
    label(axes, ends)
    more = len(groups) > MOST_CURVES
    return f" The first {MOST_CURVES} of {len(groups)} configurations are drawn." if more else ""
