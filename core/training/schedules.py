"""Schedules: by what factor a hyperparameter's value is multiplied at each step.

A study chooses one for any hyperparameter by its class's name, or an own one by an import path: a Schedule, or a
function of (step, steps). Step counts from 0; `steps` is the number of steps of the whole training.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from seedsweep.core.component import Choice, Component, Range
from seedsweep.core.errors import UserError
from seedsweep.core.training.failures import named, told


class Schedule(Component):
    """Subclass it: `shape` is the factor after the warm-up.

    reads_total: whether the factor depends on the number of steps of the whole training, which then cannot grow.
    """

    @dataclass(frozen=True)
    class Settings:
        """warmup_steps: the factor first rises from `warmup_start` to 1 in so many steps, on a straight line; the
        schedule begins after them.  warmup_start: the factor at the first of these steps.
        """

        warmup_steps: Annotated[int, Range(0)] = 0
        warmup_start: Annotated[float, Range(0, 1)] = 0.0

    reads_total: ClassVar[bool] = False

    def factor(self, step: int, steps: int) -> float:
        """At step 0, 1, ... of `steps`."""
        s = self.settings
        if step < s.warmup_steps:
            return float(s.warmup_start + (1 - s.warmup_start) * step / s.warmup_steps)
        return self.shape(step - s.warmup_steps, max(1, steps - s.warmup_steps))

    def shape(self, step: int, steps: int) -> float:
        """The factor, steps counted after the warm-up."""
        raise NotImplementedError


class Constant(Schedule):
    """The hyperparameter keeps its value, after a warm-up."""

    def shape(self, step: int, steps: int) -> float:
        """1."""
        return 1.0


class Step(Schedule):
    """`factor ** floor(step / every)`; torch's StepLR."""

    @dataclass(frozen=True)
    class Settings(Schedule.Settings):
        """every: steps between two decays.  factor: by which each decay multiplies."""

        every: Annotated[int, Range(1)] = 1000
        factor: Annotated[float, Range(0, 1)] = 0.1

    def shape(self, step: int, steps: int) -> float:
        """See the class."""
        decayed: float = self.settings.factor ** (step // self.settings.every)
        return decayed


class MultiStep(Schedule):
    """`factor ** (number of milestones at or before the step)`; torch's MultiStepLR."""

    @dataclass(frozen=True)
    class Settings(Schedule.Settings):
        """milestones: steps of the decays, counted after the warm-up.  factor: by which each decay multiplies."""

        milestones: Annotated[tuple[int, ...], Range(0)] = ()
        factor: Annotated[float, Range(0, 1)] = 0.1

    def shape(self, step: int, steps: int) -> float:
        """See the class."""
        decayed: float = self.settings.factor ** bisect.bisect_right(sorted(self.settings.milestones), step)
        return decayed


class Cosine(Schedule):
    """Half a cosine from 1 to `end` over the whole training; torch's CosineAnnealingLR (Loshchilov & Hutter 2017)."""

    @dataclass(frozen=True)
    class Settings(Schedule.Settings):
        """end: the factor at the end of the training."""

        end: Annotated[float, Range(0, 1)] = 0.0

    reads_total = True

    def shape(self, step: int, steps: int) -> float:
        """See the class."""
        end: float = self.settings.end
        return end + (1 - end) * (1 + math.cos(math.pi * step / steps)) / 2


class Linear(Schedule):
    """From 1 to `end` over the whole training, on a straight line; torch's LinearLR."""

    @dataclass(frozen=True)
    class Settings(Schedule.Settings):
        """end: the factor at the end of the training."""

        end: Annotated[float, Range(0, 1)] = 0.0

    reads_total = True

    def shape(self, step: int, steps: int) -> float:
        """See the class."""
        return float(1 + (self.settings.end - 1) * min(step, steps) / steps)


class OneCycle(Schedule):
    """Up from `1/divide` to 1, then down to `1/(divide * final_divide)`; torch's OneCycleLR in two phases (Smith &
    Topin 2018). The hyperparameter is the peak."""

    @dataclass(frozen=True)
    class Settings(Schedule.Settings):
        """rise: share of the steps until the peak.  divide: the first factor is 1 / divide.  final_divide: the last
        factor is 1 / (divide * final_divide).  shape: of both phases, half a cosine or a straight line.
        """

        rise: Annotated[float, Range(0, 1)] = 0.3
        divide: Annotated[float, Range(1)] = 25.0
        final_divide: Annotated[float, Range(1)] = 1e4
        shape: Annotated[str, Choice("cos", "linear")] = "cos"

    reads_total = True

    def shape(self, step: int, steps: int) -> float:
        """See the class."""
        s = self.settings
        peak = float(s.rise * steps) - 1
        low, end = 1 / s.divide, 1 / (s.divide * s.final_divide)
        if step <= peak:
            first, last, share = low, 1.0, step / peak if peak > 0 else 1.0
        else:
            first, last, share = 1.0, end, min(1.0, (step - peak) / (steps - 1 - peak)) if steps - 1 > peak else 1.0
        if s.shape == "cos":
            return float(last + (first - last) / 2 * (1 + math.cos(math.pi * share)))
        return float(first + (last - first) * share)


class _Own(Schedule):
    """A user's function of (step, steps)."""

    reads_total = True

    def __init__(self, function: Callable[[int, int], float]):
        super().__init__()
        self._function = function

    def shape(self, step: int, steps: int) -> float:
        with told(self._function, ""):
            given = self._function(step, steps)
        return _number(self._function, "", given)


def own_schedule(function: Callable[[int, int], float]) -> Schedule:
    """A Schedule from a function of (step, steps) to a factor; it may read the number of steps."""
    return _Own(function)


def factor_of(schedule: Schedule, step: int, steps: int) -> float:
    """At step 0, 1, ... of `steps`. Errors: UserError for what a schedule does wrong."""
    with told(schedule, "shape"):
        given = schedule.factor(step, steps)
    return _number(schedule, "shape", given)


def _number(component: Any, method: str, given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        where = named(component, method)
        raise UserError(f"{where} gives {type(given).__name__}: a number is needed, the factor") from None
