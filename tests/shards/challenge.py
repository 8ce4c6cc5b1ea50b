"""A small Camelyon16: the challenge's folders with generated slides, whose truth is planted."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from tests.shards.slides import asap, tissue_slide, write_pyramid

NORMAL, TUMOUR, OUTLINES = "training/normal", "training/tumor", "training/lesion_annotations"
IMAGES, REFERENCE, TEST_OUTLINES = "testing/images", "testing/reference.csv", "testing/lesion_annotations.zip"
#: Boxes (left, top, right, bottom) of level 0. At 2 micrometres a pixel the first two are lesions, the third is cells.
DARK, PALE, CELLS = (256, 256, 512, 512), (640, 128, 768, 384), (128, 640, 192, 704)
#: Of a normal slide: darker than any tumour, and none.
ARTEFACT = (384, 384, 512, 512)
#: Of each test slide its tumours.
TESTED = {"test_001": [DARK, PALE, CELLS], "test_002": [DARK], "test_003": [], "test_004": []}


def tested_slide(name: str) -> np.ndarray:
    """Tissue with dark tumours, but for the pale one."""
    image = tissue_slide(int(name[-1]))
    for box in TESTED[name]:
        if box != PALE:
            _shade(image, box, 0.5)
    if name == "test_003":
        _shade(image, ARTEFACT, 0.4)
    return image


def write(root: Path) -> Path:
    """Two normal and two tumour slides to train on, with a folder of outlines; four test slides, with an archive."""
    for folder in (NORMAL, TUMOUR, OUTLINES, IMAGES):
        (root / folder).mkdir(parents=True)
    for number in (1, 2):
        write_pyramid(root / NORMAL / f"normal_{number:03d}.tif", tissue_slide(10 + number))
        image = tissue_slide(20 + number)
        _shade(image, DARK, 0.5)
        write_pyramid(root / TUMOUR / f"tumor_{number:03d}.tif", image)
        (root / OUTLINES / f"tumor_{number:03d}.xml").write_text(outlines([DARK]))
    with zipfile.ZipFile(root / TEST_OUTLINES, "w") as archive:
        for name, boxes in TESTED.items():
            write_pyramid(root / IMAGES / f"{name}.tif", tested_slide(name))
            if boxes:
                archive.writestr(f"lesion_annotations/{name}.xml", outlines(boxes))
    lines = [
        f"{name},{'Tumor' if boxes else 'Normal'},{'Macro' if boxes else 'None'}" for name, boxes in TESTED.items()
    ]
    (root / REFERENCE).write_text("\n".join(lines) + "\n")
    return root


def outlines(boxes) -> str:
    """As ASAP writes them."""
    return asap([("_0", [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]) for x0, y0, x1, y1 in boxes])


def _shade(image: np.ndarray, box: tuple[int, int, int, int], by: float) -> None:
    left, top, right, bottom = box
    image[top:bottom, left:right] = (image[top:bottom, left:right] * by).astype(np.uint8)
