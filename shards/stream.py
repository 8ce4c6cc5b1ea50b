"""Data sets that fit neither memory nor a node's disk: read from their shards through WebDataset, epoch by epoch.

The order depends on the seed and the epoch alone. Loader workers and nodes are dealt whole shards in turn, and a loader
asks its workers in turn, so that what comes out is the same row of shards however many there are; samples are mixed
after that. Of several nodes each has its own part of that row, and mixes within it.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import webdataset as wds

from seedsweep.shards.read import ARRAYS, Arrays, ShardError, checked_bytes, read_index
from seedsweep.shards.samples import SPLITS


def batches(
    folder: Path,
    split: str,
    size: int,
    *,
    seed: int,
    epoch: int,
    workers: int = 0,
    node: tuple[int, int] = (0, 1),
    mixed: int = 4,
) -> Iterator[Arrays]:
    """Batches of one epoch: every sample of the split once, over all nodes; the last batch may be smaller.

    seed, epoch: decide the order.  workers: loader processes; 0: this one.  node: (number, of how many); each has its
    part of the shards.  mixed: shards whose samples are mixed with each other.
    Errors: ShardError for a shard that is missing, truncated or altered.
    """
    kept: list[Arrays] = []
    count = 0
    for block in blocks(folder, split, seed=seed, epoch=epoch, workers=workers, node=node, mixed=mixed):
        kept.append(block)
        count += len(block.label)
        if count >= size:
            joined = _join(kept)
            whole = count - count % size
            for start in range(0, whole, size):
                yield _rows(joined, slice(start, start + size))
            kept, count = [_rows(joined, slice(whole, None))], count - whole
    if count:
        yield _join(kept)


def blocks(
    folder: Path,
    split: str,
    *,
    seed: int,
    epoch: int,
    workers: int = 0,
    node: tuple[int, int] = (0, 1),
    mixed: int = 4,
) -> Iterator[Arrays]:
    """The samples of so many shards at a time, in mixed order; see `batches`."""
    shards = _row_of_shards(folder, split, seed, epoch)[node[0] :: node[1]]
    pipeline = wds.DataPipeline(_Listed(folder, shards), wds.split_by_worker, _opened)
    # One item a shard: the loader takes them from its workers in turn, which is their order again.
    loader: Iterable[Any] = wds.WebLoader(pipeline, batch_size=None, num_workers=workers)
    read = (Arrays(*(np.asarray(part) for part in item)) for item in loader)
    for number in itertools.count():
        some = list(itertools.islice(read, mixed))
        if not some:
            return
        joined = _join(some)
        rng = np.random.default_rng([seed, epoch, number, SPLITS.index(split), node[0], node[1]])
        yield _rows(joined, rng.permutation(len(joined.label)))


class _Listed:
    """The first stage: the shards of an epoch."""

    def __init__(self, folder: Path, shards: list[dict[str, Any]]):
        self.folder, self.shards = folder, shards

    def __call__(self) -> Iterator[dict[str, Any]]:
        for shard in self.shards:
            yield {"url": str(self.folder / shard["file"]), "sha256": shard["sha256"]}


def _row_of_shards(folder: Path, split: str, seed: int, epoch: int) -> list[dict[str, Any]]:
    shards: list[dict[str, Any]] = read_index(folder)[0]["splits"][split]["shards"]
    order = np.random.default_rng([seed, epoch, SPLITS.index(split)]).permutation(len(shards))
    return [shards[place] for place in order]


def _opened(sources: Iterable[dict[str, Any]]) -> Iterator[tuple[np.ndarray, ...]]:
    """A shard's arrays, after its checksum was verified. Nothing is unpickled."""
    for source in sources:
        content = checked_bytes(Path(source["url"]), source["sha256"])
        stream = [{"url": source["url"], "stream": io.BytesIO(content)}]
        # Shard by shard: keys are unique within one alone.
        records = list(wds.tariterators.group_by_keys(wds.tariterators.tar_file_expander(stream)))
        if not records:
            raise ShardError(f"{source['url']} holds no samples")
        yield tuple(
            np.concatenate([np.load(io.BytesIO(record[f"{name}.npy"]), allow_pickle=False) for record in records])
            for name in ARRAYS
        )


def _join(parts: list[Arrays]) -> Arrays:
    return Arrays(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _rows(arrays: Arrays, chosen: Any) -> Arrays:
    return Arrays(*(array[chosen] for array in arrays))
