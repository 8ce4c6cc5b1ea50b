"""Figures of scores, and of what single runs are worth. Each function draws one."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import logistic
from analysis.drawing import OUTCOMES, Drawn, look, panels
from analysis.luck import expected_best, replication
from analysis.scores import profile
from analysis.tables import Results


def final_scores(results: Results) -> Drawn:
    """Final scores of every seed, a row a configuration."""
    metric = results.study["criterion"]["metric"]
    groups = results.configurations
    figure = Figure(figsize=(6.4, 0.55 * len(groups) + 1.3))
    axes = figure.subplots()
    for place, group in enumerate(groups):
        for outcome, (marker, colour, _) in OUTCOMES.items():
            chosen = group[group.outcome == outcome]
            scores = results.scores(chosen)
            # Spread by the seed's rank, not at random: same ledger, same picture.
            heights = place + (chosen.seed.rank().to_numpy(float) / (len(group) + 1) - 0.5) * 0.5
            axes.scatter(scores, heights, marker=marker, color=colour, s=26, lw=1.2, alpha=0.9)
        median = float(np.median(results.scores(group)))
        axes.plot([median, median], [place - 0.33, place + 0.33], color="black", lw=2)
    for marker, colour, label in OUTCOMES.values():
        axes.scatter([], [], marker=marker, color=colour, label=label)
    axes.set_yticks(range(len(groups)), [group.label.iloc[0] for group in groups])
    axes.invert_yaxis()
    axes.set(xlabel=f"{metric} on validation at the end", xlim=_margin(results))
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, ncols=4, loc="outside upper center")
    numbers = results.compared[["label", "seed", "outcome", "final"]]
    caption = (
        f"Final {metric} of every comparison seed; the black bar is the median. A row in two clumps is random "
        "convergence: its median or mean describes no run that happened."
    )
    return Drawn(figure, caption, numbers)


def profiles(results: Results) -> Drawn:
    """Share of seeds above each score."""
    metric = results.study["criterion"]["metric"]
    thresholds = np.linspace(*results.span, 101)
    groups = results.configurations
    figure, every = panels(len(groups), sharex=True, sharey=True)
    found = [profile([results.scores(group)], thresholds) for group in groups]
    numbers = []
    for place, (panel, group, (share, low, high)) in enumerate(zip(every, groups, found, strict=True)):
        for other, _, _ in found:
            panel.step(thresholds, other, where="post", color="0.75", lw=0.8)
        line = look(place, len(groups), group.origin.iloc[0])
        panel.step(thresholds, share, where="post", **line)
        panel.fill_between(thresholds, low, high, step="post", color=line["color"], alpha=0.15, lw=0)
        label = group.label.iloc[0]
        panel.set_title(f"{label} (n = {len(group)})")
        panel.set(xlabel=f"final {metric}", ylabel="share of seeds above", ylim=(-0.02, 1.04))
        panel.label_outer()
        numbers.append(pd.DataFrame({"label": label, "above": thresholds, "share": share, "low": low, "high": high}))
    caption = (
        f"Performance profiles: the share of seeds whose final {metric} is above each value, with pointwise 95 % bands "
        "(Jeffreys); grey: the other configurations. A curve that is higher everywhere is better whatever score one "
        "asks for; a plateau between two falls is random convergence."
    )
    return Drawn(figure, caption, pd.concat(numbers))


def best_of_n(results: Results) -> Drawn:
    """Expected best score of n seeds against n."""
    metric = results.study["criterion"]["metric"]
    groups = results.configurations
    figure, every = panels(len(groups), sharex=True, sharey=True)
    found = [expected_best(results.scores(group), span=results.span) for group in groups]
    numbers = []
    for place, (panel, group, (best, low, high)) in enumerate(zip(every, groups, found, strict=True)):
        for other, _, _ in found:
            panel.plot(range(1, len(other) + 1), other, color="0.75", lw=0.8)
        line = look(place, len(groups), group.origin.iloc[0])
        runs, label = np.arange(1, len(best) + 1), group.label.iloc[0]
        panel.plot(runs, best, **line)
        panel.fill_between(runs, low, high, color=line["color"], alpha=0.15, lw=0)
        panel.set_title(f"{label} (n = {len(group)})")
        panel.set(xlabel="runs", ylabel=f"expected best {metric}")
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        panel.label_outer()
        numbers.append(pd.DataFrame({"label": label, "runs": runs, "expected": best, "low": low, "high": high}))
    caption = (
        f"Luck: the final {metric} that the best of so many seeds is expected to have, with 95 % bands; grey: the "
        "other configurations. Who reports the best of ten runs of one configuration and a single run of another "
        "compares a curve's right end with another's left."
    )
    return Drawn(figure, caption, pd.concat(numbers))


def named_best(results: Results) -> Drawn | None:
    """How often one seed of each named configuration names each the best; None with fewer than two."""
    groups = [group for group in results.configurations if group.origin.iloc[0] == "named"]
    if len(groups) < 2:
        return None
    found = replication([results.scores(group) for group in groups], span=results.span)
    labels = [group.label.iloc[0] for group in groups]
    figure = Figure(figsize=(6.4, 0.4 * len(groups) + 1.0))
    axes = figure.subplots()
    places = np.arange(len(groups))
    errors = [found.share - found.low, found.high - found.share]
    axes.errorbar(found.share, places, xerr=errors, fmt="o", color="black", capsize=4, ms=6)
    axes.axvline(1 / len(groups), color="0.4", lw=0.9, ls="--")
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set(xlabel="share of single-seed comparisons that name it the best", xlim=(-0.02, 1.02))
    numbers = pd.DataFrame({"label": labels, "share": found.share, "low": found.low, "high": found.high})
    caption = (
        "What single runs would have said: how often a study with one seed of each named configuration names each the "
        "best (exact over the seeds that were run; bars: 95 % intervals for their finite number). Dashed: drawing lots."
    )
    return Drawn(figure, caption, numbers)


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
    numbers = []
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
        numbers.append(pd.DataFrame({"parameter": name, "value": shown, "p": p, "low": low, "high": high}))
    for panel in every[::3]:
        panel.set_ylabel("P(converge)")
    caption = (
        f"P(converge) against each searched hyperparameter, the others at their mean: logistic model of "
        f"{model.configurations} configurations and {model.members} members (Firth's penalty), with 95 % bands that "
        "are widened where configurations differ by more than seeds do. Circles: the configurations. The search chose "
        "where to look and the model knows straight effects alone: a hint, not a result."
    )
    return Drawn(figure, caption, pd.concat(numbers))


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


def _margin(results: Results) -> tuple[float, float]:
    """Of an axis of scores."""
    low, high = results.span
    return low - 0.03 * (high - low), high + 0.03 * (high - low)
