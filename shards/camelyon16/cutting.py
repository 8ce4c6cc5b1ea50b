"""Cutting a data set from slides: what is cut is kept until the whole is there, so that a stopped one goes on."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import replace
from seedsweep.shards.camelyon16.patches import Cells, Truth, cells, choose
from seedsweep.shards.camelyon16.settings import CamelyonSettings
from seedsweep.shards.camelyon16.slides import Slide
from seedsweep.shards.camelyon16.sources import Source, split
from seedsweep.shards.camelyon16.sources import left_out as troubled
from seedsweep.shards.disk import to_disk
from seedsweep.shards.images import to_location
from seedsweep.shards.index import write_index
from seedsweep.shards.layout import FORMAT, Array, Layout, records_per_shard, samples_per_record
from seedsweep.shards.tars import write_shard

#: Records that a process reads before it has written the first of them.
AHEAD = 4

#: Told (patches or slides done, of how many, what is done).
Progress = Callable[[int, int, str], None]
_Result = TypeVar("_Result")
_Record = tuple[str, dict[str, np.ndarray]]


def pack(
    sources: Sequence[Source],
    settings: CamelyonSettings,
    root: Path,
    workers: int = 1,
    progress: Progress = lambda done, total, what: None,
) -> tuple[Path, dict[str, str]]:
    """Cut the data set under `root` unless it is there already. Returns its folder, and why slides were left out.

    Everything cut is kept beside it until the set is whole: stopped and called again, it goes on slide by slide.
    Errors: UserError; OSError of the file system.
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
            raise UserError(f"another process cuts {folder}") from None
        left_out = _cut_all(sources, settings, work, workers, progress)
        shutil.rmtree(work / "cells")
        for leftover in (*work.glob("*.tar.json"), *work.glob(".*")):
            leftover.unlink()
        work.rename(folder)
    Path(lock.name).unlink(missing_ok=True)
    return folder, left_out


def layout(settings: CamelyonSettings) -> Layout:
    """Of the arrays of such patches."""
    uint8, side = np.dtype(np.uint8), settings.size
    return {
        "image": Array(uint8, (3, side, side)),
        "mask": Array(uint8, (1, side, side)),
        "label": Array(np.dtype(np.int64), ()),
        "centre": Array(np.dtype(np.float32), (2,)),
    }


def _cut_all(
    sources: Sequence[Source], settings: CamelyonSettings, work: Path, workers: int, progress: Progress
) -> dict[str, str]:
    """Everything of the data set in the work folder; the index last. Returns why slides were left out."""
    left_out = troubled(sources)
    good = [source for source in sources if source.name not in left_out]
    (work / "cells").mkdir(exist_ok=True)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        looked = {}
        for source, found in _done({pool.submit(_look, source, settings, work): source for source in good}, left_out):
            looked[source] = found
            progress(len(looked), len(good), "slides looked at")
        splits = split([source for source in good if source in looked], settings)
        chosen = {}
        for name, most in (("train", settings.train), ("validation", settings.validation)):
            chosen[name] = choose({s: looked[s] for s in splits[name]}, settings, most)
            if not chosen[name]:
                raise UserError(
                    f"no patches in the {name} split, of {len(splits[name])} slides out of {len(good)}: it needs some "
                    f"with {settings.tissue:g} tissue and at least {settings.coverage:g} tumour, and some without any "
                    "(--tissue, --coverage, --size, --held-out)"
                )
        cutting = {
            pool.submit(_cut, source, name, looked[source].corners[numbers], settings, work): source
            for name, those in chosen.items()
            for source, numbers in those.items()
        }
        total, cut = sum(len(numbers) for those in chosen.values() for numbers in those.values()), 0
        shards_of = {}
        for source, shards in _done(cutting, left_out):
            shards_of[source] = shards
            cut += sum(shard["samples"] for shard in shards)
            progress(cut, total, "patches cut")
    splits_of_shards = {
        name: [shard for source in those if source in shards_of for shard in shards_of[source]]
        for name, those in chosen.items()
    }
    for name, those in splits_of_shards.items():
        if not those:
            failed = next(source.name for source in chosen[name])
            raise UserError(f"no patches in the {name} split: none of its slides can be cut ({left_out[failed]})")
    write_index(work, "camelyon16", asdict(settings), 2, layout(settings), splits_of_shards, left_out=left_out)
    return left_out


def _done(futures: dict[Future[_Result], Source], left_out: dict[str, str]) -> Iterator[tuple[Source, _Result]]:
    """Results as they come; a slide that fails is left out, and the others go on."""
    for future in as_completed(futures):
        source = futures[future]
        try:
            result = future.result()
        except UserError as error:
            left_out[source.name] = str(error)
        else:
            yield source, result


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
    per_shard = samples_per_record(layout(settings)) * records_per_shard(layout(settings))
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
    per_record = samples_per_record(layout(settings))
    with closing(Slide(source.slide)) as slide, closing(Truth(source, settings)) as truth:
        for first in range(0, len(corners), per_record):
            those = corners[first : first + per_record].tolist()
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


def _centre(mask: np.ndarray) -> np.ndarray:
    """Of the tumour, in [-1,1]^2; zero without one."""
    if not mask.any():
        return np.zeros(2, np.float32)
    places = np.arange(len(mask))
    x, y = (np.average(places, weights=mask.sum(axis)) for axis in (0, 1))
    return to_location(x, y, len(mask))


def _digest(path: Path | None) -> str | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, values: Any) -> None:
    replace(path, (json.dumps(values) + "\n").encode())
