import numpy as np
import pytest
from scipy.stats import multivariate_normal

from seedsweep.analysis.statistics.surface import LENGTHS, MOST, NOISE, Surface, pick


def test_against_the_equations_of_the_textbook():
    random = np.random.default_rng(0)
    points, values = random.random((9, 2)), random.random(9)
    r = np.sqrt(5 * ((points[:, None] - points) ** 2).mean(-1))
    centred, means, likelihood = values - values.mean(), [], []
    for length in LENGTHS:
        k = (1 + r / length + (r / length) ** 2 / 3) * np.exp(-r / length)
        for noise in NOISE:
            c = (1 - noise) * k + noise * np.eye(9)
            scale = centred @ np.linalg.solve(c, centred) / 9
            likelihood.append(multivariate_normal(cov=scale * c).pdf(centred))
            means.append(values.mean() + (1 - noise) * k @ np.linalg.solve(c, centred))
    expected = np.average(means, axis=0, weights=likelihood)
    np.testing.assert_allclose(Surface(points).smoothed(values), expected, atol=1e-8)


def test_many_at_once_are_smoothed_as_each_alone():
    random = np.random.default_rng(2)
    surface, values = Surface(random.random((20, 3))), random.random((2, 4, 20)).round(1)
    values[0, 0] = 0.3
    each = [[surface.smoothed(own) for own in row] for row in values]
    np.testing.assert_allclose(surface.smoothed(values), each, rtol=1e-12)


@pytest.mark.parametrize("count", [60, 2 * MOST + 1])
def test_smoothed_values_are_nearer_to_what_is_planted(count):
    random = np.random.default_rng(1)
    points = random.random((count, 2))
    planted = np.exp(-((points - 0.5) ** 2).sum(1) / 0.1)
    values = random.binomial(3, planted) / 3
    smoothed = Surface(points).smoothed(values)
    assert np.abs(smoothed - planted).mean() < 0.5 * np.abs(values - planted).mean()
    # On any scale.
    np.testing.assert_allclose(Surface(points).smoothed(5 - 100 * values), 5 - 100 * smoothed)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_equal_values_stay_as_they_are_and_points_may_be_equal(count):
    assert (Surface(np.full((count, 3), 0.5)).smoothed(np.full(count, 0.3)) == 0.3).all()
    assert np.isfinite(Surface(np.full((count, 1), 0.5)).smoothed(np.arange(count))).all()
    assert np.isfinite(Surface(np.zeros((count, 0))).smoothed(np.arange(count))).all()


def test_it_needs_points():
    with pytest.raises(ValueError, match="needs points"):
        Surface(np.zeros((0, 2)))


def test_ties_go_to_the_higher_value_then_to_the_first():
    assert pick(np.array([0.1, 0.3, 0.3, 0.9]), np.array([0.5, 0.5, 0.5, 0.2])) == 1
