"""The groups in which a cohort's members are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

import torch

from seedsweep.core.training.memory import TOO_LARGE, OutOfMemoryError, ran_out, release

T = TypeVar("T")


class Groups:
    """`count` members in groups of at most `at_once`. A group that runs out of memory is halved, for good."""

    def __init__(self, count: int, at_once: int, device: torch.device):
        self._device = device
        self._slices = [slice(first, min(first + at_once, count)) for first in range(0, count, at_once)]

    @property
    def largest(self) -> int:
        """Members of the largest group."""
        return max(group.stop - group.start for group in self._slices)

    def __len__(self) -> int:
        return len(self._slices)

    def each(self, work: Callable[[slice], T]) -> list[T]:
        """What `work`, which changes nothing before its end, gives for each group. Errors: OutOfMemoryError."""
        waiting, done, results = deque(self._slices), list[slice](), list[T]()
        while waiting:
            group = waiting.popleft()
            try:
                results.append(work(group))
                done.append(group)
                continue
            except Exception as error:
                if not ran_out(error):
                    raise
            # Outside of the handler: the error holds on to all that the work had taken.
            release(self._device)
            waiting.extendleft(reversed(_halves(group)))
        self._slices = done
        return results


def _halves(group: slice) -> list[slice]:
    """Errors: OutOfMemoryError for a group of one."""
    middle = (group.start + group.stop) // 2
    if middle == group.start:
        raise OutOfMemoryError(f"one member alone {TOO_LARGE}")
    return [slice(group.start, middle), slice(middle, group.stop)]
