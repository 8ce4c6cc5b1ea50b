"""Camelyon16: patches of whole-slide images, cut and packed by hand; see `seedsweep.shards.camelyon16`."""

from __future__ import annotations

from collections.abc import Iterable

from seedsweep.shards.index import read_index
from seedsweep.shards.sets.packed import Packed


class Camelyon16(Packed):
    """A folder that `python -m seedsweep.shards.pack camelyon16` made."""

    def check(self) -> Iterable[str]:
        """There is such a folder."""
        if not self.settings.folder:
            yield (
                "data.folder: camelyon16 is packed by hand first, see python -m seedsweep.shards.pack camelyon16 "
                "--help; then give its folder here"
            )
            return
        problems = list(super().check())
        yield from problems
        if not problems and (name := read_index(self.folder()).name) != "camelyon16":
            yield f"data.folder: {self.folder()} holds {name}, not camelyon16; take the data set `packed`"
