"""Figures of convergence. Each function draws one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seedsweep.analysis import tables
from seedsweep.analysis.figures import scores as score_figures
from seedsweep.analysis.figures.style import (
    FOUND,
    Banded,
    Drawn,
    banded,
    logarithmic,
    margin,
    numbers,
    panels,
    sampled,
    some,
    styled,
)
from seedsweep.analysis.statistics.proportions import wilson
from seedsweep.analysis.statistics.survival import incidence
from seedsweep.analysis.tables import Axis, Results

#: Configurations that a figure shows: a row each, or a panel each.
MOST_ROWS, MOST_PANELS = 30, 9
#: Seeds whose curves one figure shows.
MOST_LINES = 360
DASHES = (0, (4, 2))


@styled
def draw(results: Results, configurations: pd.DataFrame, importance: pd.DataFrame) -> dict[str, Drawn]:
    """Name -> figure, those that the results allow. `configurations`: as `analysis.comparison.Comparison` has them."""
    drawn = {}
    if len(results.compared):
        for name, figure, most in (
            ("p_converge", p_converge, MOST_ROWS),
            ("time_to_convergence", kaplan_meier, MOST_PANELS),
            ("learning_curves", learning_curves, MOST_PANELS),
            ("final_scores", score_figures.final_scores, MOST_ROWS),
            ("profiles", score_figures.profiles, MOST_PANELS),
            ("expected_best", score_figures.best_of_n, MOST_PANELS),
        ):
            few, note = results.few(most)
            one = figure(few)
            drawn[name] = replace(one, caption=one.caption + note)
        if named := score_figures.named_best(configurations, MOST_ROWS):
            drawn["named_best"] = named
    if effects := score_figures.effects(results):
        drawn["effects"] = effects
    if len(importance):
        drawn["importance"] = score_figures.importances(importance)
    return drawn


def p_converge(results: Results) -> Drawn:
    """P(converge) of each configuration with Wilson intervals: by the number in which they differ (`Results.axis`), or
    a row each where there is no such number."""
    return _on_axis(results, results.axis) if results.axis else _in_rows(results)


def _in_rows(results: Results) -> Drawn:
    groups = results.configurations
    figure = Figure(figsize=(6.4, 0.9 + 0.45 * len(groups)))
    axes = figure.subplots()
    for place, group in enumerate(reversed(groups)):
        k, n, low, high = _rate(group)
        colour, marker = _mark(group)
        error = [[k / n - low], [high - k / n]]
        axes.errorbar(k / n, place, xerr=error, fmt=marker, color=colour, capsize=4, ms=7)
        axes.annotate(f"{k}/{n}", (k / n, place), (0, 7), textcoords="offset points", ha="center", fontsize=9)
    axes.set_yticks(range(len(groups)), [group.label.iloc[0] for group in reversed(groups)])
    axes.set(xlabel="P(converge)", xlim=(-0.04, 1.04), ylim=(-0.5, len(groups) - 0.3))
    caption = (
        "P(converge) of each configuration: converged/seeds above the point, bars are 95 % Wilson intervals. Where "
        "bars overlap widely the seed explains as much as the configuration."
    )
    return Drawn(figure, caption, _shares(results))


def _on_axis(results: Results, axis: Axis) -> Drawn:
    figure = Figure(figsize=(6.4, 3.8))
    axes = figure.subplots()
    explored = results.members[results.members.phase == "explore"]
    if len(explored):
        rates = explored.groupby("number").agg(at=(axis.column, "first"), p=("outcome", _share_converged)).dropna()
        axes.plot(rates["at"], rates.p, "o", mfc="none", mec="0.6", ms=5, label="explored (search seeds)")
    said = set()
    for group in results.configurations:
        k, n, low, high = _rate(group)
        (colour, marker), origin, at = _mark(group), group.origin.iloc[0], group[axis.column].iloc[0]
        label = {"named": "compared: named by the study", "search": "compared: best found"}[origin]
        error = [[k / n - low], [high - k / n]]
        own = None if origin in said else label
        axes.errorbar(at, k / n, yerr=error, fmt=marker, color=colour, capsize=4, ms=7, label=own)
        said.add(origin)
        if len(results.configurations) <= MOST_PANELS:
            axes.annotate(f"{k}/{n}", (at, k / n), (7, 4), textcoords="offset points", fontsize=9, color=colour)
    if axis.log:
        drawn = results.members[axis.column].dropna()
        logarithmic(axes, drawn.min(), drawn.max())
    axes.set(xlabel=axis.name, ylabel="P(converge)", ylim=(-0.04, 1.06))
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, ncols=3, loc="outside upper center")
    sizes = results.compared.groupby("number").size()
    seeds = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
    caption = f"P(converge) by {axis.name}. Filled: {seeds} comparison seeds each, bars are 95 % Wilson intervals."
    if len(explored):
        caption += " Hollow: the explored configurations, a few search seeds each, which decide nothing."
    if results.varying != [axis.path]:
        caption += f" What the search found may differ from the others in more than {axis.name}."
    caption += f" Where bars overlap widely the seed explains as much as {axis.name}."
    return Drawn(figure, caption, _shares(results))


def _mark(group: pd.DataFrame) -> tuple[str, str]:
    """Colour and marker: what the search found is told from what the study names."""
    return (FOUND, "D") if group.origin.iloc[0] == "search" else ("black", "o")


def _rate(group: pd.DataFrame) -> tuple[int, int, float, float]:
    """Members that converged, all members, and Wilson's interval of the share."""
    k, n = int((group.outcome == "converged").sum()), len(group)
    return k, n, *wilson(k, n)


def kaplan_meier(results: Results) -> Drawn:
    """Share converged by step, a panel a configuration, with its band and the number at risk."""
    budget = results.budget
    found = [incidence(tables.convergence_steps(group), budget) for group in results.configurations]
    curves = []
    for group, curve in zip(results.configurations, found, strict=True):
        label = group.label.iloc[0]
        title = f"{label}: {round(curve.share[-1] * curve.members)}/{curve.members}"
        band = (curve.steps, curve.share, curve.low, curve.high)
        curves.append(Banded(label, group.origin.iloc[0], title, *band))
    marks = np.linspace(0, budget, 5)
    figure, every = banded(curves, step=True, sharey=True)
    for panel, curve in zip(every, found, strict=True):
        # At risk: without the event before the mark.
        waiting = curve.at_risk[np.searchsorted(curve.steps, marks)]
        panel.set_xticks(marks, [f"{mark:g}\n{left}" for mark, left in zip(marks, waiting, strict=True)], fontsize=8)
        # Beyond the budget too, where a seed's last chance shows as a rise at the very end.
        panel.set(ylim=(-0.02, 1.04), xlim=(-0.02 * budget, 1.04 * budget))
    for panel in every[-3:]:
        panel.set_xlabel("training step, and seeds still at risk")
    for panel in every[::3]:
        panel.set_ylabel("share converged")
    table = numbers(curves, "step", "share").assign(at_risk=np.concatenate([curve.at_risk for curve in found]))
    caption = (
        "Time to convergence (Kaplan-Meier), with pointwise 95 % bands; grey: the other configurations. A curve rises "
        "where a seed's lasting convergence began; the others, those that diverged included, stay at risk to the "
        f"budget of {budget} steps, so that a curve ends at its P(converge). Under each step: the seeds at risk there."
    )
    return Drawn(figure, caption, table)


def learning_curves(results: Results) -> Drawn:
    """The criterion's metric of every seed, a panel a configuration."""
    criterion, metric = results.study.criterion, results.metric
    compared = results.evaluations[results.evaluations.phase == "compare"]
    groups = results.configurations
    each = max(MOST_LINES // len(groups), 10)
    figure, every = panels(len(groups), sharex=True, sharey=True)
    for panel, group in zip(every, groups, strict=True):
        configuration = group.configuration.iloc[0]
        curves = compared[compared.configuration == configuration].pivot(index="step", columns="seed", values=metric)
        for member in some(results, group, each).sort_values("seed").itertuples():
            look = {"color": "#0072b2", "ls": "-"} if member.outcome == "converged" else {"color": "0.45", "ls": DASHES}
            # Members of a function or a command may be evaluated at different steps.
            panel.plot(curves[member.seed].dropna(), lw=0.7, **look)
        between = curves.interpolate(method="index", limit_area="inside")
        panel.plot(between.median(axis=1), color="black", lw=2.2)
        panel.axhline(criterion.threshold, color="black", lw=0.6, ls=":")
        k = int((group.outcome == "converged").sum())
        panel.set_title(f"{group.label.iloc[0]}: {k}/{len(group)}")
    for panel in every:
        panel.set(xlabel="training step", ylabel=metric.upper() if len(metric) < 4 else metric)
        panel.label_outer()
    every[0].set_ylim(margin(results.curve_span))
    caption = (
        f"Validation {metric} of every comparison seed. Thin solid blue: converged; thin dashed grey: did not; thick "
        f"black: the median; dotted: the criterion's threshold, {criterion.threshold:g}, to be held for the "
        f"last {criterion.hold} evaluations. Titles: converged/seeds. The spread in a panel is the seed's doing alone."
        + sampled(groups, each)
    )
    shown = compared[compared.configuration.isin([group.configuration.iloc[0] for group in groups])]
    return Drawn(figure, caption, shown[["label", "seed", "step", metric]])


def _shares(results: Results) -> pd.DataFrame:
    """Converged seeds of every configuration and phase, with Wilson's interval."""
    grouped = results.members.groupby(["phase", "number", "label"], sort=True)
    rows = []
    for (phase, number, label), group in grouped:
        k, n, low, high = _rate(group)
        values = [group[column].iloc[0] for column in results.varying_columns]
        rows.append((phase, number, label, *values, k, n, k / n, low, high))
    columns = ["phase", "number", "label", *results.varying_columns, "converged", "seeds", "p", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _share_converged(outcomes: pd.Series) -> float:
    return float((outcomes == "converged").mean())
