"""Outlines of tumours, as ASAP writes them, and painting them onto pixels.

Coordinates are those of level 0: pixel i covers [i, i+1), and belongs to an outline that its centre, i + 1/2, is in.
"""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seedsweep.core.errors import UserError

#: Groups of Camelyon16: what they hold is tumour, or what is cut out of it again.
TUMOUR, HOLE = ("_0", "_1", "tumor"), ("_2", "exclusion", "none")


@dataclass(frozen=True)
class Annotation:
    """A file of outlines, or a mask slide. member: of the archive `path`; empty: `path` is the file."""

    path: Path
    member: str = ""

    @property
    def outlined(self) -> bool:
        """Whether it is ASAP's XML, and no mask slide."""
        return (self.member or self.path.name).lower().endswith(".xml")

    def content(self) -> bytes:
        """Errors: UserError for an archive that is damaged; OSError."""
        if not self.member:
            return self.path.read_bytes()
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self.member)
        except (zipfile.BadZipFile, KeyError, zlib.error) as error:
            raise UserError(f"{self}: {error}") from None

    def digest(self) -> str:
        """Of the content, sha256. Errors: as of `content`."""
        if self.outlined:
            return hashlib.sha256(self.content()).hexdigest()
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def __str__(self) -> str:
        return str(self.path / self.member)


@dataclass(frozen=True)
class Polygon:
    """A closed outline: vertices float64 [n,2], x and y in pixels of level 0; a `hole` takes away."""

    vertices: np.ndarray
    hole: bool


def read_asap(annotation: Annotation) -> list[Polygon]:
    """The polygons of an ASAP file, in its order. Errors: UserError."""
    content = annotation.content()
    # Nothing that ASAP writes declares entities, and a parser that meets them may be made to expand them without end.
    if b"<!" in content.replace(b"<!--", b""):
        raise UserError(f"{annotation} declares a document type, which no annotation of ASAP does")
    try:
        root = ET.fromstring(content)
    except ET.ParseError as error:
        raise UserError(f"{annotation} is no XML: {error}") from None
    polygons = []
    for outline in root.iter("Annotation"):
        group = outline.get("PartOfGroup", "").lower()
        if outline.get("Type") not in ("Polygon", "Spline", "Rectangle"):
            continue
        if group not in TUMOUR + HOLE:
            raise UserError(f"{annotation}: group {group!r} is none of {', '.join(TUMOUR + HOLE)}")
        try:
            corners = sorted(
                (int(c.attrib["Order"]), float(c.attrib["X"]), float(c.attrib["Y"])) for c in outline.iter("Coordinate")
            )
        except (KeyError, ValueError) as error:
            raise UserError(f"{annotation}: a coordinate without a number ({error})") from None
        if len(corners) >= 3:
            polygons.append(Polygon(np.array([corner[1:] for corner in corners], np.float64), group in HOLE))
    return polygons


def paint(polygons: list[Polygon], x: float, y: float, shape: tuple[int, int], step: float = 1.0) -> np.ndarray:
    """Mask uint8 [H,W] of the pixels whose centres are in a tumour and in no hole: holes are painted last.

    x, y: corner of the first pixel, level 0.  step: side of a pixel in pixels of level 0.
    """
    mask = np.zeros(shape, np.uint8)
    for hole in (False, True):
        for polygon in polygons:
            if polygon.hole == hole:
                left, top, part = _part(mask, polygon.vertices, x, y, step)
                part[_inside(polygon.vertices, left, top, part.shape, step)] = not hole
    return mask


def _part(mask: np.ndarray, vertices: np.ndarray, x: float, y: float, step: float) -> tuple[float, float, np.ndarray]:
    """The part of a mask that an outline reaches, and its corner, level 0."""
    first = np.maximum(np.floor((vertices.min(0) - (x, y)) / step), 0).astype(int)
    last = np.maximum(np.ceil((vertices.max(0) - (x, y)) / step), 0).astype(int)
    part = mask[first[1] : last[1], first[0] : last[0]]
    return x + float(first[0]) * step, y + float(first[1]) * step, part


def _inside(vertices: np.ndarray, x: float, y: float, shape: tuple[int, int], step: float) -> np.ndarray:
    """Bool [H,W]: whose centres are inside by the even-odd rule; of a centre on an edge, one side alone has it."""
    height, width = shape
    if not height or not width:
        return np.zeros(shape, bool)
    # In units of pixels, with centres at whole numbers.
    u, v = (vertices[:, 0] - x) / step - 0.5, (vertices[:, 1] - y) / step - 0.5
    u_next, v_next = np.roll(u, -1), np.roll(v, -1)
    # Rows that each edge crosses: those from its lower end up to, but without, its upper end.
    first = np.clip(np.ceil(np.minimum(v, v_next)), 0, height).astype(int)
    last = np.clip(np.ceil(np.maximum(v, v_next)), 0, height).astype(int)
    counts = last - first
    edge = np.repeat(np.arange(len(u)), counts)
    row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    at = u[edge] + (row - v[edge]) * (u_next - u)[edge] / (v_next - v)[edge]
    # From its first centre at or right of the crossing on, a row is on the other side of the edge.
    column = np.clip(np.ceil(at), 0, width).astype(int)
    turned = np.bincount(row * (width + 1) + column, minlength=height * (width + 1)).reshape(height, width + 1)
    if not turned[:, 1:width].any():
        # Most patches lie all inside or all outside.
        return np.repeat(turned[:, :1] % 2 == 1, width, axis=1)
    inside: np.ndarray = np.bitwise_xor.accumulate(turned[:, :width].astype(np.uint8) & 1, axis=1) == 1
    return inside
