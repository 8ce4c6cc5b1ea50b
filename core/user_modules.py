"""The user's own files as modules: those below one folder."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from seedsweep.core.errors import UserError
from seedsweep.core.source import IS_CHECKOUT, PACKAGE, ROOT

#: Beginning of the names that modules from a user's files have in `sys.modules`.
USER_MODULES = "seedsweep_user_"
#: The folder that `use_folder` named last.
_folders: list[Path] = []
#: Modules that were there before.
_modules_before: set[str] = set()


def use_folder(folder: Path) -> None:
    """Look for `file.py:Name`, and for what such files import, below this folder, from now on.

    The folder goes last on the path: a user's `random.py` hides nothing. A checkout of seedsweep leaves the path: its
    `core` would hide a user's, also from behind, where that is a folder without `__init__.py`.
    """
    for old in _folders:
        if old != folder:
            _forget_modules(old)
    leaving = {folder, *_folders, *([ROOT] if IS_CHECKOUT else [])}
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
    The script that runs stays.
    """
    files = {name: getattr(sys.modules[name], "__file__", None) for name in sys.modules.keys() - _modules_before}
    for name, file in files.items():
        kept = name.partition(".")[0] in ("seedsweep", "__main__")
        kept = kept or not isinstance(file, str) or "site-packages" in Path(file).parts
        if not kept and Path(str(file)).is_relative_to(folder):
            del sys.modules[name]


def imported(name: str) -> ModuleType:
    """The module of this dotted name. Errors: UserError with the module's own error."""
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise UserError(_import_failed(name, error)) from error


def user_file(name: str) -> ModuleType:
    """The module of a file below the user's folder. Errors: UserError with the file's own error."""
    path, key = _file_and_module(_folders[0] if _folders else Path.cwd(), name)
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
        with nothing_beside():
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[key]
        raise UserError(_import_failed(name, error)) from error
    return module


@contextlib.contextmanager
def nothing_beside() -> Iterator[None]:
    """What is imported leaves no `__pycache__` beside the user's files."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


@functools.lru_cache(maxsize=1024)
def _file_and_module(folder: Path, name: str) -> tuple[Path, str]:
    """The path of a user's file, and the name of its module."""
    path = folder / name
    return path, f"{USER_MODULES}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _import_failed(name: str, error: BaseException) -> str:
    """With the module's own error, and the line where it arose: of the user's files where one of them is on the way."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)[1:] if "importlib" not in frame.filename]
    frames = [frame for frame in frames if _is_users(Path(frame.filename))] or frames
    place = f"{Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    if isinstance(error, SystemExit):
        where = f" ({place})" if place else ""
        return f'{name} ends the program when it is imported{where}; put that under `if __name__ == "__main__":`'
    what = " ".join(str(error).split()) + (f" ({place})" if place else "")
    if isinstance(error, ModuleNotFoundError):
        what += "; install it where members are trained, or put it below the study's folder"
    return f"{name} cannot be imported: {type(error).__name__}: {what}"


def _is_users(file: Path) -> bool:
    """Whether a file lies below the user's folder, and in no environment or seedsweep there."""
    folder = _folders[0] if _folders else Path.cwd()
    return file.is_relative_to(folder) and not file.is_relative_to(PACKAGE) and "site-packages" not in file.parts
