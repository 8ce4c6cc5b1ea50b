"""What results depend on of Python code: a file and what it imports; of a notebook what is named and what it uses.

Imports are read, not watched: one in a function, which nothing has called yet, counts as well.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

#: Whatever a file imports by a computed name may be any other one.
_COMPUTED = ("import_module", "__import__")
_INSTALLED = ("site-packages", "dist-packages", Path(ast.__file__).parent.name)


def imported(sources: Mapping[str, bytes], roots: Iterable[str]) -> set[str]:
    """Of Python sources by their path: the roots, and what they import, in turn.

    An import is of every file whose path ends as the name says, whatever the folder that is on Python's path. Of files
    that are run, their names count. Where an import's name is computed, all files count.
    """
    endings = {name: _endings(PurePosixPath(name)) for name in sources}
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        names = _imports(sources[name])
        if names is None:
            return set(sources)
        waiting += [other for other, those in endings.items() if not names.isdisjoint(those)]
    return found


def source_hash(path: str) -> str:
    """Of what an import path names that is not below the study's folder: `package.module:Name`, `__main__:Name`.

    Of a module, hash of its file and of what that imports of its own package. Of a notebook or a script, `__main__`, of
    the statement that defines the name, and of what that uses. Empty for what is installed or built in: no code of the
    user's.
    """
    where, _, attribute = path.rpartition(":")
    return _hash_of_module(where) if where != "__main__" else _hash_of_cells(attribute.partition(".")[0])


def _endings(path: PurePosixPath) -> set[str]:
    """`b.c`, `c` and `a.b.c` of a/b/c.py, or of a/b/c/__init__.py."""
    parts = path.with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return {".".join(parts[start:]) for start in range(len(parts))}


@functools.lru_cache(maxsize=4096)
def _imports(source: bytes) -> frozenset[str] | None:
    """Dotted names of all that a source may import, with the packages above; None where a name is computed."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        # The import itself raises the error.
        return frozenset()
    if any({getattr(node, "id", None), getattr(node, "attr", None)}.intersection(_COMPUTED) for node in nodes):
        return None
    names = [name for node in nodes for name in _modules(node)]
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".py"):
            names.append(".".join(PurePosixPath(node.value).with_suffix("").parts))
    return frozenset(".".join(parts[: end + 1]) for parts in (n.split(".") for n in names) for end in range(len(parts)))


def _modules(node: ast.AST) -> list[str]:
    """Dotted names of what an import statement may import."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module or ''}.{alias.name}".removeprefix(".") for alias in node.names]
    return []


def _hash_of_module(name: str) -> str:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return ""
    file = Path(spec.origin) if spec and spec.has_location and spec.origin else None
    if file is None or name.partition(".")[0] == "seedsweep" or not set(_INSTALLED).isdisjoint(file.parts):
        return ""
    depth = name.count(".") + (file.name == "__init__.py")
    folder = file.parents[depth]
    files = (folder / name.partition(".")[0]).rglob("*.py") if depth else folder.glob("*.py")
    sources = {each.relative_to(folder).as_posix(): each.read_bytes() for each in files}
    found = sorted(imported(sources, [file.relative_to(folder).as_posix()]))
    return _hash_of(part for each in found for part in (each.encode(), sources[each]))


def _hash_of(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part + b"\0")
    return digest.hexdigest()


def _hash_of_cells(name: str) -> str:
    """Of a name of `__main__`: the last statement that defines it, with those of the names in it, and the modules."""
    main = vars(sys.modules["__main__"])
    # A notebook has its cells in `In`, as they ran.
    cells = main.get("In") or ([Path(main["__file__"]).read_text()] if main.get("__file__") else [])
    statements = {}
    for cell in cells:
        with contextlib.suppress(SyntaxError):
            statements.update({name: node for node in ast.parse(cell).body for name in _defined(node)})
    found: dict[str, str] = {}
    waiting = [name]
    while waiting:
        name = waiting.pop()
        if name in statements and name not in found:
            node = statements[name]
            found[name] = "".join([ast.dump(node), *map(_hash_of_module, _modules(node))])
            waiting += [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
    return _hash_of(found[name].encode() for name in sorted(found)) if found else ""


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    return [each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)]
