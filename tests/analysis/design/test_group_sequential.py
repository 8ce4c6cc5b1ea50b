"""Levels of several looks against published ones and against independent simulations."""

import numpy as np
import pytest
from scipy import stats

from seedsweep.analysis.design.group_sequential import nominal, overall, overall_of_several

#: Pocock 1977, table 1 (Jennison & Turnbull 2000, table 2.1): nominal levels of equally spaced looks that keep 5 %.
POCOCK = {1: 0.05, 2: 0.0294, 3: 0.0221, 4: 0.0182, 5: 0.0158, 10: 0.0106}


@pytest.mark.parametrize(("looks", "level"), POCOCK.items())
def test_published_levels(looks, level):
    sizes = tuple(8 * number for number in range(1, looks + 1))
    assert nominal(0.05, sizes) == pytest.approx(level, abs=5.1e-5)
    assert overall(level, sizes) == pytest.approx(0.05, abs=2e-4)


@pytest.mark.parametrize("sizes", [(5, 10, 20, 40), (6, 12, 24, 48, 80), (10, 11, 80)])
def test_looks_that_are_not_equally_spaced_against_a_simulation(sizes):
    rng, paths = np.random.default_rng(0), 200_000
    steps = rng.standard_normal((paths, len(sizes))) * np.sqrt(np.diff([0, *sizes]))
    smallest = 2 * stats.norm.sf(np.abs(steps.cumsum(1) / np.sqrt(sizes)).max(1))
    for p in (0.005, 0.02, 0.1):
        assert overall(p, sizes) == pytest.approx((smallest <= p).mean(), abs=4 * np.sqrt(p * len(sizes) / paths))
    assert nominal(0.05, sizes) == pytest.approx(np.quantile(smallest, 0.05), rel=0.04)


@pytest.mark.parametrize("sizes", [(), (12,)])
@pytest.mark.parametrize("p", [0.0, 1e-9, 0.03, 1.0])
def test_one_look_changes_nothing(sizes, p):
    assert overall(p, sizes) == overall_of_several(p, sizes, 3) == nominal(p, sizes) == p


@pytest.mark.parametrize("sizes", [(5, 10), (5, 10, 20, 40), tuple(range(2, 42, 2)), (1, 1000)])
@pytest.mark.parametrize("level", [0.1, 0.05, 0.025, 1e-3, 1e-6])
def test_one_is_the_inverse_of_the_other(sizes, level):
    assert overall(nominal(level, sizes), sizes) == pytest.approx(level, rel=2e-3)


@pytest.mark.parametrize("sizes", [(5, 10, 20, 40), (6, 12, 80), tuple(range(1, 41))])
def test_a_larger_p_is_a_larger_level(sizes):
    p_values = np.geomspace(1e-10, 0.999, 60)
    levels = [overall(p, sizes) for p in p_values]
    assert (np.diff(levels) > 0).all()
    assert all(p <= level <= min(1, len(sizes) * p) for p, level in zip(p_values, levels, strict=True))
    several = [overall_of_several(p, sizes, 4) for p in p_values]
    assert (np.diff(several) >= 0).all()
    assert all(p <= level <= min(1, len(sizes) * p) for p, level in zip(p_values, several, strict=True))


def test_more_looks_cost_more():
    assert overall(0.02, (10, 40)) < overall(0.02, (10, 20, 40)) < overall(0.02, (5, 10, 20, 40))


@pytest.mark.parametrize("p", [0.01, 0.02, 0.05, 0.2])
def test_one_degree_of_freedom_is_a_two_sided_test(p):
    assert overall_of_several(p, (5, 10, 20, 40), 1) == pytest.approx(overall(p, (5, 10, 20, 40)), rel=0.06)


@pytest.mark.parametrize("groups", [3, 6])
def test_several_degrees_of_freedom_against_a_simulation_of_groups(groups):
    """Means of groups as they grow, and the chi-square test that they are equal at each look."""
    rng, sizes, paths = np.random.default_rng(groups), (5, 10, 20, 40), 40_000
    sums, smallest, before = np.zeros((paths, groups)), np.ones(paths), 0
    for size in sizes:
        sums += rng.standard_normal((paths, groups)) * np.sqrt(size - before)
        before = size
        statistic = ((sums - sums.mean(1, keepdims=True)) ** 2).sum(1) / size
        smallest = np.minimum(smallest, stats.chi2.sf(statistic, groups - 1))
    for p in (0.005, 0.018, 0.05):
        expected = (smallest <= p).mean()
        error = 4 * np.sqrt(expected / paths)
        assert overall_of_several(p, sizes, groups - 1) == pytest.approx(expected, abs=error)


def test_many_configurations_are_simulated_too():
    assert 0.018 < overall_of_several(0.018, (5, 10, 20, 40), 199) < 0.072
