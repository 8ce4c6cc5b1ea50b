"""The command line that cuts a data set from slides."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from seedsweep.shards import camelyon16, flags
from seedsweep.shards.data_set import make
from seedsweep.shards.index import read_index
from seedsweep.shards.sets.camelyon16 import Camelyon16


def main(arguments: Sequence[str]) -> int:
    """`python -m seedsweep.shards.pack camelyon16`; returns the exit status. Errors: UserError."""
    parser = flags.parser("camelyon16", camelyon16.__doc__)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    given = flags.parse(parser, Camelyon16.Settings, arguments)
    root, workers = given.pop("to"), max(given.pop("workers"), 1)
    start = time.monotonic()

    def show(done: int, total: int, what: str) -> None:
        print(f"\r{done}/{total} {what}, {time.monotonic() - start:.0f} s ", end="", flush=True)

    data_set = make({"name": "camelyon16", **given})
    assert isinstance(data_set, Camelyon16)
    folder, left_out = data_set.cut(root, workers, show)
    for name, why in sorted(left_out.items()):
        print(f"\nleft out: {name}: {why}", end="")
    index = read_index(folder)
    counts = ", ".join(f"{index.samples(split)} {split}" for split in index.splits)
    print(f"\npatches: {counts}\nin {folder}")
    print(f"a study takes them with data: {{name: packed, folder: {folder}}}")
    return 0
