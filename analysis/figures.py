"""The figures. Each function draws one and returns it with a caption that says how to read it.

Colours are from a lightness-ordered, colour-blind-safe map, and line styles and markers repeat what they say, so that
a grey print reads the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis import tables
from analysis.proportions import wilson
from analysis.tables import Results
from analysis.times import incidence

matplotlib.use("Agg")
matplotlib.rcParams.update(
    {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "figure.dpi": 100,
        "savefig.dpi": 200,
        "figure.constrained_layout.use": True,
        # Same ledger, same bytes.
        "svg.hashsalt": "seedsweep",
    }
)

OUTCOMES = {
    "converged": ("o", "#0072b2", "converged"),
    "fell_back": ("v", "#e69f00", "converged and fell back"),
    "never": ("x", "#555555", "never converged"),
    "diverged": ("P", "#d55e00", "diverged"),
}
#: Of what the search found.
FOUND = "#0072b2"
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))


def draw(results: Results, importance: pd.DataFrame) -> dict[str, tuple[Figure, str]]:
    """name -> (figure, caption), those that the results allow."""
    drawn = {}
    if len(results.compared):
        drawn["p_converge"] = p_converge(results)
        drawn["time_to_convergence"] = kaplan_meier(results)
        drawn["learning_curves"] = learning_curves(results)
        drawn["final_scores"] = final_scores(results)
    if len(importance):
        drawn["importance"] = importances(importance)
    return drawn


def save(figure: Figure, folder: Path, name: str) -> None:
    """As PNG and SVG, without a date inside."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", metadata={"Software": None})
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def p_converge_of_variants(results: Results) -> tuple[Figure, str]:
    """P(converge) of each variant with Wilson intervals."""
    groups = results.configurations
    figure = Figure(figsize=(6.4, 0.9 + 0.45 * len(groups)))
    axes = figure.subplots()
    for place, group in enumerate(reversed(groups)):
        k, n = int((group.outcome == "converged").sum()), len(group)
        low, high = wilson(k, n)
        axes.errorbar(k / n, place, xerr=[[k / n - low], [high - k / n]], fmt="o", color="black", capsize=4, ms=7)
        axes.annotate(f"{k}/{n}", (k / n, place), (0, 7), textcoords="offset points", ha="center", fontsize=9)
    axes.set_yticks(range(len(groups)), [group.label.iloc[0] for group in reversed(groups)])
    axes.set(xlabel="P(converge)", xlim=(-0.04, 1.04), ylim=(-0.5, len(groups) - 0.3))
    return figure, (
        "P(converge) of each variant: converged/seeds above the point, bars are 95 % Wilson intervals. Where bars "
        "overlap widely the seed explains as much as the variant."
    )


def p_converge(results: Results) -> tuple[Figure, str]:
    """P(converge) against alpha with Wilson intervals."""
    if results.study.get("variants"):
        return p_converge_of_variants(results)
    figure = Figure(figsize=(6.4, 3.8))
    axes = figure.subplots()
    explored = results.members[results.members.phase == "explore"]
    if len(explored):
        rates = explored.groupby("number").agg(alpha=("alpha", "first"), p=("outcome", _share_converged))
        axes.plot(rates.alpha, rates.p, "o", mfc="none", mec="0.6", ms=5, label="explored (search seeds)")
    for origin, marker, colour, label in (
        ("named", "o", "black", "compared: named by the study"),
        ("search", "D", FOUND, "compared: best found"),
    ):
        for number, group in results.compared[results.compared.origin == origin].groupby("number"):
            k, n, alpha = int((group.outcome == "converged").sum()), len(group), group.alpha.iloc[0]
            low, high = wilson(k, n)
            error = [[k / n - low], [high - k / n]]
            first = number == results.compared[results.compared.origin == origin].number.min()
            axes.errorbar(
                alpha, k / n, error, fmt=marker, color=colour, capsize=4, ms=7, label=label if first else None
            )
            axes.annotate(f"{k}/{n}", (alpha, k / n), (7, 4), textcoords="offset points", fontsize=9, color=colour)
    axes.set(xlabel="alpha (1: area loss alone, 0: distance loss alone)", ylabel="P(converge)", ylim=(-0.04, 1.06))
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, ncols=3, loc="outside upper center")
    sizes = results.compared.groupby("number").size()
    seeds = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
    return figure, (
        f"P(converge) by alpha. Filled: {seeds} comparison seeds each, converged/seeds beside the point, bars are 95 % "
        "Wilson intervals. Hollow: the explored configurations, a few search seeds each, which decide nothing. "
        "Where bars overlap widely the seed explains as much as alpha."
    )


def kaplan_meier(results: Results) -> tuple[Figure, str]:
    """Share converged by step, with bands and the number at risk."""
    budget = results.study["training"]["steps"]
    groups = results.configurations
    marks = np.linspace(0, budget, 6)
    figure = Figure(figsize=(8.2, 3.6 + 0.19 * len(groups)))
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 0.19 * len(groups) + 0.2])
    for place, group in enumerate(groups):
        curve = incidence(tables.convergence_steps(group), budget)
        look: dict[str, Any] = {"color": _colour(place, len(groups)), "ls": LINES[place % len(LINES)], "lw": 1.6}
        if group.origin.iloc[0] == "search":
            look = {"color": FOUND, "ls": "-", "lw": 2.6}
        label = f"{group.label.iloc[0]} (n = {curve.members})"
        axes.step(curve.steps, curve.share, where="post", label=label, **look)
        axes.fill_between(curve.steps, curve.low, curve.high, step="post", color=look["color"], alpha=0.1, lw=0)
        for mark in marks:
            # Those without the event before the mark.
            waiting = curve.at_risk[np.searchsorted(curve.steps, mark)]
            below.annotate(f"{waiting}", (mark, place), ha="center", va="center", fontsize=7, color=look["color"])
    # Beyond the budget too, where a seed's last chance shows as a rise at the very end.
    axes.set(ylabel="share converged", ylim=(-0.02, 1.04), xlim=(-0.01 * budget, 1.03 * budget))
    below.set(xlabel="training step", ylim=(len(groups) - 0.5, -0.5), xticks=marks)
    below.set_yticks(range(len(groups)), [group.label.iloc[0] for group in groups], fontsize=7)
    below.set_title("not yet converged for good", fontsize=8, loc="left")
    below.spines[:].set_visible(False)
    below.tick_params(axis="y", length=0)
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside right upper")
    return figure, (
        "Time to convergence (Kaplan-Meier), with pointwise 95 % bands. A curve rises where a seed's lasting "
        "convergence began; the others, those that diverged included, stay at risk to the budget of "
        f"{budget} steps, so that a curve ends at its P(converge). Below: seeds that had not yet converged for good."
    )


def learning_curves(results: Results) -> tuple[Figure, str]:
    """The criterion's metric of every seed, a panel a configuration."""
    criterion = results.study["criterion"]
    metric, threshold = criterion["metric"], criterion["threshold"]
    compared = results.evaluations[results.evaluations.phase == "compare"]
    outcomes = results.compared.set_index(["configuration", "seed"]).outcome
    groups = results.configurations
    columns = min(3, len(groups))
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(2.9 * columns + 0.6, 2.4 * rows + 0.3))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel in panels.flat[len(groups) :]:
        panel.set_visible(False)
    for panel, group in zip(panels.flat, groups, strict=False):
        configuration = group.configuration.iloc[0]
        curves = compared[compared.configuration == configuration].pivot(index="step", columns="seed", values=metric)
        for seed in curves:
            met = outcomes.get((configuration, seed)) == "converged"
            panel.plot(
                curves.index, curves[seed], color="#0072b2" if met else "0.45", lw=0.7, ls="-" if met else (0, (4, 2))
            )
        panel.plot(curves.index, curves.median(axis=1), color="black", lw=2.2)
        panel.axhline(threshold, color="black", lw=0.6, ls=":")
        k = int((group.outcome == "converged").sum())
        panel.set_title(f"{group.label.iloc[0]}: {k}/{len(group)}")
    for panel in panels[-1]:
        panel.set_xlabel("training step")
    for row in panels:
        row[0].set_ylabel(metric.upper() if len(metric) < 4 else metric)
    panels[0, 0].set_ylim(-0.03, 1.03)
    return figure, (
        f"Validation {metric} of every comparison seed. Thin solid blue: converged; thin dashed grey: did not; thick "
        f"black: the median; dotted: the criterion's threshold, {threshold:g}, to be held for the last "
        f"{criterion['hold']} evaluations. Titles: converged/seeds. The spread in a panel is the seed's doing alone."
    )


def final_scores(results: Results) -> tuple[Figure, str]:
    """Final scores of every seed, a row a configuration."""
    metric = results.study["criterion"]["metric"]
    groups = results.configurations
    figure = Figure(figsize=(6.4, 0.55 * len(groups) + 1.3))
    axes = figure.subplots()
    for place, group in enumerate(groups):
        for outcome, (marker, colour, _) in OUTCOMES.items():
            chosen = group[group.outcome == outcome]
            scores = tables.final_scores(chosen)
            # Spread by the seed's rank, not at random: same ledger, same picture.
            heights = place + (chosen.seed.rank().to_numpy(float) / (len(group) + 1) - 0.5) * 0.5
            axes.scatter(scores, heights, marker=marker, color=colour, s=26, lw=1.2, alpha=0.9)
        median = float(np.median(tables.final_scores(group)))
        axes.plot([median, median], [place - 0.33, place + 0.33], color="black", lw=2)
    for marker, colour, label in OUTCOMES.values():
        axes.scatter([], [], marker=marker, color=colour, label=label)
    axes.set_yticks(range(len(groups)), [group.label.iloc[0] for group in groups])
    axes.invert_yaxis()
    axes.set(xlabel=f"{metric} on validation at the end", xlim=(-0.03, 1.03))
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, ncols=4, loc="outside upper center")
    return figure, (
        f"Final {metric} of every comparison seed; the black bar is the median. A row in two clumps is random "
        "convergence: its median or mean describes no run that happened."
    )


def importances(importance: pd.DataFrame) -> tuple[Figure, str]:
    """Importance of the searched hyperparameters."""
    table = importance.sort_values("importance")
    figure = Figure(figsize=(6.4, 0.35 * len(table) + 1.0))
    axes = figure.subplots()
    axes.barh([name.replace("_", " ") for name in table.parameter], table.importance, color="#0072b2", height=0.6)
    axes.set(xlabel="importance (PED-ANOVA)", xlim=(0, 1))
    return figure, (
        "Importance of the searched hyperparameters for the exploration's objective (Optuna's PED-ANOVA evaluator). "
        "With few explored configurations on few seeds this is a hint, not a result."
    )


def _colour(place: int, count: int) -> tuple[float, ...]:
    """Evenly spaced in lightness, without the palest end."""
    colour: tuple[float, ...] = matplotlib.colormaps["cividis"](0.75 * place / max(count - 1, 1))
    return colour


def _share_converged(outcomes: pd.Series) -> float:
    return float((outcomes == "converged").mean())
