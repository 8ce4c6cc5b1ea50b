"""The folders of the challenge, as its distribution has them.

    training/normal/normal_001.tif  training/tumor/tumor_001.tif  training/lesion_annotations.zip
    testing/images/test_001.tif  testing/reference.csv  testing/lesion_annotations.zip

An archive may be unpacked, to a folder of the same name beside it.
"""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

from seedsweep.core.errors import UserError
from seedsweep.shards.camelyon16.annotations import Annotation
from seedsweep.shards.camelyon16.sources import Found, Source, known_trouble, slides_below, without_slide

NORMAL, TUMOUR, IMAGES, REFERENCE = "training/normal", "training/tumor", "testing/images", "testing/reference.csv"
OUTLINES = "lesion_annotations"
#: Where the outlines of test slides are in copies of the challenge.
TEST_OUTLINES = (f"testing/{OUTLINES}", f"testing/evaluation/{OUTLINES}")


def is_challenge(folder: Path) -> bool:
    """Whether a folder is the challenge's, and not one of a user's own slides."""
    return (folder / "training").is_dir() or (folder / "testing").is_dir()


def find_challenge(root: Path, *, test: bool) -> Found:
    """The challenge's slides, with those of the test split where it is asked for.

    Errors: UserError that names all that is missing.
    """
    _check(root, test=test)
    found = Found([])
    outlines = _outlines(root, (f"training/{OUTLINES}",))
    normal, tumour = slides_below(root / NORMAL), slides_below(root / TUMOUR)
    for name, path in sorted((normal | tumour).items()):
        annotation = outlines.get(name.lower())
        if reason := known_trouble(name):
            found.left_out[name] = reason
        elif name in normal and name in tumour:
            found.left_out[name] = f"lies in {NORMAL} and in {TUMOUR}"
        elif name in normal and annotation:
            found.left_out[name] = f"lies in {NORMAL}, and has an annotation ({annotation})"
        elif name in tumour and annotation is None:
            found.left_out[name] = "has no annotation"
        else:
            found.sources.append(Source(path, annotation))
    _without_slide(found, outlines, {*normal, *tumour})
    if test:
        _find_test(root, found)
    return found


def _find_test(root: Path, found: Found) -> None:
    outlines, said, slides = _outlines(root, TEST_OUTLINES), _reference(root / REFERENCE), slides_below(root / IMAGES)
    for name, path in slides.items():
        annotation, tumour = outlines.get(name.lower()), said.get(name.lower())
        if reason := known_trouble(name):
            found.left_out[name] = reason
        elif tumour is None:
            found.left_out[name] = f"is not in {REFERENCE}"
        elif tumour and annotation is None:
            found.left_out[name] = f"has no annotation, and is a tumour slide by {REFERENCE}"
        elif not tumour and annotation:
            found.left_out[name] = f"is a normal slide by {REFERENCE}, and has an annotation ({annotation})"
        else:
            found.sources.append(Source(path, annotation, test=True))
    known = {name.lower() for name in slides}
    _without_slide(found, outlines, known)
    for name in said:
        if name not in known and not known_trouble(name):
            found.left_out[name] = f"is in {REFERENCE}, and there is no slide of it"


def _without_slide(found: Found, outlines: dict[str, Annotation], slides: set[str]) -> None:
    known = {name.lower() for name in slides}
    found.left_out.update({name: without_slide(outlines[name]) for name in outlines.keys() - known})


def _check(root: Path, *, test: bool) -> None:
    if not root.is_dir():
        raise UserError(f"data.slides: {root}: there is no such folder")
    folders = [NORMAL, TUMOUR, *([IMAGES] if test else [])]
    missing = [folder for folder in folders if not (root / folder).is_dir()]
    if not _places(root, (f"training/{OUTLINES}",)):
        missing.append(f"training/{OUTLINES}.zip")
    if test and not _places(root, TEST_OUTLINES):
        missing.append(f"{TEST_OUTLINES[0]}.zip")
    if test and not (root / REFERENCE).is_file():
        missing.append(REFERENCE)
    if missing:
        hint = "" if all(name.startswith("training") for name in missing) else "; data.test=false goes without testing/"
        raise UserError(f"data.slides: {root} lacks {', '.join(missing)}{hint}")


def _places(root: Path, names: tuple[str, ...]) -> list[Path]:
    every = [root / f"{name}{ending}" for name in names for ending in ("", ".zip")]
    return [path for path in every if path.exists()]


def _outlines(root: Path, names: tuple[str, ...]) -> dict[str, Annotation]:
    """Annotations by the slide's name in lower case, from the first of the folders or archives that is there."""
    place = _places(root, names)[0]
    if place.is_dir():
        return {path.stem.lower(): Annotation(path) for path in sorted(place.rglob("*.xml"))}
    try:
        with zipfile.ZipFile(place) as archive:
            members = [name for name in archive.namelist() if name.lower().endswith(".xml")]
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{place}: {error}; download it again") from None
    # What a Mac adds to an archive begins with a dot.
    return {Path(name).stem.lower(): Annotation(place, name) for name in members if not Path(name).name.startswith(".")}


def _reference(path: Path) -> dict[str, bool]:
    """Whether each test slide is a tumour slide, by its name in lower case. Errors: UserError."""
    said: dict[str, bool] = {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip().lower() for cell in row] for row in csv.reader(file)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {error}") from None
    for number, row in enumerate(rows, 1):
        if len(row) > 1 and row[1] in ("normal", "tumor"):
            said[row[0].removesuffix(".tif")] = row[1] == "tumor"
        elif any(row) and number > 1:
            # The first line may name the columns.
            raise UserError(f"{path}, line {number}: {','.join(row)!r} is no slide's name and Normal or Tumor")
    return said
