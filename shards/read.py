"""Shards to uint8 arrays, decoded once per node into a memory-mapped cache that all its trials share."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seedsweep.shards.samples import FORMAT, SPLITS

ARRAYS = ("image", "mask", "label", "centre")


class ShardError(Exception):
    """A shard or index that cannot be trusted; the text names the file and what to do."""


class Arrays(NamedTuple):
    """One split, memory-mapped: image uint8 [N,C,H,W], mask uint8 [N,1,H,W], label int64 [N], centre float32 [N,2]."""

    image: np.ndarray
    mask: np.ndarray
    label: np.ndarray
    centre: np.ndarray


def read(folder: Path, cache: Path | None = None) -> dict[str, Arrays]:
    """The splits of a packed data set, by name.

    The first reader on a node checks every shard's sha256 and decodes it into the cache (`cache`, or
    `default_cache()`); others wait for it and map the same files. Nothing is unpickled.
    Errors: ShardError for a missing, truncated or altered file; OSError of the file system.
    """
    index, key = read_index(folder)
    home = cache or default_cache()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if home.stat().st_uid != os.getuid():
        raise ShardError(f"{home} belongs to another user: set SEEDSWEEP_CACHE to a folder of your own")
    entry = home / key
    if not entry.exists():
        with open(home / f"{key}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not entry.exists():
                _decode(folder, index, entry)
    return {
        # Copy on write: PyTorch takes no arrays that are read-only, and nobody changes the files.
        split: Arrays(*(np.load(entry / f"{split}.{name}.npy", mmap_mode="c") for name in ARRAYS))
        for split in SPLITS
    }


def describe(folder: Path) -> dict[str, Any]:
    """The settings that a packed data set was made with, from its index. Errors: ShardError."""
    settings: dict[str, Any] = read_index(folder)[0]["settings"]
    return settings


def slides(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]] | None:
    """Of each split of patches: the slide's number int64 [N], and each slide's label int64 [S]; None for a set that is
    of no slides. Errors: ShardError."""
    index, _ = read_index(folder)
    found = {}
    for split in SPLITS:
        shards = index["splits"][split]["shards"]
        if not all("slide" in shard for shard in shards):
            return None
        labels = {shard["slide"]: int(shard["tumour"]) for shard in shards}
        names = list(labels)
        numbers = np.repeat([names.index(s["slide"]) for s in shards], [s["samples"] for s in shards])
        found[split] = (numbers.astype(np.int64), np.array(list(labels.values()), np.int64))
    return found


def default_cache() -> Path:
    """$SEEDSWEEP_CACHE, or a folder of this user in the node's temporary directory."""
    given = os.environ.get("SEEDSWEEP_CACHE")
    return Path(given) if given else Path(tempfile.gettempdir()) / f"seedsweep-cache-{os.getuid()}"


def data_fingerprint(folder: Path) -> str:
    """Hash of the index, and so of every shard's content."""
    return read_index(folder)[1]


def read_index(folder: Path) -> tuple[dict[str, Any], str]:
    """The index of a packed data set, and its hash. Errors: ShardError."""
    try:
        text = (folder / "index.json").read_bytes()
        index = json.loads(text)
        if index["format"] != FORMAT:
            raise ShardError(f"{folder} has format {index['format']}, not {FORMAT}: remove it and pack again")
    except FileNotFoundError:
        raise ShardError(f"{folder} has no index.json: it is no packed data set") from None
    except (ValueError, KeyError):
        raise ShardError(f"{folder / 'index.json'} is damaged: remove {folder} and pack again") from None
    return index, hashlib.sha256(text).hexdigest()[:24]


def _decode(folder: Path, index: dict[str, Any], entry: Path) -> None:
    needed = sum(shard.stat().st_size for shard in folder.glob("*.tar"))
    free = shutil.disk_usage(entry.parent).free
    if needed > free:
        raise ShardError(
            f"{folder} needs {needed / 1e9:.1f} GB in the cache {entry.parent}, where {free / 1e9:.1f} are free: set "
            "SEEDSWEEP_CACHE to a folder on a larger disk, or pack fewer images"
        )
    partial = Path(tempfile.mkdtemp(prefix=".decoding-", dir=entry.parent))
    try:
        for split in SPLITS:
            described = index["splits"][split]
            arrays: dict[str, np.memmap] = {}
            row = 0
            for shard in described["shards"]:
                for record in _read_shard(folder / shard["file"], shard["sha256"]):
                    if not arrays:
                        arrays = {
                            name: np.lib.format.open_memmap(
                                partial / f"{split}.{name}.npy",
                                mode="w+",
                                dtype=record[name].dtype,
                                shape=(described["samples"], *record[name].shape[1:]),
                            )
                            for name in ARRAYS
                        }
                    count = len(record["label"])
                    for name in ARRAYS:
                        arrays[name][row : row + count] = record[name]
                    row += count
            if row != described["samples"]:
                raise ShardError(f"{folder}: {split} has {row} samples, its index says {described['samples']}")
            for array in arrays.values():
                array.flush()
        partial.rename(entry)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _read_shard(path: Path, sha256: str) -> list[dict[str, np.ndarray]]:
    """The records of one tar after its checksum was verified."""
    content = checked_bytes(path, sha256)
    records: dict[str, dict[str, np.ndarray]] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            if not member.isfile() or member.name.startswith("/") or ".." in Path(member.name).parts:
                raise ShardError(f"{path} holds {member.name!r}, which no shard of ours has: {_again(path)}")
            key, name, _ = member.name.split(".")
            file = tar.extractfile(member)
            assert file is not None
            records.setdefault(key, {})[name] = np.load(io.BytesIO(file.read()), allow_pickle=False)
    return list(records.values())


def checked_bytes(path: Path, sha256: str) -> bytes:
    """A shard's bytes, if they are what the index says. Errors: ShardError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ShardError(f"{path} is missing: {_again(path)}") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ShardError(f"{path} does not match its checksum (truncated or altered): {_again(path)}")
    return content


def _again(path: Path) -> str:
    return f"remove {path.parent} and launch again to pack it anew"
