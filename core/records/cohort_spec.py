"""What a cohort is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seedsweep.core.records.parts import VARIED, Part, Parts, parts_of

PHASES = ("explore", "compare")


@dataclass(frozen=True)
class CohortSpec:
    """What a cohort is.

    phase:         one of PHASES.
    number:        of the configuration within its phase: in `explore` the order in which it was asked.
    configuration: hash of all that changes a member's result except its seed and the code.
    name:          of a configuration that the study names; empty for one that the search found.
    overrides:     what is said of it, dotted path -> value.
    values:        all values that it was resolved to, dotted path -> value.
    seeds:         one member each.
    steps:         that each member trains.
    code:          hash of the user's files that it was made with; empty where there are none.
    varied:        the parts of a member that follow its seed.
    """

    phase: str
    number: int
    configuration: str
    name: str
    overrides: dict[str, Any]
    values: dict[str, Any]
    seeds: tuple[int, ...]
    steps: int
    code: str = ""
    varied: tuple[Part, ...] = VARIED

    @property
    def parts(self) -> list[Parts]:
        """Of each member, the seeds of its parts."""
        return [parts_of(seed, self.varied) for seed in self.seeds]

    @property
    def origin(self) -> str:
        """`named` for the configurations that the study names, `search` for what the search found."""
        return "named" if self.name else "search"

    @property
    def block(self) -> str:
        """Name of the seed block."""
        return f"{self.phase}-{self.seeds[0]:06d}-{self.seeds[-1]:06d}"

    @property
    def key(self) -> tuple[str, str]:
        """Identity of the cohort: no two have the same."""
        return self.configuration, self.block
