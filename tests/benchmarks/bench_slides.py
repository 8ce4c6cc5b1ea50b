"""What Camelyon16 costs: generated pyramids in the challenge's folders, of one tile size and one kind of compression,
looked at and cut, at several sides of patches; and the patches of test slides judged by the models of the study
`camelyon16`. Processor time is counted, of one core, so that what else the machine does makes little difference.

`PYTHONPATH=. python tests/benchmarks/bench_slides.py [--slides N] [--side PIXELS]`
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
import torch

from seedsweep.core.task import Values
from seedsweep.core.training.batch import Batch
from seedsweep.shards.camelyon16 import cutting
from seedsweep.shards.camelyon16.challenge import IMAGES, NORMAL, OUTLINES, REFERENCE, TUMOUR, find_challenge
from seedsweep.shards.camelyon16.cutting import pack
from seedsweep.shards.camelyon16.settings import CamelyonSettings
from seedsweep.shards.index import read_index
from seedsweep.sweeps.running.prepared_task import load_task
from seedsweep.sweeps.study.configuration import named
from seedsweep.sweeps.study.loading import load
from tests.shards.in_this_process import InThisProcess

#: Side of a patch and downsample, of the scales `laptop` and `cluster`, and of larger patches.
PATCHES = ((64, 16), (128, 8), (256, 4), (512, 2))
LEVELS = 6


def write_slide(path: Path, side: int) -> None:
    """A slide of smooth tissue with a margin of glass, as JPEG tiles of 512 px, a level for each halving."""
    rng = np.random.default_rng(0)
    small = rng.integers((170, 80, 130), (240, 140, 190), (side // 32, side // 32, 3))
    small[:, -32:] = 244
    image = small.astype(np.uint8).repeat(32, 0).repeat(32, 1)
    image += rng.integers(0, 12, image.shape).astype(np.uint8)
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for level in range(LEVELS):
            page = image[:: 2**level, :: 2**level]
            kind = {"compression": "jpeg", "photometric": "rgb"}
            file.write(page, tile=(512, 512), subfiletype=int(level > 0), **kind)


def write_challenge(root: Path, slides: int, side: int) -> None:
    """All its slides are links to one."""
    for folder in (NORMAL, TUMOUR, IMAGES, f"training/{OUTLINES}", f"testing/{OUTLINES}"):
        (root / folder).mkdir(parents=True)
    write_slide(root / "pyramid", side)
    corners = [(side // 8, side // 8), (side // 2, side // 6), (side // 2, side // 2), (side // 6, side // 2)]
    listed = "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate(corners))
    outline = f'<A><Annotation Type="Polygon" PartOfGroup="_0"><Coordinates>{listed}</Coordinates></Annotation></A>'
    lines = []
    for number in range(slides):
        for folder, name in ((NORMAL, "normal"), (TUMOUR, "tumor"), (IMAGES, "test")):
            (root / folder / f"{name}_{number:03d}.tif").symlink_to(root / "pyramid")
        (root / f"training/{OUTLINES}/tumor_{number:03d}.xml").write_text(outline)
        if number % 2:
            (root / f"testing/{OUTLINES}/test_{number:03d}.xml").write_text(outline)
        lines.append(f"test_{number:03d},{'Tumor' if number % 2 else 'Normal'}")
    (root / REFERENCE).write_text("\n".join(lines) + "\n")


def cutting_of(root: Path, side: int) -> None:
    setattr(cutting, "ProcessPoolExecutor", InThisProcess)  # noqa: B010
    found = find_challenge(root / "CAMELYON16", test=True)
    for size, downsample in PATCHES:
        ends: dict[str, float] = {}

        def note(done: int, total: int, what: str, ends: dict[str, float] = ends) -> None:
            # Told when all of a kind are done.
            ends.setdefault(what, time.process_time())

        settings = CamelyonSettings(size=size, downsample=downsample, train=64, validation=32)
        start = time.process_time()
        packed, _ = pack(found, settings, root / f"to-{size}", 1, note)
        index = read_index(packed)
        count = sum(map(index.samples, index.splits))
        look, cut = ends["slides looked at"] - start, ends["patches cut"] - ends["slides looked at"]
        size_of = sum(path.stat().st_size for path in packed.glob("*.tar"))
        print(
            f"{size} px of {downsample}: a slide of {side} px is looked at in {look / len(found.sources):.2f} s; "
            f"{count / cut:.0f} patches cut a second of one core ({count} in all), {size_of / count / 1e3:.0f} kB each"
        )


def judging(root: Path) -> None:
    """Without a step of training: that costs the same."""
    torch.set_num_threads(1)
    study = load("camelyon16", "laptop", [f"data.slides={root / 'CAMELYON16'}"])
    size, downsample = study.data["size"], study.data["downsample"]
    settings = CamelyonSettings(size=size, downsample=downsample, train=64, validation=32)
    folder, _ = pack(find_challenge(root / "CAMELYON16", test=True), settings, root / f"to-{size}")
    for each in named(study):
        if any(path.startswith("data.") for path in each.overrides):
            continue
        task = load_task(each.study, str(folder), "cpu")
        model = task.model().eval()
        hp = Values({name: torch.tensor(0.5) for name in task.hyperparameters})
        rows = torch.arange(task.data.count("test"))
        start = time.process_time()
        with torch.no_grad():
            for part in rows.split(64):
                task.measure(model, Batch(task.data.test, part), hp)
        seconds = time.process_time() - start
        print(
            f"{each.name}: {len(rows) / seconds:.0f} patches of {size} px judged a second of one core "
            f"({len(rows)} in all)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slides", type=int, default=4, help="of each kind")
    parser.add_argument("--side", type=int, default=16384)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_challenge(Path(folder) / "CAMELYON16", given.slides, given.side)
        cutting_of(Path(folder), given.side)
        judging(Path(folder))


if __name__ == "__main__":
    main()
