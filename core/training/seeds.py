"""A member's randomness: from its seed alone, never from its place in a cohort, the worker, or a resume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from seedsweep.core.training.schedules import Schedule

#: Tells the stream of draws from that of the order of samples, which is of the same seed.
DRAWS = 1


@dataclass(frozen=True)
class Member:
    """One configuration with one seed. hyperparameters: name -> value.  schedules: of some of them, by name."""

    seed: int
    hyperparameters: Mapping[str, float]
    schedules: Mapping[str, Schedule] = field(default_factory=dict)

    def value(self, name: str, step: int, steps: int) -> float:
        """Of a hyperparameter at step 0, 1, ... of `steps`."""
        value = self.hyperparameters[name]
        schedule = self.schedules.get(name)
        return value if schedule is None else float(value * schedule.factor(step, steps))


def batch_orders(seed: int, samples: int, batch: int, steps: range) -> np.ndarray:
    """Rows [steps, batch] of some steps in a row: a permutation an epoch, from (seed, epoch) alone; the incomplete
    batch is dropped.

    Errors: ValueError if a batch is larger than the data set.
    """
    per_epoch = samples // batch
    if not per_epoch:
        raise ValueError(f"batch {batch} is larger than the {samples} training samples")
    epochs = range(steps.start // per_epoch, (steps.stop - 1) // per_epoch + 1)
    orders = [np.random.default_rng([seed, epoch]).permutation(samples)[: per_epoch * batch] for epoch in epochs]
    first = steps.start - epochs.start * per_epoch
    return np.concatenate(orders).reshape(-1, batch)[first : first + len(steps)]


def draw_key(seed: int, step: int) -> int:
    """Of a member's draws in a step, int64: where `core.training.draws` begins."""
    return int(np.random.SeedSequence([DRAWS, seed, step]).generate_state(1, np.uint64)[0].astype(np.int64))
