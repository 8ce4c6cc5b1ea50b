"""Values that are noisy, smoothed by those of the points around."""

from __future__ import annotations

import numpy as np

#: Lengths over which values hang together, in shares of a parameter's range; shares of the variance that are noise.
LENGTHS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.3)
NOISE = (0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97)
#: Points that the values are smoothed by, at most.
MOST = 300


class Surface:
    """A Gaussian process over points, [points, coordinates], each coordinate on [0,1].

    Its covariance is Matern's with 5/2 and one length for all coordinates, the noise is the same everywhere (Rasmussen
    & Williams, Gaussian Processes for Machine Learning, 2.2 and 4.2). Of more than `MOST` points that many, evenly
    spread over their order, carry the values. Errors: ValueError without points.
    """

    def __init__(self, points: np.ndarray):
        if not len(points):
            raise ValueError("a surface needs points")
        self._sample = np.unique(np.linspace(0, len(points) - 1, min(len(points), MOST)).round().astype(int))
        squares = np.zeros((len(points), len(self._sample)))
        for column in points.T:
            squares += (column[:, None] - column[self._sample]) ** 2 / points.shape[1]
        self._parts = []
        for length in LENGTHS:
            r = np.sqrt(5 * squares) / length
            covariance = (1 + r + r**2 / 3) * np.exp(-r)
            own, vectors = np.linalg.eigh(covariance[self._sample])
            self._parts.append((np.maximum(own, 0), vectors, covariance @ vectors))

    def smoothed(self, values: np.ndarray) -> np.ndarray:
        """The posterior mean at each point of what the values, [points], are noisy ones of; their unit.

        The mean over the grid of `LENGTHS` and `NOISE`, each weighted by its likelihood, in which the variance is at
        its most likely.
        """
        level = values[self._sample].mean()
        centred = values[self._sample] - level
        if np.ptp(centred) == 0:
            return np.full(len(values), level)
        likelihood, means = [], []
        for own, vectors, covariance in self._parts:
            turned = centred @ vectors
            for noise in NOISE:
                variances = (1 - noise) * own + noise
                squares = float((turned**2 / variances).sum())
                likelihood.append(-0.5 * float(np.log(variances).sum()) - 0.5 * len(centred) * np.log(squares))
                means.append(covariance @ ((1 - noise) * turned / variances))
        weights = np.exp(np.array(likelihood) - max(likelihood))
        return np.asarray(level + weights / weights.sum() @ np.array(means))


def pick(values: np.ndarray, smoothed: np.ndarray) -> int:
    """The place of the highest smoothed value; of equal ones that of the highest value, of these the first."""
    return int(np.lexsort((-np.arange(len(values)), values, np.round(smoothed, 9)))[-1])
