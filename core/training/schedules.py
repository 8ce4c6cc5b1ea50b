"""A member's hyperparameters and how lr and gamma decay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Hyperparameters:
    """One configuration: the scalars that a cohort holds one of per member.

    alpha mixes area and distance loss; lr and gamma are multiplied by their factor every so many steps.
    """

    alpha: float = 0.5
    lr: float = 2e-3
    lr_decay_steps: int = 7000
    lr_decay_factor: float = 0.1
    gamma: float = 1.0
    gamma_decay_steps: int = 5000
    gamma_decay_factor: float = 0.1

    def lr_at(self, step: int) -> float:
        """Learning rate of step 0, 1, ..."""
        return step_decay(self.lr, self.lr_decay_factor, self.lr_decay_steps, step)

    def gamma_at(self, step: int) -> float:
        """Weight of the location loss at step 0, 1, ..."""
        return step_decay(self.gamma, self.gamma_decay_factor, self.gamma_decay_steps, step)


@dataclass(frozen=True)
class Member:
    """One configuration with one seed."""

    seed: int
    hyperparameters: Hyperparameters


def step_decay(initial: float, factor: float, every: int, step: int) -> float:
    """`initial * factor^floor(step / every)`."""
    return float(initial * factor ** (step // every))


def batch_orders(seed: int, samples: int, batch: int, steps: range) -> np.ndarray:
    """Indices [steps, batch] of some steps in a row: a permutation an epoch, from (seed, epoch) alone; the incomplete
    batch is dropped.

    Errors: ValueError if a batch is larger than the data set.
    """
    per_epoch = samples // batch
    if not per_epoch:
        raise ValueError(f"batch {batch} is larger than the {samples} training images")
    epochs = range(steps.start // per_epoch, (steps.stop - 1) // per_epoch + 1)
    orders = [np.random.default_rng([seed, epoch]).permutation(samples)[: per_epoch * batch] for epoch in epochs]
    first = steps.start - epochs.start * per_epoch
    return np.concatenate(orders).reshape(-1, batch)[first : first + len(steps)]
