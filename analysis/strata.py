"""Several data sets together: what configurations that are there for each of them do on average over them.

Every data set counts alike, however many seeds it has (Agarwal et al. 2021 resample within tasks likewise). Bounds of a
mean of estimates are put together from the bounds of each (MOVER: Zou & Donner 2008). Nothing is decided by it.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd

from seedsweep.analysis import labels
from seedsweep.analysis.comparison import counts
from seedsweep.analysis.pair_tests import Estimate
from seedsweep.analysis.results import Results
from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.analysis.statistics.scores import interquartile_mean

COLUMNS = ("label", "data_sets", "members", "p", "low", "high", "iqm", "iqm_low", "iqm_high")


def together(results: Results) -> pd.DataFrame:
    """A row for each setting that is there for every data set, in the order of the study: COLUMNS; empty where the
    named configurations do not have several settings on several data sets. p is the mean of P(converge), iqm that of
    the mean of the middle half of the scores, whose bounds are NaN where one data set has too few seeds for one."""
    named = [group for group in results.configurations if group.origin.iloc[0] == "named"]
    of_data = [path for path in results.varying if path.split(".")[0] == "data"]
    of_setting = [path for path in results.varying if path not in of_data]
    arms: dict[str, dict[str, pd.DataFrame]] = defaultdict(dict)
    words: dict[str, str] = {}
    names = labels.short_names(of_setting)
    for group in named:
        values = results.values.get(group.configuration.iloc[0], {})
        setting, data = (_key(values, paths) for paths in (of_setting, of_data))
        arms[setting][data] = group
        words[setting] = ", ".join(
            f"{names[path]} {labels.shown(values[path])}" for path in of_setting if path in values
        )
    sets = {data for of in arms.values() for data in of}
    whole = {setting: of for setting, of in arms.items() if set(of) == sets}
    if len(sets) < 2 or len(whole) < 2:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.DataFrame([_row(results, words[setting], list(of.values())) for setting, of in whole.items()])


def mean_of(estimates: list[Estimate]) -> Estimate:
    """The mean of independent estimates, each with its bounds, with bounds of the mean; NaN where one has none."""
    middle, low, high = (np.array(ends, float) for ends in zip(*estimates, strict=True))
    mean, count = float(middle.mean()), len(estimates)
    below, above = (math.sqrt(float(((middle - end) ** 2).sum())) / count for end in (low, high))
    return mean, mean - below, mean + above


def _row(results: Results, label: str, groups: list[pd.DataFrame]) -> dict[str, Any]:
    shares = [(k / n, *clopper_pearson(k, n)) for k, n in map(counts, groups)]
    p, iqm = mean_of(shares), mean_of([interquartile_mean(results.scores(group)) for group in groups])
    members = sum(len(group) for group in groups)
    return dict(zip(COLUMNS, (label, len(groups), members, *p, *iqm), strict=True))


def _key(values: Any, paths: list[str]) -> str:
    return json.dumps({path: values.get(path) for path in paths}, sort_keys=True, default=str)
