"""Tar shards, as WebDataset reads them."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np


def write_shard(path: Path, records: Iterator[tuple[str, dict[str, np.ndarray]]]) -> str:
    """Write one tar; returns its sha256. Fixed times, owners and order make the bytes repeatable."""
    with open(path, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for key, arrays in records:
                for extension, array in arrays.items():
                    buffer = io.BytesIO()
                    np.save(buffer, array, allow_pickle=False)
                    member = tarfile.TarInfo(f"{key}.{extension}")
                    member.size, member.mode, member.mtime = buffer.tell(), 0o644, 0
                    buffer.seek(0)
                    tar.addfile(member, buffer)
        file.flush()
        os.fsync(file.fileno())
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
