"""Shards to arrays, decoded once per node into a memory-mapped cache that all its trials share."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import numpy as np

from seedsweep.shards.disk import whole_folder
from seedsweep.shards.index import Index, Shard, ShardError, read_index
from seedsweep.shards.layout import Array, Arrays, Layout, count


def read(folder: Path, cache: Path | None = None) -> dict[str, Arrays]:
    """The splits of a packed data set by name, `test` where there is one: arrays [N,...] by name, memory-mapped.

    Patches of slides have two arrays more: slide int64 [N], numbered within the split, and slide_label int64 [N].
    The first reader on a node checks every shard's sha256 and decodes it into the cache (`cache`, or
    `default_cache()`); others wait for it and map the same files. Nothing is unpickled.
    Errors: ShardError for a missing, truncated or altered file; OSError of the file system.
    """
    index, home = read_index(folder), cache or default_cache()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if home.stat().st_uid != os.getuid():
        raise ShardError(f"{home} belongs to another user: set SEEDSWEEP_CACHE to a folder of your own")
    entry = home / index.fingerprint
    if not _whole(entry, index):
        with open(home / f"{index.fingerprint}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _whole(entry, index):
                _decode(folder, index, entry)
    # Copy on write: PyTorch takes no arrays that are read-only, and nobody changes the files.
    return {
        split: {name: np.load(entry / f"{split}.{name}.npy", mmap_mode="c") for name in index.layout}
        | slide_arrays(shards)
        for split, shards in index.splits.items()
    }


def default_cache() -> Path:
    """$SEEDSWEEP_CACHE, or a folder of this user in the node's temporary directory."""
    given = os.environ.get("SEEDSWEEP_CACHE")
    return Path(given) if given else Path(tempfile.gettempdir()) / f"seedsweep-cache-{os.getuid()}"


def slide_arrays(shards: Sequence[Shard]) -> Arrays:
    """The arrays that say of which slide each sample is; none where they are of no slides."""
    slides = [shard.slide for shard in shards if shard.slide is not None]
    if len(slides) < len(shards):
        return {}
    numbers, labels = np.repeat(np.array(slides, np.int64), [shard.samples for shard in shards], axis=0).T.copy()
    return {"slide": numbers, "slide_label": labels}


def records_of(shard: Shard, layout: Layout) -> Iterator[Arrays]:
    """The records of a shard, views of its content, after its checksum and its arrays were compared with the index.

    Errors: ShardError.
    """
    content = _checked(shard)
    view, samples, seen = memoryview(content), 0, ""
    record: Arrays = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for member in tar:
                key, dot, rest = member.name.partition(".")
                name, ending = rest.removesuffix(".npy"), rest.endswith(".npy")
                if not member.isfile() or not dot or not ending or not key.isdigit() or name not in layout:
                    raise ShardError(f"{shard.path} holds {member.name!r}, which is not in its index")
                if record and key != seen:
                    raise ShardError(f"{shard.path}: record {seen} lacks arrays that its index has")
                seen = key
                record[name] = _array(view[member.offset_data :][: member.size], layout[name], shard.path, member.name)
                if len(record) == len(layout):
                    if len({len(array) for array in record.values()}) > 1:
                        raise ShardError(f"{shard.path}: the arrays of record {key} have different lengths")
                    samples += count(record)
                    yield record
                    record = {}
    except tarfile.TarError as error:
        raise ShardError(f"{shard.path} is no tar file ({error})") from None
    if record or samples != shard.samples:
        raise ShardError(f"{shard.path} has {samples} samples, its index says {shard.samples}")


def _checked(shard: Shard) -> bytes:
    """A shard's bytes, if they are what the index says."""
    again = f"remove {shard.path.parent} and pack it again"
    try:
        content = shard.path.read_bytes()
    except FileNotFoundError:
        raise ShardError(f"{shard.path} is missing: {again}") from None
    if hashlib.sha256(content).hexdigest() != shard.sha256:
        raise ShardError(f"{shard.path} does not match its checksum (truncated or altered): {again}")
    return content


def _array(content: memoryview, expected: Array, path: Path, name: str) -> np.ndarray:
    """An array from the bytes of an .npy file, without a copy."""
    header = io.BytesIO(content[:4096])
    try:
        version = np.lib.format.read_magic(header)
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(header)
    except (ValueError, EOFError):
        raise ShardError(f"{path}: {name} is no array") from None
    if version != (1, 0) or by_columns or not shape or dtype != expected.dtype or shape[1:] != expected.shape:
        found = Array(dtype, tuple(shape[1:]))
        raise ShardError(f"{path}: samples of {name} are {found}, its index says {expected}")
    values = content[header.tell() :]
    if len(values) != shape[0] * expected.nbytes:
        raise ShardError(f"{path}: {name} is truncated")
    return np.frombuffer(values, dtype).reshape(shape)


def _whole(entry: Path, index: Index) -> bool:
    """Whether an entry of the cache has all its files: what cleans temporary folders removes single ones."""
    return all((entry / f"{split}.{name}.npy").exists() for split in index.splits for name in index.layout)


def _decode(folder: Path, index: Index, entry: Path) -> None:
    sizes = {split: index.samples(split) for split in index.splits}
    needed = sum(sizes.values()) * sum(array.nbytes for array in index.layout.values())
    free = shutil.disk_usage(entry.parent).free
    if needed > free:
        raise ShardError(
            f"{folder} needs {needed / 1e9:.1f} GB in the cache {entry.parent}, where {free / 1e9:.1f} are free: set "
            "SEEDSWEEP_CACHE to a folder on a larger disk, or pack fewer samples"
        )
    shutil.rmtree(entry, ignore_errors=True)
    with whole_folder(entry) as partial:
        for split, shards in index.splits.items():
            with ExitStack() as files:
                outputs = {}
                for name, array in index.layout.items():
                    outputs[name] = files.enter_context(open(partial / f"{split}.{name}.npy", "wb"))
                    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False}
                    shape = (sizes[split], *array.shape)
                    np.lib.format.write_array_header_1_0(outputs[name], {**header, "shape": shape})
                # Samples lie in a file in the order in which shards and records hold them.
                for record in chain.from_iterable(records_of(shard, index.layout) for shard in shards):
                    for name, values in record.items():
                        outputs[name].write(values.reshape(-1).view(np.uint8).data)
