"""Slides for tests: generated pyramids, and outlines as ASAP writes them."""

from pathlib import Path

import numpy as np
import tifffile

SIDE, PATCH = 1024, 128
#: A slanted tumour with a hole, off the grid of patches.
TUMOUR = [(100.3, 90.7), (700.2, 150.1), (820.9, 640.4), (300.5, 760.6)]
HOLE = [(330.25, 260.3), (520.75, 280.5), (500.5, 520.25)]


def asap(polygons) -> str:
    def one(number, group, corners):
        listed = "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}" />' for i, (x, y) in enumerate(corners))
        return (
            f'<Annotation Name="{number}" Type="Polygon" PartOfGroup="{group}" Color="#F4FA58">'
            f"<Coordinates>{listed}</Coordinates></Annotation>"
        )

    inside = "".join(one(i, group, corners) for i, (group, corners) in enumerate(polygons))
    return f'<?xml version="1.0"?><ASAP_Annotations><Annotations>{inside}</Annotations></ASAP_Annotations>'


def write_pyramid(path: Path, image: np.ndarray, levels: int = 3) -> None:
    with tifffile.TiffWriter(path) as file:
        for level in range(levels):
            page = image[:: 2**level, :: 2**level]
            kind = {"photometric": "rgb"} if image.ndim == 3 else {"photometric": "minisblack"}
            file.write(page, tile=(256, 256), compression="zlib", subfiletype=int(level > 0), **kind)


def tissue_slide(seed: int, side: int = SIDE) -> np.ndarray:
    """A pink square on white glass: everything but a margin of one patch at the right and the bottom."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side, 3), 245, np.uint8)
    inner = side - PATCH
    image[:inner, :inner] = rng.integers((180, 90, 150), (220, 150, 190), (inner, inner, 3))
    return image
