"""Packing, reading and cutting, each beside the plain way on the same data in one run; medians of several rounds.

`PYTHONPATH=. python tests/benchmarks/bench_data.py [--rounds N] [--samples N]`
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from seedsweep.shards.camelyon16.annotations import Annotation
from seedsweep.shards.camelyon16.cutting import pack as cut
from seedsweep.shards.camelyon16.patches import cells
from seedsweep.shards.camelyon16.settings import CamelyonSettings
from seedsweep.shards.camelyon16.sources import Found, Source
from seedsweep.shards.data_set import make
from seedsweep.shards.pack import pack
from seedsweep.shards.read import read

SIZE = 64
PATCH = 512
#: All the same pyramid, under so many names.
SLIDES = 8


def timed(*programs: Callable[[], object], rounds: int, after: Callable[[], object] = lambda: None) -> list[float]:
    """Median seconds of each, taken in turn; `after` each, outside of the time."""
    seconds: list[list[float]] = [[] for _ in programs]
    for _ in range(rounds):
        for program, taken in zip(programs, seconds, strict=True):
            # What was written before is not this program's to wait for.
            os.sync()
            start = time.perf_counter()
            program()
            taken.append(time.perf_counter() - start)
            after()
    return [statistics.median(taken) for taken in seconds]


def documented(folder: Path, shards: str) -> int:
    """The pipeline of WebDataset's documentation: one sample a record, images as PNG, decoded by PIL."""
    import webdataset as wds

    dataset = wds.WebDataset(str(folder / shards), shardshuffle=False).decode("pil").to_tuple("png", "mask.png", "cls")
    count = 0
    for image, mask, _ in dataset:
        np.asarray(image), np.asarray(mask)
        count += 1
    return count


def write_documented(folder: Path, arrays) -> str:
    """The same samples as the documentation writes them."""
    import webdataset as wds
    from PIL import Image

    folder.mkdir()
    with wds.ShardWriter(str(folder / "train-%06d.tar"), maxcount=1024, verbose=0) as sink:
        for row in range(len(arrays["label"])):
            sink.write(
                {
                    "__key__": f"{row:08d}",
                    "png": Image.fromarray(arrays["image"][row, 0]),
                    "mask.png": Image.fromarray(arrays["mask"][row, 0]),
                    "cls": int(arrays["label"][row]),
                }
            )
    last = len(list(folder.glob("*.tar"))) - 1
    return f"train-{{000000..{last:06d}}}.tar"


def reading(home: Path, samples: int, rounds: int) -> None:
    settings = {"size": SIZE, "train": samples, "validation": 64, "field": 16, "anywhere": True}
    start = time.perf_counter()
    packed = pack("pattern1", make({"name": "pattern1", **settings}), settings, home)
    seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in packed.glob("*.tar")) / 1e6
    what = f"{samples} samples of {SIZE} px, {size:.0f} MB"
    print(f"packing:       {size / seconds:.0f} MB/s with making the images ({what})")
    arrays = read(packed, home / "known")["train"]
    shards = write_documented(home / "documented", arrays)
    caches = iter(range(10**6))
    ours, plain = timed(
        lambda: read(packed, home / f"cache-{next(caches)}"),
        lambda: documented(home / "documented", shards),
        rounds=rounds,
    )
    total = samples + 64
    print(
        f"first read:    {total / ours:,.0f} samples/s, checked and decoded to the cache; documented pipeline with PIL "
        f"{samples / plain:,.0f}: {plain / samples * total / ours:.1f} times (aim 3)"
    )
    # Larger than the processor's caches.
    settings |= {"size": 128, "train": 2 * samples}
    large = pack("pattern1", make({"name": "pattern1", **settings}), settings, home)
    held = np.array(read(large, home / "known")["train"]["image"])
    into = np.zeros_like(held)

    def warm() -> None:
        np.copyto(into, read(large, home / "known")["train"]["image"])

    mapped, copied = timed(warm, lambda: np.copyto(into, held), rounds=max(rounds, 9))
    rate = held.nbytes / 1e9
    print(
        f"warm read:     {rate / mapped:.1f} GB/s from the cache; a copy in memory {rate / copied:.1f}: "
        f"{copied / mapped:.2f} of it (aim 0.5)"
    )


def read_alone(path: Path, corners: np.ndarray) -> int:
    """Patches that openslide has read."""
    import openslide

    with openslide.OpenSlide(path) as slide:
        for x, y in corners.tolist():
            slide.read_region((x, y), 0, (PATCH, PATCH))
    return len(corners)


def cutting(home: Path, rounds: int) -> None:
    import tifffile

    side, patch = 8192, PATCH
    rng = np.random.default_rng(0)
    # Smooth like stained tissue, so that JPEG has the size that it has there.
    small = rng.integers((170, 80, 130), (240, 140, 190), (side // 32, side // 32, 3))
    # A margin of glass, so that tissue and glass are told apart.
    small[:, -patch // 32 :] = 244
    image = small.astype(np.uint8).repeat(32, 0).repeat(32, 1)
    image += rng.integers(0, 12, image.shape).astype(np.uint8)
    with tifffile.TiffWriter(home / "pyramid") as file:
        for level in range(3):
            page = image[:: 4**level, :: 4**level]
            file.write(page, tile=(256, 256), compression="jpeg", photometric="rgb", subfiletype=int(level > 0))
    sources = []
    for name in (f"{kind}_{number}" for kind in ("tumor", "normal") for number in range(SLIDES // 2)):
        path = home / f"{name}.tif"
        path.symlink_to(home / "pyramid")
        outline = home / f"{name}.xml" if name.startswith("tumor") else None
        if outline:
            corners = [(100, 100), (side - 100, 300), (side - 300, side - 100), (200, side - 200)]
            listed = "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate(corners))
            outline.write_text(
                '<A><Annotation Type="Polygon" PartOfGroup="Tumor"><Coordinates>'
                f"{listed}</Coordinates></Annotation></A>"
            )
        sources.append(Source(path, Annotation(outline) if outline else None))
    settings = CamelyonSettings(kind="main", size=patch, coverage=0.01, held_out=0.5)
    corners = [cells(source, settings).corners for source in sources]
    count = sum(map(len, corners))

    for workers in (1, len(os.sched_getaffinity(0))):

        def ours(workers: int = workers) -> None:
            cut(Found(sources), settings, home / "cut", workers)

        def plain(workers: int = workers) -> None:
            with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
                assert sum(pool.map(read_alone, [s.slide for s in sources], corners)) == count

        cutting, reading = timed(
            ours, plain, rounds=rounds, after=lambda: shutil.rmtree(home / "cut", ignore_errors=True)
        )
        print(
            f"cutting:       {count / cutting:.0f} patches/s of {patch} px to shards, processes: {workers}; "
            f"openslide's reading alone in as many {count / reading:.0f}: {reading / cutting:.2f} of it (aim 0.8)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=8192)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reading(Path(folder), given.samples, given.rounds)
    with tempfile.TemporaryDirectory() as folder:
        cutting(Path(folder), given.rounds)


if __name__ == "__main__":
    main()
