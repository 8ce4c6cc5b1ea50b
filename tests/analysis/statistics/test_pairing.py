import itertools

import numpy as np
import pytest
from scipy import stats

from seedsweep.analysis.statistics.pairing import compared, correlation, mcnemar, signed_rank

NAN = np.nan


def by_enumeration(first, second, statistic):
    """Twice the smaller tail of a statistic of the differences over all of their signs, at most 1."""
    differences = np.where(np.array(first) == np.array(second), 0.0, np.array(first, float) - np.array(second, float))
    signs = itertools.product([-1, 1], repeat=len(differences))
    found = np.array([statistic(np.array(sign) * np.abs(differences)) for sign in signs])
    own = statistic(differences)
    return min(1.0, 2 * min(np.mean(found <= own + 1e-9), np.mean(found >= own - 1e-9)))


def positive_ranks(differences):
    own = differences[differences != 0]
    return stats.rankdata(np.abs(own))[own > 0].sum()


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 2, 5, 11])
@pytest.mark.parametrize("levels", [2, 4, 50])
def test_signed_ranks_against_all_signs(seeds, levels):
    rng = np.random.default_rng(seeds * levels)
    for _ in range(3):
        # Halves: their differences are exact.
        first, second = rng.integers(0, levels, (2, seeds)) / 2
        assert signed_rank(first + 0.5, second) == pytest.approx(by_enumeration(first + 0.5, second, positive_ranks))


@pytest.mark.parametrize("seeds", [6, 25, 49])
def test_signed_ranks_without_ties_against_scipys(seeds):
    first, second = np.random.default_rng(seeds).normal(size=(2, seeds)) + np.array([[0.3], [0]])
    assert signed_rank(first, second) == pytest.approx(stats.wilcoxon(first, second, method="exact").pvalue)


def test_signed_ranks_beyond_the_counted_ones_go_on_smoothly():
    first, second = np.round(np.random.default_rng(0).normal(size=(2, 301)), 1) + np.array([[0.15], [0]])
    all_but_one = signed_rank(first[:-1], second[:-1])
    assert signed_rank(np.append(first[:-1], 0), np.append(second[:-1], 0)) == all_but_one
    # One difference more, of no weight.
    near = signed_rank(np.append(first[:-1], 1e-3), np.append(second[:-1], 0))
    assert near == pytest.approx(all_but_one, rel=0.05)


def test_differences_that_are_equal_but_for_rounding_tie():
    first, second = np.array([0.3, 0.2, 0.9, 0.7, 0.1]), np.array([0.2, 0.1, 0.5, 0.9, 0.5])
    assert signed_rank(first, second) == signed_rank(10 * first, 10 * second) == signed_rank(100 * first, 100 * second)


def test_a_diverged_member_is_below_every_number():
    # The two diverged ones against a number tie, as they do at -9.
    first, second = [0.9, 0.8, 0.7, NAN, 0.9, NAN], [0.1, NAN, 0.6, NAN, 0.3, 0.8]
    low = np.nan_to_num(first, nan=-9), np.nan_to_num(second, nan=-9)
    assert signed_rank(first, second) == pytest.approx(by_enumeration(*low, positive_ranks), rel=1e-6)
    assert list(compared(first, second)) == [1, 1, 1, 0.5, 1, 0]
    assert correlation(first, second) == pytest.approx(correlation(*low))


@pytest.mark.parametrize("seeds", [1, 4, 12])
def test_mcnemar_against_all_signs(seeds):
    rng = np.random.default_rng(seeds)
    for _ in range(4):
        first, second = rng.random((2, seeds)) < np.array([[0.8], [0.4]])
        assert mcnemar(first, second) == pytest.approx(by_enumeration(first, second, lambda d: np.sum(d > 0)))


@pytest.mark.parametrize("seed", range(3))
def test_mcnemar_is_the_test_of_a_fair_coin(seed):
    first, second = np.random.default_rng(seed).random((2, 40)) < 0.5
    differ = int(np.sum(first != second))
    assert mcnemar(first, second) == pytest.approx(stats.binomtest(int(np.sum(first & ~second)), differ).pvalue)


@pytest.mark.parametrize("test", [mcnemar, signed_rank])
def test_pairs_that_do_not_differ_show_nothing(test):
    assert test([], []) == test([1, 0, 1], [1, 0, 1]) == 1
    assert test([1, 0, 1, 0], [0, 1, 0, 1]) == 1


@pytest.mark.parametrize("test", [mcnemar, signed_rank])
def test_both_directions_have_one_p(test):
    first, second = np.random.default_rng(1).random((2, 20)) < np.array([[0.9], [0.5]])
    assert test(first, second) == test(second, first)


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.05, 0.3])
@pytest.mark.parametrize("levels", [2, 3, 30])
def test_of_all_signs_of_the_differences_no_more_than_the_level_are_rejected(levels, level):
    first, second = np.random.default_rng(levels).integers(0, levels, (2, 10))
    swaps = np.array(list(itertools.product([False, True], repeat=10)))
    pairs = list(zip(np.where(swaps, first, second), np.where(swaps, second, first), strict=True))
    tests = [signed_rank, mcnemar] if levels == 2 else [signed_rank]
    for test in tests:
        assert np.mean([test(*pair) <= level for pair in pairs]) <= level


def test_the_correlation_of_flags_is_phi():
    first = [1, 1, 1, 1, 0, 0, 0, 0, 0, 1]
    second = [1, 1, 1, 0, 0, 0, 0, 0, 1, 1]
    # 4 both, 1 the first alone, 1 the second alone, 4 neither
    assert correlation(first, second) == pytest.approx((4 * 4 - 1 * 1) / 25)


def test_the_correlation_of_scores_is_that_of_ranks():
    first, second = np.random.default_rng(2).normal(size=(2, 30)).round(1)
    assert correlation(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert correlation(np.exp(first), second**3) == pytest.approx(correlation(first, second))


@pytest.mark.parametrize(("first", "second"), [([1, 1, 1], [0, 1, 0]), ([0.1, 0.2], [NAN, NAN]), ([], []), ([1], [0])])
def test_without_variation_there_is_no_correlation(first, second):
    assert np.isnan(correlation(first, second))


@pytest.mark.parametrize("function", [compared, correlation, mcnemar, signed_rank])
def test_pairs_need_as_many_of_each(function):
    with pytest.raises(ValueError, match="3 and 2"):
        function([1, 0, 1], [1, 0])


def test_a_comparison_of_flags_is_what_is_bet_on():
    first, second = np.random.default_rng(3).random((2, 50)) < 0.5
    assert np.array_equal(compared(first, second), (1 + first - second.astype(float)) / 2)
