import numpy as np
import pytest
from scipy import stats

from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.analysis.statistics.scores import (
    interquartile_mean,
    median_interval,
    profile,
    quantile_interval,
    split_variance,
    tolerance,
)

#: Of seeds whose scores are alike, have ties at an end, fail in part.
VALUES = {
    "alike": 0.984 + 0.0035 * np.linspace(-1, 1, 20),
    "ties at the end": np.array([0.5, 0.75, 0.75, *[1.0] * 17]),
    "failures": np.array([*[0.0] * 6, *np.linspace(0.9, 0.95, 14)]),
}


def test_profile_by_hand():
    share, low, high = profile(np.array([0.2, 0.4, 0.4, np.nan, 0.9]), np.array([0.0, 0.3, 0.4, 1.0]))
    assert share == pytest.approx([0.8, 0.6, 0.2, 0])
    assert [(low[i], high[i]) for i in range(4)] == [pytest.approx(clopper_pearson(k, 5)) for k in (4, 3, 1, 0)]


@pytest.mark.parametrize(
    ("count", "ranks"),
    # Of tables of the sign test: .9688, .9785, .9586, .9615.
    [(1, None), (5, None), (6, (1, 6)), (12, (3, 10)), (20, (6, 15)), (40, (14, 27))],
)
def test_the_median_lies_between_ordered_values(count, ranks):
    low, high = median_interval(np.random.default_rng(0).permutation(np.arange(1.0, count + 1)))
    assert (low, high) == ranks if ranks else np.isnan([low, high]).all()


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.8])
@pytest.mark.parametrize("count", [5, 20, 60])
def test_bounds_of_quantiles_are_the_nearest_that_hold(share, count):
    low, high = quantile_interval(np.arange(1.0, count + 1), np.array([share]))

    def too_high(rank):
        """How often the value of this rank is above the quantile."""
        return stats.binom.cdf(rank - 1, count, share)

    def too_low(rank):
        return stats.binom.sf(rank - 1, count, share)

    first, last = (0 if np.isnan(low[0]) else low[0]), (count + 1 if np.isnan(high[0]) else high[0])
    assert (first == 0 or too_high(first) <= 0.025) and too_high(first + 1) > 0.025
    assert (last == count + 1 or too_low(last) <= 0.025) and too_low(last - 1) > 0.025


def test_a_member_that_diverged_is_below_every_number():
    values = np.array([np.nan, np.nan, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert median_interval(values) == (-np.inf, 5)
    assert tolerance(np.array([np.nan, *range(40)])) == (-np.inf, pytest.approx(0.05 ** (1 / 41)))


@pytest.mark.parametrize(
    ("count", "rank"),
    # Tables of Wilks' bounds: one of 29 seeds, the second of 46, the third of 61.
    [(28, None), (29, 1), (45, 1), (46, 2), (60, 2), (61, 3)],
)
def test_tolerance_bounds_are_those_of_tables(count, rank):
    bound, content = tolerance(np.arange(1.0, count + 1))
    assert bound == rank if rank else np.isnan(bound)
    assert content == pytest.approx(1 - stats.beta.ppf(0.95, 1, count))


def test_no_seed_tolerates_nothing():
    bound, content = tolerance(np.zeros(0))
    assert np.isnan(bound)
    assert content == 0


def test_interquartile_mean_hides_a_quarter_of_failures():
    assert interquartile_mean(np.array([0.0, 0, 1, 1, 1, 1, 1, 1]))[0] == 1
    assert interquartile_mean(np.array([0.0, 1, 2, 30]))[0] == 1.5
    assert np.isnan(interquartile_mean(np.zeros(0))).all()
    with pytest.raises(ValueError, match="not finite"):
        interquartile_mean(np.array([1, np.nan]))


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize(("scale", "shift"), [(100, 0), (1e-6, 0), (1, -200), (1000, 5)])
def test_intervals_go_with_the_scale(values, scale, shift):
    for interval in (interquartile_mean, median_interval, tolerance):
        own = np.array(interval(values))
        # The second of a tolerance bound is a share.
        expected = np.array([own[0] * scale + shift, own[1]]) if interval is tolerance else own * scale + shift
        np.testing.assert_allclose(interval(values * scale + shift), expected, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_less_is_better_with_the_sign_turned(values):
    estimate, low, high = interquartile_mean(values)
    turned = interquartile_mean(-values)
    assert (-turned[0], -turned[2], -turned[1]) == pytest.approx((estimate, low, high), abs=0.1 * np.ptp(values))
    assert tuple(-np.array(median_interval(-values))[::-1]) == median_interval(values)


def test_an_interval_is_no_wider_than_its_values():
    alike = VALUES["alike"]
    _, low, high = interquartile_mean(alike)
    assert alike.min() < low < high < alike.max()
    assert high - low < 2 * alike.std()
    assert interquartile_mean(np.full(20, 0.3)) == pytest.approx((0.3, 0.3, 0.3), rel=1e-12)


@pytest.mark.parametrize(("count", "has"), [(1, False), (5, False), (11, False), (12, True), (40, True)])
def test_so_few_seeds_have_no_interval_of_their_interquartile_mean(count, has):
    estimate, low, high = interquartile_mean(np.arange(float(count)))
    assert np.isfinite(estimate)
    assert (low < estimate < high) if has else np.isnan([low, high]).all()


def test_what_fails_in_a_sixth_may_fail_in_a_third():
    """Of 12 seeds the two that failed say nothing of the middle half; the interval does not leave out what it is where
    three of ten fail."""
    _, low, high = interquartile_mean(np.array([0.0, 0.0, *[0.9] * 10]))
    assert low < 0.9 * 0.45 / 0.5 < high
    assert high == pytest.approx(0.9)


def test_variance_is_split_as_it_was_put_together():
    rng = np.random.default_rng(0)
    groups = [rng.normal(mean, 0.1, 30) for mean in rng.normal(0.5, 0.2, 400)]
    parts = split_variance(groups)
    assert (parts.configurations, parts.seeds) == pytest.approx((0.04, 0.01), rel=0.15)
    by_hand = split_variance([np.array([1.0, 3]), np.array([5.0, 7, 9])])
    # means 2 and 7, grand 5; within (2 + 8) / 3; between 2 * 9 + 3 * 4 = 30; n0 = 5 - 13 / 5
    assert (by_hand.seeds, by_hand.configurations) == pytest.approx((10 / 3, (30 - 10 / 3) / 2.4))
    assert np.isnan(split_variance([np.array([1.0, 2])]).seeds)
