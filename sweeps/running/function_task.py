"""A user's function as a member: `task: train.py:train`, `def train(run)`."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import inspect
import math
import random
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seedsweep.core.component import choose, resolve, takes
from seedsweep.core.errors import SeedsweepError, UserError
from seedsweep.core.records.ledger import Claim, CohortRecord, CohortSpec, FencedError
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study
from seedsweep.core.training import checkpoint
from seedsweep.sweeps.running import evaluations, user_code
from seedsweep.sweeps.running.evaluations import Evaluations, ReportedRun
from seedsweep.sweeps.running.single_run import OwnCodeError

#: Home of the built-in tasks, among which a name without a colon is looked up.
_HOME = "seedsweep.core.models"
#: What a function may take, in seconds, to end when it is told to.
_PATIENCE = 5.0
_PLAIN = (bool, int, float, str, bytes, type(None))


def open(spec: CohortSpec, study: Study, record: CohortRecord, claim: Claim, run_paths: RunPaths) -> FunctionRun:
    """The run of a cohort of one member. Errors: UserError."""
    return FunctionRun(spec, study, record, claim, user_code.folder_in_use(run_paths))


def function_of(study: Study) -> Callable[[Run], Any]:
    """The function that a study names. Errors: UserError that names the field."""
    try:
        function = resolve(study.task, _HOME)
    except UserError as error:
        raise UserError(f"task: {error}") from error
    if not callable(function):
        raise UserError(f"task: {study.task} is {type(function).__name__}; it must be a function of one run")
    if not takes(function, 1):
        given = inspect.signature(function)
        raise UserError(f"task: {study.task}{given} must take one argument, the run")
    return function  # type: ignore[no-any-return]


class Fields(Mapping[str, Any]):
    """Values by name or as attributes; a section within them is Fields too."""

    def __init__(self, kind: str, values: Mapping[str, Any]):
        """kind: of a value, for messages."""
        self._kind = kind
        self._values = {name: Fields(kind, v) if isinstance(v, Mapping) else v for name, v in values.items()}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"there is no {self._kind} {name!r}; {choose(name, self._values)}") from None

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class _Stopped(BaseException):
    """Ends the user's function; no `except Exception` of its holds it up."""


class Run:
    """What a function is given.

    seed: of this member; random, NumPy and torch are seeded with it before the call.
    hp: hyperparameters, `run.hp.lr`.  settings: likewise.  values: all of the configuration, by dotted path.
    steps: that the study asks for, 0 where it does not say.  device: `cuda` or `cpu`.
    folder: of this member's own files; after a kill it holds what was there.
    """

    def __init__(
        self,
        spec: CohortSpec,
        study: Study,
        record: CohortRecord,
        claim: Claim,
        reported: Evaluations,
        stopped: threading.Event,
    ):
        self.seed = spec.seeds[0]
        self.hp = Fields("hyperparameter", evaluations.hyperparameters(spec, study))
        self.settings = Fields("setting", evaluations.settings(spec, study))
        self.values = dict(spec.values)
        self.steps = spec.steps
        self.device = "cuda" if study.resources.gpus and torch.cuda.is_available() else "cpu"
        self.folder = evaluations.own_folder(record, claim)
        self._record, self._claim, self._reported, self._stopped = record, claim, reported, stopped

    def report(self, step: int, **metrics: float) -> None:
        """Record an evaluation on validation after so many steps. A step that is reported again is replaced.

        Errors: UserError for a metric that the study's `metrics` does not declare, or a step that is no whole number.
        """
        self._go_on()
        try:
            at = evaluations.whole_step(step)
            for name in metrics:
                if name not in self._reported.columns:
                    known = choose(name, self._reported.columns)
                    raise UserError(f"there is no metric {name!r} in the study's `metrics`; {known}")
            values = {name: evaluations.number(name, value) for name, value in metrics.items()}
        except UserError as error:
            raise UserError(f"run.report: {error}") from None
        self._reported.add(at, values)

    def save(self, state: Any) -> None:
        """Keep, whole or not at all, what training goes on from after a kill: tensors, numbers, strings, lists, dicts.

        Errors: UserError for anything else, OSError.
        """
        self._go_on()
        plain = _plain(state, "state")
        # The evaluations first: what is trained on from must already be on record.
        self._reported.write()
        checkpoint.save(self._claim.checkpoint, {"state": plain})

    def load(self) -> Any:
        """What was saved last, by this or by an earlier owner of the member, on `device`; None where nothing was."""
        self._go_on()
        stored = checkpoint.latest(self._record.checkpoints(), self.device)
        return None if stored is None else stored.get("state")

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise _Stopped


class FunctionRun(ReportedRun):
    """See `SingleRun`. The function runs in a thread of its own, which ends with the process."""

    def __init__(self, spec: CohortSpec, study: Study, record: CohortRecord, claim: Claim, folder: Path | None):
        """folder: of the user's files, to tell their lines in a traceback from ours; None: all are theirs."""
        self._function, self._name, self._code = function_of(study), study.task, folder
        self._metric = study.criterion.metric
        self._reported = Evaluations(spec, study, record, claim)
        self._stopped = threading.Event()
        self._run = Run(spec, study, record, claim, self._reported, self._stopped)
        self.facts: dict[str, Any] = {
            "engine": "function",
            "device": torch.cuda.get_device_name() if self._run.device == "cuda" else "cpu",
            "resumed_at": self._reported.step,
        }
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._finished = False

    def advance(self, seconds: float) -> bool:
        """See `SingleRun`."""
        if self._finished:
            return True
        self._reported.write_if_due()
        if self._thread is None and seconds == math.inf:
            self._call()
        else:
            if self._thread is None:
                self._thread = threading.Thread(target=self._call, daemon=True, name=self._name)
                self._thread.start()
            self._thread.join(None if seconds == math.inf else seconds)
            if self._thread.is_alive():
                return False
        if self._error is not None:
            raise self._described(self._error) from self._error
        if self._reported.empty:
            raise OwnCodeError(
                f"{self._name} never reported {self._metric}: call run.report(step, {self._metric}=...) with it"
            )
        with contextlib.suppress(OSError):
            # Where the function left nothing in it.
            self._run.folder.rmdir()
        self._finished = True
        return True

    def close(self) -> None:
        """See `SingleRun`."""
        self._stopped.set()
        thread = self._thread
        if thread is not None and thread.is_alive() and thread.ident is not None:
            # A function that reports nothing for long is ended at its next line.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_Stopped))
            thread.join(_PATIENCE)

    def _call(self) -> None:
        try:
            _seed(self._run.seed)
            self._function(self._run)
        except _Stopped:
            pass
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._error = error

    def _described(self, error: BaseException) -> BaseException:
        """What the function died of, in one line."""
        if isinstance(error, FencedError):
            return error
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
        mine = [f for f in frames if self._code is not None and Path(f.filename).is_relative_to(self._code)] or frames
        place = f" ({Path(mine[-1].filename).name} line {mine[-1].lineno})" if mine else ""
        what = " ".join(str(error).split())
        if not isinstance(error, SeedsweepError):
            what = f"{type(error).__name__}: {what}" if what else type(error).__name__
        line = f"{self._name}: {what}{place}"
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            line = f"no space left on the device of {self._run.folder}: {line}"
        detail = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
        return OwnCodeError(line, "".join(detail))


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _plain(value: Any, where: str) -> Any:
    """A state as it may be read without unpickling code: NumPy's numbers become Python's. Errors: UserError."""
    if isinstance(value, torch.Tensor) or type(value) in _PLAIN:
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(below, f"{where}[{key!r}]") for key, below in value.items()}
    if isinstance(value, list | tuple):
        parts = [_plain(below, f"{where}[{place}]") for place, below in enumerate(value)]
        return tuple(parts) if isinstance(value, tuple) else parts
    right = (
        "torch.from_numpy(...) of it" if isinstance(value, np.ndarray) else "tensors, numbers, strings, lists, dicts"
    )
    raise UserError(f"run.save: {where} is of type {type(value).__name__}; save {right}")


def _key(key: Any, where: str) -> Any:
    if type(key) not in _PLAIN:
        raise UserError(f"run.save: {where} has a key of type {type(key).__name__}; keys are strings or numbers")
    return key
