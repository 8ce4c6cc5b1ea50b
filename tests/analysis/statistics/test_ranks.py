import itertools

import numpy as np
import pytest
from scipy import stats

from seedsweep.analysis.statistics.ranks import rank_sum, same_scores, shift, superiority

SIZES = [(5, 5), (12, 12), (20, 20), (40, 40), (5, 12), (40, 5)]


def two_clumps(rng, upper, count):
    return np.where(rng.random(count) < upper, rng.beta(30, 2, count), rng.beta(4, 8, count))


def samples(rng, sizes, decimals=None):
    """One sample of each size, with many equal scores where they are rounded."""
    drawn = [rng.normal(0.3 * index, 1, size) for index, size in enumerate(sizes)]
    return drawn if decimals is None else [np.round(values, decimals) for values in drawn]


def by_enumeration(first, second):
    pooled = stats.rankdata(np.concatenate([first, second]))
    sums = np.array([sum(chosen) for chosen in itertools.combinations(pooled, len(first))])
    seen = pooled[: len(first)].sum()
    return min(1.0, 2 * min((sums <= seen + 1e-9).mean(), (sums >= seen - 1e-9).mean()))


@pytest.mark.parametrize("sizes", [(1, 1), (1, 5), (4, 2), (3, 3), (5, 6), (7, 4)])
@pytest.mark.parametrize("decimals", [0, 1, None])
def test_rank_sum_against_all_permutations(sizes, decimals):
    rng = np.random.default_rng(sum(sizes))
    for _ in range(20):
        first, second = samples(rng, sizes, decimals)
        assert rank_sum(first, second) == pytest.approx(by_enumeration(first, second), rel=1e-12)


@pytest.mark.parametrize("sizes", SIZES)
def test_rank_sum_without_ties_is_scipys_exact_one(sizes):
    rng = np.random.default_rng(1)
    for _ in range(5):
        first, second = samples(rng, sizes)
        expected = stats.mannwhitneyu(first, second, method="exact").pvalue
        assert rank_sum(first, second) == pytest.approx(expected, rel=1e-9)
        assert rank_sum(second, first) == pytest.approx(expected, rel=1e-9)


def test_rank_sum_of_many_is_approximate_and_near():
    rng = np.random.default_rng(2)
    first, second = samples(rng, (90, 110), 1)
    expected = stats.mannwhitneyu(first, second, method="asymptotic").pvalue
    assert rank_sum(first, second) == pytest.approx(expected, rel=1e-9)
    assert rank_sum(np.ones(300), np.ones(200)) == 1
    # The largest exact ones are near it, too.
    first, second = samples(rng, (70, 70), 1)
    expected = stats.mannwhitneyu(first, second, method="asymptotic").pvalue
    assert rank_sum(first, second) == pytest.approx(expected, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(5, 5), (12, 12), (5, 12)])
@pytest.mark.parametrize("kind", ["grid", "clumps", "diverged"])
def test_rank_sum_keeps_its_level_with_ties(sizes, kind):
    rng = np.random.default_rng(3)

    def draw(count):
        if kind == "grid":
            return rng.binomial(4, 0.7, count)
        values = two_clumps(rng, 0.6, count)
        return values if kind == "clumps" else np.where(rng.random(count) < 0.3, np.nan, np.round(values, 1))

    found = np.array([rank_sum(draw(sizes[0]), draw(sizes[1])) for _ in range(2000)])
    for level in (0.05, 0.2):
        assert (found <= level).mean() <= level + 2.5 * np.sqrt(level * (1 - level) / len(found))


@pytest.mark.parametrize("decimals", [1, None])
def test_tests_and_superiority_know_nothing_but_the_order(decimals):
    first, second, third = samples(np.random.default_rng(4), (12, 9, 14), decimals)
    first[:2] = np.nan

    def curved(values):
        return np.exp(3 * values) - 5

    assert rank_sum(curved(first), curved(second)) == rank_sum(first, second)
    assert superiority(curved(first), curved(second)) == superiority(first, second)
    groups = [first, second, third]
    assert same_scores([curved(group) for group in groups]) == same_scores(groups)


def test_a_diverged_member_is_below_every_number():
    diverged, low = np.array([np.nan, 1, 2, 3, np.inf]), np.array([-1e9, 1, 2, 3, -1e9])
    other = np.array([0.5, 2.5, 4, 5])
    assert rank_sum(diverged, other) == rank_sum(low, other)
    assert superiority(diverged, other) == superiority(low, other)
    assert same_scores([diverged, other]) == same_scores([low, other])
    assert superiority(np.array([np.nan, 2]), np.array([-5.0]))[0] == 0.5
    everyone = np.full(12, np.nan)
    assert rank_sum(everyone, everyone) == same_scores([everyone, everyone]) == 1
    estimate, low, high = superiority(everyone, everyone)
    assert (estimate, low) == (0.5, pytest.approx(1 - high))
    assert rank_sum(everyone, np.arange(12.0)) < 1e-4


@pytest.mark.parametrize("empty", [(0, 0), (0, 5), (5, 0)])
def test_nothing_is_said_of_no_scores(empty):
    first, second = np.arange(empty[0]) + 0.5, np.arange(empty[1]) + 0.5
    assert rank_sum(first, second) == same_scores([first, second]) == 1
    assert np.isnan(superiority(first, second)[0])
    assert superiority(first, second)[1:] == (0, 1)
    assert np.isnan(shift(first, second)[0])
    assert shift(first, second)[1:] == (-np.inf, np.inf)


def test_nothing_is_sure_of_one_score_each():
    assert rank_sum(np.ones(1), np.zeros(1)) == 1
    estimate, low, high = superiority(np.ones(1), np.zeros(1))
    assert (estimate, high) == (1, 1)
    assert low == pytest.approx(0.025)
    assert shift(np.ones(1), np.zeros(1)) == (1, -np.inf, np.inf)


@pytest.mark.parametrize(
    ("first", "second", "wins"), [([1, 2, 3], [0, 0], 1), ([1, 2], [1, 2], 0.5), ([3], [1, 3], 0.75)]
)
def test_superiority_by_hand(first, second, wins):
    found, low, high = superiority(np.array(first), np.array(second))
    assert found == wins
    assert 0 <= low < high <= 1
    assert superiority(np.array(second), np.array(first)) == pytest.approx((1 - found, 1 - high, 1 - low))


def test_superiority_of_seeds_that_all_win_is_a_proportion_of_all():
    for seeds in (5, 12, 40):
        _, low, high = superiority(np.arange(seeds) + 100, np.arange(seeds))
        assert (low, high) == (pytest.approx(0.025 ** (1 / seeds)), 1)


@pytest.mark.parametrize("sizes", [*SIZES, (3, 3), (2, 9)])
@pytest.mark.parametrize("decimals", [0, 1, None])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.995])
def test_intervals_leave_out_equality_only_where_the_test_rejects(sizes, decimals, confidence):
    rng = np.random.default_rng(5)
    for distance in np.linspace(0, 3, 25):
        first, second = samples(rng, sizes, decimals)
        first = np.where(rng.random(len(first)) < 0.1 * (decimals == 0), np.nan, first + distance)
        rejected = rank_sum(first, second) < 1 - confidence - 1e-12
        _, low, high = shift(first, second, confidence)
        if decimals is None:
            assert (low <= 0 <= high) == (not rejected)
        _, least, most = superiority(first, second, confidence)
        assert rejected or (low <= 0 <= high and least <= 0.5 <= most)


@pytest.mark.parametrize("sizes", [(5, 5), (12, 12), (40, 12)])
def test_shift_moves_and_grows_with_the_scores(sizes):
    first, second = samples(np.random.default_rng(6), sizes)
    estimate, low, high = shift(first, second)
    assert low < estimate < high
    assert estimate == pytest.approx(np.median(np.subtract.outer(first, second)))
    assert shift(first + 7, second) == pytest.approx((estimate + 7, low + 7, high + 7))
    assert shift(100 * first, 100 * second) == pytest.approx((100 * estimate, 100 * low, 100 * high))
    assert shift(second, first) == pytest.approx((-estimate, -high, -low))
    # Equal scores move together, as on another scale.
    first, second = np.round(first), np.round(second)
    assert shift(4 * first + 8, 4 * second + 8) == tuple(4 * value for value in shift(first, second))


def test_shift_of_so_few_has_no_bounds():
    assert shift(np.arange(3) + 9, np.arange(3)) == (9, -np.inf, np.inf)
    assert shift(np.arange(4) + 9, np.arange(4)) == (9, 6, 12)  # 2 of 70 permutations: p = .029


def test_shift_where_diverged_members_decide():
    numbers = np.arange(12.0)
    some = np.where(numbers < 9, np.nan, numbers)
    everyone = np.full(12, np.nan)
    assert shift(numbers, some)[0] == shift(numbers, some)[2] == np.inf
    assert shift(everyone, numbers) == (-np.inf, -np.inf, -np.inf)
    assert np.isnan(shift(everyone, everyone)[0])
    assert shift(everyone, everyone)[1:] == (-np.inf, np.inf)
    # Three of twelve on both sides: the difference of the others, within finite bounds.
    few = np.where(numbers < 3, np.nan, numbers)
    estimate, low, high = shift(few + 1, few)
    assert estimate == 1
    assert -12 < low < 1 < high < 12


@pytest.mark.slow
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", ["clumps", "grid", "diverged"])
def test_shift_holds_a_difference_of_location(sizes, kind):
    rng = np.random.default_rng(7)
    held = []
    for _ in range(500):
        first, second = (two_clumps(rng, 0.5, size) for size in sizes)
        if kind != "clumps":
            first, second = np.round(first * 8), np.round(second * 8)
        if kind == "diverged":
            first, second = (np.where(rng.random(len(values)) < 0.3, np.nan, values) for values in (first, second))
        _, low, high = shift(first + 2, second)
        held.append(low <= 2 <= high)
    assert np.mean(held) >= 0.93


#: Two samplers of so many scores, and how often a score of the first is above one of the second, ties by half.
PAIRS = {
    "equal normals": (lambda rng, n: rng.normal(0, 1, n), lambda rng, n: rng.normal(0, 1, n), 0.5),
    "one normal wide": (lambda rng, n: rng.normal(0, 5, n), lambda rng, n: rng.normal(0, 1, n), 0.5),
    # Of 40 wide ones about two are not above all: most samples show less variance than there is.
    "one normal wide and far": (
        lambda rng, n: rng.normal(stats.norm.ppf(0.95) * 26**0.5, 5, n),
        lambda rng, n: rng.normal(0, 1, n),
        0.95,
    ),
    "normals far apart": (
        lambda rng, n: rng.normal(stats.norm.ppf(0.98) * 2**0.5, 1, n),
        lambda rng, n: rng.normal(0, 1, n),
        0.98,
    ),
    "clumps around one value": (lambda rng, n: two_clumps(rng, 0.9, n), lambda rng, n: np.full(n, 0.75), None),
    "converged or not": (lambda rng, n: rng.binomial(1, 0.95, n), lambda rng, n: rng.binomial(1, 0.8, n), 0.575),
    "a ceiling": (lambda rng, n: np.ones(n), lambda rng, n: rng.binomial(1, 0.9, n), 0.55),
    "diverged": (
        lambda rng, n: np.where(rng.random(n) < 0.3, np.nan, rng.normal(0, 1, n)),
        lambda rng, n: rng.normal(0, 1, n),
        0.35,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(5, 5), (12, 12), (5, 40), (40, 40)])
@pytest.mark.parametrize("kind", PAIRS)
def test_superiority_holds_the_truth(sizes, kind):
    one, other, true = PAIRS[kind]
    if true is None:
        true = (one(np.random.default_rng(0), 400_000) > 0.75).mean()
    rng = np.random.default_rng(8)
    held = []
    for _ in range(300):
        _, low, high = superiority(one(rng, sizes[0]), other(rng, sizes[1]))
        held.append(low - 1e-3 <= true <= high + 1e-3)
    assert np.mean(held) >= 0.93


def test_scores_of_more_seeds_are_surer():
    rng = np.random.default_rng(9)
    for interval in (superiority, shift):
        widths = []
        for seeds in (5, 12, 40, 160):
            bounds = [interval(*samples(rng, (seeds, seeds))) for _ in range(30)]
            widths.append(np.mean([high - low for _, low, high in bounds]))
        assert (np.diff(widths) < 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "seeds"), [(2, 12), (6, 5)])
def test_same_scores_keeps_its_level_with_ties(groups, seeds):
    rng = np.random.default_rng(10)
    found = np.array([same_scores(list(rng.binomial(4, 0.7, (groups, seeds)))) for _ in range(400)])
    assert (found <= 0.05).mean() <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / len(found))
    assert (found <= 0.2).mean() == pytest.approx(0.2, abs=0.06)


def test_same_scores_against_all_permutations():
    groups = [np.array([1.0, 2, 2]), np.array([2.0, 3]), np.array([3.0, 4])]
    ranks = stats.rankdata(np.concatenate(groups))

    def statistic(order):
        parts = np.split(ranks[list(order)], [3, 5])
        return sum(part.sum() ** 2 / len(part) for part in parts)

    every = np.array([statistic(order) for order in itertools.permutations(range(7))])
    expected = (every >= every[0] - 1e-9).mean()
    assert same_scores(groups) == pytest.approx(expected, abs=0.01)


def test_same_scores_is_near_its_approximation_and_finds_one_that_differs():
    rng = np.random.default_rng(11)
    groups = samples(rng, (30, 40, 35))
    assert same_scores(groups) == pytest.approx(stats.kruskal(*groups).pvalue, abs=0.01)
    equal = list(rng.normal(0, 1, (7, 5)))
    assert same_scores([*equal, rng.normal(9, 1, 5)]) < 0.05


def test_same_scores_whatever_the_order():
    rng = np.random.default_rng(12)
    groups = samples(rng, (5, 12, 9, 5), 1)
    found = same_scores(groups)
    for order in itertools.islice(itertools.permutations(groups), 0, 24, 5):
        assert same_scores([rng.permutation(group) for group in order]) == found
    assert same_scores([*groups, np.zeros(0)]) == found


def test_same_scores_of_nothing_that_differs():
    assert same_scores([]) == same_scores([np.arange(4.0)]) == 1
    assert same_scores([np.ones(4), np.ones(3), np.ones(5)]) == 1


def test_a_value_that_was_asked_for_before_is_the_same_and_another_is_not():
    """Results are kept by the scores, not by the array."""
    values, other = np.arange(6.0), np.arange(6) + 1.5

    def found():
        return rank_sum(values, other), superiority(values, other), shift(values, other), same_scores([values, other])

    first = found()
    assert found() == first
    values[0] = 9
    assert all(new != old for new, old in zip(found(), first, strict=True))
