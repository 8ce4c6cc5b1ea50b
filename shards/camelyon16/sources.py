"""Slides and their annotations: which there are, which are left out and why, and the split by slide."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seedsweep.core.errors import UserError
from seedsweep.shards.camelyon16.annotations import Annotation
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
    """A slide's file and its annotation, None for a normal slide. test: whether it is of the test split."""

    slide: Path
    annotation: Annotation | None
    test: bool = False

    @property
    def name(self) -> str:
        """As the challenge calls it."""
        return self.slide.stem

    @property
    def tumour(self) -> bool:
        """Whether it is a tumour slide: those that have an annotation are."""
        return self.annotation is not None


@dataclass(frozen=True)
class Found:
    """Slides in the order of their names, and why others are left out, by name."""

    sources: list[Source]
    left_out: dict[str, str] = field(default_factory=dict)


def find(slides: Path, annotations: Path | None) -> Found:
    """The slides below a folder with their annotations, NAME.xml or NAME_mask.tif. Errors: UserError."""
    if not slides.is_dir():
        raise UserError(f"data.slides: {slides}: there is no such folder")
    if annotations is not None and not annotations.is_dir():
        raise UserError(f"data.annotations: {annotations}: there is no such folder")
    there = {path.name.lower(): path for path in sorted(annotations.rglob("*"))} if annotations else {}
    paths = slides_below(slides)
    if not paths:
        raise UserError(f"data.slides: {slides}: no slide there ({', '.join(SLIDES)})")
    found = Found([])
    for name, path in paths.items():
        ours = [f"{name.lower()}{ending}" for ending in (".xml", "_mask.tif", "_mask.tiff")]
        annotation = next((Annotation(there[own]) for own in ours if own in there), None)
        if reason := known_trouble(name):
            found.left_out[name] = reason
        elif name.lower().startswith("tumor") and annotation is None:
            found.left_out[name] = "has no annotation"
        else:
            found.sources.append(Source(path, annotation))
    known = {name.lower() for name in paths}
    for path in there.values():
        name = path.stem.removesuffix("_mask")
        if path.suffix.lower() in (".xml", ".tif", ".tiff") and name.lower() not in known:
            found.left_out[name] = without_slide(Annotation(path))
    return found


def slides_below(folder: Path) -> dict[str, Path]:
    """Slides by name, in its order; mask slides are none. Errors: UserError for two of one name."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*"), key=lambda path: (path.stem, path)):
        if path.suffix.lower() in SLIDES and not path.stem.lower().endswith("_mask"):
            if path.stem in found:
                raise UserError(f"{found[path.stem]} and {path} have one name: keep one of them")
            found[path.stem] = path
    return found


def known_trouble(name: str) -> str:
    """Why a slide of this name is not looked at; empty where it is."""
    return "is known to trouble" if name.lower() in TROUBLED else ""


def without_slide(annotation: Annotation) -> str:
    """Of an annotation whose slide is not there."""
    return f"is annotated ({annotation}), and there is no slide of it"


def split(sources: Sequence[Source], settings: CamelyonSettings) -> dict[str, list[Source]]:
    """By slide: of the tumour slides and of the normal ones the same share is held out, by a hash of their names; the
    test split is given."""
    held_out: set[Source] = set()
    for tumour in (False, True):
        some = [source for source in sources if source.tumour == tumour and not source.test]
        ranked = sorted(some, key=lambda source: rank(settings.seed, source.name))
        held_out |= set(ranked[: round(settings.held_out * len(ranked))])
    return {
        "train": [source for source in sources if source not in held_out and not source.test],
        "validation": [source for source in sources if source in held_out],
        "test": [source for source in sources if source.test],
    }


def rank(*parts: object) -> bytes:
    """What orders slides and patches: a hash, so that more of them only add to the order."""
    return hashlib.blake2b(" ".join(map(str, parts)).encode(), digest_size=16).digest()
