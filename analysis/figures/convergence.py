"""Figures of convergence. Each function draws one."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seedsweep.analysis.figures import scales
from seedsweep.analysis.figures import scores as score_figures
from seedsweep.analysis.figures.curves import MOST_CURVES, NAMES, Banded, banded, name, numbers, reading
from seedsweep.analysis.figures.style import (
    EXPLORATORY,
    FONT,
    FOUND,
    NAME_WIDTH,
    OUTCOMES,
    WIDTH,
    Drawn,
    in_rows,
    label_outer,
    panels,
    sampled,
    some,
    styled,
    tie,
    title,
)
from seedsweep.analysis.methods import measured
from seedsweep.analysis.results import Axis, Results, convergence_steps
from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.analysis.statistics.survival import Incidence, incidence

#: Configurations that a figure shows: a row each, or a panel each.
MOST_ROWS, MOST_PANELS = 30, 9
#: Those at whose points their counts have room.
MOST_COUNTS = 9
#: Seeds whose curves one figure shows.
MOST_LINES = 360
#: Figures that show nothing of members that were evaluated once.
OVER_STEPS = ("time_to_convergence", "learning_curves")
DASHES = (0, (4, 2))


@styled
def draw(results: Results, configurations: pd.DataFrame, importance: pd.DataFrame) -> dict[str, Drawn]:
    """Name -> figure, those that the results allow. `configurations`: as `analysis.comparison.Comparison` has them."""
    drawn = {}
    # All looks counted.
    ends = configurations[["low", "high"]].to_numpy(float) if len(configurations) else np.zeros((0, 2))
    intervals = {
        str(name): (low, high) for name, (low, high) in zip(configurations.get("label", ()), ends, strict=True)
    }
    if len(results.compared):
        for name, figure, most in (
            ("p_converge", functools.partial(p_converge, intervals=intervals), MOST_ROWS),
            ("time_to_convergence", kaplan_meier, MOST_CURVES),
            ("learning_curves", learning_curves, MOST_PANELS),
            ("final_scores", score_figures.final_scores, MOST_ROWS),
            ("profiles", score_figures.profiles, MOST_CURVES),
            ("best_of_n", score_figures.best_of_n, MOST_CURVES),
        ):
            if name in OVER_STEPS and results.evaluations.step.nunique() < 2:
                continue
            groups, note = _few(results, most)
            one = figure(results, groups)
            drawn[name] = replace(one, caption=one.caption + note)
        if named := score_figures.named_best(configurations, MOST_ROWS):
            drawn["named_best"] = named
    if effects := score_figures.effects(results):
        drawn["effects"] = effects
    if len(importance):
        drawn["importance"] = score_figures.importances(importance)
    return drawn


def _few(results: Results, most: int) -> tuple[list[pd.DataFrame], str]:
    """So many configurations at most, those that converged most often, and what to say of the others. Of registered
    ones the registered seeds alone."""
    groups, note = [group for group in results.shown if group.exploratory.nunique() == 1], ""
    if len(groups) > most:
        places = np.argsort([-_share_converged(group.outcome) for group in groups], kind="stable")
        note = f" Of {len(groups)} configurations the {most} that converged most often; all are in tables/."
        groups = [groups[place] for place in sorted(places[:most])]
    if any(group.exploratory.any() for group in groups):
        note += " Exploratory: added after results; it decides nothing."
    return groups, note


#: Of P(converge), by label.
_Intervals = Mapping[str, tuple[float, float]]


def p_converge(results: Results, groups: list[pd.DataFrame], intervals: _Intervals) -> Drawn:
    """P(converge) of each configuration with its interval: by the number in which they differ (`Results.axis`), or
    a row each where there is no such number."""
    if results.axis:
        return _on_axis(results, groups, results.axis, intervals)
    return _a_row_each(results, groups, intervals)


def _a_row_each(results: Results, groups: list[pd.DataFrame], intervals: _Intervals) -> Drawn:
    rates = [_rate(group, intervals) for group in groups]
    rows = [(group.label.iloc[0], k / n, low, high) for group, (k, n, low, high) in zip(groups, rates, strict=True)]
    table = pd.DataFrame(rows, columns=["label", "share", "low", "high"])
    figure, axes = in_rows(table, [_mark(group) for group in groups], every=0.45)
    for place, (k, n, *_) in enumerate(rates):
        axes.annotate(f"{k}/{n}", (k / n, place), (0, 6), textcoords="offset points", ha="center")
    axes.set_xlabel("P(converge)")
    caption = (
        "P(converge) of each configuration: converged/seeds above the point, bars are exact 95 % intervals, each for "
        "itself."
    )
    return Drawn(figure, caption, _shares(results, intervals))


def _on_axis(results: Results, groups: list[pd.DataFrame], axis: Axis, intervals: _Intervals) -> Drawn:
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    explored = results.members[results.members.phase == "explore"]
    if len(explored):
        rates = explored.groupby("number").agg(at=(axis.column, "first"), p=("outcome", _share_converged)).dropna()
        axes.plot(rates["at"], rates.p, "o", mfc="none", mec="0.6", ms=5, label="explored (search seeds)")
    said = set()
    for group in groups:
        k, n, low, high = _rate(group, intervals)
        (colour, marker), at = _mark(group), group[axis.column].iloc[0]
        label = {"named": "compared: named", "search": "compared: best found"}[group.origin.iloc[0]]
        label = "exploratory" if group.exploratory.any() else label
        error = [[k / n - low], [high - k / n]]
        own = None if label in said else label
        axes.errorbar(at, k / n, yerr=error, fmt=marker, color=colour, capsize=4, ms=7, label=own)
        said.add(label)
        if len(groups) <= MOST_COUNTS:
            # What the search found may lie beside a named one.
            side, away = ("right", -7) if group.origin.iloc[0] == "search" else ("left", 7)
            axes.annotate(f"{k}/{n}", (at, k / n), (away, 4), textcoords="offset points", color=colour, ha=side)
    if axis.log:
        drawn = results.members[axis.column].dropna()
        scales.logarithmic(axes, drawn.min(), drawn.max())
    axes.set(xlabel=axis.name, ylabel="P(converge)", ylim=(-0.04, 1.06))
    handles, names = axes.get_legend_handles_labels()
    if len(names) > 1:
        figure.legend(handles, names, ncols=3, loc="outside upper center")
    sizes = [len(group) for group in groups]
    seeds = f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
    caption = (
        f"P(converge) by {axis.name}. Filled: {seeds} compared seeds each, with exact 95 % intervals, not adjusted."
    )
    if len(explored):
        caption += " Hollow: the explored configurations, a few search seeds each, which decide nothing."
    if results.varying != [axis.path]:
        caption += f" What the search found may differ from the others in more than {axis.name}."
    return Drawn(figure, caption, _shares(results, intervals))


def _mark(group: pd.DataFrame) -> tuple[str, str]:
    """Colour and marker: what the search found, and what is exploratory, is told from what the study names."""
    if group.exploratory.any():
        return EXPLORATORY, "s"
    return (FOUND, "D") if group.origin.iloc[0] == "search" else ("black", "o")


def _rate(group: pd.DataFrame, intervals: _Intervals) -> tuple[int, int, float, float]:
    """Members that converged, all members, and the share's interval: Clopper and Pearson's where it is not given."""
    k, n = int((group.outcome == "converged").sum()), len(group)
    known = intervals.get(group.label.iloc[0]) if group.phase.iloc[0] == "compare" else None
    low, high = known or clopper_pearson(k, n)
    # Between two looks the interval is that of the last one.
    return k, n, min(low, k / n), max(high, k / n)


def kaplan_meier(results: Results, groups: list[pd.DataFrame]) -> Drawn:
    """Share converged by step, with the number of seeds at risk below."""
    budget = results.budget
    found = [incidence(convergence_steps(group), budget) for group in groups]
    curves = []
    for group, curve in zip(groups, found, strict=True):
        words = f"{group.label.iloc[0]}: {round(curve.share[-1] * curve.members)}/{curve.members}"
        curves.append(Banded(group, words, curve.steps, curve.share, curve.low, curve.high))
    figure, axes = banded(curves, step=True)
    # A little beyond the budget, where a rise at the last step would not be seen.
    axes.set(ylim=(-0.02, 1.04), xlim=(-0.02 * budget, 1.04 * budget))
    axes.set(xlabel="training step; seeds at risk", ylabel="share converged")
    _at_risk(axes, scales.steps(axes, budget), curves, found)
    figure.set_figheight(figure.get_figheight() + 1.3 * FONT * len(found) / 72)
    name(axes, curves)
    table = numbers(curves, "step", "share").assign(at_risk=np.concatenate([curve.at_risk for curve in found]))
    caption = (
        f"Time to convergence (Kaplan-Meier), {reading(curves, 'time_to_convergence')}. A curve rises "
        "where a seed's lasting convergence began; the others, those that diverged included, stay at risk to the "
        f"budget of {budget} steps, so that a curve ends at its P(converge). Under each step: the seeds at risk there."
    )
    return Drawn(figure, caption, table)


def _at_risk(axes: Axes, marks: np.ndarray, curves: Sequence[Banded], found: Sequence[Incidence]) -> None:
    """Under each mark, how many members are without the event before it: a line a curve, with its name where there are
    several."""
    axes.tick_params(axis="x", pad=2)
    axes.xaxis.labelpad = 3 + 1.3 * FONT * len(found)
    for line, (curve, own) in enumerate(zip(curves, found, strict=True)):
        down = -(16 + 1.3 * FONT * line)
        waiting = own.at_risk[np.searchsorted(own.steps, marks)]
        for mark, left in zip(marks, waiting, strict=True):
            written = axes.annotate(
                f"{left}", (mark, 0), (0, down), ("data", "axes fraction"), "offset points", ha="center", va="top",
                annotation_clip=False,
            )  # fmt: skip
            tie(curve.label, written)
        if len(found) > 1:
            words = title(curve.label, NAME_WIDTH).split("\n")
            written = axes.annotate(
                words[0] + "…" * (len(words) > 1), (NAMES, 0), (0, down), "axes fraction", "offset points", va="top",
                annotation_clip=False,
            )  # fmt: skip
            tie(curve.label, written)


def learning_curves(results: Results, groups: list[pd.DataFrame]) -> Drawn:
    """The criterion's metric of every seed, a panel a configuration."""
    criterion, metric = results.study.criterion, results.metric
    compared = results.evaluations[results.evaluations.phase == "compare"]
    each = max(MOST_LINES // len(groups), 10)
    figure, every = panels(len(groups), sharex=True, sharey=True)
    scale = _scale_of_curves(results, groups, compared[metric].to_numpy(float))
    for panel, group in zip(every, groups, strict=True):
        own = (compared.configuration == group.configuration.iloc[0]) & compared.seed.isin(group.seed)
        curves = compared[own].pivot(index="step", columns="seed", values=metric)
        for member in some(results, group, each).sort_values("seed").itertuples():
            # Members of a function or a command may be evaluated at different steps.
            dashes = "-" if member.outcome == "converged" else DASHES
            panel.plot(curves[member.seed].dropna(), lw=0.7, color=OUTCOMES[str(member.outcome)][1], ls=dashes)
        between = curves.interpolate(method="index", limit_area="inside")
        panel.plot(between.median(axis=1), color="black", lw=2.2)
        panel.axhline(criterion.threshold, color="black", lw=0.6, ls=":")
        k = int((group.outcome == "converged").sum())
        panel.set_title(title(f"{group.label.iloc[0]}: {k}/{len(group)}"))
    label_outer(every, "training step", metric + scale.word)
    for panel in every:
        scales.steps(panel, results.budget, 4)
    scale.on(every[0], "y")
    held = f", to be held for the last {criterion.hold} evaluations" if criterion.hold > 1 else ""
    caption = (
        f"The {measured(results)} of every compared seed by step. Thin solid blue: converged; thin dashed: ochre fell "
        "back, grey never converged, orange diverged; thick black: the median; dotted: the criterion's threshold, "
        f"{criterion.threshold:g}{held}. Titles: converged/seeds. The "
        "seeds of a panel have one configuration." + scale.sentence + sampled(groups, each)
    )
    shown = compared[compared.configuration.isin([group.configuration.iloc[0] for group in groups])]
    low, high = scale.limits
    if ((shown[metric] < low) | (shown[metric] > high)).any():
        caption += " Some curves leave the panels; learning_curves.csv has all of them."
    return Drawn(figure, caption, shown[["label", "seed", "step", metric]])


def _scale_of_curves(results: Results, groups: list[pd.DataFrame], values: np.ndarray) -> scales.ScoreScale:
    """As of the final scores, from the lowest to the highest value that is drawn within the metric's ends."""
    scale = scales.of_scores(results, [results.scores(group) for group in groups])
    low, high = results.curve_span
    within = np.clip(values[np.isfinite(values)], low, high)
    return scale.reaching(within)


def _shares(results: Results, intervals: _Intervals) -> pd.DataFrame:
    """Converged seeds of every configuration and phase, with the share's interval."""
    explored = results.members[results.members.phase == "explore"]
    own = ["phase", "number", "label", *results.varying_columns]
    rows = [
        (*(group[name].iloc[0] for name in own), k, n, k / n, low, high)
        for group in (*results.shown, *(group for _, group in explored.groupby("number")))
        for k, n, low, high in [_rate(group, intervals)]
    ]
    return pd.DataFrame(rows, columns=[*own, "converged", "seeds", "p", "low", "high"])


def _share_converged(outcomes: pd.Series) -> float:
    return float((outcomes == "converged").mean())
