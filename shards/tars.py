"""Tar shards, as WebDataset reads them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np


def write_shard(path: Path, records: Iterator[tuple[str, dict[str, np.ndarray]]]) -> str:
    """Write one tar of (key, arrays by extension); returns its sha256. Fixed times, owners and order make the bytes
    repeatable.

    The bytes are those of the standard library's `tarfile`, which copies each array three times on the way.
    """
    digest, size = hashlib.sha256(), 0
    with open(path, "wb") as file:

        def put(content: bytes | memoryview) -> None:
            nonlocal size
            file.write(content)
            digest.update(content)
            size += len(content)

        for key, arrays in records:
            for extension, array in arrays.items():
                header, values = _npy(array)
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size, member.mode, member.mtime = len(header) + len(values), 0o644, 0
                put(member.tobuf(tarfile.USTAR_FORMAT))
                put(header)
                put(values)
                put(bytes(-member.size % tarfile.BLOCKSIZE))
        put(bytes(2 * tarfile.BLOCKSIZE))
        put(bytes(-size % tarfile.RECORDSIZE))
    return digest.hexdigest()


def _npy(array: np.ndarray) -> tuple[bytes, memoryview]:
    """What `np.save` writes: the header, and the values where they lie."""
    array = np.ascontiguousarray(array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    return header.getvalue(), array.reshape(-1).view(np.uint8).data
