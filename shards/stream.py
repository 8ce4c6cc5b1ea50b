"""Data sets that fit neither memory nor a node's disk: read from their shards through WebDataset, epoch by epoch.

The order depends on the seed and the epoch alone. Loader workers and nodes are dealt whole shards in turn, and a loader
asks its workers in turn, so that what comes out is the same row of shards however many there are; samples are mixed
after that. Of several nodes each has its own part of that row, and mixes within it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import webdataset as wds

from seedsweep.shards.index import Index, Shard, ShardError, read_index
from seedsweep.shards.layout import SPLITS, Arrays, count
from seedsweep.shards.read import records_of, slide_arrays


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
    Errors: ShardError for a split that is not there, and for a shard that is missing, truncated or altered.
    """
    kept: list[Arrays] = []
    waiting = 0
    for block in blocks(folder, split, seed=seed, epoch=epoch, workers=workers, node=node, mixed=mixed):
        kept.append(block)
        waiting += count(block)
        if waiting >= size:
            joined = _join(kept)
            whole = waiting - waiting % size
            for start in range(0, whole, size):
                yield _rows(joined, slice(start, start + size))
            kept, waiting = [_rows(joined, slice(whole, None))], waiting - whole
    if waiting:
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
    index = read_index(folder)
    if split not in index.splits:
        raise ShardError(f"{folder} has no {split} split")
    pipeline = wds.DataPipeline(
        _Listed(_row_of_shards(index, split, seed, epoch)[node[0] :: node[1]]), wds.split_by_worker, _Opened(index)
    )
    # One item a shard: the loader takes them from its workers in turn, which is their order again.
    loader: Iterable[Any] = wds.WebLoader(pipeline, batch_size=None, num_workers=workers)
    read = ({name: np.asarray(part) for name, part in item.items()} for item in loader)
    for number in itertools.count():
        some = list(itertools.islice(read, mixed))
        if not some:
            return
        joined = _join(some)
        rng = np.random.default_rng([seed, epoch, number, SPLITS.index(split), node[0], node[1]])
        yield _rows(joined, rng.permutation(count(joined)))


class _Listed:
    """The first stage: the shards of an epoch."""

    def __init__(self, shards: Sequence[Shard]):
        self.shards = shards

    def __call__(self) -> Iterator[Shard]:
        yield from self.shards


class _Opened:
    """The last stage: a shard's arrays, after its checksum was verified. Nothing is unpickled."""

    def __init__(self, index: Index):
        self.layout = index.layout

    def __call__(self, shards: Iterable[Shard]) -> Iterator[Arrays]:
        for shard in shards:
            yield {**_join(list(records_of(shard, self.layout))), **slide_arrays([shard])}


def _row_of_shards(index: Index, split: str, seed: int, epoch: int) -> list[Shard]:
    shards = index.splits[split]
    order = np.random.default_rng([seed, epoch, SPLITS.index(split)]).permutation(len(shards))
    return [shards[place] for place in order]


def _join(parts: list[Arrays]) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _rows(arrays: Arrays, chosen: Any) -> Arrays:
    return {name: array[chosen] for name, array in arrays.items()}
