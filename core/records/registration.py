"""What a study decides, registered before its first member finishes. What is added later is exploratory."""

from __future__ import annotations

import datetime
import hashlib
import json
from typing import Any

from pydantic import ValidationError

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.decision import RULES, Claim, Decision, SeedCounts, Sensitivity
from seedsweep.core.records.files import replace
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.section import Part
from seedsweep.core.records.study import RecordError, Study


class Registration(Part):
    """The design of a run, `registered.json`.

    when: of the last launch before the first member finished.
    configurations: the compared ones that the study names: name -> overrides.
    explore: how many configurations the search explores, the best of which is compared; 0: it adds none.
    steps, epochs: that a member trains, one of the two; neither where a function or a command says it.
    analysis: version of the rules by which it is decided (`core.records.decision.RULES`).
    sha256: of all the other fields, as they were written.
    """

    when: str
    criterion: Criterion
    score: str
    claims: tuple[Claim, ...]
    decision: Decision
    secondary: tuple[str, ...]
    sensitivity: Sensitivity
    configurations: dict[str, dict[str, Any]]
    seeds: SeedCounts
    explore: int
    steps: int
    epochs: float
    analysis: int
    sha256: str = ""

    @classmethod
    def of(cls, study: Study) -> Registration:
        """What a resolved study decides, as of now."""
        return cls(
            when=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            criterion=study.criterion,
            score=study.score,
            claims=study.claims,
            decision=study.decision,
            secondary=study.secondary,
            sensitivity=study.sensitivity,
            configurations=study.configurations,
            seeds=study.seeds,
            explore=study.search.explore if study.found else 0,
            steps=study.training.steps,
            epochs=study.training.epochs,
            analysis=RULES,
        )

    @property
    def content(self) -> str:
        """Hash of what is registered."""
        rest = self.model_dump(mode="json", exclude={"sha256"})
        return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()

    def covers(self, spec: CohortSpec, explored: int, seed: int) -> bool:
        """Whether a member of the comparison takes part in the decisions.

        explored: number of its configuration in the search, where the study does not name it.
        """
        known = spec.name in self.configurations if spec.name else explored < self.explore
        return known and seed < self.seeds.compare

    def steps_of(self, spec: CohortSpec, study: Study) -> int:
        """Steps that the members of a cohort were registered with: fewer than it has where the study grew since."""
        if {"training.steps", "training.epochs"}.isdisjoint(spec.overrides):
            if study.training.steps > self.steps > 0:
                return self.steps
            if study.training.epochs > self.epochs > 0:
                return round(spec.steps * self.epochs / study.training.epochs)
        return spec.steps


def register(paths: RunPaths, study: Study) -> None:
    """Write down what a resolved study decides, unless a member of the run has finished: then what is there stays."""
    if paths.has_finished():
        return
    registered = Registration.of(study)
    registered = registered.model_copy(update={"sha256": registered.content})
    replace(paths.registered, (registered.model_dump_json(indent=1) + "\n").encode())


def read_registration(paths: RunPaths) -> Registration | None:
    """What the run registered; None where that is missing. Errors: RecordError, also where it was edited."""
    try:
        registered = Registration.model_validate_json(paths.registered.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{paths.registered}: {error.strerror}") from None
    except ValidationError as error:
        raise RecordError(f"{paths.registered} is damaged ({' '.join(str(error).split())[:120]})") from None
    if registered.sha256 != registered.content:
        raise RecordError(
            f"{paths.registered} was edited: what is registered does not change; undo the edit, or launch under "
            "another --name"
        )
    return registered
