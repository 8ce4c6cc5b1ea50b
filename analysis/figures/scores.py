"""Figures of scores, and of what single runs are worth. Each function draws one."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seedsweep.analysis.figures.drawing import OUTCOMES, Banded, Drawn, banded, margin, numbers, panels, sampled, some
from seedsweep.analysis.statistics import logistic
from seedsweep.analysis.statistics.best_of_n import expected_best
from seedsweep.analysis.statistics.scores import profile
from seedsweep.analysis.tables import Results

#: Seeds that one figure shows as dots.
MOST_DOTS = 2400


def final_scores(results: Results) -> Drawn:
    """Final scores of every seed, a row a configuration."""
    metric = results.study["criterion"]["metric"]
    groups = results.configurations
    each = max(MOST_DOTS // len(groups), 10)
    figure = Figure(figsize=(6.4, 0.55 * len(groups) + 1.3))
    axes = figure.subplots()
    for place, group in enumerate(groups):
        for outcome, (marker, colour, _) in OUTCOMES.items():
            drawn = some(group, each)
            chosen = drawn[drawn.outcome == outcome]
            scores = results.scores(chosen)
            # Spread by the seed's rank, not at random: same ledger, same picture.
            heights = place + (chosen.seed.rank().to_numpy(float) / (len(group) + 1) - 0.5) * 0.5
            axes.scatter(scores, heights, marker=marker, color=colour, s=26, lw=1.2, alpha=0.9)
        median = float(np.median(results.scores(group)))
        axes.plot([median, median], [place - 0.33, place + 0.33], color="black", lw=2)
    for marker, colour, label in OUTCOMES.values():
        axes.scatter([], [], marker=marker, color=colour, label=label)
    axes.set_yticks(range(len(groups)), [group.label.iloc[0] for group in groups])
    axes.set(xlabel=f"{metric} on validation at the end", xlim=margin(results.span), ylim=(len(groups) - 0.4, -0.6))
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, ncols=4, loc="outside upper center")
    caption = (
        f"Final {metric} of every comparison seed; the black bar is the median. A row in two clumps is random "
        "convergence: its median or mean describes no run that happened." + sampled(groups, each)
    )
    return Drawn(figure, caption, results.compared[["label", "seed", "outcome", "final"]])


def profiles(results: Results) -> Drawn:
    """Share of seeds above each score."""
    metric = results.study["criterion"]["metric"]
    thresholds = np.linspace(*results.span, 101)
    curves = [
        _banded(group, thresholds, profile([results.scores(group)], thresholds)) for group in results.configurations
    ]
    figure, every = banded(curves, step=True, sharex=True, sharey=True)
    for panel in every:
        panel.set(xlabel=f"final {metric}", ylabel="share of seeds above", ylim=(-0.02, 1.04))
        panel.label_outer()
    caption = (
        f"Performance profiles: the share of seeds whose final {metric} is above each value, with pointwise 95 % bands "
        "(Jeffreys); grey: the other configurations. A curve that is higher everywhere is better whatever score one "
        "asks for; a plateau between two falls is random convergence."
    )
    return Drawn(figure, caption, numbers(curves, "above", "share"))


def best_of_n(results: Results) -> Drawn:
    """Expected best score of n seeds against n."""
    metric = results.study["criterion"]["metric"]
    curves = []
    for group in results.configurations:
        best = expected_best(results.scores(group), span=results.span)
        curves.append(_banded(group, np.arange(1, len(best[0]) + 1), best))
    figure, every = banded(curves, sharex=True, sharey=True)
    for panel in every:
        panel.set(xlabel="runs", ylabel=f"expected best {metric}")
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        panel.label_outer()
    caption = (
        f"Luck: the final {metric} that the best of so many seeds is expected to have, with 95 % bands; grey: the "
        "other configurations. Who reports the best of ten runs of one configuration and a single run of another "
        "compares a curve's right end with another's left."
    )
    return Drawn(figure, caption, numbers(curves, "runs", "expected"))


def named_best(configurations: pd.DataFrame, most: int) -> Drawn | None:
    """How often one seed of each named configuration names each the best, of the `most` that it names most often; None
    with fewer than two."""
    named = configurations[configurations.origin == "named"]
    if len(named) < 2:
        return None
    every = named[["label", "named_best", "named_best_low", "named_best_high"]]
    every = every.set_axis(["label", "share", "low", "high"], axis=1)
    table = every.loc[every.share.nlargest(most).index.sort_values()]
    figure = Figure(figsize=(6.4, 0.4 * len(table) + 1.0))
    axes = figure.subplots()
    places = np.arange(len(table))
    errors = [table.share - table.low, table.high - table.share]
    axes.errorbar(table.share, places, xerr=errors, fmt="o", color="black", capsize=4, ms=6)
    axes.axvline(1 / len(every), color="0.4", lw=0.9, ls="--")
    axes.set_yticks(places, table.label)
    axes.invert_yaxis()
    axes.set(xlabel="share of single-seed comparisons that name it the best", xlim=(-0.02, 1.02))
    caption = (
        "What single runs would have said: how often a study with one seed of each named configuration names each the "
        "best (exact over the seeds that were run; bars: 95 % intervals for their finite number). Dashed: drawing lots."
    )
    if len(every) > len(table):
        caption += f" Of {len(every)} configurations the {len(table)} that are named most often."
    return Drawn(figure, caption, every)


def effects(results: Results) -> Drawn | None:
    """P(converge) against each searched hyperparameter, the others at their mean; None where nothing can be fitted."""
    space = results.study.get("search", {}).get("space") or {}
    if not space or results.members.empty:
        return None
    grouped = results.members.groupby("configuration")
    values = grouped[list(space)].first()
    scaled = values.assign(**{name: np.log(values[name]) for name in space if space[name]["log"]})
    members = grouped.size().to_numpy()
    converged = grouped.outcome.agg(lambda outcomes: int((outcomes == "converged").sum())).to_numpy()
    try:
        model = logistic.fit(scaled.to_numpy(float), converged, members)
    except ValueError:
        return None
    figure, every = panels(len(space), sharey=True)
    tables = []
    for place, (name, panel, p_value) in enumerate(zip(space, every, model.p_values(), strict=True)):
        at = np.tile(model.centre, (60, 1))
        at[:, place] = np.linspace(scaled[name].min(), scaled[name].max(), 60)
        p, low, high = model.predict(at)
        shown = np.exp(at[:, place]) if space[name]["log"] else at[:, place]
        panel.plot(shown, p, color="black", lw=1.8)
        panel.fill_between(shown, low, high, color="0.5", alpha=0.25, lw=0)
        panel.scatter(values[name], converged / members, s=6 * np.sqrt(members), fc="none", ec="#0072b2", lw=0.9)
        panel.set(xlabel=f"{name.replace('_', ' ')} (p = {p_value:.2g})", ylim=(-0.03, 1.04))
        if space[name]["log"]:
            ticks = np.geomspace(shown[0], shown[-1], 3)
            panel.set_xscale("log")
            panel.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
            panel.minorticks_off()
        tables.append(pd.DataFrame({"parameter": name, "value": shown, "p": p, "low": low, "high": high}))
    for panel in every[::3]:
        panel.set_ylabel("P(converge)")
    caption = (
        f"P(converge) against each searched hyperparameter, the others at their mean: logistic model of "
        f"{model.configurations} configurations and {model.members} members (Firth's penalty), with 95 % bands that "
        "are widened where configurations differ by more than seeds do. Circles: the configurations. The search chose "
        "where to look and the model knows straight effects alone: a hint, not a result."
    )
    return Drawn(figure, caption, pd.concat(tables))


def importances(importance: pd.DataFrame) -> Drawn:
    """Importance of the searched hyperparameters."""
    table = importance.sort_values("importance")
    figure = Figure(figsize=(6.4, 0.35 * len(table) + 1.0))
    axes = figure.subplots()
    axes.barh([name.replace("_", " ") for name in table.parameter], table.importance, color="#0072b2", height=0.6)
    axes.set(xlabel="importance (PED-ANOVA)", xlim=(0, 1))
    caption = (
        "Importance of the searched hyperparameters for the exploration's objective (Optuna's PED-ANOVA evaluator). "
        "With few explored configurations on few seeds this is a hint, not a result."
    )
    return Drawn(figure, caption, importance)


def _banded(group: pd.DataFrame, x: np.ndarray, curve: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Banded:
    label = group.label.iloc[0]
    return Banded(label, group.origin.iloc[0], f"{label} (n = {len(group)})", x, *curve)
