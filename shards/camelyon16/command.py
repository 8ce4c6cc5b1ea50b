"""The command line that cuts a data set from slides."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

from seedsweep.shards import camelyon16, flags
from seedsweep.shards.camelyon16.cutting import pack
from seedsweep.shards.camelyon16.settings import CamelyonSettings
from seedsweep.shards.camelyon16.sources import find
from seedsweep.shards.read import describe


def main(arguments: Sequence[str]) -> int:
    """`python -m seedsweep.shards.pack camelyon16`; returns the exit status. Errors: CamelyonError."""
    parser = argparse.ArgumentParser(
        prog="python -m seedsweep.shards.pack camelyon16",
        description=camelyon16.__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--slides", type=Path, required=True, help="folder of the slides")
    parser.add_argument("--annotations", type=Path, help="folder of NAME.xml and NAME_mask.tif")
    parser.add_argument("--to", type=Path, default=Path("runs/_data"), help="folder of the data sets")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    flags.add_flags(parser, CamelyonSettings)
    given = flags.parse(parser, CamelyonSettings, arguments)
    slides, annotations, root, workers = (given.pop(name) for name in ("slides", "annotations", "to", "workers"))
    start = time.monotonic()

    def show(done: int, total: int, what: str) -> None:
        print(f"\r{done}/{total} {what}, {time.monotonic() - start:.0f} s ", end="", flush=True)

    settings = CamelyonSettings(**given)
    folder, left_out = pack(find(slides, annotations), settings, root, max(workers, 1), show)
    for name, why in sorted(left_out.items()):
        print(f"\nleft out: {name}: {why}", end="")
    counts = describe(folder)["splits"]
    print(f"\n{counts['train']} patches to train, {counts['validation']} to validate\nin {folder}")
    print(f"a study takes them with data: {{name: camelyon16, folder: {folder}}}")
    return 0
