"""The components that a study names, made from what it says of them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from pydantic_core import to_jsonable_python

from seedsweep.analysis.evaluation_columns import COLUMNS
from seedsweep.core.component import (
    Chosen,
    Metric,
    Range,
    choose,
    chosen_fields,
    resolve,
    settings_from,
    short_names,
    takes,
)
from seedsweep.core.component import defaults as defaults_of
from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study
from seedsweep.core.task import Task, readable
from seedsweep.core.training.batch import Data
from seedsweep.core.training.optimisers import Optimizer
from seedsweep.core.training.schedules import Schedule, own_schedule
from seedsweep.shards.data_set import HOME as DATA_SETS
from seedsweep.shards.data_set import DataSet, in_words

#: Section of the name -> home of the built-in components, and what they are made from.
HOMES: dict[str, tuple[str, type]] = {
    "task": ("seedsweep.core.models", Task),
    "data": (DATA_SETS, DataSet),
    "optimizer": ("seedsweep.core.training.optimisers", Optimizer),
    "schedules": ("seedsweep.core.training.schedules", Schedule),
}
DEFAULT_OPTIMIZER = "adam"
#: Fields of the section `optimizer` that belong to no optimiser.
OPTIMIZER_FIELDS = ("name", "no_decay")
Kind = Literal["task", "function", "command"]


def names_component(path: str, study: Study | None = None) -> bool:
    """Whether the value of a dotted path is the name of a component. study: whose settings may choose some."""
    section, _, rest = path.partition(".")
    if section == "settings":
        return study is not None and rest in chosen_settings(study.task)
    return path in ("task", "data.name", "optimizer.name") or (section == "schedules" and rest.endswith(".name"))


def own_path(path: str, study: Study) -> str:
    """The one way to write a path: where a setting chooses a component, `settings.backbone.name` is
    `settings.backbone`."""
    short = path.removesuffix(".name")
    return short if short.startswith("settings.") and names_component(short, study) else path


def chosen_settings(task: Any) -> dict[str, Chosen[Any]]:
    """The settings of a task that choose a component; none of a name that is wrong, which is said where it is made."""
    try:
        settings = getattr(component("task", task), "Settings", None)
    except UserError:
        return {}
    return chosen_fields(settings) if inspect.isclass(settings) and dataclasses.is_dataclass(settings) else {}


def component(path: str, name: Any, where: str = "") -> Any:
    """The class or function of a name that stands at a dotted path.

    where: it stands, for messages; the path where it is left out.  Errors: UserError that begins with it.
    """
    home, base = HOMES[path.partition(".")[0]]
    where = where or path
    if not name:
        raise UserError(f"{where}: is missing; {choose('', short_names(home, base))}; your own is named file.py:Name")
    try:
        return resolve(name, home, base)
    except UserError as error:
        # As a name in a notebook that was put in quotes.
        if isinstance(name, str) and inspect.isclass(getattr(sys.modules["__main__"], name, None)):
            raise UserError(f"{where}: {name} is a class of this notebook or script: write '__main__:{name}'") from None
        raise UserError(f"{where}: {error}") from error.__cause__


def canonical(path: str, value: Any, where: str = "") -> Any:
    """The one way to write a component's name: of a built-in one its short name. Any other path's value is itself.

    Errors: as of `component`.
    """
    if not names_component(path) or value is None:
        return value
    home, base = HOMES[path.partition(".")[0]]
    found = component(path, value, where)
    if ":" in value and not f"{found.__module__}.".startswith(f"{home}."):
        return value
    plain = (found.__name__ if ":" in value else value).replace("_", "").lower()
    return next((short for short in short_names(home, base) if short.replace("_", "") == plain), value)


def kind(study: Study) -> Kind:
    """Whether a study trains a Task, calls a function, or runs a command. Errors: UserError."""
    if study.command:
        if study.task:
            raise UserError("command: stands beside a task; give one of the two")
        return "command"
    if not study.task:
        raise UserError("task: is missing: name a Task or a function as file.py:Name, or give a command")
    found = component("task", study.task)
    if inspect.isclass(found) and issubclass(found, Task):
        return "task"
    if inspect.isclass(found) or not callable(found):
        raise UserError(
            f"task: {study.task} is neither a task, `class ...(seedsweep.Task)`, nor a function, `def ...(run)`"
        )
    return "function"


def task_class(study: Study) -> type[Task]:
    """The class of a study that trains one. Errors: UserError that names the method that it lacks."""
    if kind(study) != "task":
        raise UserError(f"task: {study.task or study.command} is no task, `class ...(seedsweep.Task)`")
    found: type[Task] = component("task", study.task)
    _check_class("task", study.task, found, Task, ("model", "loss", "measure"))
    return found


def make_task(study: Study, data: Data | None = None) -> Task:
    """data: None where nothing is trained. Errors: UserError."""
    made: Task = _made("task", study.task, task_class(study), study.settings, "settings", data)
    return made


def make_optimizer(study: Study) -> Optimizer:
    """Errors: UserError."""
    name = study.optimizer.get("name", DEFAULT_OPTIMIZER)
    found = component("optimizer.name", name)
    if not inspect.isclass(found) or not issubclass(found, Optimizer):
        raise UserError(f"optimizer.name: {name} is no optimiser; write it as `class ...(seedsweep.Optimizer)`")
    _check_class("optimizer.name", name, found, Optimizer, ("scales", "update"))
    own = {field: value for field, value in study.optimizer.items() if field not in OPTIMIZER_FIELDS}
    made: Optimizer = _made("optimizer.name", name, found, own, "optimizer")
    return made


def schedules_of(study: Study) -> dict[str, Schedule]:
    """Name of a hyperparameter -> its schedule. Errors: UserError."""
    return {name: _schedule(f"schedules.{name}", values) for name, values in study.schedules.items()}


def numbers_of(study: Study) -> dict[str, Any]:
    """Values of the hyperparameters that are Python numbers to the task: each makes a program of its own. study:
    resolved."""
    ranges = declared(study)
    return {name: value for name, value in study.hyperparameters.items() if not ranges[name].tensor}


def declared(study: Study, task: Task | None = None) -> dict[str, Range]:
    """The hyperparameters of a study's task and optimiser. task: of the study, where it is made already.

    Errors: UserError where both declare one, or one is no Range.
    """
    of_task = _ranges("task", study.task, task or make_task(study))
    of_optimizer = _ranges("optimizer.name", study.optimizer.get("name", DEFAULT_OPTIMIZER), make_optimizer(study))
    for name in of_task:
        wrong = ""
        if name in of_optimizer:
            wrong = "the optimiser already declares it"
        elif name in Study.model_fields or not readable(name):
            wrong = "must be a Python identifier, and neither a section's name nor a method of every mapping (items)"
        if wrong:
            raise UserError(f"hyperparameters.{name}: {wrong}; rename that of {study.task}")
    return {**of_optimizer, **of_task}


def metrics_of(study: Study) -> dict[str, Metric]:
    """What is measured and may be judged by, by name. Errors: UserError."""
    if kind(study) != "task":
        _check_measures("metrics.", study.metrics)
        return {name: Metric(**dict(said)) for name, said in study.metrics.items()}
    task = make_task(study)
    try:
        found = dict(task.metrics)
    except Exception as error:
        raise UserError(f"task: `metrics` of {study.task} fails: {in_words(error, type(task))}") from error
    for name, metric in found.items():
        if not isinstance(metric, Metric):
            raise UserError(
                f'task: `metrics` of {study.task} has {name}: {metric!r}; write Metric("max") or Metric("min")'
            )
    _check_measures(f"task: `metrics` of {study.task} has ", found)
    return found


def defaults(path: str, name: Any) -> dict[str, Any]:
    """Of the settings of the component whose name stands at a path, those that have one, in the types of JSON."""
    settings = getattr(component(path, name), "Settings", None)
    found: dict[str, Any] = to_jsonable_python(defaults_of(settings)) if settings else {}
    return found


def settings_fields(path: str, name: Any) -> tuple[dataclasses.Field[Any], ...]:
    """Of the settings of the component whose name stands at a path; a function has none. Errors: UserError."""
    settings = getattr(component(path, name), "Settings", None)
    return dataclasses.fields(settings) if dataclasses.is_dataclass(settings) else ()


def _check_measures(where: str, names: Iterable[str]) -> None:
    """where: what messages begin with, before the name. Errors: UserError."""
    for name in names:
        if name in COLUMNS:
            raise UserError(f"{where}{name}: the table of evaluations has a column of its own called so; rename it")


def _schedule(where: str, values: Mapping[str, Any]) -> Schedule:
    own = {field: value for field, value in values.items() if field != "name"}
    path, name = f"{where}.name", values.get("name")
    found = component(path, name)
    if inspect.isclass(found) and issubclass(found, Schedule):
        if found.factor is Schedule.factor:
            _check_class(path, name, found, Schedule, ("shape",))
        made: Schedule = _made(path, name, found, own, where)
        return made
    if inspect.isclass(found) or not callable(found):
        raise UserError(
            f"{path}: {name} is neither a schedule, `class ...(seedsweep.Schedule)`, nor a function of (step, steps)"
        )
    for field in own:
        raise UserError(f"{where}.{field}: {name} is a function, which has no settings")
    if not takes(found, 2):
        raise UserError(
            f"{path}: {name}{inspect.signature(found)} must take two arguments, the step and how many steps there are"
        )
    return own_schedule(found)


def _check_class(path: str, name: Any, found: type, base: type, methods: tuple[str, ...]) -> None:
    """Methods that a component must have, as its base class has them. Errors: UserError that names the method."""
    for method in methods:
        if getattr(found, method) is getattr(base, method):
            raise UserError(f"{path}: {name} has no method `{_written(base, method)}`")
        if not _fits(getattr(found, method), getattr(base, method)):
            raise UserError(f"{path}: {name} has `{_written(found, method)}`; it must be `{_written(base, method)}`")


@functools.lru_cache
def _fits(method: Callable[..., Any], right: Callable[..., Any]) -> bool:
    """Whether a method takes as many arguments as another."""
    return takes(method, len(inspect.signature(right).parameters))


def _made(path: str, name: Any, found: type, values: Mapping[str, Any], where: str, *more: Any) -> Any:
    """An instance of a component with these settings. path: of its name.  where: of its settings."""
    settings = getattr(found, "Settings", None)
    if not inspect.isclass(settings) or not dataclasses.is_dataclass(settings):
        raise UserError(f"{path}: {name} has Settings that are no dataclass; write `@dataclass(frozen=True)` above it")
    made = settings_from(settings, values, where)
    if not takes(found, 1 + len(more)):
        right = "(self, settings=None, data=None)" if more else "(self, settings=None)"
        raise UserError(f"{path}: {name} has `{_written(found, '__init__')}`; leave __init__ out, or take {right}")
    try:
        return found(made, *more)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: {name} cannot be made: {in_words(error, found)}") from error


def _ranges(path: str, name: str, component: Any) -> Mapping[str, Range]:
    """The hyperparameters that a component declares."""
    try:
        found = component.hyperparameters
    except Exception as error:
        raise UserError(f"{path}: `hyperparameters` of {name} fails: {in_words(error, type(component))}") from error
    if inspect.isroutine(found):
        raise UserError(f"{path}: `hyperparameters` of {name} is a method; write @property above it")
    if not isinstance(found, Mapping):
        raise UserError(f'{path}: `hyperparameters` of {name} is {found!r}; write {{"name": Range(low, high)}}')
    for key, bounds in found.items():
        if not isinstance(bounds, Range):
            right = f"Range(default={bounds!r})" if isinstance(bounds, int | float) else "Range(low, high)"
            raise UserError(f"{path}: `hyperparameters` of {name} has {key}: {bounds!r}; write {right}")
    return found


def _written(kind: type, method: str) -> str:
    """As `scales(self, values, step)`."""
    return f"{method}({', '.join(inspect.signature(getattr(kind, method)).parameters)})"
