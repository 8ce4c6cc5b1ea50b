"""The user's files of a study: a copy of them travels with the run, and only that copy runs.

A copy is `RunPaths.code/<hash>/`, read-only, with MANIFEST: the hash of each file in it, by which it is checked before
anything of it is imported.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from seedsweep.core import component
from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import replace
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running import user_files
from seedsweep.sweeps.running.source_hash import file_of, source_hashes
from seedsweep.sweeps.running.user_files import import_paths, inputs_of

MANIFEST = ".seedsweep-manifest.json"


@dataclass
class _InUse:
    """The copy that this process runs, and its manifest."""

    folder: Path | None = None
    manifest: dict[str, Any] = field(default_factory=dict)


_in_use = _InUse()


def files_of(study: Study, folder: Path) -> list[Path]:
    """The user's files that travel: see `user_files.files_of`."""
    return user_files.files_of(study, folder)


def take(study: Study, study_folder: Path, run_paths: RunPaths) -> str:
    """Copy the user's files into the run; the copy's name, empty where there is nothing to copy.

    `inputs` are hashed, and linked in the copy.  Errors: UserError, OSError.
    """
    folder = study_folder.absolute()
    contents = {path.as_posix(): _content(folder / path) for path in files_of(study, folder)}
    if not contents:
        return ""
    manifest = {
        "from": str(folder),
        "imported": not study.command,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        "inputs": {path.as_posix(): _hash_of_input(folder / path) for path in inputs_of(study)},
    }
    name = _hash(manifest)
    copy = run_paths.code / name
    if not copy.exists():
        run_paths.code.mkdir(parents=True, exist_ok=True)
        partial = run_paths.code / f".{name}.{socket.gethostname()}.{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            _write(partial, folder, contents, manifest)
            try:
                partial.rename(copy)
                _forbid_writing(copy)
            except OSError:
                # Another launch was first, and its copy is the same.
                if not copy.exists():
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    _checked(copy)
    return name


def use(run_paths: RunPaths, code: str) -> None:
    """Import the user's modules from this copy, and from nowhere else, from now on; from none where `code` is empty.

    Errors: UserError where the copy is damaged.
    """
    copy, before = run_paths.code / code if code else None, _in_use.folder
    if copy != before:
        manifest = _checked(copy) if copy else {}
        if before:
            _leave(before, _in_use.manifest)
        _in_use.folder, _in_use.manifest = copy, manifest
    if copy:
        # The working directory comes first on the path, and Ray's workers get the launch's: an edited file would be
        # found before its copy. What was imported from there, to check the study, goes as well.
        _leave(Path(_in_use.manifest["from"]), _in_use.manifest)
        component.use_folder(copy)
    importlib.invalidate_caches()


def folder_in_use(run_paths: RunPaths) -> Path | None:
    """The copy that this process runs, if it is one of this run's."""
    folder = _in_use.folder
    return folder if folder is not None and folder.parent == run_paths.code else None


def imported(study: Study) -> dict[str, str]:
    """File -> hash of what results depend on: the user's files that are imported by now, of a command all of them; and
    the inputs. Import path -> hash of what the study names and is in none of those files. Of built-in components:
    nothing."""
    folder, manifest = _in_use.folder, _in_use.manifest
    paths = import_paths(study)
    if folder is not None:
        paths = {path for path in paths if not ((of := file_of(path)) and of.is_relative_to(folder))}
    elsewhere = source_hashes(paths)
    if folder is None:
        return elsewhere
    files: dict[str, str] = manifest["files"]
    if manifest["imported"]:
        here = {_relative(Path(file), folder) for module in _modules() if (file := _file(module))}
        files = {name: sha for name, sha in files.items() if name in here}
    return {**elsewhere, **files, **manifest["inputs"]} if files else elsewhere


def imported_hash(study: Study) -> str:
    """Of `imported`: the code's identity in a cohort's record. Empty where the user has none."""
    files = imported(study)
    return _hash(files) if files else ""


def keep_imported(study: Study, run_paths: RunPaths) -> str:
    """Record what `imported_hash` is the hash of, so that a later launch can say what changed. Returns it."""
    files = imported(study)
    if not files:
        return ""
    run_paths.code.mkdir(parents=True, exist_ok=True)
    replace(run_paths.code / f"{_hash(files)}.json", (json.dumps(files, indent=1) + "\n").encode())
    return _hash(files)


def kept_imported(run_paths: RunPaths, code: str) -> dict[str, str]:
    """What `keep_imported` recorded under this hash; nothing where that is lost or damaged."""
    with contextlib.suppress(OSError, ValueError):
        files: dict[str, str] = json.loads((run_paths.code / f"{code}.json").read_bytes())
        if _hash(files) == code:
            return files
    return {}


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Names of the files that differ between two mappings file -> hash, or are in one of them alone."""
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


# The copy


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"files: {path} cannot be read: {error.strerror}") from None


def _write(target: Path, origin: Path, contents: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    """A copy, which may still be written to."""
    target.mkdir()
    for name in manifest["inputs"]:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).symlink_to(origin / name)
    for name, content in {**contents, MANIFEST: (json.dumps(manifest, indent=1) + "\n").encode()}.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        runnable = (origin / name).stat().st_mode & 0o100 if name in contents else 0
        readable = path.stat().st_mode & 0o444
        path.chmod(readable | (readable >> 2 if runnable else 0))


def _forbid_writing(copy: Path) -> None:
    """A command runs in it: what several wrote there under one name would be lost."""
    for place, folders, _ in os.walk(copy):
        folders[:] = [name for name in folders if not (Path(place) / name).is_symlink()]
        Path(place).chmod(Path(place).stat().st_mode & 0o555)


def _checked(copy: Path) -> dict[str, Any]:
    """The manifest of a copy that is whole. Errors: UserError."""
    try:
        manifest: dict[str, Any] = json.loads((copy / MANIFEST).read_bytes())
        whole = _hash(manifest) == copy.name
        for name, sha in manifest["files"].items() if whole else ():
            if hashlib.sha256((copy / name).read_bytes()).hexdigest() != sha:
                raise UserError(_damaged(copy, name))
    except FileNotFoundError as error:
        raise UserError(_damaged(copy, _relative(Path(error.filename), copy) or MANIFEST)) from None
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise UserError(_damaged(copy, MANIFEST)) from None
    if not whole:
        raise UserError(_damaged(copy, MANIFEST))
    for path in copy.rglob("*.py"):
        if (name := path.relative_to(copy).as_posix()) not in manifest["files"] and not path.is_symlink():
            raise UserError(f"{copy} holds {name}, which the study does not: remove that folder and launch again")
    for name in manifest["inputs"]:
        if not (copy / name).exists():
            raise UserError(f"inputs: {name} is not at {Path(manifest['from']) / name} any more")
    return manifest


def _damaged(copy: Path, name: str) -> str:
    return f"{copy / name} is damaged or lost: remove {copy} and launch again"


def _hash_of_input(path: Path) -> str:
    """Of a file's content, or of the names and contents of all files below a folder. Errors: UserError."""
    try:
        if path.is_dir():
            parts = {_relative(file, path): _sha_of(file) for file in sorted(path.rglob("*")) if file.is_file()}
            return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return _sha_of(path)
    except FileNotFoundError:
        raise UserError(f"inputs: there is no {path}") from None
    except OSError as error:
        raise UserError(f"inputs: {path} cannot be read: {error.strerror}") from None


def _sha_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(values: Any) -> str:
    """16 hex digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


# Modules


def _modules() -> list[ModuleType]:
    return [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]


def _file(module: ModuleType) -> str | None:
    file = vars(module).get("__file__")
    return file if isinstance(file, str) else None


def _relative(path: Path, folder: Path) -> str:
    """Of a path below a folder, as a manifest has it; else empty."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else ""


def _leave(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Import no more from a folder, and drop the modules, packages without a file among them, that came from it."""
    sys.path[:] = [place for place in sys.path if Path(place or ".").absolute() != folder]
    files = set(manifest["files"])
    known = files | {above.as_posix() for name in files for above in PurePosixPath(name).parents if above.name}
    # All are looked at first: the path of a package without a file is looked up in its parent.
    places = {name: _places(module) for name, module in list(sys.modules.items()) if isinstance(module, ModuleType)}
    for name, of_module in places.items():
        if any(_relative(Path(place), folder) in known for place in of_module):
            del sys.modules[name]


def _places(module: ModuleType) -> list[str]:
    if file := _file(module):
        return [file]
    return [place for place in vars(module).get("__path__") or () if isinstance(place, str)]
