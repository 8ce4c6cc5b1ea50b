"""Hashes of what a study names by import path and is none of the user's files: `package.module:Name`, `__main__:Name`.

A module with a file counts with all of it. Of `__main__`, a notebook or a script, what is named counts, and what it
uses of the same module: the rest, the study's fields perhaps, may change.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

#: Where all is built in.
_PACKAGE = "seedsweep"
_PLAIN = (bool, int, float, str, bytes, tuple, type(None))
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
#: Of a class's attributes those that say nothing of what it does.
_NOT_SAID = ("__dict__", "__weakref__", "__module__", "__doc__", "__firstlineno__", "__static_attributes__")


def source_hashes(paths: Iterable[str]) -> dict[str, str]:
    """Import path -> hash of its source, of those whose module is imported by now and is not built in."""
    found = {path: _found(path) for path in sorted(set(paths))}
    return {path: _source_hash(*each) for path, each in found.items() if each is not None}


def file_of(path: str) -> Path | None:
    """Of the module that defines what an import path names; None where there is none, or it is not imported."""
    found = _found(path)
    file = vars(found[1]).get("__file__") if found else None
    return Path(file) if isinstance(file, str) else None


def _found(path: str) -> tuple[Any, ModuleType] | None:
    """What an import path names, and the module that defines it."""
    where, _, attribute = path.rpartition(":")
    found: Any = sys.modules.get(where)
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not (inspect.isclass(found) or inspect.isfunction(found)):
        return None
    module = sys.modules.get(found.__module__)
    return (found, module) if module is not None and found.__module__.partition(".")[0] != _PACKAGE else None


def _source_hash(thing: Any, module: ModuleType) -> str:
    digest = hashlib.sha256()
    # Classes that it is made from, of the same package, count as well.
    package = module.__name__.partition(".")[0]
    for each in inspect.getmro(thing) if inspect.isclass(thing) else (thing,):
        own = sys.modules.get(each.__module__)
        if own is None or each.__module__.partition(".")[0] != package:
            continue
        file = vars(own).get("__file__")
        if own.__name__ != "__main__" and isinstance(file, str) and Path(file).is_file():
            digest.update(Path(file).read_bytes())
        else:
            for text in _texts(each, own, set()):
                digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def _texts(thing: Any, module: ModuleType, seen: set[int]) -> Iterator[str]:
    """The source of a class or a function, and of what it uses of the same module."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield from _own_text(thing, module, seen)
    for name in sorted({name for code in _codes(thing) for name in code.co_names}):
        used = vars(module).get(name)
        if isinstance(used, type | FunctionType) and used.__module__ == module.__name__:
            yield from _texts(used, module, seen)
        elif name in vars(module) and isinstance(used, _PLAIN):
            yield f"{name} = {used!r}"


def _own_text(thing: Any, module: ModuleType, seen: set[int]) -> Iterator[str]:
    try:
        yield inspect.getsource(thing)
        return
    except (OSError, TypeError):
        # A notebook has the source of its functions, not of its classes.
        pass
    if isinstance(thing, FunctionType):
        yield from _words(thing.__code__)
        yield _ADDRESS.sub("", repr((thing.__defaults__, thing.__kwdefaults__)))
        return
    yield repr([base.__qualname__ for base in thing.__bases__])
    for name, value in sorted(vars(thing).items()):
        functions = list(_functions(value))
        yield name
        for function in functions:
            yield from _own_text(function, module, seen)
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield from _texts(value, module, seen)
        elif not functions and name not in _NOT_SAID:
            yield _ADDRESS.sub("", repr(value))


def _functions(value: Any) -> Iterator[FunctionType]:
    """What a class's attribute runs."""
    within = [vars(type(value)).get(name) and getattr(value, name) for name in ("__func__", "fget", "fset")]
    parts = (value, *within, getattr(value, "func", None))
    yield from (inspect.unwrap(part) for part in parts if isinstance(part, FunctionType))


def _codes(thing: Any) -> Iterator[CodeType]:
    """Of a function, or of all functions of a class, with those that are defined within."""
    if isinstance(thing, type):
        for value in vars(thing).values():
            for function in _functions(value):
                yield from _nested(function.__code__)
    else:
        yield from _nested(thing.__code__)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _words(code: CodeType) -> Iterator[str]:
    """What a function does, where its source is lost."""
    for each in _nested(code):
        # The order of a set is not the same in another process.
        constants = [sorted(map(repr, c)) if isinstance(c, frozenset) else c for c in each.co_consts]
        yield each.co_code.hex()
        yield repr([constant for constant in constants if not isinstance(constant, CodeType)])
        yield repr((each.co_names, each.co_varnames))
