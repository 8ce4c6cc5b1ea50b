import numpy as np
import pytest
from scipy import optimize
from scipy.special import expit

from seedsweep.analysis.statistics.logistic import fit


def test_of_two_values_it_is_the_log_odds_with_one_half_added():
    # Firth's estimate of a saturated model: each cell of the two by two table has one half more.
    model = fit(np.array([[0.0], [1.0], [0.0], [1.0]]), np.array([3, 9, 4, 6]), np.array([10, 10, 12, 14]))
    p, low, high = model.predict(np.array([[0.0], [1.0]]))
    assert p == pytest.approx([7.5 / 23, 15.5 / 25])
    assert ((low < p) & (p < high)).all()


def test_against_the_penalised_likelihood_itself():
    rng = np.random.default_rng(0)
    x, members = rng.normal(size=(30, 2)), rng.integers(3, 13, 30)
    converged = rng.binomial(members, expit(0.5 + x @ [1.5, -0.7]))
    model = fit(x, converged, members)
    design = np.column_stack([np.ones(30), (x - x.mean(0)) / x.std(0)])

    def penalised(b):
        p = expit(design @ b)
        information = design.T @ ((members * p * (1 - p))[:, None] * design)
        return -(converged @ np.log(p) + (members - converged) @ np.log1p(-p) + np.linalg.slogdet(information)[1] / 2)

    best = optimize.minimize(
        penalised, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 4000}
    )
    np.testing.assert_allclose(model.coefficients, best.x, atol=1e-4)
    assert model.p_values()[0] < 0.01


def test_separation_has_a_finite_answer():
    x = np.arange(8.0)[:, None]
    model = fit(x, np.array([0, 0, 0, 0, 5, 5, 5, 5]), np.full(8, 5))
    p, low, high = model.predict(x)
    assert np.isfinite(model.coefficients).all()
    assert (np.diff(p) > 0).all()
    assert ((low >= 0) & (low <= p) & (p <= high) & (high <= 1)).all()


def test_too_little_is_said():
    with pytest.raises(ValueError, match="too few"):
        fit(np.ones((2, 1)), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match="does not vary"):
        fit(np.ones((5, 1)), np.ones(5), np.ones(5))
