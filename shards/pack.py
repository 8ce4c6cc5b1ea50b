"""A data set to WebDataset tar shards and `index.json`; same settings, same bytes.

`python -m seedsweep.shards.pack NAME --size 64 --train 1024 --validation 256 --to DIR` packs one by hand, where NAME is
a built-in one's or `file.py:Name`; for `camelyon16`, which is cut from slides, see
`python -m seedsweep.shards.pack camelyon16 --help`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from seedsweep.shards.data_set import DataSet
from seedsweep.shards.disk import to_disk, whole_folder
from seedsweep.shards.index import write_index
from seedsweep.shards.layout import FORMAT, SPLITS, Arrays, count, records_per_shard
from seedsweep.shards.samples import Samples, Split, classes_of
from seedsweep.shards.tars import write_shard

#: Told (samples of the split that are packed, of how many; 0: not known before the end).
Progress = Callable[[int, int], None]


def pack(
    name: str,
    data_set: DataSet,
    settings: Mapping[str, Any],
    root: Path,
    code: str = "",
    progress: Progress = lambda done, total: None,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Pack the data set under `root` unless it is there already; returns its folder.

    name, settings: as `data_set.resolved` gives them.  code: hash of the user's files, of a data set of theirs.  say:
    told what a user should know, as what of the data is left out.
    The folder is written under a temporary name and renamed, so that it is either whole or absent; of two
    processes that pack at once the first to finish wins.
    Errors: UserError for samples that are no data set; OSError of the file system (no space, no permission).
    """
    packed = data_set.folder() or data_set.pack_under(root, progress, say)
    if packed is not None:
        return packed
    folder = folder_of(name, settings, root, code)
    if (folder / "index.json").exists():
        return folder
    with whole_folder(folder) as partial:
        _write(name, data_set, settings, partial, progress, say)
    to_disk(root)
    return folder


def folder_of(name: str, settings: Mapping[str, Any], root: Path, code: str = "") -> Path:
    """Where such a data set is, or would be, under `root`."""
    identity = {"format": FORMAT, "name": name, "code": code, "settings": _own(settings)}
    fingerprint = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:12]
    short = re.sub(r"\W+", "_", name.rpartition(":")[2])
    return root / f"{short}-{fingerprint}"


def _own(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in settings.items() if field != "name"}


def _write(
    name: str,
    data_set: DataSet,
    settings: Mapping[str, Any],
    folder: Path,
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    samples = Samples(data_set)
    splits = {}
    for split in SPLITS:
        opened = samples.open(split)
        if opened is not None:
            opened = replace(opened, blocks=_finite(opened.blocks, f"{name}, {split}", say))
            splits[split] = list(_shards(folder, split, opened, records_per_shard(samples.layout), progress))
    write_index(folder, name, _own(settings), classes_of(data_set), samples.layout, splits)


def _finite(blocks: Iterator[Arrays], where: str, say: Callable[[str], None]) -> Iterator[Arrays]:
    """The same blocks; says of each array the first sample that holds NaN or an infinity."""
    done, said = 0, set[str]()
    for block in blocks:
        for name, array in block.items():
            if name not in said and array.dtype.kind in "fc" and not np.isfinite(array).all():
                said.add(name)
                row = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(1)))
                say(f"warning: {where}: {name!r} of sample {done + row} is not finite, and others after it may be")
        yield block
        done += count(block)


def _shards(folder: Path, split: str, opened: Split, records: int, progress: Progress) -> Iterator[dict[str, Any]]:
    """Write the shards of a split, of so many records each; of each what the index says."""
    done = 0

    def keyed(blocks: Iterator[Arrays]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        nonlocal done
        for block in blocks:
            yield f"{done:08d}", {f"{name}.npy": array for name, array in block.items()}
            done += count(block)

    for number, first in enumerate(opened.blocks):
        start = done
        file = folder / f"{split}-{number:06d}.tar"
        digest = write_shard(file, keyed(chain([first], islice(opened.blocks, records - 1))))
        to_disk(file)
        progress(done, opened.total)
        yield {"file": file.name, "samples": done - start, "sha256": digest}


if __name__ == "__main__":
    import sys

    from seedsweep.shards.command import main

    sys.exit(main(sys.argv[1:]))
