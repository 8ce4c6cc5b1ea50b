"""What a run says of whole slides of the test split: a decision for each slide and seed, and FROC curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from seedsweep.analysis.figures.style import Drawn, label_outer, panels, styled, tie, title
from seedsweep.analysis.results import Results
from seedsweep.core.records.details import parts_of
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths

#: Configurations that are drawn.
MOST_PANELS = 6
#: Above it the larger logit of a patch is the tumour's.
ARGMAX = 0.5
_IDENTITY = ("configuration", "label", "seed", "evaluation")


@dataclass(frozen=True)
class Slides:
    """Of compared members, at the `last` and, where it was kept, the `best` evaluation.

    decisions: configuration, label, seed, evaluation, slide, tumour (what it is), mean and max (probability of its
               patches), called (tumour: whether any of its patches is).
    curves:    configuration, label, seed, evaluation, false_positives (mean a slide), sensitivity (share of lesions).
    """

    decisions: pd.DataFrame
    curves: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """By the names of their files."""
        return {"slides": self.decisions, "froc": self.curves}


def read(run: RunPaths, results: Results) -> Slides | None:
    """None where no member was tested on whole slides. Errors: LedgerError for a damaged record."""
    compared = results.compared
    labels = dict(zip(compared.configuration, compared.label, strict=True)) if len(compared) else {}
    slides: dict[tuple[object, ...], dict[str, float]] = {}
    points: list[tuple[object, ...]] = []
    for record in Ledger(run.cohorts).records() if "froc" in results.study.measures else ():
        spec = record.spec()
        if spec.phase != "compare" or not record.finished or spec.configuration not in labels:
            continue
        for outcome in record.outcomes():
            for when, measures in outcome.test.items():
                who = (spec.configuration, labels[spec.configuration], outcome.seed, when)
                for name, value in measures.items():
                    kind, *rest = parts_of(name)
                    if kind == "slide" and len(rest) == 2:
                        slides.setdefault((*who, rest[0]), {})[rest[1]] = value
                    elif kind == "froc" and len(rest) == 1:
                        points.append((*who, float(rest[0]), value))
    if not slides:
        return None
    # As everywhere in the report.
    order = list(labels)
    decisions = pd.DataFrame([dict(zip((*_IDENTITY, "slide"), who, strict=True)) | of for who, of in slides.items()])
    decisions = _sorted(decisions, order)
    decisions["tumour"] = decisions.tumour == 1
    decisions["called"] = decisions["max"] > ARGMAX
    curves = pd.DataFrame(points, columns=[*_IDENTITY, "false_positives", "sensitivity"])
    return Slides(decisions, _sorted(curves, order))


def _sorted(table: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """By configuration in this order and by seed; else as it is."""
    places = table.configuration.map(order.index)
    keys = pd.DataFrame({"place": places, "seed": table.seed}).sort_values(["place", "seed"], kind="stable")
    return table.loc[keys.index].reset_index(drop=True)


def doubtful(slides: Slides, score: str) -> pd.DataFrame:
    """label, slide, tumour, called (in how many seeds) and seeds: of each slide that is called wrongly in some seed, at
    the evaluation that is a member's score, the most often wrong first."""
    own = slides.decisions[slides.decisions.evaluation == score]
    counted = own.groupby(["label", "slide"], sort=False).agg(
        tumour=("tumour", "first"), called=("called", "sum"), seeds=("seed", "size")
    )
    counted["wrong"] = np.where(counted.tumour, counted.seeds - counted.called, counted.called) / counted.seeds
    ranked = counted[counted.wrong > 0].reset_index().sort_values("wrong", ascending=False, kind="stable")
    return ranked.drop(columns="wrong").reset_index(drop=True)


@styled
def draw(slides: Slides, score: str) -> Drawn | None:
    """FROC curves, a line a seed; None where there are none."""
    own = slides.curves[slides.curves.evaluation == score]
    if not len(own):
        return None
    groups = list(own.groupby("label", sort=False))[:MOST_PANELS]
    figure, axes = panels(len(groups), sharex=True, sharey=True)
    for axis, (label, group) in zip(axes, groups, strict=True):
        for seed, curve in group.groupby("seed"):
            lines = axis.plot(curve.false_positives, curve.sensitivity, color="0.65", lw=0.8)
            tie(str(label), *lines, words=f"{label}, seed {seed}")
        median = group.groupby("false_positives").sensitivity.median()
        tie(str(label), *axis.plot(median.index, median, color="#0072b2", lw=2), words=f"{label}: the median")
        axis.set_xscale("log", base=2)
        axis.set_xticks([0.125, 0.5, 2, 8], ["1/8", "1/2", "2", "8"])
        axis.minorticks_off()
        axis.set_ylim(-0.02, 1.02)
        axis.set_title(title(str(label)))
    label_outer(axes, "false positives a slide", "share of lesions found")
    more = own.label.nunique() - len(groups)
    left = f" {more} more configurations are in tables/froc.csv." if more else ""
    caption = (
        "FROC on the test slides: grey, a line a seed; blue, the median of the seeds. Candidates are the middles of "
        f"patches that touch no better one.{left}"
    )
    return Drawn(figure, caption, own)
