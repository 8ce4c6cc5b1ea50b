"""How fast members train together on a device, and with how much memory: a timed probe."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from seedsweep.core.records.study import Training
from seedsweep.core.task import Task
from seedsweep.core.training import memory
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.cuda_graph import WARM_UP
from seedsweep.core.training.models import build
from seedsweep.core.training.optimisers import Optimizer
from seedsweep.core.training.seeds import Member

#: A larger group is worth it where it trains more members' steps a second by so much.
WORTH = 1.05


@dataclass(frozen=True)
class Rate:
    """members trained together: members' steps a second, and the most bytes that the process used (0: not known)."""

    members: int
    rate: float
    bytes: float


def time_steps(cohort: Cohort, seconds: float) -> float:
    """Members' steps a second of a cohort by its median step, over so many seconds after a warm-up: what else runs on
    the machine for a moment changes the mean, and which size is chosen, but not the median."""
    # On a GPU until the step is recorded.
    for _ in range(WARM_UP + 1 if cohort.task.data.device.type == "cuda" else 2):
        cohort.train_step()
    wait(cohort.task.data.device)
    ends = [time.perf_counter()]
    while len(ends) < 2 or ends[-1] - ends[0] < seconds:
        cohort.train_step()
        wait(cohort.task.data.device)
        ends.append(time.perf_counter())
    return len(cohort.members) / float(np.median(np.diff(ends)))


def probe(
    task: Task,
    member: Member,
    training: Training,
    optimizer: Optimizer,
    most: int,
    *,
    share: float = 1.0,
    seconds: float = 0.5,
    timed: Callable[[Cohort, float], float] = time_steps,
) -> list[Rate]:
    """1, 2, 4, ... and `most` members together, until the rate stops rising, or memory would end; they differ from
    `member` by their seeds.

    share: of the device that this program may use.  seconds: of each timing, after a warm-up.  timed: by what.
    Errors: memory.OutOfMemoryError where not even one fits.
    """
    most = min(most, most_held(task, optimizer, share))
    sizes = sorted({*(2**k for k in range(most.bit_length()) if 2**k < most), most})
    device = task.data.device
    budget, rates = memory.available(device, share), list[Rate]()
    memory.begin_peak(device)
    # (members, bytes): what there is without any.
    taken = [(0, memory.peak(device))]
    for size in sizes:
        if len(taken) > 1 and _expected(taken, size) > budget:
            break
        memory.release(device)
        memory.begin_peak(device)
        members = [replace(member, seed=seed) for seed in range(size)]
        cohort = Cohort(task, members, training, optimizer, size)
        try:
            rate, fits = timed(cohort, seconds), cohort.at_once == size
        except memory.OutOfMemoryError:
            if not rates:
                raise
            break
        # Or the next one would be measured beside it.
        del cohort
        if not fits:
            break
        taken.append((size, memory.peak(device)))
        rates.append(Rate(size, rate, taken[-1][1]))
        # Twice in a row, as one timing may have been disturbed.
        if len(rates) > 2 and rates[-1].rate < WORTH * rates[-3].rate:
            break
    return rates


def most_held(task: Task, optimizer: Optimizer, share: float = 1.0) -> int:
    """How many members a device holds, in groups of whatever size: with half of its memory for what each keeps, its
    weights, the optimiser's state of them, and once its model."""
    model = build(task, 0)
    copies = 2 + len(optimizer.slots)
    each = copies * sum(p.nbytes for p in model.parameters()) + sum(b.nbytes for b in model.buffers())
    return max(1, int(0.5 * memory.available(task.data.device, share) / max(each, 1)))


def expected_rate(rates: Sequence[Rate], members: int) -> float:
    """Members' steps a second of a group of so many, between those that were timed on a straight line."""
    return float(np.interp(members, [rate.members for rate in rates], [rate.rate for rate in rates]))


def at_once(rates: Sequence[Rate], count: int) -> int:
    """Into equal groups of how many a cohort of so many members is best divided; none larger than was timed."""
    groups = range(1, count + 1)
    sizes = sorted({-(-count // number) for number in groups if -(-count // number) <= rates[-1].members})
    return max(sizes, key=lambda size: (expected_rate(rates, size), -size))


def _expected(taken: Sequence[tuple[int, float]], size: int) -> float:
    """Bytes of `size` members, extrapolated on a straight line from the last two sizes."""
    (before, less), (last, more) = taken[-2:]
    return more + max(more - less, 0.0) / (last - before) * (size - last)


def wait(device: torch.device) -> None:
    """Until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
