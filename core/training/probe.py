"""How fast members train together on a device, and with how much memory: a timed probe."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from seedsweep.core.task import Task
from seedsweep.core.training import memory
from seedsweep.core.training.cohort import Cohort, TrainingSettings, engines
from seedsweep.core.training.cuda_graph import WARM_UP
from seedsweep.core.training.schedules import Hyperparameters, Member

#: A larger group is worth it where it trains more members' steps a second by so much.
WORTH = 1.05


@dataclass(frozen=True)
class Rate:
    """members trained together: members' steps a second, and the most bytes that the process used (0: not known)."""

    members: int
    rate: float
    bytes: float


def probe(
    task: Task,
    hyperparameters: Hyperparameters,
    training: TrainingSettings,
    most: int,
    share: float = 1.0,
    seconds: float = 0.5,
) -> list[Rate]:
    """1, 2, 4, ... and `most` members together, until the rate stops rising, or memory would end.

    share: of the device that this program may use.  seconds: of each timing, after a warm-up.
    Errors: memory.OutOfMemoryError where not even one fits.
    """
    together = "fused" in engines(task.settings.model)
    most = min(most, most_held(task, share)) if together else 1
    sizes = sorted({*(2**k for k in range(most.bit_length()) if 2**k < most), most})
    budget, rates = memory.available(task.device, share), list[Rate]()
    memory.begin_peak(task.device)
    # (members, bytes): what there is without any.
    taken = [(0, memory.peak(task.device))]
    for size in sizes:
        if len(taken) > 1 and _expected(taken, size) > budget:
            break
        memory.release(task.device)
        memory.begin_peak(task.device)
        cohort = Cohort(task, [Member(seed, hyperparameters) for seed in range(size)], training, size)
        rate, fits = _timed(cohort, seconds), cohort.at_once == size
        # Or the next one would be measured beside it.
        del cohort
        if not fits:
            break
        taken.append((size, memory.peak(task.device)))
        rates.append(Rate(size, rate, taken[-1][1]))
        # Twice in a row, as one timing may have been disturbed.
        if len(rates) > 2 and rates[-1].rate < WORTH * rates[-3].rate:
            break
    return rates


def most_held(task: Task, share: float = 1.0) -> int:
    """How many members a device holds, in groups of whatever size: with half of its memory for what each keeps, its
    weights, their two moments, and once its model."""
    model = task.build(0)
    each = 4 * sum(p.nbytes for p in model.parameters()) + sum(b.nbytes for b in model.buffers())
    return max(1, int(0.5 * memory.available(task.device, share) / each))


def expected_rate(rates: Sequence[Rate], members: int) -> float:
    """Members' steps a second of a group of so many, between those that were timed on a straight line."""
    return float(np.interp(members, [rate.members for rate in rates], [rate.rate for rate in rates]))


def at_once(rates: Sequence[Rate], count: int) -> int:
    """Into equal groups of how many a cohort of so many members is best divided; none larger than was timed."""
    groups = range(1, count + 1)
    sizes = sorted({-(-count // number) for number in groups if -(-count // number) <= rates[-1].members})
    return max(sizes, key=lambda size: (expected_rate(rates, size), -size))


def _expected(taken: Sequence[tuple[int, float]], size: int) -> float:
    """Bytes of so many members: each one more takes as much as the last ones did."""
    (before, less), (last, more) = taken[-2:]
    return more + max(more - less, 0.0) / (last - before) * (size - last)


def _timed(cohort: Cohort, seconds: float) -> float:
    """Members' steps a second."""
    # On a GPU until the step is recorded.
    for _ in range(WARM_UP + 1 if cohort.task.device.type == "cuda" else 2):
        cohort.train_step()
    wait(cohort.task.device)
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        cohort.train_step()
        wait(cohort.task.device)
        steps += 1
    return steps * len(cohort.members) / (time.perf_counter() - start)


def wait(device: torch.device) -> None:
    """Until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
