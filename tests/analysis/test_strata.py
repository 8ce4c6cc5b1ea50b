"""Several data sets together."""

import numpy as np
import pytest

from seedsweep.analysis import tables
from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.analysis.strata import mean_of, together


@pytest.fixture
def results(tmp_path, make_run):
    """Two settings of alpha on two data sets; the values of a configuration hang on its number."""
    values = {1: (0.5, 100), 2: (0.5, 200), 3: (1.0, 100), 4: (1.0, 200)}
    return tables.read(
        make_run(
            tmp_path / "run",
            {1: 6, 2: 12, 3: 0, 4: 3},
            path="number",
            found=False,
            values=lambda number: {"alpha": values[number][0], "data.train": values[number][1]},
        )
    )


def test_every_data_set_counts_alike(results):
    table = together(results)
    assert table.label.tolist() == ["alpha 0.5", "alpha 1"]
    assert table.data_sets.tolist() == [2, 2]
    assert table.members.tolist() == [24, 24]
    assert table.p.tolist() == pytest.approx([0.75, 0.125])
    assert (table.low < table.p).all()
    assert (table.high > table.p).all()


def test_without_every_setting_on_every_data_set_there_is_none(tmp_path, make_run, results):
    fewer = tables.read(make_run(tmp_path / "one", {1.0: 3, 0.0: 9}, found=False))
    assert together(fewer).empty


def test_bounds_of_a_mean_hold_as_often_as_those_of_each():
    rng, truth, seeds = np.random.default_rng(0), np.array([0.9, 0.6, 0.3]), 8
    bounds = [(k / seeds, *clopper_pearson(k, seeds)) for k in range(seeds + 1)]
    held = []
    for _ in range(2000):
        _, low, high = mean_of([bounds[k] for k in rng.binomial(seeds, truth)])
        held.append(low <= truth.mean() <= high)
    assert np.mean(held) >= 0.95


def test_one_estimate_keeps_its_bounds():
    assert mean_of([(0.5, 0.2, 0.9)]) == pytest.approx((0.5, 0.2, 0.9))
    assert np.isnan(mean_of([(0.5, np.nan, 0.9), (0.5, 0.2, 0.9)])[1])
