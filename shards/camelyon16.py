"""Camelyon16: patches and their masks, cut from whole-slide images.

`python -m seedsweep.shards.pack camelyon16 --slides DIR --annotations DIR --to DIR` makes a data set of `--kind`
  main      every patch of tissue; one with some tumour, but less than `--coverage`, is left out
  balanced  as many normal as tumour patches
  skewed    one tumour patch in ten (the report does not say; inferred)
  debug     balanced, at most 32 patches in each split (inferred)
and the same command goes on after it was stopped: what is cut of a slide is not cut again. Slides with an annotation,
NAME.xml or NAME_mask.tif, are tumour slides, the others normal. Training and validation never share a slide.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from seedsweep.shards.annotations import AnnotationError, Polygon, paint, read_asap
from seedsweep.shards.samples import BALANCES, FORMAT, SPLITS, to_location
from seedsweep.shards.slides import Slide, SlideError
from seedsweep.shards.tars import to_disk, write_shard

KINDS = ("main", "balanced", "skewed", "debug")
DEBUG_PATCHES = 32
#: Records that a process reads before it has written the first of them.
AHEAD = 4
SLIDES = (".tif", ".tiff", ".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".bif", ".svslide")
#: Slides of the challenge that are known to trouble: wrongly labelled, twice there, or annotated in part.
TROUBLED = frozenset({"normal_086", "test_049", "test_114"})
#: Slides whose annotations leave tumours out: their other patches are not known to be normal.
PARTLY_ANNOTATED = frozenset(
    f"tumor_{n}" for n in ["015", "018", "020", "029", "033", "044", "046", "051", "054", "055", "079", "092", "095"]
)  # fmt: skip

#: Told (patches or slides done, of how many, what is done).
Progress = Callable[[int, int, str], None]
_Record = tuple[str, dict[str, np.ndarray]]


class CamelyonError(Exception):
    """Slides that make no data set; the text says what is missing."""


@dataclass(frozen=True)
class CamelyonSettings:
    """What decides which patches are cut, beside the slides.

    kind:        one of KINDS.
    size:        side of a patch, pixels.  downsample: of level 0, a whole number.
    coverage:    least share of tumour of a tumour patch.  tissue: least share of tissue of any patch.
    held_out:    share of the slides in the validation split, of tumour and of normal ones.
    train, validation: at most so many patches; 0: all. A smaller set is part of a larger one.
    seed:        of the split and of the choice.
    samples_per_record, records_per_shard: as of every data set.
    """

    kind: str = "balanced"
    size: int = 512
    downsample: int = 1
    coverage: float = 0.5
    tissue: float = 0.5
    held_out: float = 0.3
    train: int = 0
    validation: int = 0
    seed: int = 0
    samples_per_record: int = 16
    records_per_shard: int = 16


@dataclass(frozen=True)
class Source:
    """A slide's file and its annotation's, or None for a normal slide."""

    slide: Path
    annotation: Path | None

    @property
    def name(self) -> str:
        """As the challenge calls it."""
        return self.slide.stem


@dataclass(frozen=True)
class Cells:
    """Patches of a slide with enough tissue: corners int [n,2] (x, y of level 0), share of tumour [n]."""

    corners: np.ndarray
    coverage: np.ndarray


def find(slides: Path, annotations: Path | None) -> list[Source]:
    """The slides below a folder, in the order of their names, with their annotations. Errors: CamelyonError."""
    if not slides.is_dir():
        raise CamelyonError(f"--slides {slides}: there is no such folder")
    if annotations is not None and not annotations.is_dir():
        raise CamelyonError(f"--annotations {annotations}: there is no such folder")
    there = {path.name.lower(): path for path in sorted(annotations.rglob("*"))} if annotations else {}
    found: list[Source] = []
    for path in sorted(slides.rglob("*"), key=lambda path: (path.stem, path)):
        if path.suffix.lower() in SLIDES and not path.stem.lower().endswith("_mask"):
            names = [f"{path.stem.lower()}{ending}" for ending in (".xml", "_mask.tif", "_mask.tiff")]
            if found and found[-1].name == path.stem:
                raise CamelyonError(f"{found[-1].slide} and {path} have one name: keep one of them below --slides")
            found.append(Source(path, next((there[name] for name in names if name in there), None)))
    if not found:
        raise CamelyonError(f"--slides {slides}: no slide there ({', '.join(SLIDES)})")
    return found


def cells(source: Source, settings: CamelyonSettings) -> Cells:
    """The patches of a slide. Errors: SlideError, AnnotationError."""
    side = settings.size * settings.downsample
    with Slide(source.slide) as slide, _Truth(source, settings) as truth:
        tissue, scale = slide.tissue(side)
        sums = np.pad(tissue.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        height, width = tissue.shape
        corners, coverage = [], []
        for y in range(0, slide.height - side + 1, side):
            top, bottom = (min(round(v / scale), height) for v in (y, y + side))
            for x in range(0, slide.width - side + 1, side):
                left, right = (min(round(v / scale), width) for v in (x, x + side))
                inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
                if inside >= settings.tissue * max((bottom - top) * (right - left), 1):
                    corners.append((x, y))
                    coverage.append(float(truth.mask(x, y).mean()))
    return Cells(np.array(corners, np.int64).reshape(-1, 2), np.array(coverage))


def split(sources: Sequence[Source], settings: CamelyonSettings) -> dict[str, list[Source]]:
    """By slide: of the tumour slides and of the normal ones the same share is held out, by a hash of their names."""
    held_out: set[Source] = set()
    for tumour in (False, True):
        some = [source for source in sources if (source.annotation is not None) == tumour]
        ranked = sorted(some, key=lambda source: _rank(settings.seed, source.name))
        held_out |= set(ranked[: round(settings.held_out * len(ranked))])
    return {
        "train": [source for source in sources if source not in held_out],
        "validation": [source for source in sources if source in held_out],
    }


def choose(found: dict[Source, Cells], settings: CamelyonSettings, most: int) -> dict[Source, np.ndarray]:
    """Which cells of each slide of a split are cut: their numbers in order. The choice is by a hash of seed, slide and
    place, so that more slides or a larger `most` only add."""
    ranked: dict[bool, list[tuple[bytes, Source, int]]] = {False: [], True: []}
    for source, those in found.items():
        for number, (corner, share) in enumerate(zip(those.corners, those.coverage, strict=True)):
            tumour = share >= settings.coverage
            # Where the annotation leaves tumours out, what has none is not known to be normal.
            if tumour or (share == 0 and source.name.lower() not in PARTLY_ANNOTATED):
                ranked[tumour].append((_rank(settings.seed, source.name, *corner), source, number))
    normal, tumours = sorted(ranked[False], key=lambda r: r[0]), sorted(ranked[True], key=lambda r: r[0])
    if settings.kind == "debug":
        most = min(most or DEBUG_PATCHES, DEBUG_PATCHES)
    if settings.kind == "main":
        taken = sorted([*normal, *tumours], key=lambda r: r[0])[: most or None]
    else:
        every = BALANCES["skewed" if settings.kind == "skewed" else "balanced"]
        count = min(len(tumours), len(normal) // (every - 1), most // every if most else len(tumours))
        # What does not divide evenly is normal.
        spare = most % every if most and count == most // every else 0
        taken = [*tumours[:count], *normal[: count * (every - 1) + spare]]
    numbers: dict[Source, list[int]] = {source: [] for source in found}
    for _, source, number in taken:
        numbers[source].append(number)
    return {source: np.array(sorted(those), np.int64) for source, those in numbers.items() if those}


def pack(
    sources: Sequence[Source],
    settings: CamelyonSettings,
    root: Path,
    workers: int = 1,
    progress: Progress = lambda done, total, what: None,
) -> tuple[Path, dict[str, str]]:
    """Cut the data set under `root` unless it is there already. Returns its folder, and why slides were left out.

    Everything cut is kept beside it until the set is whole: stopped and called again, it goes on slide by slide.
    Errors: CamelyonError; OSError of the file system.
    """
    identity = {
        "format": FORMAT,
        "settings": asdict(settings),
        "slides": [[s.name, s.slide.stat().st_size, _digest(s.annotation)] for s in sources],
    }
    fingerprint = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    folder, work = root / f"camelyon16-{fingerprint}", root / f".cutting-{fingerprint}"
    if (folder / "index.json").exists():
        return folder, json.loads((folder / "index.json").read_text())["left_out"]
    work.mkdir(parents=True, exist_ok=True)
    with open(root / f".cutting-{fingerprint}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CamelyonError(f"another process cuts {folder}") from None
        left_out = _cut_all(sources, settings, work, workers, progress)
        shutil.rmtree(work / "cells")
        for leftover in (*work.glob("*.tar.json"), *work.glob(".*")):
            leftover.unlink()
        work.rename(folder)
    Path(lock.name).unlink(missing_ok=True)
    return folder, left_out


def _cut_all(
    sources: Sequence[Source], settings: CamelyonSettings, work: Path, workers: int, progress: Progress
) -> dict[str, str]:
    """Everything of the data set in the work folder; the index last. Returns why slides were left out."""
    left_out = {s.name: "is known to trouble" for s in sources if s.name.lower() in TROUBLED}
    unmarked = [s.name for s in sources if s.name.lower().startswith("tumor") and s.annotation is None]
    left_out |= dict.fromkeys(unmarked, "has no annotation")
    good = [source for source in sources if source.name not in left_out]
    (work / "cells").mkdir(exist_ok=True)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        looking = {pool.submit(_look, source, settings, work): source for source in good}
        looked = dict(_gather(looking, left_out, lambda n: progress(n, len(good), "slides looked at")))
        splits = split([source for source in good if source in looked], settings)
        chosen = {}
        for name, most in (("train", settings.train), ("validation", settings.validation)):
            chosen[name] = choose({s: looked[s] for s in splits[name]}, settings, most)
            if not chosen[name]:
                raise CamelyonError(
                    f"no patches in the {name} split, of {len(splits[name])} slides out of {len(good)}: it needs some "
                    f"with {settings.tissue:g} tissue and at least {settings.coverage:g} tumour, and some without any "
                    "(--tissue, --coverage, --size, --held-out)"
                )
        cutting = {
            pool.submit(_cut, source, name, looked[source].corners[numbers], settings, work): source
            for name in SPLITS
            for source, numbers in chosen[name].items()
        }
        total = sum(len(numbers) for name in SPLITS for numbers in chosen[name].values())
        done = [0]

        def cut(shards: list[dict[str, Any]]) -> None:
            done[0] += sum(shard["samples"] for shard in shards)
            progress(done[0], total, "patches cut")

        shards_of = dict(_gather(cutting, left_out, lambda n: None, cut))
    index: dict[str, Any] = {"format": FORMAT, "left_out": left_out, "splits": {}}
    for name in SPLITS:
        shards = [shard for source in chosen[name] if source in shards_of for shard in shards_of[source]]
        index["splits"][name] = {"samples": sum(shard["samples"] for shard in shards), "shards": shards}
    counts = {name: index["splits"][name]["samples"] for name in SPLITS}
    index["settings"] = {"name": "camelyon16", **asdict(settings), **counts}
    _write_json(work / "index.json", index)
    return left_out


def _gather(
    futures: dict[Any, Source],
    left_out: dict[str, str],
    told: Callable[[int], None],
    each: Callable[[Any], None] = lambda result: None,
) -> Iterator[tuple[Source, Any]]:
    """Results as they come; a slide that fails is left out, and the others go on."""
    for number, future in enumerate(as_completed(futures)):
        source = futures[future]
        try:
            result = future.result()
        except (SlideError, AnnotationError) as error:
            left_out[source.name] = str(error)
        else:
            each(result)
            yield source, result
        told(number + 1)


def _look(source: Source, settings: CamelyonSettings, work: Path) -> Cells:
    """`cells`, unless they were found before."""
    file = work / "cells" / f"{source.name}.json"
    if not file.exists():
        found = cells(source, settings)
        _write_json(file, {"corners": found.corners.tolist(), "coverage": found.coverage.tolist()})
    stored = json.loads(file.read_text())
    return Cells(np.array(stored["corners"], np.int64).reshape(-1, 2), np.array(stored["coverage"]))


def _cut(
    source: Source, name: str, corners: np.ndarray, settings: CamelyonSettings, work: Path
) -> list[dict[str, Any]]:
    """A slide's shards, as the index describes them; those that were cut before are not cut again."""
    per_shard = settings.samples_per_record * settings.records_per_shard
    # The disk takes a shard while the next one is cut.
    parts = [corners[start : start + per_shard] for start in range(0, len(corners), per_shard)]
    files = [work / f"{name}-{source.name.replace('.', '_')}-{number:04d}.tar" for number in range(len(parts))]
    with ThreadPoolExecutor(1) as finisher:
        finishing = []
        for file, those in zip(files, parts, strict=True):
            if _described(file).exists():
                continue
            partial = file.with_name(f".{file.name}.{os.getpid()}")
            described = {
                "file": file.name,
                "samples": len(those),
                "sha256": write_shard(partial, _ahead(_records(source, those, settings))),
                "slide": source.name,
                "tumour": source.annotation is not None,
                "corners": those.tolist(),
            }
            finishing.append(finisher.submit(_finish, partial, file, described))
        for each in finishing:
            each.result()
    return [json.loads(_described(file).read_text()) for file in files]


def _finish(partial: Path, file: Path, described: dict[str, Any]) -> None:
    to_disk(partial)
    partial.rename(file)
    _write_json(_described(file), described)


def _described(file: Path) -> Path:
    """What the index will say of a shard: it is there only once the shard is whole."""
    return file.with_suffix(".tar.json")


def _records(source: Source, corners: np.ndarray, settings: CamelyonSettings) -> Iterator[_Record]:
    with Slide(source.slide) as slide, _Truth(source, settings) as truth:
        for first in range(0, len(corners), settings.samples_per_record):
            those = corners[first : first + settings.samples_per_record].tolist()
            images = np.empty((len(those), 3, settings.size, settings.size), np.uint8)
            masks = np.empty((len(those), settings.size, settings.size), np.uint8)
            for image, mask, (x, y) in zip(images, masks, those, strict=True):
                image[:] = slide.read(x, y, settings.size, settings.downsample)
                mask[:] = truth.mask(x, y)
            yield (
                f"{first:08d}",
                {
                    "image.npy": images,
                    "mask.npy": masks[:, None],
                    "label.npy": np.array([mask.any() for mask in masks], np.int64),
                    "centre.npy": np.stack([_centre(mask) for mask in masks]),
                },
            )


def _ahead(records: Iterator[_Record]) -> Iterator[_Record]:
    """The records, read while those before them are written: a disk takes them by fits and starts."""
    with ThreadPoolExecutor(1) as reader:
        following = deque(reader.submit(next, records, None) for _ in range(AHEAD))
        while (record := following.popleft().result()) is not None:
            following.append(reader.submit(next, records, None))
            yield record


class _Truth:
    """Masks of a slide's patches, from its outlines or its mask slide; all zero for a normal slide."""

    def __init__(self, source: Source, settings: CamelyonSettings):
        self._size, self._downsample = settings.size, settings.downsample
        self._polygons: list[Polygon] = []
        self._slide: Slide | None = None
        if source.annotation and source.annotation.suffix.lower() == ".xml":
            self._polygons = read_asap(source.annotation)
        elif source.annotation:
            self._slide = Slide(source.annotation)

    def __enter__(self) -> _Truth:
        return self

    def __exit__(self, *error: object) -> None:
        if self._slide:
            self._slide.__exit__(None, None, None)

    def mask(self, x: int, y: int) -> np.ndarray:
        """uint8 [size,size] of the patch whose corner is at (x, y)."""
        if self._slide:
            return self._slide.read_mask(x, y, self._size, self._downsample)
        return paint(self._polygons, x, y, (self._size, self._size), self._downsample)


def _centre(mask: np.ndarray) -> np.ndarray:
    """Of the tumour, in [-1,1]^2; zero without one."""
    if not mask.any():
        return np.zeros(2, np.float32)
    places = np.arange(len(mask))
    x, y = (np.average(places, weights=mask.sum(axis)) for axis in (0, 1))
    return to_location(x, y, len(mask))


def _rank(*parts: object) -> bytes:
    return hashlib.blake2b(" ".join(map(str, parts)).encode(), digest_size=16).digest()


def _digest(path: Path | None) -> str | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, values: Any) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(values) + "\n")
    partial.rename(path)


def main(arguments: Sequence[str]) -> int:
    """`python -m seedsweep.shards.pack camelyon16`; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m seedsweep.shards.pack camelyon16",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--slides", type=Path, required=True, help="folder of the slides")
    parser.add_argument("--annotations", type=Path, help="folder of NAME.xml and NAME_mask.tif")
    parser.add_argument("--to", type=Path, default=Path("runs/_data"), help="folder of the data sets")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    for field in fields(CamelyonSettings):
        flag, choices = f"--{field.name.replace('_', '-')}", KINDS if field.name == "kind" else None
        parser.add_argument(flag, type=type(field.default), default=field.default, choices=choices)
    given = vars(parser.parse_args(arguments))
    slides, annotations, root, workers = (given.pop(name) for name in ("slides", "annotations", "to", "workers"))
    start = time.monotonic()

    def show(done: int, total: int, what: str) -> None:
        print(f"\r{done}/{total} {what}, {time.monotonic() - start:.0f} s ", end="", flush=True)

    settings = CamelyonSettings(**given)
    for name, low, high in (("size", 8, 2**15), ("downsample", 1, 1024), ("coverage", 0, 1), ("tissue", 0, 1)):
        if not low <= given[name] <= high:
            parser.error(f"--{name} {given[name]}: it must be from {low} to {high}")
    try:
        folder, left_out = pack(find(slides, annotations), settings, root, max(workers, 1), show)
    except CamelyonError as error:
        print(f"\nerror: {error}")
        return 2
    for name, why in sorted(left_out.items()):
        print(f"\nleft out: {name}: {why}", end="")
    counts = json.loads((folder / "index.json").read_text())["settings"]
    print(f"\n{counts['train']} patches to train, {counts['validation']} to validate\nin {folder}")
    print(f"a study takes them with data: {{name: camelyon16, folder: {folder}}}")
    return 0
