import numpy as np
import pytest
from scipy import stats

from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.analysis.statistics.survival import incidence


def test_kaplan_meier_against_a_hand_calculation():
    # Four of six converge at 10, 10, 30 and 60 (the budget); two are censored at 60.
    curve = incidence(np.array([10, 30, np.nan, 10, np.nan, 60]), 60)
    seen = dict(zip(curve.steps.tolist(), curve.share.tolist(), strict=True))
    assert (seen[0], seen[10], seen[30], seen[60]) == pytest.approx((0, 2 / 6, 3 / 6, 4 / 6))
    assert curve.at_risk.tolist() == [6, 6, 4, 3, 3]
    assert curve.median()[0] == 30


def test_kaplan_meier_with_early_censoring_against_scipy():
    rng = np.random.default_rng(0)
    events, observed = rng.integers(1, 100, 60).astype(float), rng.integers(20, 100, 60).astype(float)
    # One that outlasts all: their interval is undefined where a curve reaches 1.
    events[0], observed[0] = np.inf, 100
    seen = np.where(events <= observed, events, np.nan)
    curve = incidence(seen, 100, observed)
    theirs = stats.ecdf(stats.CensoredData(events[events <= observed], right=observed[events > observed]))
    np.testing.assert_allclose(curve.share[1:-1], theirs.cdf.evaluate(curve.steps[1:-1]), atol=1e-12)
    greenwood = theirs.sf.confidence_interval(method="linear")
    wide = (greenwood.high.probabilities - greenwood.low.probabilities)[len(theirs.sf.quantiles) // 2]
    middle = np.searchsorted(curve.steps, theirs.sf.quantiles[len(theirs.sf.quantiles) // 2])
    assert curve.high[middle] - curve.low[middle] == pytest.approx(wide, rel=0.12)


def test_without_early_censoring_the_band_is_the_exact_interval():
    curve = incidence(np.array([10, 20, 30, np.nan, np.nan, np.nan, np.nan]), 40)
    for k in range(4):
        assert (curve.low[k], curve.high[k]) == pytest.approx(clopper_pearson(k, 7))
    assert (curve.low[-1], curve.high[-1]) == pytest.approx(clopper_pearson(3, 7))


@pytest.mark.parametrize(("events", "end"), [([np.nan, np.nan], 0), ([5.0, 7.0], 1), ([], 0)])
def test_nobody_everybody_or_no_members(events, end):
    curve = incidence(np.array(events), 60)
    assert curve.share[-1] == end
    assert (curve.low[-1], curve.high[-1]) == pytest.approx(
        clopper_pearson(len(events) if end else 0, len(events)), abs=1e-9
    )
    assert np.isnan(curve.median()[0]) == (end == 0)


def test_median_interval_is_where_the_band_holds_one_half():
    curve = incidence(np.arange(1.0, 41), 50)
    median, low, high = curve.median()
    assert (median, low, high) == (20, np.argmax(curve.high >= 0.5), np.argmax(curve.low >= 0.5))
    assert np.isnan(incidence(np.array([3.0, 4, np.nan, np.nan]), 9).median()[2])
