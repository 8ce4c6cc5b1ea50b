import numpy as np
import pytest
from scipy import special

from seedsweep.analysis.statistics.anytime import betting, betting_interval
from seedsweep.analysis.statistics.pairing import compared

SEEDS = 80
SHARES = [0.02, 0.1, 0.5, 0.9, 0.98]


def converging(first, second, studies, rng):
    """Pairs of seeds whose members converge with these shares, [studies, SEEDS]."""
    return (1 + (rng.random((studies, SEEDS)) < first) - (rng.random((studies, SEEDS)) < second).astype(float)) / 2


def scoring(shift, levels, studies, rng):
    """Pairs of seeds by scores on a grid of so many levels: ties."""
    drawn = [np.floor(levels * special.ndtr(rng.normal(size=(studies, SEEDS)) + by)) for by in (shift, 0.0)]
    return np.array([compared(*pair) for pair in zip(*drawn, strict=True)])


def ever_rejected(values, null=0.5, level=0.05):
    """Share of studies that reject after any of their seeds; a p-value never rises, so that the last one tells."""
    return np.mean([betting(row, null) < level for row in values])


def mean_within(mean, values):
    """Share of studies whose intervals hold the mean after every seed; each interval lies within the one before."""
    intervals = np.array([betting_interval(row) for row in values])
    return np.mean((intervals[:, 0] <= mean) & (mean <= intervals[:, 1]))


@pytest.mark.parametrize("share", SHARES)
def test_equal_shares_are_ever_told_apart_in_at_most_5_percent(share):
    assert ever_rejected(converging(share, share, 1000, np.random.default_rng(0))) <= 0.05


@pytest.mark.parametrize("levels", [2, 4, 1000])
def test_equal_scores_are_ever_told_apart_in_at_most_5_percent(levels):
    assert ever_rejected(scoring(0.0, levels, 1000, np.random.default_rng(1))) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (0.9, 0.5), (0.98, 0.02), (0.98, 0.9), (1.0, 0.0)])
def test_intervals_hold_the_mean_after_every_seed_in_at_least_95_percent(first, second):
    values = converging(first, second, 150, np.random.default_rng(2))
    assert mean_within((1 + first - second) / 2, values) >= 0.95


@pytest.mark.slow
def test_intervals_hold_the_mean_of_any_values_within_0_and_1():
    values = np.random.default_rng(3).beta(0.5, 2, size=(150, SEEDS))
    assert mean_within(0.2, values) >= 0.95


@pytest.mark.parametrize(("first", "second", "least"), [(0.9, 0.5, 0.8), (1.0, 0.0, 1.0)])
def test_what_differs_is_found(first, second, least):
    values = converging(first, second, 300, np.random.default_rng(4))[:, :40]
    assert ever_rejected(values) >= least


def test_seven_wins_in_a_row_are_what_it_takes_at_5_percent():
    assert betting([1] * 6) > 0.05 > betting([1] * 7)


def test_the_wealth_is_the_average_over_the_bets_of_krichevsky_and_trofimov():
    values = np.array([1, 1, 0, 1, 1, 1, 0.5, 1, 1, 0, 1])
    up, down = np.cumsum(values == 1), np.cumsum(values == 0)
    wealth = 2.0 ** (up + down) * special.beta(up + 0.5, down + 0.5) / special.beta(0.5, 0.5)
    assert betting(values) == pytest.approx(1 / wealth.max())


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("null", [0.3, 0.5])
def test_another_value_never_raises_p(share, null):
    values = np.random.default_rng(5).choice([0, 0.5, 1], p=[(1 - share) / 2, 0.5, share / 2], size=SEEDS)
    found = [betting(values[:n], null) for n in range(SEEDS + 1)]
    assert found[0] == 1 and np.all(np.diff(found) <= 0)


def test_the_order_of_the_values_matters():
    early, late = [1] * 8 + [0] * 8, [0, 1] * 8
    assert betting(early) < 0.05 < betting(late)


def test_both_sides_are_alike():
    values = np.random.default_rng(6).choice([0, 0.5, 1], p=[0.1, 0.3, 0.6], size=30)
    assert betting(values) == pytest.approx(betting(1 - values))
    low, high = betting_interval(values)
    assert betting_interval(1 - values) == pytest.approx((1 - high, 1 - low), abs=1e-6)


def test_an_interval_lies_within_the_one_before():
    values = converging(0.9, 0.6, 1, np.random.default_rng(7))[0]
    lows, highs = np.array([betting_interval(values[:n]) for n in range(0, SEEDS + 1, 4)]).T
    assert np.all(np.diff(lows) >= -1e-6) and np.all(np.diff(highs) <= 1e-6)
    assert (lows[0], highs[0]) == (0, 1)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.998])
def test_the_interval_leaves_out_a_half_exactly_where_the_test_rejects(confidence):
    rng = np.random.default_rng(8)
    for values in converging(0.9, 0.6, 40, rng):
        seen = values[: rng.integers(1, SEEDS)]
        low, high = betting_interval(seen, confidence)
        assert (low <= 0.5 <= high) == (betting(seen) >= 1 - confidence)


def test_the_interval_holds_what_the_test_does_not_reject():
    values = converging(0.9, 0.3, 1, np.random.default_rng(9))[0]
    low, high = betting_interval(values)
    for null in np.linspace(0.01, 0.99, 99):
        assert (low <= null <= high) == (betting(values, null) >= 1 - 0.95)


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_values_that_are_all_the_same(value):
    low, high = betting_interval([value] * 12)
    assert low <= value <= high and high - low < 0.75
    assert (value == 0) == (low == 0) and (value == 1) == (high == 1)


def test_values_without_a_constant_mean_have_no_interval():
    assert np.all(np.isnan(betting_interval([1] * 40 + [0] * 40)))


@pytest.mark.parametrize("values", [[0.2, 1.1], [-1], [np.nan]])
def test_values_outside_of_0_and_1_are_refused(values):
    with pytest.raises(ValueError, match="lie in"):
        betting(values)
    with pytest.raises(ValueError, match="lie in"):
        betting_interval(values)


@pytest.mark.parametrize("null", [0, 1, np.nan])
def test_a_mean_at_the_end_is_refused(null):
    with pytest.raises(ValueError, match="between 0 and 1"):
        betting([0.5], null)
