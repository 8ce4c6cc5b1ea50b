"""P(converge) against continuous hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import expit


@dataclass(frozen=True)
class Logistic:
    """logit P(converge) = coefficients[0] + coefficients[1:] @ (x - centre) / scale, with the coefficients' covariance
    [K+1,K+1]; configurations and members that it was fitted to."""

    coefficients: np.ndarray
    covariance: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    configurations: int
    members: int

    def predict(self, values: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """P(converge) at values [N,K], with a pointwise band: each [N]."""
        design = np.column_stack([np.ones(len(values)), (values - self.centre) / self.scale])
        logit = design @ self.coefficients
        half = self._quantile(confidence) * np.sqrt(np.einsum("nk,kl,nl->n", design, self.covariance, design))
        return expit(logit), expit(logit - half), expit(logit + half)

    def p_values(self) -> np.ndarray:
        """That a hyperparameter has no effect, [K]."""
        ratio = self.coefficients[1:] / np.sqrt(np.diag(self.covariance)[1:])
        return np.asarray(2 * stats.t.sf(np.abs(ratio), self._freedom))

    @property
    def _freedom(self) -> int:
        return max(self.configurations - len(self.coefficients), 1)

    def _quantile(self, confidence: float) -> float:
        return float(stats.t.ppf((1 + confidence) / 2, self._freedom))


def fit(values: np.ndarray, converged: np.ndarray, members: np.ndarray) -> Logistic:
    """Firth's penalised logistic regression (1993): finite even where a hyperparameter separates the failures.

    values: hyperparameters of each configuration [C,K], on the scale on which they are thought to act;
    converged, members: [C]. Configurations differ by more than their hyperparameters and seeds do: the covariance is
    scaled by Pearson's dispersion where that is above 1 (quasi-binomial, McCullagh & Nelder 1989, section 4.5).
    Errors: ValueError where there are not more configurations than coefficients.
    """
    configurations, parameters = values.shape
    if configurations <= parameters + 1:
        raise ValueError(f"{configurations} configurations are too few for {parameters} hyperparameters")
    centre, scale = values.mean(0), values.std(0)
    if (scale == 0).any():
        raise ValueError("a hyperparameter that does not vary explains nothing")
    design = np.column_stack([np.ones(configurations), (values - centre) / scale])
    coefficients = np.zeros(parameters + 1)
    for _ in range(500):
        p = expit(design @ coefficients)
        weights = members * p * (1 - p)
        information = design.T @ (weights[:, None] * design)
        leverage = weights * np.einsum("ck,kl,cl->c", design, np.linalg.inv(information), design)
        # Firth's score: the penalty is half the log-determinant of the information.
        score = design.T @ (converged - members * p + leverage * (0.5 - p))
        step = np.linalg.solve(information, score)
        coefficients = coefficients + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-10:
            break
    p = expit(design @ coefficients)
    pearson = ((converged - members * p) ** 2 / np.maximum(members * p * (1 - p), 1e-12)).sum()
    dispersion = max(1.0, float(pearson) / (configurations - parameters - 1))
    information = design.T @ ((members * p * (1 - p))[:, None] * design)
    covariance = dispersion * np.linalg.inv(information)
    return Logistic(coefficients, covariance, centre, scale, configurations, int(members.sum()))
