"""The command line that cuts a data set from slides."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from seedsweep.shards import camelyon16, flags
from seedsweep.shards.camelyon16.cutting import pack
from seedsweep.shards.camelyon16.settings import CamelyonSettings
from seedsweep.shards.camelyon16.sources import find
from seedsweep.shards.index import read_index


def main(arguments: Sequence[str]) -> int:
    """`python -m seedsweep.shards.pack camelyon16`; returns the exit status. Errors: UserError."""
    parser = flags.parser("camelyon16", camelyon16.__doc__)
    parser.add_argument("--slides", type=Path, required=True, help="folder of the slides")
    parser.add_argument("--annotations", type=Path, help="folder of NAME.xml and NAME_mask.tif")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    given = flags.parse(parser, CamelyonSettings, arguments)
    slides, annotations, root, workers = (given.pop(name) for name in ("slides", "annotations", "to", "workers"))
    start = time.monotonic()

    def show(done: int, total: int, what: str) -> None:
        print(f"\r{done}/{total} {what}, {time.monotonic() - start:.0f} s ", end="", flush=True)

    settings = CamelyonSettings(**given)
    folder, left_out = pack(find(slides, annotations), settings, root, max(workers, 1), show)
    for name, why in sorted(left_out.items()):
        print(f"\nleft out: {name}: {why}", end="")
    index = read_index(folder)
    print(f"\n{index.samples('train')} patches to train, {index.samples('validation')} to validate\nin {folder}")
    print(f"a study takes them with data: {{name: packed, folder: {folder}}}")
    return 0
