import numpy as np
import pytest

from seedsweep.analysis.statistics.proportions import jeffreys
from seedsweep.analysis.statistics.scores import (
    interquartile_mean,
    profile,
    smoothed,
    split_variance,
    superiority,
)


def test_profile_by_hand():
    share, low, high = profile(np.array([0.2, 0.4, 0.4, np.nan, 0.9]), np.array([0.0, 0.3, 0.4, 1.0]))
    assert share == pytest.approx([0.8, 0.6, 0.2, 0])
    assert [(low[i], high[i]) for i in range(4)] == [pytest.approx(jeffreys(k, 5)) for k in (4, 3, 1, 0)]


def test_smoothed_distributions_reach_beyond_the_extremes_and_keep_ties():
    drawn = smoothed(np.array([0.4, 0.6, 0.6, 0.6]), rounds=400)
    assert drawn.shape == (400, 200)
    assert (np.diff(drawn) >= 0).all()
    assert 0 < drawn.min() < 0.4
    assert 0.6 < drawn.max() < 1
    # Three equal values leave two gaps of no width, two fifths of the mass.
    assert (drawn == 0.6).mean() == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize(
    ("first", "second", "wins"), [([1, 2, 3], [0, 0], 1), ([1, 2], [1, 2], 0.5), ([np.nan, 2], [1], 0.5)]
)
def test_superiority_by_hand(first, second, wins):
    found, low, high = superiority(np.array(first, float), np.array(second, float))
    back = superiority(np.array(second, float), np.array(first, float))
    assert found == wins
    assert 0 <= low < high <= 1
    assert back == pytest.approx((1 - found, 1 - high, 1 - low))


def test_interquartile_mean_hides_a_quarter_of_failures():
    assert interquartile_mean(np.array([0.0, 0, 1, 1, 1, 1, 1, 1]))[0] == 1
    assert interquartile_mean(np.array([0.0, 1, 2, 30]))[0] == 1.5
    assert np.isnan(interquartile_mean(np.zeros(0))[0])
    with pytest.raises(ValueError, match="not finite"):
        interquartile_mean(np.array([1, np.nan]))


def test_a_value_that_was_asked_for_before_is_the_same_and_another_is_not():
    """Results are kept by the values, not by the array."""
    values = np.array([0.2, 0.4, 0.9, 0.8])
    first = interquartile_mean(values), superiority(values, values[:2])
    assert first == (interquartile_mean(values.copy()), superiority(values.copy(), values[:2].copy()))
    values[0] = 0.7
    assert interquartile_mean(values) != first[0]
    assert superiority(values, np.array([0.2, 0.4])) != first[1]


def test_variance_is_split_as_it_was_put_together():
    rng = np.random.default_rng(0)
    groups = [rng.normal(mean, 0.1, 30) for mean in rng.normal(0.5, 0.2, 400)]
    parts = split_variance(groups)
    assert (parts.configurations, parts.seeds) == pytest.approx((0.04, 0.01), rel=0.15)
    by_hand = split_variance([np.array([1.0, 3]), np.array([5.0, 7, 9])])
    # means 2 and 7, grand 5; within (2 + 8) / 3; between 2 * 9 + 3 * 4 = 30; n0 = 5 - 13 / 5
    assert (by_hand.seeds, by_hand.configurations) == pytest.approx((10 / 3, (30 - 10 / 3) / 2.4))
    assert np.isnan(split_variance([np.array([1.0, 2])]).seeds)
