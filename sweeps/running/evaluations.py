"""What a function or a command reports of itself, and the parts of a record that it keeps."""

from __future__ import annotations

import contextlib
import math
import shutil
import threading
import time
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import Claim, CohortRecord, CohortSpec, Curves
from seedsweep.core.records.study import Study

#: Folder of a member's own files in its cohort's folder, by number of its owner.
FILES = "files"
#: Values of a configuration that have a bare name and are no hyperparameters.
_NO_HYPERPARAMETERS = ("task", "command", "init_from")


class Evaluations:
    """Of one member, by step. A step that is reported again replaces what it names: a resumed run repeats itself.

    Begins with what earlier owners recorded. May be used from several threads.
    """

    def __init__(self, spec: CohortSpec, study: Study, record: CohortRecord, claim: Claim):
        self._seeds = list(spec.seeds)
        self._claim, self._metric = claim, study.criterion.metric
        self._seconds = study.resources.checkpoint_seconds
        self.columns = list(dict.fromkeys([*study.metrics, self._metric]))
        self._lock = threading.RLock()
        self._values: dict[int, dict[str, float]] = {}
        self.step = 0
        if (earlier := record.curves()) is not None:
            for step, values in zip(earlier.steps, earlier.values[:, 0], strict=True):
                self.add(step, dict(zip(earlier.columns, values.tolist(), strict=True)))
        self._written, self._fresh = time.monotonic(), False

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of one step."""
        with self._lock:
            self.step = step
            if values:
                self._values.setdefault(step, {}).update(values)
                self._fresh = True

    def write(self) -> None:
        """Put them on record. Errors: FencedError."""
        with self._lock:
            self._claim.write_curves(self.curves())
            self._written, self._fresh = time.monotonic(), False

    def write_if_due(self) -> None:
        """Put them on record where the last time is long enough ago. Errors: FencedError."""
        if self._fresh and time.monotonic() - self._written >= self._seconds:
            self.write()
        else:
            self._claim.check()

    def curves(self) -> Curves:
        """The steps at which the criterion's metric was reported."""
        with self._lock:
            steps = sorted(step for step, values in self._values.items() if self._metric in values)
            rows = [[[self._values[step].get(name, math.nan) for name in self.columns]] for step in steps]
        values = np.array(rows, np.float64).reshape(len(steps), 1, len(self.columns))
        return Curves(steps, values, list(self.columns), self._seeds)

    @property
    def diverged_at(self) -> int | None:
        """The first step at which the criterion's metric was not finite."""
        curves = self.curves()
        finite = np.isfinite(curves.column(self._metric)[:, 0])
        return None if finite.all() else curves.steps[int(np.argmin(finite))]

    @property
    def empty(self) -> bool:
        """Whether the criterion's metric was never reported."""
        return not self.curves().steps


class ReportedRun:
    """What a `SingleRun` says of its evaluations, which both kinds of it report one by one."""

    _reported: Evaluations

    @property
    def step(self) -> int:
        """See `SingleRun`."""
        return self._reported.step

    @property
    def diverged_at(self) -> int | None:
        """See `SingleRun`."""
        return self._reported.diverged_at

    def curves(self) -> Curves:
        """See `SingleRun`."""
        return self._reported.curves()


def whole_step(value: Any) -> int:
    """A step as it was reported. Errors: UserError."""
    whole = isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())
    if isinstance(value, bool) or not whole or value < 0:
        raise UserError(f"step {value!r} is no whole number; it must be 0, 1, 2, ...")
    return int(value)


def number(name: str, value: Any) -> float:
    """A metric's value as it was reported: a number, or an array or tensor that holds one. Errors: UserError."""
    with contextlib.suppress(TypeError, ValueError, RuntimeError):
        if not isinstance(value, str | bytes | bool):
            return float(value)
    raise UserError(f"{name} is {_short(value)}; it must be a number")


def hyperparameters(spec: CohortSpec, study: Study) -> dict[str, Any]:
    """Name -> value of a configuration's hyperparameters."""
    given = {**study.hyperparameters, **spec.values, **spec.overrides}
    return {
        name.removeprefix("hyperparameters."): value
        for name, value in given.items()
        if name.startswith("hyperparameters.") or ("." not in name and name not in _NO_HYPERPARAMETERS)
    }


def settings(spec: CohortSpec, study: Study) -> dict[str, Any]:
    """Name -> value of a configuration's settings; sections within them are dicts."""
    made = _copied(study.settings)
    for path, value in {**spec.values, **spec.overrides}.items():
        if path.startswith("settings."):
            *sections, last = path.split(".")[1:]
            place = made
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = value
    return made


def own_folder(record: CohortRecord, claim: Claim) -> Path:
    """This owner's folder for a member's files. It begins as a copy of what the last owner left, which is then removed.

    Errors: OSError.
    """
    owner = _number(claim.checkpoint)
    mine, partial = record.folder / f"{FILES}.{owner}", record.folder / f".{FILES}.{owner}"
    # Of owners that ended while they copied; a newer one may be copying now.
    for leftover in record.folder.glob(f".{FILES}.*"):
        if _number(leftover) <= owner:
            shutil.rmtree(leftover, ignore_errors=True)
    earlier = [path for path in record.folder.glob(f"{FILES}.*") if _number(path) < owner]
    if earlier:
        _copy(max(earlier, key=_number), partial)
    else:
        partial.mkdir()
    partial.rename(mine)
    for folder in earlier:
        shutil.rmtree(folder, ignore_errors=True)
    return mine


def _number(path: Path) -> int:
    """Of the owner that a file belongs to: `files.3`, `checkpoint.3.pt`."""
    return int(path.name.removeprefix(".").split(".")[1])


def _copy(source: Path, target: Path) -> None:
    """A folder with what it holds; links stay links. What vanishes meanwhile belongs to an owner that is not quite
    dead, and is left out."""
    target.mkdir()
    for entry in sorted(source.iterdir()):
        with contextlib.suppress(FileNotFoundError):
            if entry.is_symlink():
                (target / entry.name).symlink_to(entry.readlink())
            elif entry.is_dir():
                _copy(entry, target / entry.name)
            elif entry.is_file():
                shutil.copy2(entry, target / entry.name)


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
