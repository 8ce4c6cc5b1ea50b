import itertools

import numpy as np
import pytest

from seedsweep.analysis.statistics.best_of_n import median_best, named_best, replication
from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.analysis.statistics.scores import median_interval


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


def test_named_best_of_many_that_are_equal_is_lots():
    np.testing.assert_allclose(named_best([np.zeros(3)] * 80), np.full(80, 1 / 80))
    shares = named_best([*[np.zeros(3)] * 79, np.array([0.0, 1.0])])
    np.testing.assert_allclose(shares, [*[0.5 / 80] * 79, 0.5 / 80 + 0.5])


def test_named_best_needs_scores():
    with pytest.raises(ValueError, match="without scores"):
        named_best([np.array([1.0]), np.array([])])


def test_who_diverges_loses():
    np.testing.assert_allclose(named_best([np.array([np.nan, 1.0]), np.array([0.0])]), [0.5, 0.5])


def test_replication_matches_its_simulation():
    rng = np.random.default_rng(4)
    scores = [np.round(rng.beta(a, 2, 30), 2) for a in (2, 2.5, 4)]
    draws = np.stack([rng.choice(values, 40_000) for values in scores])
    best = draws == draws.max(0)
    simulated = (best / best.sum(0)).mean(1)
    found = replication(scores, rounds=100)
    np.testing.assert_allclose(found.share, simulated, atol=0.01)
    assert (found.low < found.share).all()
    assert (found.share < found.high).all()
    # Whatever is in which place, and on which scale.
    np.testing.assert_allclose(replication(scores[::-1], rounds=100).share[::-1], found.share)
    other = replication([1000 * values - 5 for values in scores], rounds=100)
    np.testing.assert_allclose([other.low, other.high], [found.low, found.high])


@pytest.mark.parametrize("seeds", [1, 5, 12, 40])
def test_replication_knows_that_a_seed_unseen_may_be_better(seeds):
    found = replication([np.zeros(seeds), np.ones(seeds)])
    assert tuple(found.share) == (0, pytest.approx(1))
    # As one that was never seen in so many: Clopper-Pearson's bound is the least that is possible.
    assert found.high[0] >= clopper_pearson(0, seeds)[1]
    assert (found.low[0], found.high[1]) == (0, pytest.approx(1))
    assert found.low[1] == pytest.approx(1 - found.high[0])


def test_replication_of_equal_scores_and_of_one():
    found = replication([np.full(12, 0.3)] * 3)
    np.testing.assert_allclose(found.share, 1 / 3)
    assert (found.low < 1 / 3).all() and (found.high > 1 / 3).all()
    alone = replication([np.arange(5.0)])
    assert (alone.share, alone.low, alone.high) == (1, 1, 1)


def test_the_best_of_some_against_all_choices():
    scores = np.array([0.3, 0.9, 0.9, 0.1, 0.6, 0.7, np.nan])
    values = np.where(np.isnan(scores), -np.inf, scores)
    expected = [np.median([max(chosen) for chosen in itertools.combinations(values, n)]) for n in range(1, 8)]
    best, low, high = median_best(scores)
    np.testing.assert_allclose(best, expected)
    assert not (low > best).any()
    assert not (high < best).any()
    with pytest.raises(ValueError, match="no scores"):
        median_best(np.zeros(0))


def test_the_best_of_one_is_the_median():
    scores = np.random.default_rng(0).random(20)
    best, low, high = median_best(scores)
    assert best[0] == np.median(scores)
    assert (low[0], high[0]) == median_interval(scores)


@pytest.mark.parametrize(("seeds", "bounded"), [(5, 0), (12, 2), (20, 3), (40, 7)])
def test_the_best_of_many_has_no_upper_bound(seeds, bounded):
    best, low, high = median_best(np.arange(float(seeds)))
    assert np.isfinite(high).sum() == bounded
    assert np.isfinite(low[2:]).all()
    assert (np.diff(best) >= 0).all()


def test_the_best_of_a_thousand():
    best, low, high = median_best(np.arange(1000.0) / 1000)
    assert len(best) == 50
    assert best[-1] == pytest.approx(0.5 ** (1 / 50), abs=1e-3)
    assert (low < best).all() and (best < high).all()
