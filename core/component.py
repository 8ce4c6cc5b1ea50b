"""Components: whatever a study chooses by name. A name is a built-in's short name or an import path.

An import path is `package.module:Name` or `file.py:Name`, a file below the folder that `use_folder` named. A short name
is the name of a class or function of the component's home module, without regard to case and underscores, so that
adding one is writing it there. This module needs the standard library and pydantic alone.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import math
import pkgutil
import sys
import traceback
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from seedsweep.core.errors import UserError
from seedsweep.core.source import ROOT

#: Beginning of the names that modules from a user's files have in `sys.modules`.
USER_MODULES = "seedsweep_user_"
#: The folder that `use_folder` named last.
_folders: list[Path] = []
#: Modules that were there before.
_modules_before: set[str] = set()


@dataclass(frozen=True)
class Range:
    """Numbers that a field or a hyperparameter may have, both ends allowed.

    default: of a hyperparameter.  tensor: whether a hyperparameter reaches the task as a tensor, so that one program
    serves all its values and it may have a schedule; else it is a Python number and each value is a program of its own.
    """

    low: float = -math.inf
    high: float = math.inf
    default: float | None = None
    tensor: bool = True

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, in words, or None."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{value!r} is no number"
        if self.low <= value <= self.high:
            return None
        if self.high == math.inf:
            right = f"at least {self.low:g}"
        elif self.low == -math.inf:
            right = f"at most {self.high:g}"
        else:
            right = f"from {self.low:g} to {self.high:g}"
        return f"{value:g} is out of range; it must be {right}"


@dataclass(frozen=True)
class Choice:
    """Values that a field may have."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any):
        object.__setattr__(self, "values", values)

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, in words, or None."""
        if value in self.values:
            return None
        return f"there is no {value!r}; {choose(str(value), map(str, self.values))}"


@dataclass(frozen=True)
class Chosen:
    """A field that names a component.

    home: module or package of the built-in ones, all public classes and functions in it.  optional: whether the empty
    name chooses none.
    """

    home: str
    optional: bool = False

    def problem(self, value: Any) -> str | None:
        """What is wrong with a name, in words, or None."""
        if self.optional and not value:
            return None
        try:
            resolve(value, self.home)
        except UserError as error:
            return str(error)
        return None


@dataclass(frozen=True)
class Metric:
    """What a task measures. direction: `max` where more is better, else `min`.  low, high: ends that it cannot pass."""

    direction: str = "max"
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.direction not in ("max", "min"):
            raise ValueError(f"a metric's direction is max or min, not {self.direction!r}")


def use_folder(folder: Path) -> None:
    """Look for `file.py:Name`, and for what such files import, below this folder, from now on.

    The folder goes last on the path: a user's `random.py` hides nothing. A checkout of seedsweep leaves the path: its
    `core` would hide a user's, also from behind, where that is a folder without `__init__.py`.
    """
    for old in _folders:
        if old != folder:
            _forget_modules(old)
    leaving = {ROOT, folder, *_folders}
    sys.path[:] = [place for place in sys.path if Path(place or ".").absolute() not in leaving]
    sys.path.append(str(folder))
    if _folders != [folder]:
        _folders[:] = [folder]
        _modules_before.clear()
        _modules_before.update(sys.modules)


def leave_folder() -> None:
    """Look for a user's files below no folder any more, but where the process is."""
    for folder in _folders:
        _forget_modules(folder)
    sys.path[:] = [place for place in sys.path if Path(place or ".").absolute() not in _folders]
    _folders.clear()


def _forget_modules(folder: Path) -> None:
    """Of a folder that is left, those imported since it was named: else a file of another folder would meet the modules
    that this one's imported. An environment or a checkout of seedsweep that lies below it is none of the user's files.
    """
    files = {name: getattr(sys.modules[name], "__file__", None) for name in sys.modules.keys() - _modules_before}
    for name, file in files.items():
        kept = name.partition(".")[0] == "seedsweep" or not isinstance(file, str) or "site-packages" in Path(file).parts
        if not kept and Path(str(file)).is_relative_to(folder):
            del sys.modules[name]


def resolve(name: str, home: str, base: type | None = None) -> Any:
    """The class or function of this name.

    home: module or package of the built-in ones.  base: of a home's classes, those that are made from it.
    Errors: UserError that says what is wrong with the name, without naming the field.
    """
    if not isinstance(name, str) or not name:
        raise UserError(f"{name!r} is no name; {choose(str(name), short_names(home, base))}")
    where, colon, attribute = name.rpartition(":")
    if not colon:
        wanted = name.replace("_", "").lower()
        for own, member in _members(home, base):
            if own.replace("_", "").lower() == wanted:
                return member
        raise UserError(
            f"there is no {name!r}; {choose(name, short_names(home, base))}, or an own one as file.py:Name or "
            "package.module:Name"
        )
    module = _user_file(where) if where.endswith(".py") else _imported(where)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UserError(f"{where} has no {attribute!r}; {choose(attribute, _public(module))}")
        found = getattr(found, part)
    return found


def is_own(name: str) -> bool:
    """Whether a name is of a file of the user's."""
    return name.rpartition(":")[0].endswith(".py")


def short_names(home: str, base: type | None = None) -> list[str]:
    """Of the built-in components of a home, in small letters."""
    return sorted({_plain(name) for name, _ in _members(home, base)})


def settings_from(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """A component's settings, an instance of the dataclass `kind`, from values by name.

    where: dotted path of the settings, for messages.  Errors: UserError that names the field.
    """
    known = [field.name for field in dataclasses.fields(kind)]
    for key in values:
        if key not in known:
            raise UserError(f"{where}.{key}: there is no such field; {choose(str(key), known)}")
    try:
        made: Any = _adapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, (where, *first["loc"])))
        if first["type"] in ("missing", "missing_argument"):
            raise UserError(f"{path}: is missing") from None
        raise UserError(f"{path}: {first['msg'][0].lower()}{first['msg'][1:]}, not {first['input']!r}") from None
    for key, bounds in bounds_of(kind).items():
        value = getattr(made, key)
        for bound in bounds:
            for each in value if isinstance(value, tuple) else (value,):
                if each is not None and (problem := bound.problem(each)):
                    raise UserError(f"{where}.{key}: {problem}")
    return made


@functools.lru_cache(maxsize=256)
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@functools.lru_cache(maxsize=256)
def bounds_of(kind: type) -> dict[str, list[Range | Choice | Chosen]]:
    """What stands beside each field of a settings dataclass."""
    hints = typing.get_type_hints(kind, include_extras=True)
    beside = {field.name: getattr(hints[field.name], "__metadata__", ()) for field in dataclasses.fields(kind)}
    kinds = Range | Choice | Chosen
    return {name: [bound for bound in bounds if isinstance(bound, kinds)] for name, bounds in beside.items()}


@functools.lru_cache(maxsize=1024)
def whole(kind: type, field: str) -> bool:
    """Whether a field of a settings dataclass holds whole numbers."""
    hint = typing.get_type_hints(kind)[field]
    return hint is int or int in typing.get_args(hint)


def problems_of(component: Any) -> list[str]:
    """What a component's own `check` says, a line each. Errors: UserError where those are no lines."""
    said = component.check()
    if isinstance(said, str) or not isinstance(said, Iterable):
        raise UserError(
            f"{type(component).__name__}.check gives {type(said).__name__}, {said!r}: lines are needed, as by "
            'yield "field: words"'
        )
    return [str(line) for line in said]


def takes(function: Any, count: int) -> bool:
    """Whether a function can be called with so many arguments in a row; of one that does not say, yes."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def choose(given: str, known: Iterable[str]) -> str:
    """`did you mean ...?`, or all that is known."""
    known = sorted(known)
    near = difflib.get_close_matches(given, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known) or 'none'}"


@functools.lru_cache(maxsize=1024)
def _plain(name: str) -> str:
    """`Pattern2Rgb` -> `pattern2_rgb`, `UNet` -> `unet`, `AdamW` -> `adamw`."""
    parts: list[str] = []
    for place, letter in enumerate(name):
        before, after = name[place - 1 : place], name[place + 1 : place + 2]
        if letter.isupper() and (before.islower() or before.isdigit()) and after:
            parts.append("_")
        parts.append(letter.lower())
    return "".join(parts)


@functools.lru_cache(maxsize=64)
def _members(home: str, base: type | None) -> tuple[tuple[str, Any], ...]:
    """Public classes (made from `base`, if one is given) and functions that a module or a package's modules define."""
    module = importlib.import_module(home)
    modules = [module]
    if hasattr(module, "__path__"):
        below = sorted(entry.name for entry in pkgutil.iter_modules(module.__path__))
        modules = [importlib.import_module(f"{home}.{name}") for name in below if not name.startswith("_")]
    return tuple(
        (name, value)
        for each in modules
        for name, value in vars(each).items()
        if getattr(value, "__module__", None) == each.__name__ and not name.startswith("_") and _fits(value, base)
    )


def _fits(value: Any, base: type | None) -> bool:
    if base is None:
        return inspect.isclass(value) or inspect.isfunction(value)
    abstract = inspect.isabstract(value) or value is base
    return inspect.isclass(value) and issubclass(value, base) and not abstract


def _public(module: ModuleType) -> list[str]:
    return [name for name in vars(module) if not name.startswith("_")]


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise UserError(_import_failed(name, error)) from error


def _user_file(name: str) -> ModuleType:
    path = (_folders[0] if _folders else Path.cwd()) / name
    key = f"{USER_MODULES}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if key in sys.modules:
        return sys.modules[key]
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(key, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[key]
        raise UserError(_import_failed(name, error)) from error
    return module


def _import_failed(name: str, error: Exception) -> str:
    """With the module's own error, and where it arose."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    place = f" ({Path(frames[-1].filename).name} line {frames[-1].lineno})" if len(frames) > 1 else ""
    return f"{name} cannot be imported: {type(error).__name__}: {' '.join(str(error).split())}{place}"
