"""The user's files of a study: a copy of them travels with the run, and only that copy runs.

A copy is `RunPaths.code/<hash>/`, read-only, with MANIFEST: the hashes of its files, by which they are checked before
any is imported, and of all that results depend on, which is the identity of the code.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from seedsweep.core import user_modules
from seedsweep.core.component import is_own
from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study
from seedsweep.shards.disk import whole_folder
from seedsweep.sweeps.running.code_identity import imported, source_hash
from seedsweep.sweeps.running.user_files import files_of, import_paths, inputs_of, is_import_path, named_files

MANIFEST = ".seedsweep-manifest.json"


@dataclass
class _InUse:
    """The copy that this process runs, and its manifest. left: the path and the names of the modules when all that came
    from elsewhere had been left."""

    folder: Path | None = None
    manifest: dict[str, Any] = field(default_factory=dict)
    left: tuple[tuple[str, ...], frozenset[str]] = ((), frozenset())


_in_use = _InUse()


def take(study: Study, study_folder: Path, run_paths: RunPaths) -> str:
    """Copy the user's files into the run; the copy's name, empty where all is built in.

    `inputs` are hashed, and linked in the copy.  Errors: UserError, OSError.
    """
    folder = study_folder.absolute()
    try:
        contents = {path.as_posix(): (folder / path).read_bytes() for path in files_of(study, folder)}
        inputs = {path.as_posix(): _hash_of_input(folder / path) for path in inputs_of(study, folder) if contents}
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}") from None
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    # A command may run any of them.
    roots = files if study.command else [path.as_posix() for path in named_files(study, folder)]
    counted = _counted(contents, roots)
    elsewhere = {path: sha for path in import_paths(study, folder) if (sha := source_hash(path))}
    identity = {**{name: files[name] for name in counted}, **inputs, **elsewhere}
    if not files and not identity:
        return ""
    manifest = {"from": str(folder), "files": files, "inputs": sorted(inputs), "identity": identity}
    copy = run_paths.code / _hash(manifest)
    if not copy.exists():
        with whole_folder(copy) as partial:
            for name in inputs:
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                (partial / name).symlink_to(folder / name)
            for name, content in {**contents, MANIFEST: _json(manifest)}.items():
                path = partial / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                path.chmod((folder / name).stat().st_mode & 0o555 if name in contents else 0o444)
        # A command runs in it: what several wrote there under one name would be lost.
        for path in (copy, *copy.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o555)
    _checked(copy)
    return copy.name


def use(run_paths: RunPaths, copy: str) -> None:
    """Import the user's modules from this copy, and from nowhere else, from now on; from none where `copy` is empty.

    Errors: UserError where the copy is damaged.
    """
    folder = run_paths.code / copy if copy else None
    if folder != _in_use.folder:
        manifest = _checked(folder) if folder else {}
        if _in_use.folder:
            _leave(_in_use.folder, _in_use.manifest["files"])
        _in_use.folder, _in_use.manifest, _in_use.left = folder, manifest, ((), frozenset())
    # Each member's configuration asks for it.
    if folder and _in_use.manifest["files"] and _in_use.left != (tuple(sys.path), frozenset(sys.modules)):
        # The working directory comes first on the path, and Ray's workers get the launch's: an edited file would be
        # found before its copy. What was imported from there, to check the study, goes as well.
        _leave(Path(_in_use.manifest["from"]), _in_use.manifest["files"])
        user_modules.use_folder(folder)
        _in_use.left = tuple(sys.path), frozenset(sys.modules)
    importlib.invalidate_caches()


def folder_in_use(run_paths: RunPaths) -> Path | None:
    """The copy that this process runs, if it is one of this run's."""
    folder = _in_use.folder
    return folder if folder is not None and folder.parent == run_paths.code else None


def code_in_use() -> str:
    """The code's identity in a cohort's record: hash of what results depend on. Empty where all is built in."""
    return _hash(_in_use.manifest["identity"]) if _in_use.manifest.get("identity") else ""


def code_of(name: str) -> str:
    """Of a component alone: hash of what it depends on, of the copy in use or elsewhere. Empty of a built-in one."""
    module = name.rpartition(":")[0]
    files = _in_use.manifest.get("files", {})
    path = module if is_own(name) else module.replace(".", "/") + ".py"
    for root in (path, path.removesuffix(".py") + "/__init__.py"):
        if root in files and _in_use.folder:
            counted = _counted({file: (_in_use.folder / file).read_bytes() for file in files}, [root])
            inputs = {name: _in_use.manifest["identity"][name] for name in _in_use.manifest["inputs"]}
            return _hash({**{file: files[file] for file in counted}, **inputs})
    return source_hash(name) if is_import_path(name) else ""


def identity_of(run_paths: RunPaths, code: str) -> dict[str, str]:
    """File or import path -> hash of what an earlier launch's results depend on, by its `code_in_use`; nothing where
    that is lost."""
    for file in run_paths.code.glob(f"*/{MANIFEST}"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            identity: dict[str, str] = json.loads(file.read_bytes())["identity"]
            if _hash(identity) == code:
                return identity
    return {}


def _counted(contents: Mapping[str, bytes], roots: Iterable[str]) -> set[str]:
    """Of a study's files those that results depend on: all but the Python files that `roots` do not import."""
    sources = {name: content for name, content in contents.items() if name.endswith(".py")}
    return (contents.keys() - sources.keys()) | imported(sources, [root for root in roots if root in sources])


def _checked(copy: Path) -> dict[str, Any]:
    """The manifest of a copy that is whole. Errors: UserError."""
    damaged = MANIFEST
    with contextlib.suppress(OSError, ValueError):
        manifest: dict[str, Any] = json.loads((copy / MANIFEST).read_bytes())
        if _hash(manifest) == copy.name:
            files = manifest["files"]
            damaged = next((n for n in files if not (copy / n).is_file() or _sha_of(copy / n) != files[n]), "")
    if damaged:
        raise UserError(f"{copy / damaged} is damaged or lost: remove {copy} and launch again")
    for name in manifest["inputs"]:
        if not (copy / name).exists():
            raise UserError(f"inputs: {name} is not at {Path(manifest['from']) / name} any more")
    return manifest


def _hash_of_input(path: Path) -> str:
    """Of a file's content, or of the names and contents of all files below a folder."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return _hash({str(each.relative_to(path)): _sha_of(each) for each in files})


def _sha_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=1, sort_keys=True) + "\n").encode()


def _hash(values: Any) -> str:
    """16 hex digits."""
    return hashlib.sha256(_json(values)).hexdigest()[:16]


def _leave(folder: Path, files: Iterable[str]) -> None:
    """Import no more from a folder, and drop the modules, packages without a file among them, that came from it; but
    not the script that runs."""
    below = str(folder)
    sys.path[:] = [place for place in sys.path if Path(place or ".").absolute() != folder]
    known = {folder / name for name in files}
    known |= {above for path in known for above in path.parents if above != folder and above.is_relative_to(folder)}
    # All are looked at first: the path of a package without a file is looked up in its parent.
    for name in [name for name, place in _places(below) if Path(place) in known]:
        sys.modules.pop(name, None)


def _places(below: str) -> Iterator[tuple[str, str]]:
    """Each module that came from a place that begins so, but the script that runs, with its file, or with each folder
    of a package without one."""
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and name != "__main__":
            # Whatever is asked of a lazy module imports it. Of thousands, letters tell faster than paths.
            own = vars(module)
            file = own.get("__file__")
            for place in (file,) if file else own.get("__path__") or ():
                if isinstance(place, str) and place.startswith(below):
                    yield name, place
