import itertools

import numpy as np
import pytest
from scipy import stats

from seedsweep.analysis.statistics.proportions import (
    boschloo,
    clopper_pearson,
    holm,
    jeffreys,
    minimum_detectable,
    pairwise,
    power,
    probability_greater,
    rejected,
    seeds_for_power,
    wilson,
)


def test_wilson_against_its_published_value_and_formula():
    # Newcombe 1998, table I: 81 of 263, and the specification's 2 of 10
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(2, 10) == pytest.approx((0.057, 0.510), abs=1e-3)
    z, k, n = stats.norm.ppf(0.975), 7, 12
    centre, half = (k + z * z / 2) / (n + z * z), z / (n + z * z) * np.sqrt(k * (n - k) / n + z * z / 4)
    assert wilson(k, n) == pytest.approx((centre - half, centre + half))


def test_wilson_without_members_says_nothing():
    assert wilson(0, 0) == (0, 1)


def boschloo_by_enumeration(first, second, grid=4000):
    """The definition: the largest probability, over the common p, of tables whose Fisher p is at most the observed."""
    (a, m), (b, n) = first, second
    p = np.linspace(0, 1, grid)
    sides = []
    for alternative in ("less", "greater"):
        fisher = {
            (x, y): stats.fisher_exact([[x, y], [m - x, n - y]], alternative=alternative).pvalue
            for x, y in itertools.product(range(m + 1), range(n + 1))
        }
        total = np.zeros(grid)
        for (x, y), value in fisher.items():
            if value <= fisher[a, b] * (1 + 1e-9):
                total += stats.binom.pmf(x, m, p) * stats.binom.pmf(y, n, p)
        sides.append(total.max())
    return min(1.0, 2 * min(sides))


@pytest.mark.parametrize(("first", "second"), [((9, 12), (4, 12)), ((0, 5), (4, 5)), ((3, 8), (6, 10))])
def test_boschloo_against_its_definition(first, second):
    assert boschloo(first, second) == pytest.approx(boschloo_by_enumeration(first, second), rel=0.02)
    assert boschloo(first, second) == pytest.approx(boschloo(second, first), rel=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_boschloo_against_scipys(seed):
    m, n = np.random.default_rng(seed).integers(2, 30, 2)
    a, b = np.random.default_rng(seed).integers(0, [m + 1, n + 1])
    expected = min(1, stats.boschloo_exact([[a, b], [m - a, n - b]], n=128).pvalue)
    assert boschloo((int(a), int(m)), (int(b), int(n))) == pytest.approx(expected, rel=1e-5)


def test_boschloo_of_many_seeds():
    expected = stats.boschloo_exact([[130, 102], [70, 98]], n=64).pvalue
    assert boschloo((130, 200), (102, 200)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("interval", "method"), [(wilson, "wilson"), (clopper_pearson, "exact")])
@pytest.mark.parametrize(("converged", "members"), [(0, 7), (7, 7), (3, 40), (500, 1000)])
def test_intervals_against_scipys(interval, method, converged, members):
    expected = stats.binomtest(converged, members).proportion_ci(0.9, method=method)
    assert interval(converged, members, 0.9) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("first", "second"), [((0, 5), (0, 9)), ((5, 5), (9, 9)), ((0, 0), (3, 4)), ((2, 5), (2, 5))])
def test_boschloo_of_equal_or_empty_groups_is_1(first, second):
    assert boschloo(first, second) == 1


def test_holm_by_hand():
    # sorted .01 .02 .03 .5 times 4 3 2 1, then made increasing
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([]) == []


def test_pairs_are_adjusted_over_the_family():
    pairs = pairwise([(12, 12), (0, 12), (11, 12)])
    assert [(i, j) for i, j, *_ in pairs] == [(0, 1), (0, 2), (1, 2)]
    assert [q for *_, q in pairs] == pytest.approx(holm([p for _, _, p, _ in pairs]))
    assert pairs[0][3] < 0.001
    assert pairs[1][3] > 0.3


def test_clopper_pearson_against_its_definition_and_published_value():
    # Newcombe 1998, table I, method 5
    assert clopper_pearson(81, 263) == pytest.approx((0.2527, 0.3676), abs=1e-4)
    low, high = clopper_pearson(7, 12)
    assert stats.binom.sf(6, 12, low) == pytest.approx(0.025)
    assert stats.binom.cdf(7, 12, high) == pytest.approx(0.025)
    assert clopper_pearson(0, 0) == (0, 1)


@pytest.mark.parametrize(("converged", "members"), [(0, 8), (8, 8), (3, 8), (1, 40)])
def test_jeffreys_against_a_posterior_on_a_grid(converged, members):
    p = (np.arange(400_000) + 0.5) / 400_000
    mass = np.cumsum(p ** (converged - 0.5) * (1 - p) ** (members - converged - 0.5))
    low, high = np.interp([0.025, 0.975], mass / mass[-1], p)
    expected = (low if converged else 0, high if converged < members else 1)
    assert jeffreys(converged, members) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(
    ("first", "second"), [((9, 12), (4, 12)), ((0, 5), (0, 9)), ((12, 12), (11, 12)), ((0, 0), (3, 3))]
)
def test_probability_greater_against_draws(first, second):
    rng = np.random.default_rng(0)
    a, b = (rng.beta(k + 0.5, n - k + 0.5, 400_000) for k, n in (first, second))
    assert probability_greater(first, second) == pytest.approx((a > b).mean(), abs=4e-3)
    assert probability_greater(first, second) + probability_greater(second, first) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("seeds", [3, 7])
def test_what_the_power_takes_for_rejected_is_what_the_test_rejects(seeds):
    for k, l in itertools.product(range(seeds + 1), repeat=2):
        p = boschloo((k, seeds), (l, seeds))
        assert abs(p - 0.05) < 2e-3 or rejected(seeds, 0.05)[k, l] == (p < 0.05), (k, l, p)


def test_power_against_simulation_and_its_size():
    rng = np.random.default_rng(1)
    draws = rng.binomial(20, [0.3, 0.8], (4000, 2))
    found = rejected(20, 0.05)[draws[:, 0], draws[:, 1]].mean()
    assert power(0.3, 0.8, 20) == pytest.approx(found, abs=0.02)
    for p in np.linspace(0.02, 0.98, 13):
        assert power(p, p, 12) <= 0.0505


def test_seeds_for_power():
    # 40 a side find .2 against .5 three times of four
    assert power(0.2, 0.5, 40) == pytest.approx(0.78, abs=0.04)
    seeds = seeds_for_power(0.2, 0.5)
    assert power(0.2, 0.5, seeds) >= 0.8 > power(0.2, 0.5, seeds - 4)
    assert seeds_for_power(0.5, 0.5) is None
    assert seeds_for_power(0.5, 0.51) is None
    # On either side of where the exact power ends: p(1-p) + q(1-q) over the squared difference
    assert seeds_for_power(0.5, 0.7) == pytest.approx(7.85 * 0.46 / 0.04, rel=0.08)
    assert seeds_for_power(0.5, 0.6) == pytest.approx(7.85 * 0.49 / 0.01, rel=0.01)
    assert seeds_for_power(0.0, 1.0) <= 6


def test_minimum_detectable():
    least = minimum_detectable(0.5, 12)
    assert power(0.5, 0.5 + least, 12) == pytest.approx(0.8, abs=0.01)
    assert minimum_detectable(0.5, 24) < least
    assert minimum_detectable(0.5, 3) is None
