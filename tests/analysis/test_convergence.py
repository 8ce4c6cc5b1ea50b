import itertools

import numpy as np
import pytest
from scipy import stats

from analysis.convergence import boschloo, holm, median_time, named_best, pairwise, time_to_convergence, wilson


def test_wilson_against_its_published_value_and_formula():
    # Newcombe 1998, table I: 81 of 263, and the specification's 2 of 10
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(2, 10) == pytest.approx((0.057, 0.510), abs=1e-3)
    z, k, n = stats.norm.ppf(0.975), 7, 12
    centre, half = (k + z * z / 2) / (n + z * z), z / (n + z * z) * np.sqrt(k * (n - k) / n + z * z / 4)
    assert wilson(k, n) == pytest.approx((centre - half, centre + half))


def test_wilson_without_members_says_nothing():
    assert wilson(0, 0) == (0, 1)


def test_kaplan_meier_against_a_hand_calculation():
    # Four of six converge at 10, 10, 30 and 60 (the budget); two are censored at 60.
    steps, share = time_to_convergence(np.array([10, 30, np.nan, 10, np.nan, 60]), 60)
    seen = dict(zip(steps.tolist(), share.tolist(), strict=True))
    assert (seen[0], seen[10], seen[30], seen[60]) == pytest.approx((0, 2 / 6, 3 / 6, 4 / 6))
    assert median_time(steps, share) == 30


def test_kaplan_meier_when_nobody_or_everybody_converges():
    steps, share = time_to_convergence(np.array([np.nan, np.nan]), 60)
    assert (steps.tolist(), share.tolist()) == ([0, 60], [0, 0])
    assert np.isnan(median_time(steps, share))
    assert time_to_convergence(np.array([5.0, 7.0]), 60)[1][-1] == 1


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


@pytest.mark.parametrize("size", [2, 3, 6])
def test_named_best_against_enumeration(size):
    rng = np.random.default_rng(size)
    scores = [np.round(rng.random(rng.integers(1, 4)), 1) for _ in range(size)]  # rounding makes ties
    expected = np.zeros(size)
    draws = list(itertools.product(*scores))
    for draw in draws:
        winners = np.flatnonzero(np.array(draw) == max(draw))
        expected[winners] += 1 / len(winners) / len(draws)
    np.testing.assert_allclose(named_best(scores), expected, atol=1e-12)


def test_named_best_needs_scores():
    with pytest.raises(ValueError, match="without scores"):
        named_best([np.array([1.0]), np.array([])])
