"""Which of the user's files a study needs: those that travel with its run."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from seedsweep.core.component import is_own
from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import STUDY_FILE
from seedsweep.core.records.study import Study
from seedsweep.sweeps.study.command_line import script_of

#: More than this is no study's code: the study's file lies in a folder of other things, a home perhaps.
MOST_FILES, MOST_BYTES, MOST_FOLDERS = 2_000, 64 * 2**20, 20_000
#: A folder that holds one of these is no code of a study's: an environment of Python's or of conda's, a run.
_MARKS = ("pyvenv.cfg", "conda-meta", STUDY_FILE)
#: Sections of a study in which a component may be named.
_SECTIONS = {"task", "settings", "data", "optimizer", "schedules", "configurations", "search"}
_IMPORT_PATH = re.compile(r"([A-Za-z_]\w*)((?:\.\w+)*):[A-Za-z_][\w.]*")


def files_of(study: Study, folder: Path) -> list[Path]:
    """The user's files that travel, relative to the folder of the study's file.

    Those that the study names, what `files` says, and the `*.py` below the folder unless `files` takes in Python files
    itself and so says which. Nothing where all components are built in.
    Errors: UserError that names the field.
    """
    named, inputs = named_files(study, folder), {folder / path for path in inputs_of(study, folder)}
    if not (named or study.command or study.files):
        return []
    found = {path for pattern in study.files for path in _matching(pattern, folder)}
    if not any(path.suffix == ".py" for path in found):
        found |= {path for path in _below(folder, inputs) if path.suffix == ".py"}
    found = {path for path in found if not _within(path, inputs)}
    for path in named:
        # What is written to the copy of a linked folder would be written to the folder.
        if _within(folder / path, inputs):
            raise UserError(f"inputs: {path} is code of the study; code cannot be an input or lie in one")
        found.add(folder / path)
    _check_size(found, folder)
    return sorted(path.relative_to(folder) for path in found)


def named_files(study: Study, folder: Path) -> list[Path]:
    """Files below the study's folder, relative to it, that a study names: as `file.py:Name`, as `package.module:Name`,
    or in its command. Errors: UserError that names the field."""
    found = []
    for where, text in _texts(study.model_dump(include=_SECTIONS), ""):
        if is_own(text):
            found.append(_inside(text.rpartition(":")[0], where))
            if not (folder / found[-1]).is_file():
                raise UserError(f"{where}: there is no file {folder / found[-1]}")
        elif module := _module_file(text, folder):
            found.append(module)
    if study.command:
        script = script_of(study.command)
        if script and not PurePosixPath(script).is_absolute():
            _inside(script, "command")
        words = [Path(word) for word in study.command.split()]
        inside = [word for word in words if not word.is_absolute() and ".." not in word.parts]
        found += [word for word in inside if (folder / word).is_file()]
    return found


def import_paths(study: Study, folder: Path) -> set[str]:
    """What a study names as `package.module:Name` that is in no file below its folder."""
    texts = {text for _, text in _texts(study.model_dump(include=_SECTIONS), "")}
    return {text for text in texts if is_import_path(text) and not _module_file(text, folder)}


def is_import_path(text: str) -> bool:
    """Whether a text may be a `package.module:Name` that is not built in."""
    match = _IMPORT_PATH.fullmatch(text)
    return match is not None and match[1] != "seedsweep" and not is_own(text)


def inputs_of(study: Study, folder: Path) -> list[Path]:
    """What a study reads beside its code, relative to its folder; those that lie in another one are part of it.

    Errors: UserError.
    """
    paths = {_inside(given, "inputs") for given in study.inputs}
    for path in sorted(paths):
        if not (folder / path).exists():
            raise UserError(f"inputs: there is no {folder / path}")
    return sorted(path for path in paths if not _within(path.parent, paths))


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """(dotted path, text) of every text in a section."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, below in value.items():
            yield from _texts(below, f"{where}.{name}" if where else name)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from _texts(below, where)


def _module_file(text: str, folder: Path) -> Path | None:
    """The file below a folder that holds the module of an import path, relative to it."""
    if not is_import_path(text):
        return None
    module = Path(*text.partition(":")[0].split("."))
    files = (module.with_suffix(".py"), module / "__init__.py")
    return next((file for file in files if (folder / file).is_file()), None)


def _within(path: Path, folders: Collection[Path]) -> bool:
    return path in folders or any(above in folders for above in path.parents)


def _inside(name: str, where: str) -> Path:
    """A path relative to the study's folder and below it. Errors: UserError."""
    path = Path(os.path.normpath(name))
    if path.is_absolute() or ".." in path.parts or path == Path():
        raise UserError(f"{where}: {name} does not lie below the study's folder; put it there, or a link to it")
    return path


def _matching(pattern: str, folder: Path) -> set[Path]:
    """Files that one of `files` says: a file, a folder with all that is below it, or a pattern. Errors: UserError."""
    exact = os.path.normpath(pattern) == "." or (folder / _inside(pattern, "files")).exists()
    found: set[Path] = set()
    for match in [pattern] if exact else glob.iglob(pattern, root_dir=folder, recursive=True):
        path = folder / match
        above = [each for each in (path, *path.parents) if each != folder and each.is_relative_to(folder)]
        if exact or not any(map(_skipped, above)):
            found.update(_below(path, ()) if path.is_dir() else [path])
    if not found:
        raise UserError(f"files: {pattern!r} matches no file below {folder}")
    return found


def _below(folder: Path, without: Collection[Path]) -> Iterator[Path]:
    """The files below a folder, but for hidden ones, environments and runs. Errors: UserError for too many folders."""
    for count, (place, folders, files) in enumerate(os.walk(folder)):
        if count == MOST_FOLDERS:
            raise UserError(_too_much(folder, f"more than {MOST_FOLDERS:,} folders"))
        here = Path(place)
        folders[:] = sorted(name for name in folders if here / name not in without and not _skipped(here / name))
        yield from (here / name for name in sorted(files) if not name.startswith(".") and (here / name).is_file())


def _skipped(path: Path) -> bool:
    """Whether a file or a folder is hidden, a cache, an environment or a run."""
    return path.name.startswith(".") or path.name == "__pycache__" or any((path / mark).exists() for mark in _MARKS)


def _check_size(files: Collection[Path], folder: Path) -> None:
    if len(files) > MOST_FILES:
        raise UserError(_too_much(folder, f"more than {MOST_FILES:,} files"))
    if sum(path.stat().st_size for path in files) > MOST_BYTES:
        raise UserError(_too_much(folder, f"more than {MOST_BYTES >> 20} MB of files"))


def _too_much(folder: Path, what: str) -> str:
    return (
        f"files: {what} below {folder} would be copied; name in `files:` the Python files and folders that the study "
        "needs (large data go into `inputs:`)"
    )
