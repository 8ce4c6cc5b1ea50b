"""Patches of whole-slide images: the challenge Camelyon16, or slides of one's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from itertools import zip_longest
from pathlib import Path
from typing import Any

from seedsweep.core.errors import UserError
from seedsweep.shards.camelyon16.challenge import find_challenge, is_challenge
from seedsweep.shards.camelyon16.cutting import Progress, pack, records
from seedsweep.shards.camelyon16.patches import cells, choose
from seedsweep.shards.camelyon16.settings import CamelyonSettings
from seedsweep.shards.camelyon16.sources import Found, Source, find
from seedsweep.shards.camelyon16.sources import split as split_of
from seedsweep.shards.data_set import DataSet


@dataclass(frozen=True)
class SlideSettings(CamelyonSettings):
    """Beside those of CamelyonSettings:

    slides:      the challenge's folder, with `training` and `testing`, or a folder of slides.
    annotations: of slides of one's own, a folder of NAME.xml and NAME_mask.tif.
    test:        whether the challenge's test slides are cut, too.
    """

    slides: str = ""
    annotations: str = ""
    test: bool = True


class Camelyon16(DataSet):
    """Patches that are cut from slides by many processes, slide by slide."""

    Settings = SlideSettings
    classes = 2

    settings: SlideSettings

    def absent(self) -> str:
        """Slides are asked for."""
        if self.settings.slides:
            return ""
        return "data.slides: is missing; give the folder of the slides (--set data.slides=/path/to/CAMELYON16)"

    def pack_under(self, root: Path, progress: Callable[[int, int], None], say: Callable[[str], None]) -> Path:
        """See the base; says which slides are left out, and why."""
        workers = len(os.sched_getaffinity(0))
        folder, left_out = self.cut(root, workers, lambda done, total, what: progress(done, total))
        for name, why in sorted(left_out.items()):
            say(f"left out: {name}: {why}")
        return folder

    def cut(self, root: Path, workers: int, progress: Progress) -> tuple[Path, dict[str, str]]:
        """The folder, and why slides are left out, by name. Errors: UserError."""
        return pack(self._found(), self._own, root, workers, progress, asdict(self.settings))

    def samples(self, split: str) -> Iterable[Mapping[str, Any]] | None:
        """The first patches of a tumour slide and a normal one, then those of the next two, and so on: enough to look
        at, without all the slides. What is packed is chosen among the patches of all. Errors: UserError."""
        sources = split_of(self._found().sources, self._own)[split]
        return self._patches(split, sources) if sources or split != "test" else None

    def _patches(self, split: str, sources: Sequence[Source]) -> Iterator[Mapping[str, Any]]:
        for pair in zip_longest(*([s for s in sources if s.tumour == tumour] for tumour in (True, False))):
            found = {}
            for source in filter(None, pair):
                # One that cannot be read is left out when all are cut.
                with suppress(UserError):
                    found[source] = cells(source, self._own)
            for source, numbers in choose(found, self._own, split).items():
                for _, arrays in records(source, found[source].of(numbers), self._own):
                    for row in range(len(arrays["label.npy"])):
                        yield {name.removesuffix(".npy"): array[row] for name, array in arrays.items()}

    @property
    def _own(self) -> CamelyonSettings:
        return CamelyonSettings(
            **{field.name: getattr(self.settings, field.name) for field in fields(CamelyonSettings)}
        )

    def _found(self) -> Found:
        if reason := self.absent():
            raise UserError(reason)
        given = self.settings
        slides = Path(given.slides).expanduser().absolute()
        if not is_challenge(slides):
            return find(slides, Path(given.annotations).expanduser() if given.annotations else None)
        if given.annotations:
            raise UserError(f"data.annotations: leave it out, {slides} is the challenge's and has its own")
        return find_challenge(slides, test=given.test)
