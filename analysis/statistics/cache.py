"""Results of functions of arrays, kept: a report that is written while a study runs asks the same again and again."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")
#: Results kept of each function; what was not asked for the longest goes first.
MOST = 20_000


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which computes once for the same arguments. They are arrays, lists of arrays and hashable values;
    nobody changes a result."""
    kept: OrderedDict[Any, R] = OrderedDict()

    @functools.wraps(function)
    def found(*arguments: P.args, **named: P.kwargs) -> R:
        key = _key((arguments, sorted(named.items())))
        if key in kept:
            kept.move_to_end(key)
            return kept[key]
        result = kept[key] = function(*arguments, **named)
        if len(kept) > MOST:
            kept.popitem(last=False)
        return result

    return found


def _key(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, list | tuple):
        return tuple(map(_key, value))
    return value
