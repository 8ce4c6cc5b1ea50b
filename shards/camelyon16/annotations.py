"""Outlines of tumours, as ASAP writes them, and painting them onto pixels.

Coordinates are those of level 0: pixel i covers [i, i+1), and belongs to an outline that its centre, i + 1/2, is in.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seedsweep.core.errors import UserError

#: Groups of Camelyon16: what they hold is tumour, or what is cut out of it again.
TUMOUR, HOLE = ("_0", "_1", "tumor"), ("_2", "exclusion", "none")


@dataclass(frozen=True)
class Polygon:
    """A closed outline: vertices float64 [n,2], x and y in pixels of level 0; a `hole` takes away."""

    vertices: np.ndarray
    hole: bool


def read_asap(path: Path) -> list[Polygon]:
    """The polygons of an ASAP file, in its order. Errors: UserError."""
    content = path.read_bytes()
    # Nothing that ASAP writes declares entities, and a parser that meets them may be made to expand them without end.
    if b"<!" in content.replace(b"<!--", b""):
        raise UserError(f"{path} declares a document type, which no annotation of ASAP does")
    try:
        root = ET.fromstring(content)
    except ET.ParseError as error:
        raise UserError(f"{path} is no XML: {error}") from None
    polygons = []
    for annotation in root.iter("Annotation"):
        group = annotation.get("PartOfGroup", "").lower()
        if annotation.get("Type") not in ("Polygon", "Spline", "Rectangle"):
            continue
        if group not in TUMOUR + HOLE:
            raise UserError(f"{path}: group {group!r} is none of {', '.join(TUMOUR + HOLE)}")
        try:
            corners = sorted(
                (int(c.attrib["Order"]), float(c.attrib["X"]), float(c.attrib["Y"]))
                for c in annotation.iter("Coordinate")
            )
        except (KeyError, ValueError) as error:
            raise UserError(f"{path}: a coordinate without a number ({error})") from None
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
                mask[_inside(polygon.vertices, x, y, shape, step)] = not hole
    return mask


def _inside(vertices: np.ndarray, x: float, y: float, shape: tuple[int, int], step: float) -> np.ndarray:
    """Bool [H,W]: whose centres are inside by the even-odd rule; of a centre on an edge, one side alone has it."""
    height, width = shape
    # In units of pixels, with centres at whole numbers.
    u, v = (vertices[:, 0] - x) / step - 0.5, (vertices[:, 1] - y) / step - 0.5
    if u.max() < 0 or v.max() < 0 or u.min() > width - 1 or v.min() > height - 1:
        return np.zeros(shape, bool)
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
