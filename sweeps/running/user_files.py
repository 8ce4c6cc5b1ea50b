"""Which of the user's files a study needs: those that travel with its run."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from seedsweep.core import component
from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study
from seedsweep.sweeps.study.command_line import script_of

#: More than this is no study's code: the study's file lies in a folder of other things, a home perhaps.
MOST_FILES, MOST_BYTES, MOST_FOLDERS = 2_000, 64 * 2**20, 20_000
#: A folder that holds one of these is no code of a study's: an environment of Python's or of conda's, a run.
_MARKS = ("pyvenv.cfg", "conda-meta", "study.json")
_IMPORT_PATH = re.compile(r"([A-Za-z_]\w*)(\.\w+)*:[A-Za-z_][\w.]*")


def files_of(study: Study, folder: Path) -> list[Path]:
    """The user's files that travel, relative to the folder of the study's file.

    Those that the study names (`file.py:Name`, in `command` any file), what `files` says, and the `*.py` below the
    folder unless `files` takes in Python files itself and so says which. Nothing where all components are built in.
    Errors: UserError that names the field.
    """
    named, own = _named(study, folder)
    if not own and not study.files:
        return []
    inputs = {folder / path for path in inputs_of(study)}
    said = {path for pattern in study.files for path in _matching(pattern, folder)}
    if not any(path.suffix == ".py" for path in said):
        said |= set(_bounded((p for p in _below(folder, inputs) if p.suffix == ".py"), folder))
    said = {path for path in said if not _within(path, inputs)} | {folder / path for path in named}
    for path in named:
        # What is written to the copy of a linked folder would be written to the folder.
        if _within(folder / path, inputs):
            raise UserError(f"inputs: {path} is code of the study's and cannot be an input, nor lie in one")
    return sorted(path.relative_to(folder) for path in _bounded(said, folder))


def import_paths(study: Study) -> set[str]:
    """What the study and its configurations may name as `package.module:Name`, not as `file.py:Name`."""
    texts = {text for name, part in _sections(study).items() for _, text in _texts(part, name)}
    return {text for text in texts if not component.is_own(text) and _IMPORT_PATH.fullmatch(text)}


def check_files(study: Study, folder: Path) -> None:
    """Whether all is there that a study names beside its file. Errors: UserError that names the field."""
    files_of(study, folder)
    for path in inputs_of(study):
        if not (folder / path).exists():
            raise UserError(f"inputs: there is no {folder / path}")


def inputs_of(study: Study) -> list[Path]:
    """What a study reads beside its code, relative to its folder; those that lie in another one are part of it.

    Errors: UserError.
    """
    paths = sorted({_inside(given, "inputs") for given in study.inputs})
    return [path for path in paths if not _within(path.parent, set(paths))]


def _named(study: Study, folder: Path) -> tuple[list[Path], bool]:
    """Files that the study names, relative to its folder, and whether anything in it is the user's own."""
    named, own = [], bool(study.command)
    for where, text in (found for name, part in _sections(study).items() for found in _texts(part, name)):
        if component.is_own(text):
            own = True
            named.append(_existing(text.rpartition(":")[0], where, folder))
        elif match := _IMPORT_PATH.fullmatch(text):
            module = folder / match[1]
            own = own or (match[1] != "seedsweep" and (module.is_dir() or module.with_suffix(".py").is_file()))
    script = script_of(study.command) if study.command else ""
    if script and not (folder / script).exists():
        raise UserError(f"command: there is no file {folder / script}")
    if script and not PurePosixPath(script).is_absolute() and (folder / _inside(script, "command")).is_file():
        named.append(_inside(script, "command"))
    # A word of a command that is a file below the folder is taken along.
    for word in study.command.split():
        path = PurePosixPath(word)
        if not path.is_absolute() and ".." not in path.parts and (folder / path).is_file():
            named.append(Path(path))
    return named, own


def _sections(study: Study) -> dict[str, Any]:
    """Those in which a component may be named, by path."""
    return {
        "task": study.task,
        "settings": study.settings,
        "data": study.data,
        "optimizer": study.optimizer,
        "schedules": study.schedules,
        "configurations": study.configurations,
        "search.space": {path: list(dimension.choices) for path, dimension in study.search.space.items()},
    }


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """(dotted path, text) of every text in a section."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, below in value.items():
            yield from _texts(below, f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for below in value:
            yield from _texts(below, where)


def _within(path: Path, folders: set[Path]) -> bool:
    return bool(folders & {path, *path.parents})


def _existing(name: str, where: str, folder: Path) -> Path:
    path = _inside(name, where)
    if not (folder / path).is_file():
        raise UserError(f"{where}: there is no file {folder / path}")
    return path


def _inside(name: str, where: str) -> Path:
    """A path relative to the study's folder and below it. Errors: UserError."""
    path = Path(os.path.normpath(name))
    if path.is_absolute() or ".." in path.parts or path == Path():
        raise UserError(f"{where}: {name} does not lie below the study's folder; put it there, or a link to it")
    return path


def _matching(pattern: str, folder: Path) -> set[Path]:
    """Files that one of `files` says: a file, a folder with all that is below it, or a pattern. Errors: UserError."""
    where = f"files: {pattern!r}"
    relative = Path() if os.path.normpath(pattern) == "." else _inside(pattern, "files")
    exact = folder / relative
    if exact.is_file():
        return {exact}
    if exact.is_dir():
        found = set(_bounded(_below(exact, ()), exact))
    else:
        found = set()
        for match in glob.iglob(pattern, root_dir=folder, recursive=True):
            path = folder / match
            if any(_skipped(above) for above in path.parents if above.is_relative_to(folder) and above != folder):
                continue
            if path.is_dir():
                found.update(() if _skipped(path) else _bounded(_below(path, ()), folder))
            elif path.is_file():
                found.add(path)
    if not found:
        raise UserError(f"{where} matches no file below {folder}")
    return found


def _below(folder: Path, without: Iterable[Path]) -> Iterator[Path]:
    """The files below a folder, but for hidden ones, environments and runs. Errors: UserError for too many folders."""
    for count, (place, folders, files) in enumerate(os.walk(folder)):
        if count == MOST_FOLDERS:
            raise UserError(_too_much(folder, f"more than {MOST_FOLDERS:,} folders"))
        here = Path(place)
        folders[:] = sorted(name for name in folders if here / name not in without and not _skipped(here / name))
        yield from (here / name for name in sorted(files) if not name.startswith(".") and (here / name).is_file())


def _skipped(folder: Path) -> bool:
    """Whether no code of the study's is in a folder."""
    hidden = folder.name.startswith(".") or folder.name == "__pycache__"
    return hidden or any((folder / mark).exists() for mark in _MARKS)


def _bounded(paths: Iterable[Path], folder: Path) -> Iterator[Path]:
    size = 0
    for count, path in enumerate(paths):
        size += path.stat().st_size
        if count == MOST_FILES:
            raise UserError(_too_much(folder, f"more than {MOST_FILES:,} files"))
        if size > MOST_BYTES:
            raise UserError(_too_much(folder, f"more than {MOST_BYTES >> 20} MB of files"))
        yield path


def _too_much(folder: Path, what: str) -> str:
    return (
        f"files: {what} below {folder} would be copied; name in `files:` the Python files and folders that the study "
        "needs (large data go into `inputs:`)"
    )
