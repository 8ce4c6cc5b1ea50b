"""What a study decides, registered before its first member finishes. What is added later is exploratory."""

from __future__ import annotations

import datetime
from typing import Any

from pydantic import ValidationError

from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.ledger import CohortSpec, replace
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Claim, Part, RecordError, SeedCounts, Study


class Registration(Part):
    """The design of a run, `registered.json`.

    when: of the last launch before the first member finished.
    configurations: the compared ones that the study names: name -> overrides.
    explore: how many configurations the search explores, the best of which is compared; 0: it adds none.
    """

    when: str
    criterion: Criterion
    score: str
    claims: tuple[Claim, ...]
    configurations: dict[str, dict[str, Any]]
    seeds: SeedCounts
    explore: int

    def covers(self, spec: CohortSpec, explored: int, seed: int) -> bool:
        """Whether a member of the comparison takes part in the decisions.

        explored: number of its configuration in the search, where the study does not name it.
        """
        known = spec.name in self.configurations if spec.name else explored < self.explore
        return known and seed < self.seeds.compare


def register(paths: RunPaths, study: Study) -> None:
    """Write down what a resolved study decides, unless a member of the run has finished: then what is there stays."""
    if paths.has_finished():
        return
    design = Registration(
        when=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        criterion=study.criterion,
        score=study.score,
        claims=study.claims,
        configurations=study.configurations,
        seeds=study.seeds,
        explore=study.search.explore if study.found else 0,
    )
    replace(paths.registered, (design.model_dump_json(indent=1) + "\n").encode())


def read_registration(paths: RunPaths) -> Registration | None:
    """What the run registered; None where it registered nothing: all of it decides. Errors: RecordError."""
    try:
        return Registration.model_validate_json(paths.registered.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{paths.registered}: {error.strerror}") from None
    except ValidationError as error:
        raise RecordError(f"{paths.registered} is damaged ({' '.join(str(error).split())[:120]})") from None
