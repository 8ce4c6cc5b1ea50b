"""Cutting a data set from slides: what is cut is kept until the whole is there, so that a stopped one goes on."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from seedsweep.core.errors import UserError
from seedsweep.core.records.files import replace
from seedsweep.shards.camelyon16.patches import Cells, Truth, cells, choose
from seedsweep.shards.camelyon16.settings import CamelyonSettings
from seedsweep.shards.camelyon16.slides import Slide
from seedsweep.shards.camelyon16.sources import Found, Source, split
from seedsweep.shards.disk import to_disk
from seedsweep.shards.images import to_location
from seedsweep.shards.index import write_index
from seedsweep.shards.layout import FORMAT, Array, Layout, records_per_shard, samples_per_record
from seedsweep.shards.tars import write_shard

#: Beside the data sets: what was found and cut of slides, for all of them.
KEPT = ".slides"
#: Of a slide's name that its patches carry.
NAME_BYTES = 64
#: Records that a process reads before it has written the first of them.
AHEAD = 4

#: Told (patches or slides done, of how many, what is done).
Progress = Callable[[int, int, str], None]
_Result = TypeVar("_Result")
Record = tuple[str, dict[str, np.ndarray]]


def pack(
    found: Found,
    settings: CamelyonSettings,
    root: Path,
    workers: int = 1,
    progress: Progress = lambda done, total, what: None,
    described: Mapping[str, Any] | None = None,
) -> tuple[Path, dict[str, str]]:
    """Cut the data set under `root` unless it is there already. Returns its folder, and why slides were left out.

    What is found of a slide, and what is cut of the test split, is kept in `root` for all data sets; the rest beside
    the data set until that is whole: stopped and called again, it goes on slide by slide.
    described: what the index says of the settings; None: `settings`.
    Errors: UserError; OSError of the file system.
    """
    keys, left_out = _keys(found, settings)
    identity = {"format": FORMAT, "settings": asdict(settings), "slides": [[s.name, key] for s, key in keys.items()]}
    fingerprint = _hash(identity)
    folder, work = root / f"camelyon16-{fingerprint}", root / f".cutting-{fingerprint}"
    if (folder / "index.json").exists():
        return folder, json.loads((folder / "index.json").read_text())["left_out"]
    for each in (work, root / KEPT):
        each.mkdir(parents=True, exist_ok=True)
    with open(root / f".cutting-{fingerprint}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process cuts {folder}") from None
        splits = _cut_all(keys, settings, work, workers, progress, left_out)
        describe = asdict(settings) if described is None else described
        write_index(work, "camelyon16", describe, 2, layout(settings), splits, left_out=left_out)
        for leftover in (*work.glob("*.tar.json"), *work.glob(".*")):
            leftover.unlink()
        work.rename(folder)
    Path(lock.name).unlink(missing_ok=True)
    return folder, left_out


def layout(settings: CamelyonSettings) -> Layout:
    """Of the arrays of such patches.

    place: the patch's middle, x and y in pixels of level 0.  lesion, lesions: as `Cells` has them.  slide_name: its
    first bytes, filled up with zeros.
    """
    uint8, side = np.dtype(np.uint8), settings.size
    return {
        "image": Array(uint8, (3, side, side)),
        "mask": Array(uint8, (1, side, side)),
        "label": Array(np.dtype(np.int64), ()),
        "centre": Array(np.dtype(np.float32), (2,)),
        "place": Array(np.dtype(np.int32), (2,)),
        "lesion": Array(np.dtype(np.int32), ()),
        "lesions": Array(np.dtype(np.int32), ()),
        "slide_name": Array(uint8, (NAME_BYTES,)),
    }


def _cut_all(
    keys: Mapping[Source, str],
    settings: CamelyonSettings,
    work: Path,
    workers: int,
    progress: Progress,
    left_out: dict[str, str],
) -> dict[str, list[dict[str, Any]]]:
    """The shards of each split, in the work folder, as the index describes them; says in `left_out` which slides fail.

    keys: the slides, and what tells each from others.
    """
    kept = work.parent / KEPT
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        looked = {}
        looking = {pool.submit(_look, s, settings, kept / f"{s.name}-{key}.json"): s for s, key in keys.items()}
        for source, found in _done(looking, left_out):
            looked[source] = found
            if source.test and not len(found.corners):
                left_out[source.name] = f"has no patch with {settings.tissue:g} tissue"
            progress(len(looked), len(keys), "slides looked at")
        splits = split([source for source in keys if source in looked], settings)
        chosen = {}
        for name, most in (("train", settings.train), ("validation", settings.validation), ("test", 0)):
            chosen[name] = choose({s: looked[s] for s in splits[name]}, settings, name, most)
            if not chosen[name] and (splits["test"] or name != "test"):
                raise UserError(
                    f"no patches in the {name} split, of {len(splits[name])} slides out of {len(keys)}: it needs some "
                    f"with {settings.tissue:g} tissue and at least {settings.coverage:g} tumour, and some without any "
                    "(--tissue, --coverage, --size, --held-out)"
                )
        cutting = {}
        for name, those in chosen.items():
            for source, numbers in those.items():
                stem = source.name.replace(".", "_")
                file = kept / f"{stem}-{keys[source]}" if source.test else work / f"{name}-{stem}"
                cutting[pool.submit(_cut, source, looked[source].of(numbers), settings, file)] = source
        total, cut = sum(len(numbers) for those in chosen.values() for numbers in those.values()), 0
        shards_of = {}
        for source, shards in _done(cutting, left_out):
            shards_of[source] = shards
            cut += sum(shard["samples"] for shard in shards)
            progress(cut, total, "patches cut")
    described = {
        name: [_linked(shard, source, work) for source in those for shard in shards_of.get(source, ())]
        for name, those in chosen.items()
    }
    for name, shards in described.items():
        if not shards and chosen[name]:
            failed = next(source.name for source in chosen[name])
            raise UserError(f"no patches in the {name} split: none of its slides can be cut ({left_out[failed]})")
    return {name: shards for name, shards in described.items() if shards}


def _linked(shard: dict[str, Any], source: Source, work: Path) -> dict[str, Any]:
    """A shard in the work folder: those of the test split are kept elsewhere, for all data sets, and linked."""
    if not source.test:
        return shard
    linked = {**shard, "file": f"test-{shard['file']}"}
    kept, file = work.parent / KEPT / shard["file"], work / linked["file"]
    file.unlink(missing_ok=True)
    try:
        file.hardlink_to(kept)
    except OSError:
        # Not every file system has such links.
        shutil.copyfile(kept, file)
    return linked


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


def _look(source: Source, settings: CamelyonSettings, file: Path) -> Cells:
    """`cells`, unless they were found before."""
    if not file.exists():
        found = cells(source, settings)
        lists = {name: getattr(found, name).tolist() for name in ("corners", "coverage", "lesion")}
        _write_json(file, {**lists, "lesions": found.lesions})
    stored = json.loads(file.read_text())
    corners = np.array(stored["corners"], np.int64).reshape(-1, 2)
    return Cells(corners, np.array(stored["coverage"]), np.array(stored["lesion"], np.int64), stored["lesions"])


def _cut(source: Source, chosen: Cells, settings: CamelyonSettings, stem: Path) -> list[dict[str, Any]]:
    """A slide's shards, as the index describes them; those that were cut before are not cut again.

    stem: how their paths begin.
    """
    per_shard = samples_per_record(layout(settings)) * records_per_shard(layout(settings))
    # The disk takes a shard while the next one is cut.
    parts = [slice(start, start + per_shard) for start in range(0, len(chosen.corners), per_shard)]
    files = [stem.with_name(f"{stem.name}-{number:04d}.tar") for number in range(len(parts))]
    with ThreadPoolExecutor(1) as finisher:
        finishing = []
        for file, part in zip(files, parts, strict=True):
            if _described(file).exists():
                continue
            partial = file.with_name(f".{file.name}.{os.getpid()}")
            those = chosen.of(part)
            described = {
                "file": file.name,
                "samples": len(those.corners),
                "sha256": write_shard(partial, _ahead(records(source, those, settings))),
                "slide": source.name,
                "tumour": source.tumour,
                "corners": those.corners.tolist(),
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


def records(source: Source, chosen: Cells, settings: CamelyonSettings) -> Iterator[Record]:
    """Some patches of a slide as shards hold them: key, arrays [n,...] by NAME.npy. Errors: UserError."""
    per_record = samples_per_record(layout(settings))
    name = np.frombuffer(source.name.encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0"), np.uint8)
    half = settings.size * settings.downsample // 2
    with closing(Slide(source.slide)) as slide, closing(Truth(source, settings)) as truth:
        for first in range(0, len(chosen.corners), per_record):
            those = chosen.of(slice(first, first + per_record))
            count = len(those.corners)
            images = np.empty((count, 3, settings.size, settings.size), np.uint8)
            masks = np.empty((count, settings.size, settings.size), np.uint8)
            for image, mask, (x, y) in zip(images, masks, those.corners.tolist(), strict=True):
                image[:] = slide.read(x, y, settings.size, settings.downsample)
                mask[:] = truth.mask(x, y)
            yield (
                f"{first:08d}",
                {
                    "image.npy": images,
                    "mask.npy": masks[:, None],
                    "label.npy": np.array([mask.any() for mask in masks], np.int64),
                    "centre.npy": np.stack([_centre(mask) for mask in masks]),
                    "place.npy": (those.corners + half).astype(np.int32),
                    "lesion.npy": those.lesion.astype(np.int32),
                    "lesions.npy": np.full(count, those.lesions, np.int32),
                    "slide_name.npy": np.tile(name, (count, 1)),
                },
            )


def _ahead(records: Iterator[Record]) -> Iterator[Record]:
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


def _keys(found: Found, settings: CamelyonSettings) -> tuple[dict[Source, str], dict[str, str]]:
    """Of each slide, what all that is found and cut of it depends on, as a hash; and why slides are left out."""
    keys, left_out = {}, dict(found.left_out)
    of_all = [FORMAT, settings.size, settings.downsample, settings.tissue]
    for source in found.sources:
        try:
            outline = source.annotation.digest() if source.annotation else None
        except UserError as error:
            left_out[source.name] = str(error)
            continue
        of_test = [settings.micrometres] if source.test else []
        keys[source] = _hash([*of_all, *of_test, source.slide.stat().st_size, outline])
    return keys, left_out


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]


def _write_json(path: Path, values: Any) -> None:
    replace(path, (json.dumps(values) + "\n").encode())
