"""Every default of a study filled in, from its components; and taken out again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from seedsweep.core.component import Metric, Range, choose
from seedsweep.core.errors import UserError
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.study import Claim, Measure, Scalar, Study, Training
from seedsweep.shards import data_set
from seedsweep.sweeps.study.components import (
    DEFAULT_OPTIMIZER,
    canonical,
    declared,
    defaults,
    kind,
    make_optimizer,
    make_task,
    metrics_of,
    plain,
    schedules_of,
    settings_class,
)

#: Sections of a Task that neither a function nor a command has.
OF_A_TASK = ("settings", "data", "optimizer", "schedules", "init_from")


def resolve(study: Study) -> Study:
    """With every section as its component has it. Errors: UserError that begins with the field."""
    what = kind(study)
    if study.measures:
        own = "the task says what it measures; leave it out" if what == "task" else f"a {what}'s stand in metrics"
        raise UserError(f"measures: {own}")
    sections = _of_a_task(study) if what == "task" else _of_an_own_loop(study, what)
    resolved = study.model_copy(update=sections)
    known = metrics_of(resolved)
    measured = {name: Measure(direction=m.direction, low=m.low, high=m.high) for name, m in known.items()}
    claims = tuple(_claim(f"claims.{place}", claim) for place, claim in enumerate(study.claims))
    return resolved.model_copy(
        update={"criterion": _criterion(resolved, known), "measures": measured, "claims": claims}
    )


def given(study: Study) -> dict[str, Any]:
    """What a resolved study says that is no default, as it would be read; without what it compares, claims and
    searches."""
    values = study.model_dump(mode="json", by_alias=True)
    for section in ("configurations", "claims", "search", "measures"):
        del values[section]
    ordinary = Training().model_dump(mode="json")
    values["training"] = _other(values["training"], ordinary)
    values["criterion"] = {field: values["criterion"][field] for field in ("metric", "threshold", "hold")}
    if kind(study) != "task":
        return values
    for section, path in (("settings", "task"), ("data", "data.name"), ("optimizer", "optimizer.name")):
        name = study.task if section == "settings" else values[section]["name"]
        values[section] = _other(values[section], {**_defaults(path, name), "no_decay": []})
    for name, schedule in values["schedules"].items():
        values["schedules"][name] = _other(schedule, _defaults(f"schedules.{name}.name", schedule["name"]))
    ranges = declared(study)
    of_all = {name: ranges[name].default for name in values["hyperparameters"]}
    values["hyperparameters"] = _other(values["hyperparameters"], of_all)
    return values


def _of_a_task(study: Study) -> dict[str, Any]:
    for name in study.metrics:
        raise UserError(f"metrics.{name}: the task says what it measures; leave it out")
    task, optimizer = make_task(study), make_optimizer(study)
    no_decay = study.optimizer.get("no_decay", [])
    if not isinstance(no_decay, list | tuple) or not all(isinstance(each, str) for each in no_decay):
        raise UserError(f'optimizer.no_decay: is a list of patterns, such as ["*.bias"], not {no_decay!r}')
    ranges = declared(study)
    schedules = schedules_of(study)
    for name in schedules:
        where = f"schedules.{name}"
        if name not in ranges:
            raise UserError(f"{where}: there is no such hyperparameter; {choose(name, ranges)}")
        if not ranges[name].tensor:
            raise UserError(f"{where}: {name} is a plain number in {study.task} (tensor=False), which has no schedule")
    return {
        "task": canonical("task", study.task),
        "settings": plain(task.settings),
        "data": _data(study),
        "training": _training(study.training),
        "optimizer": {
            "name": canonical("optimizer.name", study.optimizer.get("name", DEFAULT_OPTIMIZER)),
            **plain(optimizer.settings),
            "no_decay": list(no_decay),
        },
        "schedules": {
            name: {
                "name": canonical(f"schedules.{name}.name", values["name"]),
                **(plain(schedules[name].settings) if settings_class(f"schedules.{name}.name", values["name"]) else {}),
            }
            for name, values in study.schedules.items()
        },
        "hyperparameters": _hyperparameters(study, ranges),
    }


def _of_an_own_loop(study: Study, what: str) -> dict[str, Any]:
    for section in OF_A_TASK:
        if getattr(study, section):
            raise UserError(f"{section}: a {what} has none; what differs between members goes in hyperparameters")
    for field in _other(study.training.model_dump(), {**Training().model_dump(), "steps": study.training.steps}):
        raise UserError(f"training.{field}: a {what} trains by itself; give it a hyperparameter for that")
    if not study.metrics:
        raise UserError(f"metrics: is missing: a {what} has no class to say them; write {{accuracy: max}}")
    return {}


def _data(study: Study) -> dict[str, Any]:
    values = data_set.resolved({"name": "", **study.data})
    folder = data_set.make(values).folder()
    # A run may go on from another folder.
    return {**values, "folder": str(folder)} if folder is not None and "folder" in values else values


def _training(training: Training) -> Training:
    if training.steps and training.epochs:
        raise UserError("training.epochs: stands beside training.steps; give one of the two")
    if not training.steps and not training.epochs:
        raise UserError("training.steps: is missing; or give training.epochs")
    every = training.evaluate_every or (max(1, training.steps // 100) if training.steps else 0)
    # `growth.grown` asks whether the study said it: a copy would count as if it had.
    return Training.model_construct(training.model_fields_set, **{**dict(training), "evaluate_every": every})


def _hyperparameters(study: Study, ranges: Mapping[str, Range]) -> dict[str, Scalar]:
    for name in study.hyperparameters:
        if name not in ranges:
            raise UserError(
                f"hyperparameters.{name}: neither the task nor the optimiser declares it; {choose(name, ranges)}"
            )
    resolved: dict[str, Scalar] = {}
    for name, bounds in ranges.items():
        value = study.hyperparameters.get(name, bounds.default)
        if value is None:
            raise UserError(f"hyperparameters.{name}: is missing; {study.task} gives it no default")
        if problem := bounds.problem(value):
            raise UserError(f"hyperparameters.{name}: {problem}")
        resolved[name] = _number(value, bounds)
    return resolved


def _number(value: Any, bounds: Range) -> Scalar:
    """A float; where the default of a plain number is a whole one, a whole number where it can be."""
    if not bounds.tensor and isinstance(bounds.default, int) and float(value).is_integer():
        return int(value)
    return float(value)


def _claim(where: str, claim: Claim) -> Claim:
    """A claim that names a measure is of scores. Errors: UserError where it says otherwise."""
    if claim.measure is None:
        return claim
    if claim.below is not None:
        raise UserError(f"{where}.measure: how many converge (below) is told by the criterion alone; leave it out")
    if "axis" in claim.model_fields_set and claim.axis == "converging":
        raise UserError(f"{where}.measure: who converges is told by the criterion alone; leave it out, or axis")
    return claim.model_copy(update={"axis": "score"}) if claim.axis == "converging" else claim


def _criterion(study: Study, known: Mapping[str, Metric]) -> Criterion:
    """With what the metric says of itself."""
    criterion = study.criterion
    if criterion.metric not in known:
        raise UserError(
            f"criterion.metric: {study.task or 'the command'} has no {criterion.metric!r}; "
            f"{choose(criterion.metric, known)}"
        )
    metric = known[criterion.metric]
    return dataclasses.replace(criterion, direction=metric.direction, low=metric.low, high=metric.high)


def _defaults(path: str, name: Any) -> dict[str, Any]:
    settings = settings_class(path, name)
    return defaults(settings) if settings else {}


def _other(values: Mapping[str, Any], ordinary: Mapping[str, Any]) -> dict[str, Any]:
    """Of the values those that differ from the ordinary ones, and those that have none."""
    return {field: value for field, value in values.items() if field not in ordinary or value != ordinary[field]}
