"""A new study: a commented file that runs, and, where no task is named, or a network has no data, one beside it to put
them into."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from torch import nn

from seedsweep.core.component import Metric, Range, takes
from seedsweep.core.errors import UserError
from seedsweep.core.task import Task
from seedsweep.core.user_modules import use_folder
from seedsweep.shards.data_set import DataSet
from seedsweep.sweeps.commands import stand_in_data
from seedsweep.sweeps.study.components import component
from seedsweep.sweeps.study.loading import load

#: The built-in task of a network that is there.
NETWORK = "classification"
#: `NAME` stands for the study's name.
OWN_MODEL = '''"""What NAME.yaml compares. Put your own data and model in place of these."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from seedsweep import DataSet, Metric, Range, Task


class Rings(DataSet):
    """Points of two rings."""

    classes = 2

    def samples(self, split):
        """Arrays of a split, the samples first, under names of your own; None where there is no test split."""
        if split == "test":
            return None
        rng = np.random.default_rng({"train": 0, "validation": 1}[split])
        label = rng.integers(2, size=512)
        angle, radius = rng.uniform(0, 2 * np.pi, 512), 1 + label + 0.25 * rng.normal(size=512)
        place = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        return {"place": place.astype(np.float32), "label": label}


class Classify(Task):
    # What may be judged by: "max" where more is better, and the ends that it cannot pass.
    metrics = {"accuracy": Metric("max", 0, 1)}
    # What configurations may differ in, beside what the optimiser has (lr, weight_decay): bounds and default.
    hyperparameters = {"noise": Range(0, 1, default=0.0)}

    def model(self):
        """Your torch.nn.Module, made anew for each seed."""
        return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, self.data.classes))

    def loss(self, model, batch, hp):
        """The mean over a batch. `batch` has your arrays as tensors, `hp` the present values."""
        place = batch["place"] + hp.noise * torch.randn_like(batch["place"])
        return F.cross_entropy(model(place), batch["label"])

    def measure(self, model, batch, hp):
        """Each metric, a value for each sample; an evaluation's value is the mean."""
        return {"accuracy": (model(batch["place"]).argmax(-1) == batch["label"]).float()}
'''
BEGINNING = """# seedsweep check NAME.yaml     two steps of each configuration: what does not fit is said
# seedsweep plan NAME.yaml      how long it takes, and which differences so many seeds show
# seedsweep launch NAME.yaml    runs it; the same command again goes on where it was stopped
# All fields, with their defaults, are in seedsweep's docs/fields.md.
"""
END = """# So many seeds of each configuration.
seeds: {compare: 8}
# What somebody says of them: each claim gets a verdict.
# claims: [{best: NAME OF A CONFIGURATION}]
# Others are looked for, and the best one is compared, too:
# search: {explore: 8, space: {SPACE: {low: LOW, high: HIGH, log: true}}}
"""
WEIGHTS = """# Each member's weights are kept, for `seedsweep weights`:
# resources: {keep_weights: true}
"""


def write(name: str, task: str | None, folder: Path, console: Console) -> None:
    """Write `NAME.yaml`, and `NAME.py` where no task is named, or a network's data are not there, and say what comes
    next.

    Errors: UserError where one of the files is there, or the task is not.
    """
    name = name.removesuffix(".yaml")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise UserError(f"new {name!r}: a study's name has letters, digits, '_', '-' and '.', a letter or digit first")
    study, module = folder / f"{name}.yaml", folder / f"{name}.py"
    _check_new(study)
    if task:
        use_folder(folder.absolute())
        text, beside = _of_task(task)
    else:
        text, beside = _own(), OWN_MODEL.replace("NAME", name)
    if beside:
        if task and module.exists():
            # It may be the network's own.
            module = module.with_stem(f"{name}_data")
        _check_new(module)
        module.write_text(beside)
    study.write_text(text.replace("NAME.py", module.name).replace("NAME.", f"{name}."))
    written = study.name
    if beside:
        written += f" and {module.name}: put your own data{'' if task else ' and model'} into the second"
    console.print(f"wrote {escape(written)}")
    try:
        load(str(study))
    except UserError as error:
        console.print(f"before it runs: {escape(str(error))}")
    console.print(f"next:  seedsweep check {escape(study.name)}, then plan, then launch")


def _check_new(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise UserError(f"{path} is there already: choose another name, or remove it")


def _own() -> str:
    return f"""# Does noise on the inputs help, or is it the seed?
#
{BEGINNING}question: Does noise on the inputs help, or is it the seed?
task: NAME.py:Classify
data: {{name: "NAME.py:Rings"}}
# Steps of `batch` samples each, or `epochs` in their place.
training: {{steps: 300, batch: 32, evaluate_every: 30}}
optimizer: {{name: adam}}
hyperparameters: {{lr: 0.03}}
# What is compared: a name, and what differs from the fields above.
configurations:
  plain: {{noise: 0.0}}
  noisy: {{noise: 0.3}}
{_criterion("accuracy", 0.94)}{_end("noisy", "lr", "0.001", "0.1")}"""


def _of_task(task: str) -> tuple[str, str | None]:
    """Of a task, a function or a network that is there: the study, and a module with data where it needs one. Errors:
    UserError."""
    if task.endswith(".py"):
        raise UserError(f"--task {task}: is a file; name what is in it: {task}:NAME")
    found = component("task", task)
    is_class = inspect.isclass(found)
    if is_class and issubclass(found, Task):
        return _of_class(task, _data(task), found), None
    makes_a_network = not is_class and callable(found) and not takes(found, 1)
    if makes_a_network and not takes(found, 0):
        raise UserError(
            f"--task {task}: takes {' and '.join(inspect.signature(found).parameters)}: a training loop is a function "
            "of one argument, the run; one that makes a network can be called without arguments"
        )
    if makes_a_network or (is_class and issubclass(found, nn.Module)):
        settings = f"""# Or `regression`; `model_settings` has the network's arguments.
settings: {{model: "{task}", model_settings: {{}}}}
"""
        beside = None if _sets_beside(task) else stand_in_data.module_for(found)
        data = 'data: {name: "NAME.py:Data"}\n' if beside else _data(task)
        return _of_class(NETWORK, data, component("task", NETWORK), settings), beside
    if is_class or not callable(found):
        raise UserError(
            f"--task {task}: is neither a task, `class ...(seedsweep.Task)`, nor a function, `def ...(run)`, nor a "
            "torch.nn.Module"
        )
    return _of_function(task), None


def _of_function(task: str) -> str:
    return f"""# Which is better, or is it the seed?
#
{BEGINNING}question: Which is better, or is it the seed?
task: {task}
# What the function reports, `max` where more is better.
metrics: {{score: max}}
# What is compared: values that the function reads as `run.hp.lr`.
configurations:
  first: {{lr: 0.01}}
  second: {{lr: 0.001}}
{_criterion("score", 0.9)}{_end("first", "lr", "0.0001", "0.1", kept=False)}"""


def _of_class(task: str, data: str, found: type[Task], settings: str = "") -> str:
    """Of a Task. data: the study's lines on them.  Errors: UserError."""
    try:
        made = found()
        metrics, ranges = dict(made.metrics), dict(made.hyperparameters)
    except Exception as error:
        raise UserError(f"--task {task}: cannot be made of its defaults: {error}") from error
    metric = next((name for name in metrics if name != "loss"), next(iter(metrics), "METRIC"))
    return f"""# Which learning rate is better, or is it the seed?
#
{BEGINNING}question: Which learning rate is better, or is it the seed?
task: {task}
{settings}{data}# Steps of `batch` samples each, or `epochs` in their place.
training: {{steps: 300, batch: 32, evaluate_every: 30}}
optimizer: {{name: adam}}
# What is compared: a name, and what differs from the fields above.
{"" if settings else _may_differ(found, ranges)}configurations:
  fast: {{lr: 0.01}}
  slow: {{lr: 0.001}}
# The task measures {", ".join(metrics) or "nothing yet"}.
{_criterion(metric, _threshold(metrics.get(metric, Metric())))}{_end("fast", "lr", "0.0001", "0.1")}"""


def _data(given: str) -> str:
    """The data set that stands beside a task, if one does."""
    where, own, _ = given.rpartition(":")
    if sets := _sets_beside(given):
        return f'data: {{name: "{where}:{sets[0]}"}}\n'
    return f"""# Your data set, as file.py:Name, or a built-in one.
data: {{name: {"" if own else "pattern1"}}}
"""


def _sets_beside(given: str) -> list[str]:
    """Names of the data sets in the user's module of a task."""
    if ":" not in given:
        return []
    module = sys.modules[component("task", given).__module__]
    return [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, DataSet) and not name.startswith("_") and value is not DataSet
    ]


def _may_differ(found: type[Task], ranges: dict[str, Range]) -> str:
    """The task's own hyperparameters and settings, as a comment."""
    settings = [f"settings.{each.name}" for each in dataclasses.fields(found.Settings)]
    known = [f"{name} ({bounds.low:g} to {bounds.high:g})" for name, bounds in ranges.items()]
    return f"# The task has {', '.join([*known, *settings])}.\n" if known or settings else ""


def _threshold(metric: Metric) -> float:
    """A tenth from the good end, where both are known; else one that is to be chosen."""
    low, high = metric.low or 0.0, 1.0 if metric.high is None else metric.high
    return round(high - 0.1 * (high - low) if metric.direction == "max" else low + 0.1 * (high - low), 6)


def _criterion(metric: str, threshold: float) -> str:
    return f"""# A seed has converged when the metric is at the threshold or better in its last `hold` evaluations.
# Choose this before you look at results.
criterion: {{metric: {metric}, threshold: {threshold:g}, hold: 3}}
"""


def _end(best: str, path: str, low: str, high: str, *, kept: bool = True) -> str:
    filled: dict[str, Any] = {"NAME OF A CONFIGURATION": best, "SPACE": path, "LOW": low, "HIGH": high}
    text = END + WEIGHTS * kept
    for word, value in filled.items():
        text = text.replace(word, value)
    return text
