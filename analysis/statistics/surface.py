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
        """The posterior mean at each point of what the values, [..., points], are noisy ones of; their shape and unit.

        The mean over the grid of `LENGTHS` and `NOISE`, each weighted by its likelihood, in which the variance is at
        its most likely.
        """
        values, noise = np.asarray(values, float), np.array(NOISE)[:, None]
        level = values[..., self._sample].mean(-1, keepdims=True)
        centred = values[..., self._sample] - level
        turned, shrinking, likelihood = [], [], []
        for own, vectors, _ in self._parts:
            # Of each noise and eigenvector.
            variances = (1 - noise) * own + noise
            turned.append(centred @ vectors)
            shrinking.append((1 - noise) / variances)
            # Where all values are one, any weights do.
            squares = np.maximum(turned[-1] ** 2 @ (1 / variances).T, 1e-300)
            likelihood.append(-0.5 * np.log(variances).sum(1) - 0.5 * centred.shape[-1] * np.log(squares))
        weights = np.exp(likelihood - np.max(likelihood, axis=(0, -1), keepdims=True))
        weights /= weights.sum((0, -1), keepdims=True)
        parts = zip(weights, turned, shrinking, self._parts, strict=True)
        change = sum((along * (weight @ shrunk)) @ covariance.T for weight, along, shrunk, (*_, covariance) in parts)
        return np.asarray(level + change)


def pick(values: np.ndarray, smoothed: np.ndarray) -> int:
    """The place of the highest smoothed value; of equal ones that of the highest value, of these the first."""
    return int(np.lexsort((-np.arange(len(values)), values, np.round(smoothed, 9)))[-1])
