"""Components: whatever a study chooses by name. A name is a built-in's short name or an import path.

An import path is `package.module:Name` or `file.py:Name`, a file of the user's. A short name is the name of a class or
function of the component's home module, without regard to case and underscores, so that adding one is writing it there.
Where a component is chosen in the settings of another, its own settings stand beside its name: `backbone: {name: small,
widths: [8, 8]}`. This module needs the standard library and pydantic alone.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
import inspect
import math
import pkgutil
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from seedsweep.core.errors import UserError
from seedsweep.core.user_modules import imported, user_file

T = TypeVar("T")
#: How a chosen component is written: its name, or a mapping of its name and its settings.
Named = str | Mapping[str, Any]


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
        if isinstance(value, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", value, re.I):
            return f"{value!r} is text; without quotes, as {float(value)!r}, it is a number"
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
class NoSettings:
    """Of a component that has none."""


class Component:
    """What is made of its settings. Subclass it.

    Settings: a frozen dataclass, with a Range, a Choice or a Chosen beside a field.
    """

    Settings: ClassVar[type] = NoSettings
    settings: Any

    def __init__(self, settings: Any = None):
        """settings: an instance of Settings; None: its defaults."""
        self.settings = self.Settings() if settings is None else settings


@dataclass(frozen=True)
class Chosen(Generic[T]):
    """A field that chooses a component, `Annotated[Named, Chosen(home)] = "area"`.

    A class with Settings is made of them; any other class, and a function, has none.

    home: module or package of the built-in ones, all public classes and functions in it.  base: class that all are made
    from; None: any class or function.  besides: names of what is part of the chooser itself, and no component.
    """

    home: str
    base: type | None = None
    besides: tuple[str, ...] = ()

    def read(self, value: Named, where: str = "settings") -> tuple[str, Any, Any]:
        """The name of a component, its class or function, and its settings, or None where it has none; of one
        of `besides` neither.

        where: dotted path of the field, for messages.  Errors: UserError that names the field.
        """
        own = dict(value) if isinstance(value, Mapping) else {"name": value}
        name = own.pop("name", "")
        place = f"{where}.name" if isinstance(value, Mapping) else where
        if name in self.besides:
            for field in own:
                raise UserError(f"{where}.{field}: {name} has no settings")
            return name, None, None
        try:
            found = resolve(name, self.home, self.base, self.besides)
        except UserError as error:
            raise UserError(f"{place}: {error}") from error.__cause__
        if self.base and not (inspect.isclass(found) and issubclass(found, self.base)):
            raise UserError(f"{place}: {name} is no subclass of {self.base.__module__}.{self.base.__name__}")
        name = next((short for short, member in self.built_in().items() if member is found), name)
        is_class = inspect.isclass(found)
        kind = getattr(found, "Settings", None) if is_class else None
        if kind is None:
            for field in own:
                raise UserError(f"{where}.{field}: {name} has no settings")
            return name, found, None
        if not inspect.isclass(kind) or not dataclasses.is_dataclass(kind):
            raise UserError(
                f"{place}: {name} has Settings that are no dataclass; write `@dataclass(frozen=True)` above it"
            )
        return name, found, settings_from(kind, own, where)

    def make(self, value: Named) -> T:
        """A function as it is, of a class an instance. Errors: as of `read`."""
        _, found, settings = self.read(value)
        is_class = inspect.isclass(found)
        made: T = found if not is_class else found() if settings is None else found(settings)
        return made

    def built_in(self) -> dict[str, Any]:
        """Short name -> class or function, as they stand in the home."""
        return {short_name(name): member for name, member in _members(self.home, self.base)}


@dataclass(frozen=True)
class Metric:
    """What a task measures. direction: `max` where more is better, else `min`.  low, high: ends that it cannot pass.
    optional: not all data have it."""

    direction: str = "max"
    low: float | None = None
    high: float | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        if self.direction not in ("max", "min"):
            raise ValueError(f"a metric's direction is max or min, not {self.direction!r}")


def resolve(name: str, home: str, base: type | None = None, more: Iterable[str] = ()) -> Any:
    """The class or function of this name.

    home: module or package of the built-in ones.  base: of a home's classes, those that are made from it.  more: names
    that could be meant, too.
    Errors: UserError that says what is wrong with the name, without naming the field.
    """
    if not isinstance(name, str) or not name:
        raise UserError(f"{name!r} is no name; {choose(str(name), [*short_names(home, base), *more])}")
    where, colon, attribute = name.rpartition(":")
    if not colon:
        wanted = name.replace("_", "").lower()
        for own, member in _members(home, base):
            if own.replace("_", "").lower() == wanted:
                return member
        known = choose(name, [*short_names(home, base), *more])
        raise UserError(f"there is no {name!r}; {known}; your own is named file.py:Name or package.module:Name")
    module = user_file(where) if where.endswith(".py") else imported(where)
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
    return sorted({short_name(name) for name, _ in _members(home, base)})


def settings_from(kind: type, values: Mapping[str, Any], where: str) -> Any:
    """A component's settings, an instance of the dataclass `kind`, from values by name.

    where: dotted path of the settings, for messages.  Errors: UserError that names the field.
    """
    known = [field.name for field in dataclasses.fields(kind)]
    for key in values:
        if key not in known:
            raise UserError(f"{where}.{key}: there is no such field; {choose(str(key), known)}")
    given = dict(values)
    for key, chosen in chosen_fields(kind).items():
        if key in given:
            given[key] = _in_short(kind, key, chosen, given[key], f"{where}.{key}")
    try:
        made: Any = _adapter(kind).validate_python(given)
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


def _in_short(kind: type, field: str, chosen: Chosen[Any], value: Any, where: str) -> Any:
    """A chosen component as it is recorded: its name alone where its settings are their defaults, else those that
    differ beside it. Of a tuple each. Errors: UserError."""
    if isinstance(value, list | tuple):
        return [_in_short(kind, field, chosen, each, where) for each in value]
    if isinstance(value, Mapping) and "name" not in value and isinstance(ordinary := defaults(kind).get(field), str):
        value = {"name": ordinary, **value}
    name, _, settings = chosen.read(value, where)
    if settings is None:
        return name
    ordinary = defaults(type(settings))
    other = {key: each for key, each in vars(settings).items() if key not in ordinary or each != ordinary[key]}
    return {"name": name, **other} if other else name


def spread(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted path: of a chosen component the name at its field's, all its settings below,
    `backbone.widths`. kind: their dataclass.  values: as recorded."""
    found = dict(values)
    for key, chosen in chosen_fields(kind).items():
        if isinstance(found.get(key), str | Mapping):
            found[key], _, settings = chosen.read(found[key])
            if settings is not None:
                below = spread(type(settings), vars(settings))
                found |= {f"{key}.{field}": value for field, value in below.items()}
    return found


def defaults(kind: type) -> dict[str, Any]:
    """Of the fields of a settings dataclass that have one."""
    made = {f.name: f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
            for f in dataclasses.fields(kind)}  # fmt: skip
    return {name: value for name, value in made.items() if value is not dataclasses.MISSING}


@functools.lru_cache(maxsize=256)
def _adapter(kind: type) -> TypeAdapter[Any]:
    """Errors: UserError for a field of a type that no study can write."""
    try:
        return TypeAdapter(kind)
    except PydanticUserError:
        for name, hint in _hints(kind).items():
            try:
                TypeAdapter(hint)
            except PydanticUserError:
                said = getattr(hint, "__name__", hint)
                raise UserError(
                    f"{kind.__qualname__}.{name}: {said} is no type of a setting; a study can write numbers, texts, "
                    "true and false, and lists and mappings of them"
                ) from None
        raise


def bounds_of(kind: type) -> dict[str, list[Range | Choice]]:
    """The ranges and choices beside each field of a settings dataclass."""
    return {name: [one for one in all_ if isinstance(one, Range | Choice)] for name, all_ in _beside(kind).items()}


def chosen_fields(kind: type) -> dict[str, Chosen[Any]]:
    """Those fields of a settings dataclass that choose a component."""
    return {name: one for name, all_ in _beside(kind).items() for one in all_ if isinstance(one, Chosen)}


@functools.lru_cache(maxsize=256)
def _beside(kind: type) -> dict[str, tuple[Any, ...]]:
    """What is annotated of each field."""
    return {name: getattr(hint, "__metadata__", ()) for name, hint in _hints(kind).items()}


def _hints(kind: type) -> dict[str, Any]:
    """The annotation of each field. Errors: UserError."""
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except Exception as error:
        raise UserError(f"{kind.__qualname__}: an annotation fails: {type(error).__name__}: {error}") from error
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


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
        return _takes(function, count)
    except TypeError:
        # An object that is called, and cannot be a key.
        return _takes.__wrapped__(function, count)


@functools.lru_cache(maxsize=1024)
def _takes(function: Any, count: int) -> bool:
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
    return near(given, known) or f"known are {', '.join(known) or 'none'}"


def near(given: str, known: Iterable[str], shown: Callable[[str], str] = str) -> str:
    """`did you mean ...?`; empty where nothing is like it. shown: how one of the known is written."""
    found = difflib.get_close_matches(given, sorted(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(map(shown, found))}?" if found else ""


@functools.lru_cache(maxsize=1024)
def short_name(name: str) -> str:
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
    """What a file defines itself; of a package, which may define nothing itself, all public names."""
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    own = [name for name, value in public.items() if getattr(value, "__module__", None) == module.__name__]
    return own or list(public)
