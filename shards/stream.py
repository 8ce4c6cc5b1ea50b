"""Data sets that fit neither memory nor a node's disk: read from their shards through WebDataset, epoch by epoch.

The order depends on the seed and the epoch alone. Loader workers and nodes are dealt whole shards in turn, and a loader
asks its workers in turn, so that what comes out is the same row of shards however many there are; samples are mixed
after that. Of several nodes each has its own part of that row, and mixes within it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import webdataset as wds

from seedsweep.shards.index import Shard, ShardError, read_index
from seedsweep.shards.layout import SPLITS, Arrays, Layout, count
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
    index = read_index(folder)
    if split not in index.splits:
        raise ShardError(f"{folder} has no {split} split")
    place, kept, waiting = SPLITS.index(split), list[Arrays](), 0
    order = np.random.default_rng([seed, epoch, place]).permutation(len(index.splits[split]))
    shards = [index.splits[split][number] for number in order][node[0] :: node[1]]
    # One item a shard: the loader takes them from its workers in turn, which is their order again.
    pipeline = wds.DataPipeline(partial(iter, shards), wds.split_by_worker, partial(_opened, layout=index.layout))
    loader: Iterator[Any] = iter(wds.WebLoader(pipeline, batch_size=None, num_workers=workers))
    for number in itertools.count():
        some = [{name: np.asarray(part) for name, part in item.items()} for item in itertools.islice(loader, mixed)]
        if not some:
            break
        joined = _join(some)
        rng = np.random.default_rng([seed, epoch, number, place, *node])
        kept.append(_rows(joined, rng.permutation(count(joined))))
        waiting += count(joined)
        if waiting >= size:
            joined = _join(kept)
            whole = waiting - waiting % size
            for start in range(0, whole, size):
                yield _rows(joined, slice(start, start + size))
            kept, waiting = [_rows(joined, slice(whole, None))], waiting - whole
    if waiting:
        yield _join(kept)


def _opened(shards: Iterable[Shard], layout: Layout) -> Iterator[Arrays]:
    """A shard's arrays, after its checksum was verified. Nothing is unpickled."""
    for shard in shards:
        yield {**_join(list(records_of(shard, layout))), **slide_arrays([shard])}


def _join(parts: list[Arrays]) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _rows(arrays: Arrays, chosen: Any) -> Arrays:
    return {name: array[chosen] for name, array in arrays.items()}
