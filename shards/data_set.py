"""What a user writes to bring data of their own: a DataSet says which samples there are; `pack` makes shards of it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedsweep.core.component import Component, problems_of, resolve, settings_from, short_names, takes
from seedsweep.core.errors import UserError

#: Where the built-in data sets are.
HOME = "seedsweep.shards.sets"


class DataSet(Component):
    """Samples in splits. Subclass it, and write `samples`.

    Settings: a frozen dataclass, with a Range or a Choice beside a field: `size: Annotated[int, Range(8)] = 64`.
    classes: number of classes of a label; 0 where there are none. A property where settings or data decide.
    """

    if TYPE_CHECKING:

        @property
        def classes(self) -> int:
            """To a type checker a property, so that a subclass may have a property or an attribute."""
    else:
        classes = 0

    def check(self) -> Iterable[str]:
        """What does not fit together in the settings: a line each that begins with a field, `data.field: ...`."""
        return ()

    def samples(self, split: str) -> Iterable[Mapping[str, Any]] | Mapping[str, Any] | None:
        """The samples of `train`, `validation` or `test`: dicts of arrays, one a sample; or, which is faster, one dict
        of arrays with the samples first.

        None, or a generator that yields nothing, for `test` says that there is no test split. Names, dtypes and shapes
        are the same in all samples of all splits. It is called when the data set is packed, once for each split; what
        it depends on is its settings and its code. What it gives is the identity of the data, wherever it came from:
        where a file that it reads changes, remove the packed folder.
        """
        raise NotImplementedError

    def count(self, split: str) -> int | None:
        """How many samples a split has; None: that is known when the data set is packed. A study that cannot fit them
        is refused the earlier."""
        return None

    def folder(self) -> Path | None:
        """Of a data set that is packed already; None: it is to be packed."""
        return None

    def absent(self) -> str:
        """Why it cannot be packed here, as where a folder of the user's own is not named yet; empty: it can."""
        return ""

    def pack_under(self, root: Path, progress: Callable[[int, int], None], say: Callable[[str], None]) -> Path | None:
        """Of a data set that makes its own shards: make them under `root`, unless they are there; returns their folder.

        progress: told (done, of how many).  say: told a line of what a user should know.  None: `samples` are packed.
        """
        return None


def make(values: Mapping[str, Any]) -> DataSet:
    """The data set of a study's section `data`: its name, and its settings beside it.

    Errors: UserError that names the field.
    """
    given = dict(values)
    name = given.pop("name", "")
    kind = data_set_class(name)
    settings = settings_from(kind.Settings, given, "data")
    if not takes(kind, 1):
        raise UserError(
            f"data.name: {name} has `__init__{inspect.signature(kind.__init__)}`; leave __init__ out, or take "
            "(self, settings=None)"
        )
    try:
        made = kind(settings)
        problems = problems_of(made)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"data: {name}, or its check, fails: {in_words(error, kind)}") from error
    if problems:
        raise UserError(problems[0])
    return made


def data_set_class(name: str) -> type[DataSet]:
    """The class of a short name or an import path. Errors: UserError."""
    try:
        kind = resolve(name, HOME, DataSet)
    except UserError as error:
        raise UserError(f"data.name: {error}") from error.__cause__
    if problem := _no_data_set(kind):
        raise UserError(f"data.name: {name} {problem}")
    found: type[DataSet] = kind
    return found


def resolved(values: Mapping[str, Any]) -> dict[str, Any]:
    """A study's section `data` with every default filled in, in plain types. Errors: as of `make`."""
    made = make(values)
    name = values["name"]
    plain = name.replace("_", "").lower()
    # The same data set has one name, however it was written.
    name = next((short for short in short_names(HOME, DataSet) if short.replace("_", "") == plain), name)
    settings = json.loads(json.dumps(dataclasses.asdict(made.settings), default=str))
    return {"name": name, **settings}


def in_words(error: Exception, kind: type) -> str:
    """An error that arose in a user's class, and the line of its file where it did."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    trace, line = error.__traceback__, None
    while trace:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    place = f" ({Path(file).name} line {line})" if file and line else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"


def _no_data_set(kind: Any) -> str | None:
    """What a thing lacks to be a data set, in words, or None."""
    if not inspect.isclass(kind) or not issubclass(kind, DataSet):
        return "is no data set; write it as `class ...(seedsweep.DataSet)`"
    if all(getattr(kind, name) is getattr(DataSet, name) for name in ("samples", "folder", "pack_under")):
        return "has no method `samples(self, split)`"
    if not inspect.isclass(kind.Settings) or not dataclasses.is_dataclass(kind.Settings):
        return "has Settings that are no dataclass; write `@dataclass(frozen=True)` above `class Settings`"
    if "name" in {field.name for field in dataclasses.fields(kind.Settings)}:
        return "has a setting `name`, which is the data set's own; give it another name"
    return None
