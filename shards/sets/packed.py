"""Folders that were packed before, from whatever they were made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from seedsweep.shards.data_set import DataSet
from seedsweep.shards.index import ShardError, read_index
from seedsweep.shards.layout import Arrays
from seedsweep.shards.read import read


@dataclass(frozen=True)
class FolderSettings:
    """folder: of a packed data set, with its `index.json`."""

    folder: str = ""


class Packed(DataSet):
    """Any packed folder; its index says the rest."""

    Settings = FolderSettings
    settings: FolderSettings

    def check(self) -> Iterable[str]:
        """There is a packed data set."""
        if not self.settings.folder:
            yield "data.folder: is missing; give a folder that `python -m seedsweep.shards.pack` made"
            return
        try:
            read_index(self.folder())
        except ShardError as error:
            yield f"data.folder: {error}"

    def samples(self, split: str) -> Arrays | None:
        """As they are read. Errors: ShardError."""
        return read(self.folder()).get(split)

    def folder(self) -> Path:
        """Given in the settings."""
        return Path(self.settings.folder).expanduser().absolute()

    @property
    def classes(self) -> int:
        """Of the index. Errors: ShardError."""
        return read_index(self.folder()).classes
