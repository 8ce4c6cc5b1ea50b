"""A configuration: a study with a set of overrides, every default filled in from its components, and what is made of
it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from seedsweep.core.component import Range, choose, spread
from seedsweep.core.errors import UserError
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.parts import VARIED
from seedsweep.core.records.section import Scalar
from seedsweep.core.records.study import Measure, Study, Training
from seedsweep.core.training.seeds import Member
from seedsweep.shards import data_set
from seedsweep.sweeps.study.components import (
    DEFAULT_OPTIMIZER,
    canonical,
    component,
    declared,
    defaults,
    kind,
    make_optimizer,
    make_task,
    metrics_of,
    schedules_of,
    settings_fields,
    task_class,
)
from seedsweep.sweeps.study.overrides import leaves, nested, no_mapping, override
from seedsweep.sweeps.study.slips import choose_measure

__all__ = [
    "Configuration", "configuration", "kind", "make_optimizer", "make_task", "members", "named", "parse", "reads_total",
    "resolve", "schedules_of", "task_class",
]  # fmt: skip

#: Raised whenever a default changes, or what goes into an identity.
FORMAT = 1
#: Sections whose values differ between configurations.
_SECTIONS = ("settings", "data", "training", "optimizer", "schedules", "init_from")
#: Sections of a Task that neither a function nor a command has.
OF_A_TASK = ("settings", "data", "optimizer", "schedules", "init_from")
#: What a criterion says of its metric, which is the metric's own.
OF_A_METRIC = ("direction", "low", "high")

#: Beginning of what pydantic calls an error of a value -> what the value is.
_NO_VALUE = {"int_": "no whole number", "float_": "no number", "bool_": "neither true nor false"}


@dataclass(frozen=True)
class Configuration:
    """name: what the study calls it; empty for one that the search asks.  overrides: dotted path -> value.

    study: the study with the overrides, every section resolved, without configurations, claims and search of its own.
    """

    name: str
    overrides: dict[str, Any] = dataclasses.field(hash=False)
    study: Study = dataclasses.field(hash=False)

    @property
    def values(self) -> dict[str, Any]:
        """All that it was resolved to, by dotted path; a hyperparameter by its bare name."""
        study = self.study.model_dump(mode="json")
        program = {section: study[section] for section in ("task", "command") if study[section]}
        if kind(self.study) == "task":
            study["settings"] = to_jsonable_python(spread(task_class(self.study).Settings, study["settings"]))
        sections = leaves({section: study[section] for section in _SECTIONS})
        said = {path: value for path, value in sections if value is not None and value != {}}
        return {**program, **study["hyperparameters"], **said}

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
        if self.study.seeds.vary != VARIED:
            parts["vary"] = sorted(self.study.seeds.vary)
        text = json.dumps(_as_one(parts), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def configuration(study: Study, name: str = "", overrides: Mapping[str, Any] | None = None) -> Configuration:
    """Of a resolved study. Where a component's name changes, what the study says of the old one stays where the new one
    has such a field; the rest are the new one's defaults.  Errors: UserError that begins with the field."""
    parsed: Study = parse(override(given(study), nested(overrides or {})))
    return Configuration(name, dict(overrides or {}), resolve(parsed))


def named(study: Study) -> list[Configuration]:
    """Those that a resolved study names, in its order. Errors: UserError that begins with the field."""
    return [configuration(study, name, overrides) for name, overrides in study.configurations.items()]


def members(of: Configuration, seeds: Iterable[int]) -> list[Member]:
    """A configuration with each of the seeds."""
    schedules = schedules_of(of.study)
    values: dict[str, Any] = dict(of.study.hyperparameters)
    return [Member(seed, values, schedules, of.study.seeds.vary) for seed in seeds]


def reads_total(study: Study) -> bool:
    """Whether the number of steps decides more than where a member's training ends: a schedule reads it, or it is a
    function's or a command's."""
    return kind(study) != "task" or any(schedule.reads_total for schedule in schedules_of(study).values())


def parse(values: Mapping[str, Any], kind: type[BaseModel] = Study) -> Any:
    """A Study, or another part of one. Errors: UserError that begins with the field."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise UserError(_line(error)) from None


def resolve(study: Study) -> Study:
    """With every section as its component has it. Errors: UserError that begins with the field."""
    what = kind(study)
    sections = _of_a_task(study) if what == "task" else _of_an_own_loop(study, what)
    resolved = study.model_copy(update=sections)
    measured = {name: Measure(**vars(metric)) for name, metric in metrics_of(resolved).items()}
    if resolved.training.measure_train:
        measured |= {f"train_{name}": measure for name, measure in measured.items()}
    criterion = study.criterion
    if criterion.metric not in measured:
        raise UserError(
            f"criterion.metric: {study.task or 'the command'} has no {criterion.metric!r}; "
            f"{choose_measure(criterion.metric, measured)}"
        )
    own = measured[criterion.metric]
    criterion = dataclasses.replace(criterion, direction=own.direction, low=own.low, high=own.high)
    return resolved.model_copy(update={"criterion": criterion, "measures": measured})


def given(study: Study) -> dict[str, Any]:
    """What a resolved study says that is no default, as it would be read; without what it compares, claims and
    searches."""
    values = study.model_dump(mode="json", by_alias=True, exclude={"configurations", "claims", "search", "measures"})
    values["training"] = _without(values["training"], Training().model_dump(mode="json"))
    for field in OF_A_METRIC:
        del values["criterion"][field]
    if kind(study) != "task":
        return values
    values["settings"] = _without(values["settings"], defaults("task", study.task))
    sections = [("data", values), ("optimizer", values)]
    sections += [(name, values["schedules"]) for name in study.schedules]
    for section, within in sections:
        path = section if within is values else f"schedules.{section}"
        ordinary = {"no_decay": [], **defaults(f"{path}.name", within[section]["name"])}
        within[section] = _without(within[section], ordinary)
    ranges = {name: bounds.default for name, bounds in declared(study).items()}
    values["hyperparameters"] = _without(values["hyperparameters"], ranges)
    return values


def _of_a_task(study: Study) -> dict[str, Any]:
    for name in study.metrics:
        raise UserError(f"metrics.{name}: the task says what it measures; leave it out")
    if not study.training.steps and not study.training.epochs:
        raise UserError("training.steps: is missing; or give training.epochs")
    task, optimizer = make_task(study), make_optimizer(study)
    no_decay = study.optimizer.get("no_decay", [])
    if not isinstance(no_decay, list | tuple) or not all(isinstance(each, str) for each in no_decay):
        raise UserError(f'optimizer.no_decay: is a list of patterns, such as ["*.bias"], not {no_decay!r}')
    settings = to_jsonable_python(task.settings)
    ranges, schedules = declared(study, task), {}
    for name, schedule in schedules_of(study).items():
        if name not in ranges:
            raise UserError(f"schedules.{name}: there is no such hyperparameter; {choose(name, ranges)}")
        if not ranges[name].tensor:
            raise UserError(f"schedules.{name}: {name} is a plain number in {study.task} (tensor=False)")
        path = f"schedules.{name}.name"
        named = canonical(path, study.schedules[name]["name"])
        schedules[name] = {"name": named}
        if settings_fields(path, named):
            schedules[name] |= to_jsonable_python(schedule.settings)
    return {
        "task": canonical("task", study.task),
        "settings": settings,
        "data": _data(study),
        "training": _training(study.training),
        "optimizer": {
            "name": canonical("optimizer.name", study.optimizer.get("name", DEFAULT_OPTIMIZER)),
            **to_jsonable_python(optimizer.settings),
            "no_decay": list(no_decay),
        },
        "schedules": schedules,
        "hyperparameters": _hyperparameters(study, ranges, settings),
    }


def _of_an_own_loop(study: Study, what: str) -> dict[str, Any]:
    for section in OF_A_TASK:
        if getattr(study, section):
            raise UserError(f"{section}: a {what} has none; what differs between members goes in hyperparameters")
    if study.seeds.vary != VARIED:
        raise UserError(f"seeds.vary: a {what} has one seed, and no parts that could be held; leave it out")
    for field in _without(study.training.model_dump(), {**Training().model_dump(), "steps": study.training.steps}):
        raise UserError(f"training.{field}: a {what} trains by itself; give it a hyperparameter for that")
    if not study.metrics:
        raise UserError(f"metrics: is missing: a {what} has no class to say them; write {{accuracy: max}}")
    return {}


def _data(study: Study) -> dict[str, Any]:
    if name := study.data.get("name"):
        component("data.name", name)
    values = data_set.resolved({"name": "", **study.data})
    folder = data_set.make(values).folder()
    # A run may go on from another folder.
    return {**values, "folder": str(folder)} if folder is not None and "folder" in values else values


def _training(training: Training) -> Training:
    every = training.evaluate_every or (max(1, training.steps // 100) if training.steps else 0)
    # `growth.grown` asks whether the study said it: a copy would count as if it had.
    return Training.model_construct(training.model_fields_set, **{**dict(training), "evaluate_every": every})


def _hyperparameters(study: Study, ranges: Mapping[str, Range], settings: Mapping[str, Any]) -> dict[str, Scalar]:
    for name in study.hyperparameters:
        if name in ranges:
            continue
        if name in settings:
            raise UserError(f"hyperparameters.{name}: is a setting of the task; write settings.{name}")
        raise UserError(
            f"hyperparameters.{name}: neither the task nor the optimiser declares it; {choose(name, ranges)}"
        )
    resolved: dict[str, Scalar] = {}
    for name, bounds in ranges.items():
        value: Any = study.hyperparameters.get(name, bounds.default)
        if value is None:
            raise UserError(f"hyperparameters.{name}: is missing; {study.task} gives it no default")
        if problem := bounds.problem(value):
            raise UserError(f"hyperparameters.{name}: {problem}")
        # A plain number whose default is whole is whole where it can be.
        whole = not bounds.tensor and isinstance(bounds.default, int) and float(value).is_integer()
        resolved[name] = int(value) if whole else float(value)
    return resolved


def _without(values: Mapping[str, Any], ordinary: Mapping[str, Any]) -> dict[str, Any]:
    """The values that differ from the ordinary ones, and those that have none."""
    return {field: value for field, value in values.items() if field not in ordinary or value != ordinary[field]}


def _line(error: ValidationError) -> str:
    first = error.errors()[0]
    where, given = ".".join(map(str, first["loc"])), first["input"]
    if first["type"] == "value_error":
        words = str(first["ctx"]["error"])
        return f"{where}{words}".removeprefix(".") if words.startswith(".") else f"{where}: {words}"
    if first["type"] == "unexpected_keyword_argument":
        fields = [field.name for field in dataclasses.fields(Criterion)]
        return f"{where}: there is no such field; {choose(str(first['loc'][-1]), fields)}"
    if first["type"] in ("missing", "missing_argument"):
        return f"{where}: is missing"
    if first["type"] in ("model_type", "dict_type", "dataclass_type"):
        return no_mapping(where, given)
    if what := next((words for start, words in _NO_VALUE.items() if first["type"].startswith(start)), ""):
        return f"{where}: {given!r} is {what}"
    # What pydantic calls a tuple is a list in YAML.
    said = first["msg"].replace("valid tuple", "list")
    words = f"{where}: {said[0].lower()}{said[1:]}, not {given!r}"
    return words + ("; put it in quotes" if first["type"] == "string_type" else "")


def _as_one(value: Any) -> Any:
    """1 and 1.0 are one value."""
    if isinstance(value, dict):
        return {key: _as_one(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_as_one(below) for below in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
