import itertools
import math

import numpy as np
import pytest
from scipy import stats

from seedsweep.analysis.statistics import proportions
from seedsweep.analysis.statistics.proportions import (
    boschloo,
    clopper_pearson,
    difference,
    same_share,
)


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
    assert boschloo(first, second) == pytest.approx(boschloo_by_enumeration(first, second), rel=1e-5)
    assert boschloo(first, second) == pytest.approx(boschloo(second, first), rel=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_boschloo_against_scipys(seed):
    m, n = np.random.default_rng(seed).integers(2, 30, 2)
    a, b = np.random.default_rng(seed).integers(0, [m + 1, n + 1])
    expected = min(1, stats.boschloo_exact([[a, b], [m - a, n - b]], n=128).pvalue)
    assert boschloo((int(a), int(m)), (int(b), int(n))) == pytest.approx(expected, rel=1e-5)


def test_boschloo_of_many_seeds():
    expected = stats.boschloo_exact([[130, 102], [70, 98]], n=64).pvalue
    assert boschloo((130, 200), (102, 200)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("converged", "members"), [(0, 7), (7, 7), (3, 40), (500, 1000)])
def test_intervals_against_scipys(converged, members):
    expected = stats.binomtest(converged, members).proportion_ci(0.9, method="exact")
    assert clopper_pearson(converged, members, 0.9) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("first", "second"), [((0, 5), (0, 9)), ((5, 5), (9, 9)), ((0, 0), (3, 4)), ((2, 5), (2, 5))])
def test_boschloo_of_equal_or_empty_groups_is_1(first, second):
    assert boschloo(first, second) == 1


def bounds(m, n, confidence=0.95):
    """Intervals of all tables, [2, m+1, n+1]."""
    table = [[difference((k, m), (l, n), confidence) for l in range(n + 1)] for k in range(m + 1)]
    return np.moveaxis(np.array(table), -1, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("m", "n", "confidence"),
    [(size, size, confidence) for size in (1, 3, 5, 12) for confidence in (0.6, 0.95, 0.999)]
    + [(30, 30, 0.95), (1, 40, 0.95), (1, 40, 0.6), (12, 5, 0.95), (7, 20, 0.99), (2, 30, 0.8)],
)
def test_the_interval_of_a_difference_leaves_out_0_exactly_where_the_test_rejects(m, n, confidence):
    low, high = bounds(m, n, confidence)
    for k, l in itertools.product(range(m + 1), range(n + 1)):
        found = boschloo((k, m), (l, n)) < 1 - confidence
        assert (low[k, l] > 0 or high[k, l] < 0) == found, (k, l)


def test_one_seed_that_converged_is_not_better_than_38_of_40():
    low, high = difference((1, 1), (38, 40))
    assert low < -0.9 < 0 < high < 0.4


@pytest.mark.slow
@pytest.mark.parametrize("members", [5, 12, 20, 30])
def test_the_interval_of_a_difference_holds_at_least_as_often_as_it_says(members):
    """Exact, over both P(converge)."""
    low, high = bounds(members, members)
    p = np.concatenate([[0.001, 0.004], np.linspace(0.01, 0.99, 60), [0.996, 0.999]])
    chance = stats.binom.pmf(np.arange(members + 1), members, p[:, None])
    for i, j in itertools.product(range(len(p)), repeat=2):
        holds = (low <= p[i] - p[j]) & (p[i] - p[j] <= high)
        assert chance[i] @ holds @ chance[j] >= 0.95, (p[i], p[j])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("m", "n", "confidence"), [(5, 5, 0.99), (12, 12, 0.95), (3, 12, 0.95), (5, 20, 0.8), (30, 30, 0.95), (40, 1, 0.99)]
)
def test_each_side_holds_where_it_is_tightest(m, n, confidence):
    """Just below a bound its table has joined those whose bound is above; the worst P(converge) of each difference."""
    low, _ = bounds(m, n, confidence)
    ends = np.unique(low[(low > -1) & (low != 0)])
    for at in ends[:: 1 + len(ends) // 80] - 1e-6:
        q = np.linspace(max(0, -at), min(1, 1 - at), 400)
        own = stats.binom.pmf(np.arange(m + 1), m, (q + at).clip(0, 1)[:, None])
        missed = np.einsum("pk,kl,pl->p", own, low > at, stats.binom.pmf(np.arange(n + 1), n, q[:, None]))
        assert missed.max() <= (1 - confidence) / 2 + 1e-7, at


@pytest.mark.slow
@pytest.mark.parametrize(("m", "n"), [(6, 6), (12, 12), (4, 11)])
def test_more_confidence_gives_a_wider_interval(m, n):
    intervals = [bounds(m, n, confidence) for confidence in (0.8, 0.9, 0.95, 0.99, 0.999)]
    for (low, high), (wider_low, wider_high) in itertools.pairwise(intervals):
        assert (wider_low <= low + 1e-7).all()
        assert (wider_high >= high - 1e-7).all()
    assert (intervals[-1][0] < intervals[0][0]).mean() > 0.7


@pytest.mark.parametrize(("m", "n"), [(12, 12), (4, 11)])
def test_bounds_of_a_difference_follow_the_counts_and_hold_the_estimate(m, n):
    low, high = bounds(m, n)
    estimate = np.subtract.outer(np.arange(m + 1) / m, np.arange(n + 1) / n)
    assert ((low <= estimate) & (estimate <= high)).all()
    for bound in (low, high):
        assert (np.diff(bound, axis=0) >= -1e-7).all()
        assert (np.diff(bound, axis=1) <= 1e-7).all()
    # Swapped, and converged taken for not converged
    np.testing.assert_array_equal(bounds(n, m), -np.stack([high.T, low.T]))
    np.testing.assert_allclose(-high[::-1, ::-1], low, atol=1e-6)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize("members", [1, 5, 40])
def test_the_most_extreme_table_by_hand(members, confidence):
    # p^n (1 - p + d)^n is largest at p = (1 + d) / 2
    low = 2 * ((1 - confidence) / 2) ** (1 / (2 * members)) - 1
    if low > 0:
        assert difference((members, members), (0, members), confidence) == pytest.approx((low, 1), abs=1e-6)
    else:
        assert difference((members, members), (0, members), confidence)[0] <= low + 1e-6


def test_groups_that_all_converged_are_alike_to_a_few_points():
    low, high = difference((40, 40), (40, 40))
    # Of 40 of 40 the exact interval of P(converge) alone starts at .912.
    assert high == -low
    assert 0.08 < high < 0.1


@pytest.mark.parametrize(("first", "second"), [((0, 0), (3, 4)), ((3, 4), (0, 0)), ((0, 0), (0, 0))])
def test_without_members_nothing_is_known_of_a_difference(first, second):
    assert difference(first, second) == (-1, 1)


def same_share_by_enumeration(counts):
    """The definition: all tables with the same pooled count."""
    sizes, pooled = [n for _, n in counts], sum(k for k, _ in counts)

    def chi_square(ks):
        return sum((k - n * pooled / sum(sizes)) ** 2 / n for k, n in zip(ks, sizes, strict=True))

    own, above = chi_square([k for k, _ in counts]), 0
    for ks in itertools.product(*(range(n + 1) for n in sizes)):
        if sum(ks) == pooled and chi_square(ks) >= own - 1e-9:
            above += math.prod(math.comb(n, k) for n, k in zip(sizes, ks, strict=True))
    return above / math.comb(sum(sizes), pooled)


@pytest.mark.parametrize(
    "counts",
    [
        [(3, 4), (1, 4), (0, 4)],
        [(2, 3), (5, 5), (1, 7)],
        [(1, 1), (0, 2), (6, 9), (4, 4)],
        [(5, 5)] + [(0, 3)] * 4,
        [(2, 4), (2, 4)],
    ],
)
def test_same_share_against_its_definition(counts):
    assert same_share(counts) == pytest.approx(same_share_by_enumeration(counts), rel=1e-9)
    assert {same_share(order) for order in itertools.permutations(counts)} == {same_share(counts)}


@pytest.mark.parametrize(("first", "second"), [((9, 12), (4, 12)), ((30, 40), (21, 40)), ((1500, 3000), (1560, 3000))])
def test_same_share_of_two_equal_groups_is_fishers_exact_test(first, second):
    """The last one takes random deals: three standard errors."""
    expected = stats.fisher_exact([[first[0], second[0]], [first[1] - first[0], second[1] - second[0]]]).pvalue
    error = 3 * np.sqrt(expected / 10_000) if first[1] > 100 else 1e-9
    assert same_share([first, second]) == pytest.approx(expected, abs=error)


@pytest.mark.parametrize("sizes", [(4, 4, 4), (12, 12), (2, 5, 9), (5, 5, 5, 5)])
def test_same_share_keeps_its_size_exactly(sizes):
    tables = list(itertools.product(*(range(n + 1) for n in sizes)))
    p_values = np.array([same_share(list(zip(ks, sizes, strict=True))) for ks in tables])
    for p in (0.02, 0.1, 0.3, 0.5, 0.8):
        pmfs = [stats.binom.pmf(np.arange(n + 1), n, p) for n in sizes]
        chance = np.array([math.prod(pmf[k] for pmf, k in zip(pmfs, ks, strict=True)) for ks in tables])
        for level in (0.005, 0.025, 0.05, 0.2):
            assert chance[p_values <= level].sum() <= level


def test_same_share_of_many_groups():
    rng = np.random.default_rng(0)
    for groups in ([(int(k), 12) for k in rng.binomial(12, 0.5, 200)], [(10 + k // 3, 20 + k) for k in range(60)]):
        expected = stats.chi2_contingency([[k for k, _ in groups], [n - k for k, n in groups]]).pvalue
        assert same_share(groups) == pytest.approx(expected, abs=0.02)
        assert same_share(groups[::-1]) == same_share(groups)
    # The least that random deals can give
    assert same_share([(12, 12), (0, 12)] * 100) == pytest.approx(1e-4)


@pytest.mark.parametrize("counts", [[], [(3, 5)], [(3, 5), (0, 0)], [(0, 5), (0, 7)], [(5, 5), (7, 7), (0, 0)]])
def test_same_share_where_nothing_can_differ_is_1(counts):
    assert same_share(counts) == 1


def test_clopper_pearson_against_its_definition_and_published_value():
    # Newcombe 1998, table I, method 5
    assert clopper_pearson(81, 263) == pytest.approx((0.2527, 0.3676), abs=1e-4)
    low, high = clopper_pearson(7, 12)
    assert stats.binom.sf(6, 12, low) == pytest.approx(0.025)
    assert stats.binom.cdf(7, 12, high) == pytest.approx(0.025)
    assert clopper_pearson(0, 0) == (0, 1)


def test_of_many_members_the_limit_is_near_what_is_exact_and_agrees_with_the_test(monkeypatch):
    tables = [((90, 150), (60, 150)), ((149, 150), (140, 150)), ((20, 180), (31, 190)), ((75, 150), (74, 150))]
    exact = [(boschloo(*table), *difference(*table)) for table in tables]
    monkeypatch.setattr(proportions, "MOST_TABLES", 1000)
    boschloo.cache_clear()
    for table, known in zip(tables, exact, strict=True):
        p, low, high = boschloo(*table), *difference(*table)
        assert (p, low, high) == pytest.approx(known, abs=0.05)
        assert (low > 0 or high < 0) == (p < 0.05)
    boschloo.cache_clear()
