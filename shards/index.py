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
from seedsweep.shards.layout import FORMAT, SPLITS, Array, Layout, is_name
from seedsweep.shards.tars import to_disk

#: Arrays that reading adds to patches of slides: a sample's slide, numbered within its split, and that slide's label.
SLIDE_ARRAYS = {"slide": Array(np.dtype(np.int64), ()), "slide_label": Array(np.dtype(np.int64), ())}


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

    @property
    def of_slides(self) -> bool:
        """Whether the samples are patches of slides."""
        return all(shard.slide is not None for shards in self.splits.values() for shard in shards)

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
    arrays = {name: {"dtype": str(array.dtype), "shape": list(array.shape)} for name, array in layout.items()}
    counts = {split: sum(shard["samples"] for shard in shards) for split, shards in splits.items()}
    index = {
        "format": FORMAT,
        "name": name,
        "settings": dict(settings),
        "classes": classes,
        "arrays": arrays,
        "splits": {split: {"samples": counts[split], "shards": list(shards)} for split, shards in splits.items()},
        **more,
    }
    partial = folder / ".index.json"
    partial.write_text(json.dumps(index, indent=1, default=str) + "\n")
    to_disk(partial)
    partial.rename(folder / "index.json")


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
    layout = {}
    for name, given in raw["arrays"].items():
        array = Array(np.dtype(given["dtype"]), tuple(_natural(side, "a shape") for side in given["shape"]))
        problem = array.problem() if is_name(name) else "is no name of an array"
        if problem:
            raise ValueError(f"{name!r} {problem}")
        layout[name] = array
    if not layout:
        raise ValueError("it has no arrays")
    splits = {}
    for split in SPLITS:
        if split == "test" and split not in raw["splits"]:
            continue
        if split not in raw["splits"]:
            raise ValueError(f"it has no {split} split")
        numbers: dict[str, int] = {}
        splits[split] = [_shard(given, folder, numbers) for given in raw["splits"][split]["shards"]]
        counted = sum(shard.samples for shard in splits[split])
        if not counted or counted != raw["splits"][split]["samples"]:
            raise ValueError(
                f"the shards of its {split} split have {counted} samples, the split {raw['splits'][split]['samples']}"
            )
    content = [raw["format"], raw["classes"], raw["arrays"], raw["splits"]]
    fingerprint = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
    classes = raw["classes"] and _natural(raw["classes"], "classes")
    return Index(str(raw["name"]), dict(raw["settings"]), classes, layout, splits, fingerprint)


def _shard(given: Mapping[str, Any], folder: Path, numbers: dict[str, int]) -> Shard:
    file, sha256 = given["file"], given["sha256"]
    if not isinstance(file, str) or Path(file).name != file or not file.endswith(".tar"):
        raise ValueError(f"{file!r} is no name of a shard")
    slide = None
    if "slide" in given:
        slide = (numbers.setdefault(str(given["slide"]), len(numbers)), int(given["tumour"]))
    return Shard(folder / file, _natural(given["samples"], "samples"), str(sha256), slide)


def _natural(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{what}: {value!r} is no number above 0")
    return value
