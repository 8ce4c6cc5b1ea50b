import itertools

import numpy as np
import pytest
from scipy import optimize

from seedsweep.analysis.statistics.proportions import jeffreys, wilson
from seedsweep.analysis.statistics.scores import (
    dip,
    f1_interval,
    f1_variance,
    interquartile_mean,
    modes,
    profile,
    smoothed,
    split_variance,
    superiority,
)


def test_profile_by_hand():
    share, low, high = profile([np.array([0.2, 0.4, 0.4, np.nan, 0.9])], np.array([0.0, 0.3, 0.4, 1.0]))
    assert share == pytest.approx([0.8, 0.6, 0.2, 0])
    assert [(low[i], high[i]) for i in range(4)] == [pytest.approx(jeffreys(k, 5)) for k in (4, 3, 1, 0)]


def test_strata_weigh_alike():
    share, low, high = profile([np.ones(100), np.zeros(4)], np.array([0.5]))
    assert share[0] == 0.5
    # The error is the small stratum's.
    assert 0.45 < low[0] < 0.5 < high[0] < 0.75


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


def dip_by_linear_programs(values):
    """The definition: the least d for which a unimodal distribution is within d, over every place of the mode."""
    points, counts = np.unique(values, return_counts=True)
    n, upper = len(points), np.cumsum(counts) / len(values)
    lower = upper - counts / len(values)
    found = []
    for mode in range(n):
        # Unknowns: F before the mode and at it, F at it and after (it may jump there), d.
        left, right = list(range(mode + 1)), list(range(mode + 1, mode + 1 + n - mode))
        size = n + 2
        rows, limits = [], []

        def at_most(terms, limit, size=size, rows=rows, limits=limits):
            row = np.zeros(size)
            for place, factor in terms:
                row[place] += factor
            rows.append(row)
            limits.append(limit)

        for side, of in ((left, range(mode + 1)), (right, range(mode, n))):
            for place, i in zip(side, of, strict=True):
                jump = i == mode
                least = lower[i] if jump and side is left else upper[i]
                most = upper[i] if jump and side is right else lower[i]
                at_most([(place, -1), (size - 1, -1)], -least)
                at_most([(place, 1), (size - 1, -1)], most)
        for side, of, sign in ((left, points[: mode + 1], 1), (right, points[mode:], -1)):
            for i in range(1, len(side) - 1):
                before, after = of[i] - of[i - 1], of[i + 1] - of[i]
                at_most(
                    [
                        (side[i], sign / before),
                        (side[i - 1], -sign / before),
                        (side[i + 1], -sign / after),
                        (side[i], sign / after),
                    ],
                    0,
                )
        at_most([(left[-1], 1), (right[0], -1)], 0)
        for side in (left, right):
            for a, b in itertools.pairwise(side):
                at_most([(a, 1), (b, -1)], 0)
        done = optimize.linprog(np.eye(size)[-1], np.array(rows), np.array(limits), bounds=[(0, 1)] * size)
        found.append(done.fun)
    return max(min(found), 1 / (2 * len(values)))


@pytest.mark.parametrize("seed", range(12))
def test_dip_against_its_definition(seed):
    rng = np.random.default_rng(seed)
    values = np.concatenate(
        [rng.normal(0, 1, rng.integers(3, 9)), rng.normal(rng.choice([0, 3, 8]), 1, rng.integers(2, 9))]
    )
    if seed % 3 == 0:
        values = np.round(values, 0)
    assert dip(values) == pytest.approx(dip_by_linear_programs(values), abs=1e-7)


def test_dip_of_two_points_of_mass_and_of_a_line():
    assert dip(np.array([0.0] * 10 + [1.0] * 10)) == pytest.approx(0.25)
    assert dip(np.arange(10.0)) == pytest.approx(0.05)


def test_two_clumps_are_two_modes_and_one_is_one():
    rng = np.random.default_rng(0)
    two = modes(np.concatenate([rng.normal(0.2, 0.05, 15), rng.normal(0.95, 0.02, 25)]))
    assert two.bic_gain > 20
    assert two.dip_p < 0.01
    assert two.means == pytest.approx((0.2, 0.95), abs=0.03)
    assert two.shares == pytest.approx((15 / 40, 25 / 40), abs=0.01)
    one = modes(rng.normal(0.5, 0.1, 40))
    assert one.bic_gain < 2
    assert one.dip_p > 0.1
    assert modes(np.full(6, 0.5)).bic_gain < 0
    assert np.isnan(modes(np.ones(3)).dip)


def test_variance_is_split_as_it_was_put_together():
    rng = np.random.default_rng(0)
    groups = [rng.normal(mean, 0.1, 30) for mean in rng.normal(0.5, 0.2, 400)]
    parts = split_variance(groups)
    assert (parts.configurations, parts.seeds) == pytest.approx((0.04, 0.01), rel=0.15)
    by_hand = split_variance([np.array([1.0, 3]), np.array([5.0, 7, 9])])
    # means 2 and 7, grand 5; within (2 + 8) / 3; between 2 * 9 + 3 * 4 = 30; n0 = 5 - 13 / 5
    assert (by_hand.seeds, by_hand.configurations) == pytest.approx((10 / 3, (30 - 10 / 3) / 2.4))
    assert np.isnan(split_variance([np.array([1.0, 2])]).seeds)


def test_f1_interval_and_variance():
    low, high = f1_interval(40, 20)
    j = wilson(40, 60)
    assert (low, high) == pytest.approx((2 * j[0] / (1 + j[0]), 2 * j[1] / (1 + j[1])))
    rng = np.random.default_rng(0)
    # 300 images, 100 positive, each found with .7; each other called so with .1
    tp, fp = rng.binomial(100, 0.7, 20_000), rng.binomial(200, 0.1, 20_000)
    f1 = 2 * tp / (tp + fp + 100)
    assert f1_variance(np.array([70]), np.array([50]))[0] == pytest.approx(f1.var(), rel=0.35)
