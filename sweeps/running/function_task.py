"""A user's function as a member: `task: train.py:train`, `def train(run)`."""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import random
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seedsweep.core.component import choose, resolve, takes
from seedsweep.core.errors import SeedsweepError, UserError
from seedsweep.core.records.claim import Claim, FencedError
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.study import Study
from seedsweep.core.task import Values
from seedsweep.core.training import checkpoint
from seedsweep.sweeps.running.evaluations import OwnCodeError, ReportingRun, number, whole_step
from seedsweep.sweeps.running.prepared_task import device_of

#: Home of the built-in tasks, among which a name without a colon is looked up.
_HOME = "seedsweep.core.models"
#: Seconds that a function may take to end after it is told to.
_PATIENCE = 5.0
_PLAIN = (bool, int, float, str, bytes, type(None))


def function_of(study: Study) -> Callable[[Run], Any]:
    """The function that a study names. Errors: UserError that names the field."""
    try:
        function = resolve(study.task, _HOME)
    except UserError as error:
        raise UserError(f"task: {error}") from error
    if not callable(function):
        raise UserError(f"task: {study.task} is {type(function).__name__}; it must be a function of one run")
    if not takes(function, 1):
        raise UserError(f"task: {study.task}{inspect.signature(function)} must take one argument, the run")
    return function  # type: ignore[no-any-return]


class _Stopped(BaseException):
    """Ends the user's function. No Exception, so that an `except Exception` of the user's does not catch it."""


class Run:
    """What a function is given.

    seed: of this member; random, NumPy and torch are seeded with it before the call.
    hp: hyperparameters, `run.hp.lr`.  values: all of the configuration, by dotted path.
    steps: that the study asks for, 0 where it does not say.  device: `cuda` or `cpu`.
    folder: of this member's own files; after a kill it holds what was there.
    """

    def __init__(self, member: FunctionRun):
        self.seed, self.steps, self.values = member.spec.seeds[0], member.spec.steps, dict(member.spec.values)
        self.hp = Values(member.study.hyperparameters)
        self.device = device_of(member.study)
        self.folder = member.claim.files()
        self._member = member

    def report(self, step: int, **metrics: float) -> None:
        """Record an evaluation on validation after so many steps. A step that is reported again is replaced.

        Errors: UserError for a metric that the study's `metrics` does not declare, or a step that is no whole number.
        """
        self._member.check_stopped()
        columns = self._member.columns
        try:
            at = whole_step(step)
            for name in metrics:
                if name not in columns:
                    raise UserError(f"there is no metric {name!r} in the study's `metrics`; {choose(name, columns)}")
            values = {name: number(name, value) for name, value in metrics.items()}
        except UserError as error:
            raise UserError(f"run.report: {error}") from None
        self._member.add(at, values)

    def save(self, state: Any) -> None:
        """Keep, whole or not at all, what training resumes from after a kill: tensors, numbers, strings, lists, dicts.

        Errors: UserError for anything else, OSError.
        """
        self._member.check_stopped()
        plain = _plain(state, "state")
        # The evaluations first: those before the state must be on record when it is resumed from.
        self._member.write()
        checkpoint.save(self._member.claim.checkpoint, {"state": plain})

    def load(self) -> Any:
        """What was saved last, by this or by an earlier owner of the member, on `device`; None where nothing was."""
        self._member.check_stopped()
        stored = checkpoint.latest(self._member.claim.record.checkpoints(), self.device)
        return None if stored is None else stored.get("state")


class FunctionRun(ReportingRun):
    """A function's member. The function runs in a thread of its own, which ends with the process."""

    def __init__(self, claim: Claim, spec: CohortSpec, study: Study, code: Path | None, *, same_thread: bool = False):
        """code: folder of the user's files, whose lines a traceback shows; None: shows all.  same_thread: the first
        `advance` calls the function itself, to its end, so that a debugger stops in it.

        Errors: UserError.
        """
        self._function, self._name, self._code = function_of(study), study.task, code
        super().__init__(claim, spec, study)
        self._stopped = threading.Event()
        self._run = Run(self)
        self.facts = {
            "engine": "function",
            "device": torch.cuda.get_device_name() if self._run.device == "cuda" else "cpu",
            "resumed_at": self.step,
        }
        self._error: BaseException | None = None
        self._thread = None if same_thread else threading.Thread(target=self._call, daemon=True, name=self._name)

    def advance(self, seconds: float) -> bool:
        """Let it train for about so long; whether it has finished. Errors: OwnCodeError, FencedError."""
        self.write_if_due()
        if self._thread is None:
            self._call()
        else:
            if self._thread.ident is None:
                self._thread.start()
            self._thread.join(seconds)
            if self._thread.is_alive():
                return False
        if self._error is not None:
            raise self._described(self._error) from self._error
        if not self.curves().steps:
            raise OwnCodeError(
                f"{self._name} never reported {self.metric} in {self.spec.steps} steps (training.steps): call "
                f"run.report(step, {self.metric}=...) with it"
            )
        with contextlib.suppress(OSError):
            # Removed only where it is empty.
            self._run.folder.rmdir()
        return True

    def close(self) -> None:
        """End the function if it runs still."""
        self._stopped.set()
        if self._thread is not None and self._thread.is_alive():
            # A function that reports nothing for long ends at its next line of Python.
            identity = ctypes.c_ulong(self._thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(_Stopped))
            self._thread.join(_PATIENCE)

    def check_stopped(self) -> None:
        """Called from the function, which ends here once the run is closed."""
        if self._stopped.is_set():
            raise _Stopped

    def _call(self) -> None:
        try:
            random.seed(self._run.seed)
            np.random.seed(self._run.seed % 2**32)
            torch.manual_seed(self._run.seed)
            self._function(self._run)
        except _Stopped:
            pass
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._error = error

    def _described(self, error: BaseException) -> BaseException:
        """Why the function failed, in one line."""
        if isinstance(error, FencedError):
            return error
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
        mine = [f for f in frames if self._code is not None and Path(f.filename).is_relative_to(self._code)] or frames
        place = f" ({Path(mine[-1].filename).name} line {mine[-1].lineno})" if mine else ""
        what = " ".join(str(error).split())
        if not isinstance(error, SeedsweepError):
            what = f"{type(error).__name__}: {what}" if what else type(error).__name__
        detail = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
        return OwnCodeError(f"{self._name}: {what}{place}", "".join(detail))


def _plain(value: Any, where: str) -> Any:
    """A state as it may be read without unpickling code: NumPy's numbers become Python's. Errors: UserError."""
    kind = type(value)
    if isinstance(value, torch.Tensor) or kind in _PLAIN:
        return value
    if isinstance(value, np.generic):
        return value.item()
    if kind in (dict, OrderedDict) and all(type(key) in _PLAIN for key in value):
        return {key: _plain(below, f"{where}[{key!r}]") for key, below in value.items()}
    if kind in (list, tuple):
        return kind(_plain(below, f"{where}[{place}]") for place, below in enumerate(value))
    right = "torch.from_numpy(...) of it" if kind is np.ndarray else "tensors, numbers, strings, lists, dicts of them"
    raise UserError(f"run.save: {where} is of type {kind.__name__}; save {right}")
