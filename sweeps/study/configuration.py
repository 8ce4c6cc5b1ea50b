"""A configuration: a study with a set of overrides, and what is made of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seedsweep.core.records.study import Study
from seedsweep.core.training.seeds import Member
from seedsweep.sweeps.study.components import kind, make_optimizer, make_task, schedules_of, task_class
from seedsweep.sweeps.study.overrides import apply
from seedsweep.sweeps.study.resolution import given

__all__ = [
    "Configuration", "configuration", "kind", "make_optimizer", "make_task", "members", "named", "reads_total",
    "schedules_of", "task_class",
]  # fmt: skip

#: Raised whenever a default changes, or what goes into an identity.
FORMAT = 1
#: Sections whose values differ between configurations.
_SECTIONS = ("settings", "data", "training", "optimizer", "schedules", "init_from")


@dataclass(frozen=True)
class Configuration:
    """name: what the study calls it; empty for one that the search asks.  overrides: dotted path -> value.

    study: the study with the overrides, every section resolved, without configurations of its own.
    """

    name: str
    overrides: dict[str, Any] = field(hash=False)
    study: Study = field(hash=False)

    @property
    def values(self) -> dict[str, Any]:
        """All that it was resolved to, by dotted path; a hyperparameter by its bare name."""
        study = self.study.model_dump(mode="json")
        program = {section: study[section] for section in ("task", "command") if study[section]}
        leaves = (leaf for section in _SECTIONS for leaf in _leaves(section, study[section]))
        return {**program, **study["hyperparameters"], **dict(leaves)}

    def identity(self, data_fingerprint: str, start_fingerprint: str, steps: int) -> str:
        """16 hexadecimal digits of all that changes a member's result except its seed and the code.

        data_fingerprint, start_fingerprint: of the content of the data and of the weights that members start from,
        empty without them, in place of every path.  steps: that it trains. They count where a schedule reads them, and
        where an override says how many.
        """
        said = given(self.study)
        training = {name: value for name, value in said["training"].items() if name not in ("steps", "epochs")}
        schedules = {name: values for name, values in said["schedules"].items() if values != {"name": "constant"}}
        overridden = any(self.overrides.get(f"training.{length}") is not None for length in ("steps", "epochs"))
        parts = {
            "format": FORMAT,
            **{section: said[section] for section in ("task", "command", "settings", "optimizer", "hyperparameters")},
            "training": training,
            "schedules": schedules,
            "data": data_fingerprint,
            "start": start_fingerprint,
            "steps": steps if overridden or reads_total(self.study) else 0,
        }
        text = json.dumps(_as_one(parts), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def configuration(study: Study, name: str = "", overrides: Mapping[str, Any] | None = None) -> Configuration:
    """Of a resolved study. Errors: UserError that begins with the field."""
    return Configuration(name, dict(overrides or {}), apply(study, overrides or {}))


def named(study: Study) -> list[Configuration]:
    """Those that a resolved study names, in its order. Errors: UserError that names the configuration and the field."""
    return [configuration(study, name, overrides) for name, overrides in study.configurations.items()]


def members(of: Configuration, seeds: Iterable[int]) -> list[Member]:
    """A configuration with each of the seeds."""
    schedules = schedules_of(of.study)
    values: dict[str, Any] = dict(of.study.hyperparameters)
    return [Member(seed, values, schedules) for seed in seeds]


def reads_total(study: Study) -> bool:
    """Whether the number of steps decides more than where a member's training ends: a schedule reads it, or it is a
    function's or a command's."""
    return kind(study) != "task" or any(schedule.reads_total for schedule in schedules_of(study).values())


def _leaves(path: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(f"{path}.{key}", below)
    elif value is not None:
        yield path, value


def _as_one(value: Any) -> Any:
    """1 and 1.0 are one value."""
    if isinstance(value, dict):
        return {key: _as_one(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_as_one(below) for below in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
