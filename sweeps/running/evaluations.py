"""A member that reports its evaluations itself, one by one: what a function's and a command's runs share."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np

from seedsweep.core.errors import UserError
from seedsweep.core.records.claim import Claim
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.study import Study


class OwnCodeError(UserError):
    """What a user's function or command did wrong, or why it failed.

    detail: the user's own lines of the traceback, or the last lines that a command wrote; may be empty.
    """

    def __init__(self, line: str, detail: str = ""):
        super().__init__(line)
        self.detail = detail


class ReportingRun:
    """The training of one member, as `CohortWorker` sees it: its evaluations by step, with those of earlier owners.

    Values that are reported again for a step replace the earlier ones: a resumed run repeats some steps. May be used
    from several threads. Subclasses have `advance`, `close`, and in `facts` where and how the member trains.

    step: the last one that was reported.  columns: the metrics that are recorded.
    """

    facts: dict[str, Any]

    def __init__(self, claim: Claim, spec: CohortSpec, study: Study):
        """study: as the cohort's configuration has it."""
        self.claim, self.spec, self.study = claim, spec, study
        self.metric = study.criterion.metric
        self.columns = list(dict.fromkeys([*study.metrics, self.metric]))
        self.stopped_at: list[int | None] = [None]
        self._lock = threading.RLock()
        self._values: dict[int, dict[str, float]] = {}
        self.step = 0
        if (earlier := claim.record.curves()) is not None:
            for step, values in zip(earlier.steps, earlier.values[:, 0], strict=True):
                self.add(step, dict(zip(earlier.columns, values.tolist(), strict=True)))
        self._written_at, self._unwritten = time.monotonic(), False

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of one step."""
        with self._lock:
            self.step = step
            if values:
                self._values.setdefault(step, {}).update(values)
                self._unwritten = True

    def write(self) -> None:
        """Put the evaluations on record. Errors: FencedError."""
        with self._lock:
            self.claim.write_curves(self.curves())
            self._written_at, self._unwritten = time.monotonic(), False

    def write_if_due(self) -> None:
        """Put the evaluations on record once every `resources.checkpoint_seconds`. Errors: FencedError."""
        if self._unwritten and time.monotonic() - self._written_at >= self.study.resources.checkpoint_seconds:
            self.write()
        else:
            self.claim.check()

    def curves(self) -> Curves:
        """The steps at which the criterion's metric was reported. What a step lacks of the other metrics is NaN."""
        with self._lock:
            steps = sorted(step for step, values in self._values.items() if self.metric in values)
            rows = [[[self._values[step].get(name, math.nan) for name in self.columns]] for step in steps]
        values = np.array(rows, np.float64).reshape(len(steps), 1, len(self.columns))
        return Curves(steps, values, list(self.columns), list(self.spec.seeds))

    @property
    def shares(self) -> Sequence[Self]:
        """Its one cohort's."""
        return [self]

    @property
    def diverged_at(self) -> list[int | None]:
        """The first step at which the criterion's metric was not finite."""
        curves = self.curves()
        finite = np.isfinite(curves.column(self.metric)[:, 0])
        return [None if finite.all() else curves.steps[int(np.argmin(finite))]]

    def finish(self) -> list[dict[str, dict[str, float]]]:
        """Measures of the test split, which neither a function nor a command has."""
        return [{}]


def warnings_of(study: Study, values: Mapping[str, Sequence[float]], when: str) -> list[str]:
    """What is likely wrong with the values of a first evaluation, those of each member by name."""
    metric, found = study.criterion.metric, []
    if not all(map(math.isfinite, values.get(metric, ()))):
        found.append(f"the criterion's {metric} is not finite {when}")
    for name, measure in study.measures.items():
        if beyond := [value for value in values.get(name, ()) if measure.is_beyond(value)]:
            found.append(f"{name} is {beyond[0]:g} {when}, outside of its declared ends, {measure.ends}")
        if name not in values and not measure.optional:
            found.append(f"{name} is declared and not measured {when}")
    return found


def whole_step(value: Any) -> int:
    """A reported step as an int. Errors: UserError."""
    whole = isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())
    if isinstance(value, bool) or not whole or value < 0:
        raise UserError(f"step {value!r} is no whole number; it must be 0, 1, 2, ...")
    return int(value)


def number(name: str, value: Any) -> float:
    """A reported metric as a float; it may be an array or a tensor of one number. Errors: UserError."""
    with contextlib.suppress(TypeError, ValueError, RuntimeError):
        if not isinstance(value, str | bytes | bool):
            # torch warns of a number that still has its gradient.
            return float(value.detach() if hasattr(value, "detach") else value)
    shown = " ".join(repr(value).split())
    raise UserError(f"{name} is {shown if len(shown) <= 60 else f'{shown[:57]}...'}; it must be a number")
