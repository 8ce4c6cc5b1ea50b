"""The components that a study names, made from what it says of them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, Literal

from pydantic_core import to_jsonable_python

from seedsweep.core.component import Metric, Range, choose, resolve, settings_from, short_names, takes
from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study
from seedsweep.core.task import Task
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


def names_component(path: str) -> bool:
    """Whether the value of a dotted path is the name of a component."""
    section, _, rest = path.partition(".")
    return path in ("task", "data.name", "optimizer.name") or (section == "schedules" and rest.endswith(".name"))


def component(path: str, name: Any) -> Any:
    """The class or function of a name that stands at a dotted path. Errors: UserError that begins with the path."""
    home, base = HOMES[path.partition(".")[0]]
    if not name:
        raise UserError(f"{path}: is missing; {choose('', short_names(home, base))}, or an own one as file.py:Name")
    try:
        return resolve(name, home, base)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error.__cause__


def canonical(path: str, name: Any) -> Any:
    """The one way to write a name: of a built-in component its short name. Errors: as of `component`."""
    home, base = HOMES[path.partition(".")[0]]
    found = component(path, name)
    where = getattr(found, "__module__", "")
    if ":" in name and where != home and not where.startswith(f"{home}."):
        return name
    plain = (found.__name__ if ":" in name else name).replace("_", "").lower()
    return next((short for short in short_names(home, base) if short.replace("_", "") == plain), name)


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
    methods = {"model": "(self)", "loss": "(self, model, batch, hp)", "measure": "(self, model, batch, hp)"}
    for method, arguments in methods.items():
        if getattr(found, method) is getattr(Task, method):
            raise UserError(f"task: {study.task} has no method `{method}{arguments}`")
    if not inspect.isclass(found.Settings) or not dataclasses.is_dataclass(found.Settings):
        raise UserError(
            f"task: {study.task} has Settings that are no dataclass; write `@dataclass(frozen=True)` above it"
        )
    return found


def make_task(study: Study, data: Data | None = None) -> Task:
    """data: None where nothing is trained. Errors: UserError."""
    found = task_class(study)
    settings = settings_from(found.Settings, study.settings, "settings")
    try:
        return found(settings, data)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"task: {study.task} cannot be made: {in_words(error, found)}") from error


def make_optimizer(study: Study) -> Optimizer:
    """Errors: UserError."""
    name = study.optimizer.get("name", DEFAULT_OPTIMIZER)
    found = component("optimizer.name", name)
    if not inspect.isclass(found) or not issubclass(found, Optimizer):
        raise UserError(f"optimizer.name: {name} is no optimiser; write it as `class ...(seedsweep.Optimizer)`")
    for method, arguments in (("scales", 2), ("update", 5)):
        if getattr(found, method) is getattr(Optimizer, method):
            raise UserError(f"optimizer.name: {name} has no method `{_written(Optimizer, method)}`")
        # With itself.
        if not takes(getattr(found, method), arguments + 1):
            raise UserError(
                f"optimizer.name: {name} has `{_written(found, method)}`; it must be `{_written(Optimizer, method)}`"
            )
    own = {field: value for field, value in study.optimizer.items() if field not in OPTIMIZER_FIELDS}
    made: Optimizer = _made("optimizer.name", name, found, own, "optimizer")
    return made


def schedules_of(study: Study) -> dict[str, Schedule]:
    """Name of a hyperparameter -> its schedule. Errors: UserError."""
    return {name: _schedule(f"schedules.{name}", values) for name, values in study.schedules.items()}


def declared(study: Study) -> dict[str, Range]:
    """The hyperparameters of a study's task and optimiser. Errors: UserError where both declare one, or one is no
    Range."""
    of_task = _ranges("task", study.task, task_class(study))
    of_optimizer = _ranges("optimizer.name", study.optimizer.get("name", DEFAULT_OPTIMIZER), make_optimizer(study))
    for name in of_task:
        if name in of_optimizer:
            raise UserError(
                f"hyperparameters.{name}: both {study.task} and the optimiser declare it; call the task's otherwise"
            )
        if not name.isidentifier() or name in Study.model_fields:
            raise UserError(
                f"hyperparameters.{name}: {study.task} declares a hyperparameter that is no plain name, or is a "
                "section of a study; call it otherwise"
            )
    return {**of_optimizer, **of_task}


def metrics_of(study: Study) -> dict[str, Metric]:
    """What is measured and may be judged by, by name. Errors: UserError."""
    if kind(study) != "task":
        return {name: _metric(f"metrics.{name}", given) for name, given in study.metrics.items()}
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
    return found


def plain(settings: Any) -> dict[str, Any]:
    """A settings dataclass in the types of JSON."""
    return {f.name: to_jsonable_python(getattr(settings, f.name)) for f in dataclasses.fields(settings)}


def defaults(settings: type) -> dict[str, Any]:
    """Of the fields of a settings dataclass that have one, in the types of JSON."""
    found = {}
    for field in dataclasses.fields(settings):
        if field.default is not dataclasses.MISSING:
            found[field.name] = to_jsonable_python(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = to_jsonable_python(field.default_factory())
    return found


def settings_class(path: str, name: Any) -> type | None:
    """The settings of the component whose name stands at a path; None of a function. Errors: UserError."""
    settings: type | None = getattr(component(path, name), "Settings", None)
    return settings


def _schedule(where: str, values: Mapping[str, Any]) -> Schedule:
    own = {field: value for field, value in values.items() if field != "name"}
    found = component(f"{where}.name", values.get("name"))
    if inspect.isclass(found) and issubclass(found, Schedule):
        if found.shape is Schedule.shape and found.factor is Schedule.factor:
            raise UserError(f"{where}.name: {values['name']} has no method `{_written(Schedule, 'shape')}`")
        if not takes(found.shape, 3):
            raise UserError(
                f"{where}.name: {values['name']} has `{_written(found, 'shape')}`; it must be "
                f"`{_written(Schedule, 'shape')}`"
            )
        made: Schedule = _made(f"{where}.name", values["name"], found, own, where)
        return made
    if inspect.isclass(found) or not callable(found):
        raise UserError(
            f"{where}.name: {values['name']} is neither a schedule, `class ...(seedsweep.Schedule)`, nor a function of "
            "(step, steps)"
        )
    for field in own:
        raise UserError(f"{where}.{field}: {values['name']} is a function, which has no settings")
    if not takes(found, 2):
        raise UserError(
            f"{where}.name: {values['name']}{inspect.signature(found)} must take two arguments, the step and how many "
            "steps there are"
        )
    return own_schedule(found)


def _made(path: str, name: str, found: type, values: Mapping[str, Any], where: str) -> Any:
    """An instance of a component with these settings. path: of its name.  where: of its settings."""
    kind = getattr(found, "Settings", None)
    if not inspect.isclass(kind) or not dataclasses.is_dataclass(kind):
        raise UserError(f"{path}: {name} has Settings that are no dataclass; write `@dataclass(frozen=True)` above it")
    settings = settings_from(kind, values, where)
    try:
        return found(settings)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: {name} cannot be made: {in_words(error, found)}") from error


def _ranges(path: str, name: str, component: Any) -> Mapping[str, Range]:
    """The hyperparameters that a component declares."""
    found = component.hyperparameters
    if not isinstance(found, Mapping):
        raise UserError(f'{path}: `hyperparameters` of {name} is {found!r}; write {{"name": Range(low, high)}}')
    for key, bounds in found.items():
        if not isinstance(key, str) or not isinstance(bounds, Range):
            number = isinstance(bounds, int | float) and not isinstance(bounds, bool)
            right = f"Range(default={bounds!r})" if number else "Range(low, high)"
            raise UserError(f"{path}: `hyperparameters` of {name} has {key}: {bounds!r}; write {right}")
    return found


def _written(kind: type, method: str) -> str:
    """As `scales(self, values, step)`."""
    return f"{method}({', '.join(inspect.signature(getattr(kind, method)).parameters)})"


def _metric(where: str, given: Any) -> Metric:
    """From `max`, `min`, or a mapping of a Metric's fields."""
    values = given if isinstance(given, dict) else {"direction": given}
    known = [field.name for field in dataclasses.fields(Metric)]
    for field in values:
        if field not in known:
            raise UserError(f"{where}.{field}: there is no such field; {choose(str(field), known)}")
    try:
        return Metric(**values)
    except ValueError:
        raise UserError(f"{where}: is max, where more is better, or min, not {values.get('direction')!r}") from None
