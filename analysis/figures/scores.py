"""Figures of scores, and of what single runs are worth. Each function draws one."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seedsweep.analysis import labels
from seedsweep.analysis.figures import scales
from seedsweep.analysis.figures.curves import Banded, banded, drawn_values, name, numbers, reading
from seedsweep.analysis.figures.style import (
    OUTCOMES,
    ROW_WIDTH,
    WIDTH,
    Drawn,
    in_rows,
    panels,
    sampled,
    sized,
    some,
    tie,
    title,
)
from seedsweep.analysis.methods import measured
from seedsweep.analysis.results import Results, column_of
from seedsweep.analysis.statistics import logistic
from seedsweep.analysis.statistics.best_of_n import median_best
from seedsweep.analysis.statistics.scores import profile

#: Seeds that one figure shows as dots.
MOST_DOTS = 2400


def final_scores(results: Results, groups: list[pd.DataFrame]) -> Drawn:
    """Final scores of every seed, a row a configuration."""
    each = max(MOST_DOTS // len(groups), 10)
    figure = Figure(figsize=(WIDTH, 0.5 * len(groups) + 1.1))
    axes = figure.subplots()
    dots: dict[str, list[np.ndarray]] = {outcome: [] for outcome in OUTCOMES}
    for place, group in enumerate(groups):
        drawn = some(results, group, each)
        scores, seeds, outcomes = results.scores(drawn), drawn.seed.to_numpy(), drawn.outcome.to_numpy()
        for outcome, found in dots.items():
            chosen = outcomes == outcome
            # Spread by the seed's rank, not at random: the same ledger gives the same picture.
            ranks = 1 + np.argsort(np.argsort(seeds[chosen]))
            found.append(np.column_stack([scores[chosen], place + (ranks / (len(group) + 1) - 0.5) * 0.5]))
    # One collection of each kind: many small ones take most of the time of a figure.
    for outcome, (marker, colour, label) in OUTCOMES.items():
        at, heights = np.concatenate(dots[outcome]).T
        axes.scatter(at, heights, marker=marker, color=colour, s=26, lw=1.2, alpha=0.9)
        if len(at):
            axes.scatter([], [], marker=marker, color=colour, label=label)
    medians, places = [float(np.median(results.scores(group))) for group in groups], np.arange(len(groups))
    axes.vlines(medians, places - 0.33, places + 0.33, color="black", lw=2, zorder=2)
    axes.set_yticks(range(len(groups)), [title(group.label.iloc[0], ROW_WIDTH) for group in groups])
    axes.axvline(results.study.criterion.threshold, color="black", lw=0.6, ls=":")
    scale = _scale(results, groups)
    scale.on(axes, "x")
    axes.set(xlabel=f"{results.score_column} {measured(results)}{scale.word}", ylim=(len(groups) - 0.4, -0.6))
    figure.legend(*axes.get_legend_handles_labels(), ncols=4, loc="outside upper center")
    caption = (
        f"The {results.score_name} of every compared seed; the black bar is the median, the dotted line the "
        "criterion's threshold. Where the seeds of a row lie far apart, no run may have had that score."
        + scale.sentence
        + _worst(results, groups)
        + sampled(groups, each)
    )
    return Drawn(figure, caption, pd.concat(groups)[["label", "seed", "outcome", results.score_column]])


def profiles(results: Results, groups: list[pd.DataFrame]) -> Drawn:
    """Share of seeds that are better than each score."""
    scale = _scale(results, groups)
    # Upward, as `profile` takes them.
    thresholds = np.sort(results.sign * scale.grid(101))
    curves = []
    for group, words in zip(groups, sized(groups), strict=True):
        found = profile(results.sign * results.scores(group), thresholds)
        curves.append(Banded(group, words, results.sign * thresholds, *found))
    side = "above" if results.sign > 0 else "below"
    figure, axes = banded(curves, step=True)
    scale.on(axes, "x")
    axes.set(xlabel=results.score_name + scale.word, ylabel=f"share of seeds {side}", ylim=(-0.02, 1.04))
    name(axes, curves, at_ends=False)
    caption = (
        f"Performance profiles: the share of seeds whose {results.score_name} is {side} each value, "
        f"{reading(curves, 'profiles')} (Clopper-Pearson). A higher curve: more seeds that are so good."
        + scale.sentence
        + _worst(results, groups)
    )
    return Drawn(figure, caption, numbers(curves, "score", "share"))


def best_of_n(results: Results, groups: list[pd.DataFrame]) -> Drawn:
    """Score that the best of n seeds reaches in half of all tries, against n."""
    curves = []
    for group, words in zip(groups, sized(groups), strict=True):
        value, low, high = median_best(results.sign * results.scores(group))
        band = (value, low, high) if results.sign > 0 else (-value, -high, -low)
        curves.append(Banded(group, words, np.arange(1, len(value) + 1), *band))
    figure, axes = banded(curves)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    scale = _scale(results, groups).around(drawn_values(curves))
    scale.on(axes, "y")
    axes.set(xlabel="runs", ylabel=f"{results.metric} of the best{scale.word}")
    name(axes, curves)
    caption = (
        f"Luck: the {results.score_name} that the best of so many seeds reaches in half of all tries, "
        f"{reading(curves, 'best_of_n')}, as far as these seeds have one. To report the best of ten runs of one "
        "configuration beside a single run of another is to compare one curve at 10 with the other at 1."
        + scale.sentence
        + _worst(results, groups)
    )
    return Drawn(figure, caption, numbers(curves, "runs", "score"))


def named_best(configurations: pd.DataFrame, most: int) -> Drawn | None:
    """How often one seed of each named configuration names each the best, of the `most` that it names most often; None
    with fewer than two."""
    named = configurations[configurations.named_best.notna()]
    if len(named) < 2:
        return None
    every = named[["label", "named_best", "named_best_low", "named_best_high"]]
    every = every.set_axis(["label", "share", "low", "high"], axis=1)
    table = every.loc[every.share.nlargest(most).index.sort_values()]
    figure, axes = in_rows(table, [("black", "o")] * len(table), every=0.4)
    axes.axvline(1 / len(every), color="0.4", lw=0.9, ls="--")
    axes.set_xlabel("share of single-seed comparisons that name it the best")
    caption = (
        "What single runs would have said: how often a study with one seed of each named configuration names each the "
        "best (exact over the seeds that were run; bars: 95 % intervals for their finite number). Dashed: drawing lots."
    )
    if len(every) > len(table):
        caption += f" Of {len(every)} configurations the {len(table)} that are named most often."
    return Drawn(figure, caption, every)


def effects(results: Results) -> Drawn | None:
    """P(converge) against each number that the search varied, the others at their mean; None where nothing can be
    fitted."""
    explored = results.members[results.members.phase == "explore"]
    own = [results.values.get(configuration, {}) for configuration in explored.configuration.unique()]
    varied = labels.varying(own)
    # A number that is there under a condition alone has no place on an axis of all configurations.
    paths = [path for path in varied if all(labels.is_number(values.get(path)) for values in own)]
    if not paths:
        return None
    columns, names = [column_of(path) for path in paths], labels.short_names(varied)
    grouped = results.members.groupby("configuration")
    values = grouped[columns].first().astype(float)
    logs = {column for path, column in zip(paths, columns, strict=True) if results.is_logarithmic(path)}
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = values.assign(**{column: np.log(values[column]) for column in logs})
    # A named configuration may have a 0 where the search takes logarithms.
    kept = np.isfinite(scaled.to_numpy(float)).all(axis=1)
    values, scaled = values.loc[kept], scaled.loc[kept]
    named, members = grouped.label.first()[kept], grouped.size().to_numpy()[kept]
    converged = grouped.outcome.agg(lambda outcomes: int((outcomes == "converged").sum())).to_numpy()[kept]
    try:
        model = logistic.fit(scaled.to_numpy(float), converged, members)
    except ValueError:
        return None
    figure, every = panels(len(paths), sharey=True)
    drawn = []
    for place, (path, column, panel) in enumerate(zip(paths, columns, every, strict=True)):
        at = np.tile(model.centre, (60, 1))
        at[:, place] = np.linspace(scaled[column].min(), scaled[column].max(), 60)
        p, low, high = model.predict(at)
        shown = np.exp(at[:, place]) if column in logs else at[:, place]
        panel.plot(shown, p, color="black", lw=1.8)
        panel.fill_between(shown, low, high, color="0.5", alpha=0.25, lw=0)
        for label, x, k, n in zip(named, values[column], converged, members, strict=True):
            circle = panel.plot(x, k / n, "o", ms=2.4 * n**0.25, mfc="none", mec="#0072b2", mew=0.9)
            tie(label, *circle, words=f"{label}: {k}/{n}")
        panel.set(xlabel=f"{names[path]} (p = {model.p_values()[place]:.2g})", ylim=(-0.03, 1.04))
        if column in logs:
            scales.logarithmic(panel, shown[0], shown[-1])
        drawn.append(pd.DataFrame({"parameter": path, "value": shown, "p": p, "low": low, "high": high}))
    for panel in every[::3]:
        panel.set_ylabel("P(converge)")
    caption = (
        f"P(converge) against each number that the search varied, the others at their mean: logistic model of "
        f"{model.configurations} configurations and {model.members} members (Firth's penalty), with 95 % bands that "
        "are widened where configurations differ by more than seeds do. Circles: the configurations; p: of each number "
        "by itself. The search chose where to look and the model knows straight effects alone: a hint, not a result."
    )
    if left_out := [names[path] for path in varied if path not in paths]:
        caption += f" Left out, as no number in every configuration: {', '.join(left_out)}."
    return Drawn(figure, caption, pd.concat(drawn))


def importances(importance: pd.DataFrame) -> Drawn:
    """Importance of what was searched. `importance`: columns parameter, a dotted path, and importance."""
    table = importance.sort_values("importance")
    figure = Figure(figsize=(WIDTH, 0.35 * len(table) + 0.8))
    axes = figure.subplots()
    names = labels.short_names(table.parameter)
    axes.barh([names[path] for path in table.parameter], table.importance, color="#0072b2", height=0.6)
    axes.set(xlabel="importance (PED-ANOVA)", xlim=(0, 1))
    caption = (
        "Importance of what was searched for the exploration's objective (Optuna's PED-ANOVA evaluator). "
        "With few explored configurations on few seeds this is a hint, not a result."
    )
    return Drawn(figure, caption, importance)


def _scale(results: Results, groups: list[pd.DataFrame]) -> scales.ScoreScale:
    return scales.of_scores(results, [results.scores(group) for group in groups])


def _worst(results: Results, groups: list[pd.DataFrame]) -> str:
    """What to say of seeds without a score."""
    missing = any(group[results.score_column].isna().any() for group in groups)
    return f" Seeds without a finite score are drawn at {results.worst:.4g}." if missing else ""
