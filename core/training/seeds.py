"""A member's randomness: from its seed alone, never from its place in a cohort, the worker, or a resume.

Everything random has a stream of its own, `SeedSequence(DOMAIN, spawn_key=(part, ...))` of NumPy. A member's parts
(`core.records.parts`) have a seed each, which may differ from the others'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from seedsweep.core.errors import UserError
from seedsweep.core.records.parts import VARIED, Part, Parts, parts_of
from seedsweep.core.training.schedules import Schedule, factor_of

#: Tells the streams of seedsweep from anybody else's of the same numbers.
DOMAIN = 0x5EED5
#: Of the first number of a stream's key.
INIT, ORDER, DRAWS, MEASURE, SAMPLE, PREPARE = range(6)


@dataclass(frozen=True)
class Member:
    """One configuration with one seed. hyperparameters: name -> value.  schedules: of some of them, by name.  varied:
    the parts that follow the seed."""

    seed: int
    hyperparameters: Mapping[str, float]
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    varied: tuple[Part, ...] = VARIED

    @property
    def parts(self) -> Parts:
        """Seeds of its parts."""
        return parts_of(self.seed, self.varied)

    def value(self, name: str, step: int, steps: int) -> float:
        """Of a hyperparameter at step 0, 1, ... of `steps`. Errors: UserError for what a schedule does wrong."""
        value = self.hyperparameters[name]
        schedule = self.schedules.get(name)
        return value if schedule is None else value * factor_of(schedule, step, steps)


def batch_orders(order: int, samples: int, batch: int, steps: range, sample: int = 0) -> np.ndarray:
    """Rows [steps, batch] of some steps in a row: a permutation an epoch, from (order, epoch) alone; the incomplete
    batch is dropped.

    sample: 0: of the `samples` themselves; else of as many that are drawn from them with replacement.

    Errors: UserError if a batch is larger than the data set.
    """
    per_epoch = samples // batch
    if not per_epoch:
        raise UserError(f"training.batch: {batch} is larger than the {samples} training samples")
    epochs = range(steps.start // per_epoch, (steps.stop - 1) // per_epoch + 1)
    streams = (np.random.default_rng(stream(ORDER, order, epoch)) for epoch in epochs)
    orders = [of_epoch.permutation(samples)[: per_epoch * batch] for of_epoch in streams]
    first = steps.start - epochs.start * per_epoch
    rows = np.concatenate(orders).reshape(-1, batch)[first : first + len(steps)]
    if not sample:
        return rows
    drawn = np.random.default_rng(stream(SAMPLE, sample)).integers(samples, size=samples)
    return drawn[rows]


def stream(part: int, *key: int) -> np.random.SeedSequence:
    """Of a part of a member, by its seed and further numbers."""
    return np.random.SeedSequence(DOMAIN, spawn_key=(part, *key))


def init_seed(seed: int) -> int:
    """With which torch's generator makes a member's model, 63 bits."""
    return int(stream(INIT, seed).generate_state(1, np.uint64)[0] >> np.uint64(1))


def prepare_seed() -> int:
    """Of what a task draws while it prepares the data, 63 bits: the same for all."""
    return int(stream(PREPARE).generate_state(1, np.uint64)[0] >> np.uint64(1))


def draw_key(seed: int, step: int) -> int:
    """Of a member's draws in a step, int64: where `core.training.draws` begins."""
    return int(stream(DRAWS, seed, step).generate_state(1, np.uint64)[0].astype(np.int64))


def measure_key(batch: int) -> int:
    """Of what is drawn while batch 0, 1, ... of a split is measured, int64: the same for all members, whenever."""
    return int(stream(MEASURE, batch).generate_state(1, np.uint64)[0].astype(np.int64))
