"""What a user's own class or function does wrong, in one line that begins with its file."""

from __future__ import annotations

import contextlib
import inspect
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from seedsweep.core.component import near
from seedsweep.core.errors import SeedsweepError, UserError
from seedsweep.core.training.memory import ran_out

#: dtypes of what networks and losses take.
_TAKEN = (torch.float32, torch.int64)


@contextlib.contextmanager
def told(component: Any, method: str) -> Iterator[None]:
    """Around a call of a component's method: its own error becomes a line. Errors: UserError."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, SeedsweepError) or ran_out(error):
            raise
        raise UserError(failed(component, method, error)) from error


def failed(component: Any, method: str, error: BaseException) -> str:
    """A component's own error, with the line that it arose in or came through.

    component: an instance, or a function, whose `method` is empty.
    """
    if method and isinstance(error, NotImplementedError) and not error.args:
        return f"{named(component)} has no {method}{_arguments(component, method)}"
    source = _source(component)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == source]
    said = " ".join(str(error.args[0] if isinstance(error, KeyError) and error.args else error).split())[:300]
    name = named(component, method, lines[-1] if lines else None)
    hints = f"{_meant(error)}{_of_dtypes(component, error)}{_of_classes(component, error)}"
    return f"{name}: {type(error).__name__}{f': {said}' if said else ''}{hints}"


def _meant(error: BaseException) -> str:
    """Of an attribute that is not there, one that is and has nearly its name."""
    if not isinstance(error, AttributeError) or not error.name or error.obj is None:
        return ""
    found = near(error.name, [name for name in dir(error.obj) if not name.startswith("_")])
    return f"; {found}" if found else ""


def _of_dtypes(component: Any, error: BaseException) -> str:
    """Where torch complains of a type: which arrays of a task's data are of another one than networks take."""
    if not isinstance(error, RuntimeError) or "type" not in str(error):
        return ""
    train = getattr(getattr(component, "data", None), "train", {})
    others = {name: str(array.dtype) for name, array in train.items() if array.dtype not in _TAKEN}
    said = ", ".join(f"{name!r} is {dtype.removeprefix('torch.')}" for name, dtype in others.items())
    return f"; in the data {said}: networks take float32, and classes are int64" if said else ""


def _of_classes(component: Any, error: BaseException) -> str:
    """Where a class is out of bounds: which array of a task's data has more of them than the data set says."""
    data: Any = getattr(component, "data", None)
    classes = getattr(data, "classes", None)
    if not isinstance(error, IndexError) or not classes:
        return ""
    whole = {name: array for name, array in data.train.items() if array.dtype == torch.int64 and array.numel()}
    beyond = [f"{name!r} is {a.min()} to {a.max()}" for name, a in whole.items() if a.min() < 0 or a.max() >= classes]
    return f"; in the data {', '.join(beyond)}, and the data set has {classes} classes" if beyond else ""


def named(component: Any, method: str = "", line: int | None = None) -> str:
    """`file.py line 3: Class.method`, as messages begin."""
    source = _source(component)
    place = f"{Path(source).name}{f' line {line}' if line else ''}: " if source else ""
    return f"{place}{_kind(component).__name__}{f'.{method}' if method else ''}"


def _kind(component: Any) -> Any:
    return component if inspect.isroutine(component) else type(component)


def _source(component: Any) -> str:
    """Empty of what was typed in, or comes from a string."""
    with contextlib.suppress(TypeError, OSError):
        return inspect.getsourcefile(_kind(component)) or ""
    return ""


def _arguments(component: Any, method: str) -> str:
    """As `(model, batch, hp)`."""
    with contextlib.suppress(AttributeError, TypeError, ValueError):
        return f"({', '.join(inspect.signature(getattr(component, method)).parameters)})"
    return ""
