"""Slides and their annotations: which there are, which are known to trouble, and the split by slide."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seedsweep.core.errors import UserError
from seedsweep.shards.camelyon16.settings import CamelyonSettings

SLIDES = (".tif", ".tiff", ".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".bif", ".svslide")
#: Slides of the challenge that are known to trouble: wrongly labelled, twice there, or annotated in part.
TROUBLED = frozenset({"normal_086", "test_049", "test_114"})
#: Slides whose annotations leave tumours out: their other patches are not known to be normal.
PARTLY_ANNOTATED = frozenset(
    f"tumor_{n}" for n in ["015", "018", "020", "029", "033", "044", "046", "051", "054", "055", "079", "092", "095"]
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A slide's file and its annotation's, or None for a normal slide."""

    slide: Path
    annotation: Path | None

    @property
    def name(self) -> str:
        """As the challenge calls it."""
        return self.slide.stem


def find(slides: Path, annotations: Path | None) -> list[Source]:
    """The slides below a folder, in the order of their names, with their annotations. Errors: UserError."""
    if not slides.is_dir():
        raise UserError(f"--slides {slides}: there is no such folder")
    if annotations is not None and not annotations.is_dir():
        raise UserError(f"--annotations {annotations}: there is no such folder")
    there = {path.name.lower(): path for path in sorted(annotations.rglob("*"))} if annotations else {}
    found: list[Source] = []
    for path in sorted(slides.rglob("*"), key=lambda path: (path.stem, path)):
        if path.suffix.lower() in SLIDES and not path.stem.lower().endswith("_mask"):
            names = [f"{path.stem.lower()}{ending}" for ending in (".xml", "_mask.tif", "_mask.tiff")]
            if found and found[-1].name == path.stem:
                raise UserError(f"{found[-1].slide} and {path} have one name: keep one of them below --slides")
            found.append(Source(path, next((there[name] for name in names if name in there), None)))
    if not found:
        raise UserError(f"--slides {slides}: no slide there ({', '.join(SLIDES)})")
    return found


def left_out(sources: Sequence[Source]) -> dict[str, str]:
    """Why some of the slides are not looked at, by name."""
    troubled = {s.name: "is known to trouble" for s in sources if s.name.lower() in TROUBLED}
    unmarked = [s.name for s in sources if s.name.lower().startswith("tumor") and s.annotation is None]
    return troubled | dict.fromkeys(unmarked, "has no annotation")


def split(sources: Sequence[Source], settings: CamelyonSettings) -> dict[str, list[Source]]:
    """By slide: of the tumour slides and of the normal ones the same share is held out, by a hash of their names."""
    held_out: set[Source] = set()
    for tumour in (False, True):
        some = [source for source in sources if (source.annotation is not None) == tumour]
        ranked = sorted(some, key=lambda source: rank(settings.seed, source.name))
        held_out |= set(ranked[: round(settings.held_out * len(ranked))])
    return {
        "train": [source for source in sources if source not in held_out],
        "validation": [source for source in sources if source in held_out],
    }


def rank(*parts: object) -> bytes:
    """What orders slides and patches: a hash, so that more of them only add to the order."""
    return hashlib.blake2b(" ".join(map(str, parts)).encode(), digest_size=16).digest()
