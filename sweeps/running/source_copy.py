"""A copy of this package's source in the run directory: what is edited while a run lasts does not change the run."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from seedsweep.core.records.paths import RunPaths
from seedsweep.core.source import COMMIT_FILE, PACKAGE, git_commit
from seedsweep.shards.disk import whole_folder


def copy_source(paths: RunPaths) -> Path:
    """The folder to put on a path to import the source as it is now, by a hash of it; made where it is not there."""
    # The rooms may be links, which `rglob` follows at its beginning alone.
    below = [file for room in sorted(PACKAGE.iterdir()) for file in (room, *sorted(room.rglob("*")))]
    files = [file for file in below if file.is_file() and "__pycache__" not in file.parts]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(PACKAGE)}\0".encode() + file.read_bytes() + b"\0")
    folder = paths.source_copy(digest.hexdigest()[:12])
    if not folder.exists():
        with whole_folder(folder) as partial:
            for file in files:
                copy = partial / PACKAGE.name / file.relative_to(PACKAGE)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
            (partial / COMMIT_FILE).write_text(git_commit())
    return folder
