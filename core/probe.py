"""How fast members train together on a device, and with how much memory: a timed probe."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from core import memory
from core.cohort import Cohort, TrainingSettings, engines
from core.recorded import WARM_UP
from core.schedules import Hyperparameters, Member
from core.task import Task

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
    sizes = sorted({*(2**k for k in range(most.bit_length()) if 2**k < most), most}) if together else [1]
    budget, rates = memory.available(task.device, share), list[Rate]()
    for size in sizes:
        if rates and _expected(rates, size) > budget:
            break
        memory.release(task.device)
        memory.begin_peak(task.device)
        cohort = Cohort(task, [Member(seed, hyperparameters) for seed in range(size)], training, size)
        rate = _timed(cohort, seconds)
        if cohort.at_once < size:
            break
        rates.append(Rate(size, rate, memory.peak(task.device)))
        # Twice in a row, as one timing may have been disturbed.
        if len(rates) > 2 and rates[-1].rate < WORTH * rates[-3].rate:
            break
    return rates


def at_once(rates: Sequence[Rate], count: int) -> int:
    """Into groups of how many a cohort of so many members is best divided: the smallest that reach the best rate, all
    but for WORTH, as equal as can be."""
    fitting = [rate for rate in rates if rate.members <= count]
    best = max(rate.rate for rate in fitting)
    size = min(rate.members for rate in fitting if WORTH * rate.rate >= best)
    return -(-count // -(-count // size))


def _expected(rates: Sequence[Rate], size: int) -> float:
    """Bytes of so many members, from those of fewer: each one more takes as much as the last did, at most."""
    last = rates[-1]
    before = rates[-2] if len(rates) > 1 else Rate(0, 0.0, 0.0)
    each = (last.bytes - before.bytes) / (last.members - before.members)
    return last.bytes + max(each, 0.0) * (size - last.members)


def _timed(cohort: Cohort, seconds: float) -> float:
    """Members' steps a second."""
    for _ in range(WARM_UP + 1):
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
