"""The index of a packed data set, `index.json`: what its shards hold, with their checksums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.files import replace
from seedsweep.shards.layout import FORMAT, SPLITS, Array, Layout, is_name


class ShardError(SeedsweepError):
    """A shard or index that cannot be trusted; the text names the file and what to do."""


@dataclass(frozen=True)
class Shard:
    """A tar file. slide: (number, label) of the slide that its samples are of, or None."""

    path: Path
    samples: int
    sha256: str
    slide: tuple[int, int] | None


@dataclass(frozen=True)
class Index:
    """name, settings: of the data set.  layout: of the arrays in shards.  fingerprint: hash of the content alone."""

    name: str
    settings: dict[str, Any]
    classes: int
    layout: Layout
    splits: dict[str, list[Shard]]
    fingerprint: str

    def samples(self, split: str) -> int:
        """How many there are in a split."""
        return sum(shard.samples for shard in self.splits[split])


def write_index(
    folder: Path,
    name: str,
    settings: Mapping[str, Any],
    classes: int,
    layout: Layout,
    splits: Mapping[str, Sequence[Mapping[str, Any]]],
    **more: Any,
) -> None:
    """splits: of each its shards, each with `file`, `samples`, `sha256`, and of patches `slide` and `tumour`."""
    counts = {split: sum(shard["samples"] for shard in shards) for split, shards in splits.items()}
    index = {
        "format": FORMAT,
        "name": name,
        "settings": dict(settings),
        "classes": classes,
        "arrays": {name: {"dtype": str(array.dtype), "shape": list(array.shape)} for name, array in layout.items()},
        "splits": {split: {"samples": counts[split], "shards": list(shards)} for split, shards in splits.items()},
        **more,
    }
    replace(folder / "index.json", (json.dumps(index, indent=1, default=str) + "\n").encode())


def read_index(folder: Path) -> Index:
    """Errors: ShardError for an index that is not there, of another format, or damaged."""
    path = folder / "index.json"
    try:
        raw = json.loads(path.read_bytes())
        if raw["format"] != FORMAT:
            raise ShardError(f"{folder} has format {raw['format']}, not {FORMAT}: remove it and pack again")
        return _parsed(raw, folder)
    except (FileNotFoundError, NotADirectoryError):
        raise ShardError(f"{folder} has no index.json: it is no packed data set") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise ShardError(f"{path} is damaged ({what}): remove {folder} and pack again") from None


def _parsed(raw: Any, folder: Path) -> Index:
    layout = {name: Array(np.dtype(given["dtype"]), tuple(given["shape"])) for name, given in raw["arrays"].items()}
    for name, array in layout.items():
        if problem := array.problem() if is_name(name) else "is no name of an array":
            raise ValueError(f"{name!r} {problem}")
    splits = {}
    for split in [split for split in SPLITS if split != "test" or split in raw["splits"]]:
        given, numbers = raw["splits"][split], dict[str, int]()
        splits[split] = [_shard(each, folder, numbers) for each in given["shards"]]
        counted = sum(shard.samples for shard in splits[split])
        if not counted or counted != given["samples"]:
            raise ValueError(f"the shards of its {split} split have {counted} samples, the split {given['samples']}")
    content = [raw["format"], raw["classes"], raw["arrays"], raw["splits"]]
    fingerprint = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
    return Index(str(raw["name"]), dict(raw["settings"]), int(raw["classes"]), layout, splits, fingerprint)


def _shard(given: Mapping[str, Any], folder: Path, numbers: dict[str, int]) -> Shard:
    file, slide = given["file"], None
    if Path(file).name != file:
        raise ValueError(f"{file!r} is no name of a shard")
    if "slide" in given:
        slide = (numbers.setdefault(given["slide"], len(numbers)), int(given["tumour"]))
    return Shard(folder / file, int(given["samples"]), str(given["sha256"]), slide)
