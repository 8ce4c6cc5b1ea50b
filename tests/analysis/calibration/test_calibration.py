"""On simulated seeds of known truth: intervals hold as often as they say, and tests keep their size."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from seedsweep.analysis.statistics.best_of_n import expected_best
from seedsweep.analysis.statistics.logistic import fit
from seedsweep.analysis.statistics.proportions import clopper_pearson, jeffreys, newcombe, rejected, wilson
from seedsweep.analysis.statistics.scores import interquartile_mean, median_interval, profile, superiority
from seedsweep.analysis.statistics.survival import incidence, logrank

SEEDS = [12, 40]
#: Of scores in two clumps the share in the upper one: the random convergence that this is for.
UPPER = (0.2, 0.4, 0.6, 0.8, 0.95)


def scores(rng, upper, count):
    return np.where(rng.random(count) < upper, rng.beta(30, 2, count), rng.beta(4, 8, count))


@dataclass(eq=False)
class Truth:
    """Of one share in the upper clump: many scores, sorted, and what an interval should hold."""

    scores: np.ndarray

    @cached_property
    def median(self) -> float:
        return float(np.median(self.scores))

    @cached_property
    def middle_half(self) -> float:
        return float(self.scores[50_000:150_000].mean())

    @cache  # noqa: B019
    def best_of(self, runs: int) -> float:
        count = len(self.scores)
        return float(self.scores @ np.diff((np.arange(count + 1) / count) ** runs))


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    return {upper: Truth(np.sort(scores(rng, upper, 200_000))) for upper in UPPER}


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("interval", [wilson, jeffreys, clopper_pearson])
def test_intervals_of_a_proportion(interval, seeds):
    # Exact over a uniform P(converge), but for the grid.
    shares = (np.arange(2000) + 0.5) / 2000
    bounds = np.array([interval(k, seeds) for k in range(seeds + 1)])
    chance = stats.binom.pmf(np.arange(seeds + 1), seeds, shares[:, None])
    holds = (bounds[:, 0] <= shares[:, None]) & (shares[:, None] <= bounds[:, 1])
    covered = (chance * holds).sum(1)
    if interval is clopper_pearson:
        assert covered.min() >= 0.95
    else:
        assert covered.mean() == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("seeds", SEEDS)
def test_interval_of_a_difference_of_proportions(seeds):
    rng = np.random.default_rng(1)
    held = []
    for _ in range(4000):
        p, q = rng.random(2)
        low, high = newcombe((rng.binomial(seeds, p), seeds), (rng.binomial(seeds, q), seeds))
        held.append(low <= p - q <= high)
    assert 0.93 <= np.mean(held) <= 0.97


@pytest.mark.parametrize("early", [False, True], ids=["to the budget", "censored early"])
@pytest.mark.parametrize("seeds", SEEDS)
def test_bands_and_medians_of_times(seeds, early):
    rng = np.random.default_rng(2)
    band, median = [], []
    for _ in range(3000):
        scale, at = rng.uniform(0.5, 1.5), rng.uniform(0.2, 1.2)
        times, observed = rng.exponential(scale, seeds), rng.uniform(0.5, 2.5, seeds) if early else np.full(seeds, 2.0)
        until = np.minimum(observed, 2.0)
        curve = incidence(np.where(times <= until, times, np.nan), 2.0, until)
        place = np.searchsorted(curve.steps, at, side="right") - 1
        band.append(curve.low[place] <= 1 - np.exp(-at / scale) <= curve.high[place])
        _, low, high = curve.median()
        median.append(low <= scale * np.log(2) and not high < scale * np.log(2))
    assert 0.93 <= np.mean(band) <= 0.97
    assert 0.93 <= np.mean(median) <= 0.975


@pytest.mark.parametrize("seeds", SEEDS)
def test_intervals_of_scores(seeds, truth):
    """Of 400 simulations a share of .95 is seen with a standard error of .011: an interval that holds in 90 %, as the
    plain bootstrap's do, is found."""
    rng = np.random.default_rng(3)
    held = {name: [] for name in ("median", "interquartile mean", "profile", "superiority", "best")}
    runs = seeds // 4
    for _ in range(400):
        upper, other = rng.choice(UPPER, 2)
        values, theirs = scores(rng, upper, seeds), scores(rng, other, seeds)
        true = truth[upper]
        low, high = median_interval(values)
        held["median"].append(low <= true.median <= high)
        _, low, high = interquartile_mean(values)
        held["interquartile mean"].append(low <= true.middle_half <= high)
        at = rng.uniform(0.2, 0.9)
        _, low, high = profile(values, np.array([at]))
        held["profile"].append(low[0] <= 1 - np.searchsorted(true.scores, at) / len(true.scores) <= high[0])
        _, low, high = superiority(values, theirs)
        above = np.searchsorted(truth[other].scores, true.scores[::100]).mean() / len(true.scores)
        held["superiority"].append(low <= above <= high)
        _, low, high = expected_best(values)
        held["best"].append(low[runs - 1] <= true.best_of(runs) <= high[runs - 1])
    assert {name: float(np.mean(held[name])) for name in held if not 0.925 <= np.mean(held[name]) <= 0.975} == {}


@pytest.mark.parametrize("seeds", SEEDS)
def test_boschloo_keeps_its_size_exactly(seeds):
    table = rejected(seeds, 0.05)
    for p in np.linspace(0.01, 0.99, 50):
        chance = stats.binom.pmf(np.arange(seeds + 1), seeds, p)
        assert chance @ table @ chance <= 0.0502


@pytest.mark.parametrize("groups", [2, 3])
def test_logrank_keeps_its_size(groups):
    rng = np.random.default_rng(4)
    found = []
    for _ in range(1000):
        times = rng.exponential(1, (groups, 12))
        found.append(logrank(list(np.where(times < 1.2, times, np.nan)), 1.2, rounds=199) <= 0.05)
    assert np.mean(found) == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize(("configurations", "members"), [(10, 3), (20, 3), (60, 5)])
@pytest.mark.parametrize("overdispersed", [0, 1])
def test_logistic_bands_hold_at_least_as_often_as_they_say(configurations, members, overdispersed):
    rng = np.random.default_rng(5)
    held, found = [], []
    for _ in range(600):
        values, slope = rng.random((configurations, 2)), rng.normal(0, 2)
        logit = 0.3 + slope * (values[:, 0] - 0.5) + rng.normal(0, 1, configurations) * overdispersed
        each = np.full(configurations, members)
        model = fit(values, rng.binomial(each, expit(logit)), each)
        _, low, high = model.predict(np.array([[0.3, 0.5]]))
        held.append(low[0] <= expit(0.3 - 0.2 * slope) <= high[0])
        found.append(model.p_values()[1] < 0.05)
    # With few configurations they are wide.
    assert np.mean(held) >= 0.925
    assert np.mean(found) <= 0.07
