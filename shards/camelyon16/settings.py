"""What decides which patches are cut, beside the slides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from seedsweep.core.component import Choice, Range

KINDS = ("main", "balanced", "skewed", "debug")
DEBUG_PATCHES = 32


@dataclass(frozen=True)
class CamelyonSettings:
    """kind:         which patches the training split has: `main`, all; `balanced`, as many tumour patches as normal
                     ones; `skewed`, one tumour patch in ten; `debug`, 32 of a balanced set.
    validation_kind: the same of the validation split; empty: as `kind`.
    size:            side of a patch, pixels.
    downsample:      side of a patch's pixel, in pixels of level 0.
    coverage:        least share of tumour of a tumour patch.  tissue: least share of tissue of any patch.
    held_out:        share of the training slides in the validation split, of tumour and of normal ones.
    train:           most patches of the training split; 0: all. A smaller set is part of a larger one.
    validation:      most patches of the validation split, likewise.
    micrometres:     side of a pixel of level 0, by which lesions are measured; the challenge's for all slides.
    seed:            of the choice of the slides that are held out, and of the patches.
    """

    kind: Annotated[str, Choice(*KINDS)] = "balanced"
    validation_kind: Annotated[str, Choice("", *KINDS)] = ""
    size: Annotated[int, Range(8, 2**15)] = 512
    downsample: Annotated[int, Range(1, 1024)] = 1
    coverage: Annotated[float, Range(0, 1)] = 0.5
    tissue: Annotated[float, Range(0, 1)] = 0.5
    held_out: Annotated[float, Range(0, 1)] = 0.3
    train: Annotated[int, Range(0)] = 0
    validation: Annotated[int, Range(0)] = 0
    micrometres: Annotated[float, Range(0.001, 1000)] = 0.243
    seed: Annotated[int, Range(0)] = 0

    def kind_of(self, split: str) -> str:
        """Of a split."""
        return (self.validation_kind if split == "validation" else "") or self.kind
