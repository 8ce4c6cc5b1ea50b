"""Whole-slide images: patches, tissue and mask slides, read with openslide.

Needs the extra `slides`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from seedsweep.core.errors import UserError

#: The tissue mask is of an image that is smaller by so much, or by less, so that a patch has at least 8 of its pixels.
TISSUE_DOWNSAMPLE = 32


class Slide:
    """An open slide. width, height: of level 0, pixels.

    Errors: UserError, also of each method.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            import openslide
        except ImportError:
            raise UserError("slides are read by an extra: pip install 'seedsweep[slides]'") from None
        try:
            self._slide: Any = openslide.OpenSlide(path)
        except (openslide.OpenSlideError, OSError) as error:
            raise UserError(f"{path}: {error or 'openslide does not know this format'}") from None
        self._error = openslide.OpenSlideError
        self.width, self.height = self._slide.dimensions

    def close(self) -> None:
        """Let go of the file."""
        self._slide.close()

    def read(self, x: int, y: int, size: int, downsample: int = 1) -> np.ndarray:
        """Patch uint8 [3,size,size] whose corner is at (x, y) of level 0, smaller by `downsample`, a whole number.

        Read from the level that is nearest to it and not smaller, and averaged from there. What was never scanned is
        white.
        """
        level = self._slide.get_best_level_for_downsample(downsample + 0.01)
        factor = round(downsample / self._slide.level_downsamples[level])
        rgba = self._region(x, y, level, size * factor)
        rgb = rgba[..., :3]
        # A pixel is scanned or not: openslide's alpha has no values between.
        if (rgba[..., 3] != 255).any():
            rgb = np.where(rgba[..., 3:] == 255, rgb, np.uint8(255))
        if factor > 1:
            rgb = rgb.reshape(size, factor, size, factor, 3).mean((1, 3)).round().astype(np.uint8)
        return rgb.transpose(2, 0, 1)

    def read_mask(self, x: int, y: int, size: int, downsample: int = 1) -> np.ndarray:
        """Of a mask slide: uint8 [size,size], 1 where the pixel in the middle of a block of level 0 is not zero."""
        values = self._region(x, y, 0, size * downsample)
        middle = slice(downsample // 2, None, downsample)
        return (values[middle, middle, 0] > 0).astype(np.uint8)

    def tissue(self, patch: int) -> tuple[np.ndarray, float]:
        """Where tissue is: bool [h,w], and how many pixels of level 0 one of its pixels stands for; for patches of so
        many pixels of level 0.

        Not all of red, green and blue above their Otsu thresholds, and saturation above its own.
        """
        from skimage.filters import threshold_otsu

        factor = max(1, min(TISSUE_DOWNSAMPLE, patch // 8))
        try:
            small = self._slide.get_thumbnail((-(-self.width // factor), -(-self.height // factor)))
        except self._error as error:
            raise UserError(f"{self.path}: {error}") from None
        rgb = np.asarray(small.convert("RGB"))
        bright = np.all([rgb[..., c] > threshold_otsu(rgb[..., c]) for c in range(3)], axis=0)
        most = rgb.max(-1).astype(np.float64)
        saturation = np.divide(most - rgb.min(-1), most, out=np.zeros_like(most), where=most > 0)
        return ~bright & (saturation > threshold_otsu(saturation)), self.width / rgb.shape[1]

    def _region(self, x: int, y: int, level: int, side: int) -> np.ndarray:
        try:
            return np.asarray(self._slide.read_region((x, y), level, (side, side)))
        except self._error as error:
            # After an error openslide refuses everything: this slide is lost.
            raise UserError(f"{self.path} at ({x}, {y}): {error}") from None
