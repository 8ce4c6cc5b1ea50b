"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from pathlib import Path


def replace(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write `path` whole or not at all: to a temporary name, to the disk, then renamed.

    mode: its permissions, less those that the process's umask takes; 0o600 for what only its owner may read.
    """
    partial = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def create(path: Path, content: bytes) -> bool:
    """Write `path` whole, unless there is such a file; whether it was written: of several writers the first."""
    partial = path.with_name(f".first.{path.name}.{socket.gethostname()}.{os.getpid()}")
    replace(partial, content)
    try:
        # Unlike a rename, a link does not replace.
        os.link(partial, path)
    except FileExistsError:
        return False
    finally:
        partial.unlink()
    return True


def copy_if_there(source: str, target: str) -> None:
    """Copy a regular file. One that vanishes belongs to an owner that is not quite dead, and is left out."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.isfile(source):
            shutil.copy2(source, target)
