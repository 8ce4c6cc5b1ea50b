"""The data sets by name."""

from __future__ import annotations

from collections.abc import Callable

from seedsweep.shards.ellipses import ellipses, ellipses_varied
from seedsweep.shards.patterns import pattern1, pattern1_offset, pattern2, pattern2_rgb
from seedsweep.shards.samples import DataSettings, Sample

#: name -> channels of an image, where it is not one.
CHANNELS = {"pattern2_rgb": 3, "camelyon16": 3}

#: Sets that are packed by hand, from files of the user's.
PACKED = ("camelyon16",)

#: name -> generator of one sample from (settings, split, index)
GENERATORS: dict[str, Callable[[DataSettings, str, int], Sample]] = {
    "ellipses": ellipses,
    "ellipses_varied": ellipses_varied,
    "pattern1": pattern1,
    "pattern1_offset": pattern1_offset,
    "pattern2": pattern2,
    "pattern2_rgb": pattern2_rgb,
}
