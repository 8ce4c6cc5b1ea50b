import itertools

import numpy as np
import pytest

from seedsweep.analysis.statistics.best_of_n import expected_best, named_best, replication


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
    # Whatever is in which place.
    np.testing.assert_allclose(replication(scores[::-1], rounds=100).share[::-1], found.share)


def test_expected_best_against_all_choices():
    scores = np.array([0.3, 0.9, 0.9, 0.1, 0.6])
    expected = [np.mean([max(chosen) for chosen in itertools.combinations(scores, n)]) for n in range(1, 6)]
    best, low, high = expected_best(scores)
    np.testing.assert_allclose(best, expected)
    assert ((low <= best) & (best <= high)).all()
    with pytest.raises(ValueError, match="no scores"):
        expected_best(np.zeros(0))


def test_expected_best_of_many():
    best, _, _ = expected_best(np.arange(1000.0) / 1000)
    assert len(best) == 50
    assert best[0] == pytest.approx(0.4995)
    assert best[-1] == pytest.approx(50 / 51, abs=2e-3)
    assert (np.diff(best) > 0).all()
