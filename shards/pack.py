"""A data set to WebDataset tar shards and `index.json`; same settings, same bytes.

`python -m seedsweep.shards.pack NAME --size 64 --train 1024 --validation 256 --to DIR` packs one by hand; for
`camelyon16`, which is cut from slides, see `python -m seedsweep.shards.pack camelyon16 --help`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from seedsweep.shards import camelyon16
from seedsweep.shards.catalog import GENERATORS
from seedsweep.shards.samples import FORMAT, SPLITS, DataSettings
from seedsweep.shards.tars import to_disk, write_shard

Progress = Callable[[int, int], None]


def pack(settings: DataSettings, root: Path, progress: Progress = lambda done, total: None) -> Path:
    """Pack the data set under `root` unless it is there already; returns its folder.

    The folder is written under a temporary name and renamed, so that it is either whole or absent; of two
    processes that pack at once the first to finish wins. `progress(done, total)` is told in samples.
    Errors: OSError of the file system (no space, no permission).
    """
    folder = folder_of(settings, root)
    if settings.folder or (folder / "index.json").exists():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".packing-", dir=root))
    try:
        _write(settings, partial, progress)
        partial.chmod(0o755)
        try:
            partial.rename(folder)
        except OSError:
            if not (folder / "index.json").exists():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def folder_of(settings: DataSettings, root: Path) -> Path:
    """Where such a data set is, or would be, under `root`."""
    return Path(settings.folder) if settings.folder else root / f"{settings.name}-{settings.fingerprint()[:12]}"


def _write(settings: DataSettings, folder: Path, progress: Progress) -> None:
    total = sum(settings.count(split) for split in SPLITS)
    done = 0
    index: dict[str, Any] = {"format": FORMAT, "settings": settings.stored(), "splits": {}}
    for split in SPLITS:
        shards = []
        per_shard = settings.samples_per_record * settings.records_per_shard
        for number, start in enumerate(range(0, settings.count(split), per_shard)):
            stop = min(start + per_shard, settings.count(split))
            name = f"{split}-{number:06d}.tar"
            digest = write_shard(folder / name, _records(settings, split, start, stop))
            to_disk(folder / name)
            shards.append({"file": name, "samples": stop - start, "sha256": digest})
            done += stop - start
            progress(done, total)
        index["splits"][split] = {"samples": settings.count(split), "shards": shards}
    (folder / "index.json").write_text(json.dumps(index, indent=1) + "\n")


def _records(settings: DataSettings, split: str, start: int, stop: int) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """(key, arrays with the sample axis first) of each record."""
    generate = GENERATORS[settings.name]
    for first in range(start, stop, settings.samples_per_record):
        samples = [generate(settings, split, i) for i in range(first, min(first + settings.samples_per_record, stop))]
        yield (
            f"{first:08d}",
            {
                "image.npy": np.stack([s.image for s in samples]),
                "mask.npy": np.stack([s.mask for s in samples]),
                "label.npy": np.array([s.label for s in samples], np.int64),
                "centre.npy": np.stack([s.centre for s in samples]),
            },
        )


def main() -> None:
    """The command line of `python -m seedsweep.shards.pack`."""
    if sys.argv[1:2] == ["camelyon16"]:
        sys.exit(camelyon16.main(sys.argv[2:]))
    parser = argparse.ArgumentParser(prog="python -m seedsweep.shards.pack", description=__doc__)
    parser.add_argument("name", choices=sorted(GENERATORS))
    parser.add_argument("--to", type=Path, default=Path("runs/_data"), help="folder of the data sets")
    for field in fields(DataSettings):
        if field.name not in ("name", "folder"):
            flag = f"--{field.name.replace('_', '-')}"
            if field.default is False:
                parser.add_argument(flag, action="store_true")
            else:
                parser.add_argument(flag, type=int, default=field.default)
    given = vars(parser.parse_args())
    root = given.pop("to")

    def show(done: int, total: int) -> None:
        print(f"\rpacked {done}/{total} images", end="", flush=True)

    print(f"\nin {pack(DataSettings(**given), root, show)}")


if __name__ == "__main__":
    main()
