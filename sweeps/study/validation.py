"""What a study's types cannot say: names that exist, numbers in range, parts that fit each other. One line each: which
field, what is wrong, what would be right."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterable
from typing import Any

from seedsweep.core.component import choose, problems_of, takes
from seedsweep.core.errors import UserError
from seedsweep.core.records.study import AUTO, Claim, Study, Training
from seedsweep.shards import data_set
from seedsweep.shards.data_set import DataSet, in_words
from seedsweep.shards.images import GeneratedImages
from seedsweep.shards.read import describe
from seedsweep.slurm.settings import argument, minutes
from seedsweep.sweeps.study.command_line import NAMES, check_command
from seedsweep.sweeps.study.components import component, kind, make_task, metrics_of
from seedsweep.sweeps.study.configuration import Configuration, configuration
from seedsweep.sweeps.study.space_validation import problems_of_space

ENGINES = (AUTO, "fused", "loop")
PRECISIONS = ("float32", "bfloat16")
SCORES = ("last", "best")
AXES = ("converging", "score")
CLAIMS = ("best", "better", "alike", "below")
_PLACE = re.compile(r"\{([A-Za-z_]\w*)\}")


def problems(study: Study) -> Iterable[str]:
    """Of a resolved study."""
    yield from _names(study)
    yield from _resources(study)
    own = list(problems_of_one(study))
    yield from own
    found: list[Configuration] = []
    for name, overrides in study.configurations.items():
        where = f"configurations.{name}"
        try:
            one = configuration(study, name, overrides)
        except UserError as error:
            yield f"{where}.{error}"
            continue
        found.append(one)
        if one.study.criterion.direction != study.criterion.direction:
            yield (
                f"{where}.task: its {study.criterion.metric} is better {_better(one.study)}, but the study's "
                f"{_better(study)}"
            )
        yield from (f"{where}.{problem}" for problem in problems_of_one(one.study) if problem not in own)
    yield from _twins(found)
    yield from _hyperparameters_of_own_loops(study, found)
    yield from _claims(study)
    if len(found) == len(study.configurations) and not own:
        yield from problems_of_space(study, found)


def problems_of_one(study: Study) -> Iterable[str]:
    """Of a resolved study as one configuration has it."""
    yield from _criterion(study)
    what = kind(study)
    if what == "task":
        yield from _training(study)
        samples = _samples(study)
        if samples is not None:
            yield from problems_with_data(study, samples)
        elif study.training.steps:
            yield from _hold(study, study.training)
        yield from _check(study)
    elif what == "function":
        yield from _function(study)


def problems_with_data(study: Study, samples: int) -> Iterable[str]:
    """Of a resolved study of a task, as one configuration has it, whose training split has so many samples."""
    if study.training.batch > samples:
        yield f"training.batch: {study.training.batch} is larger than the training split, {samples} samples"
    yield from _hold(study, study.training.resolved(samples))


def _names(study: Study) -> Iterable[str]:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", study.name, re.ASCII):
        yield f"name: {study.name!r} names a folder: use letters, digits, '_', '-' and '.', a letter or digit first"
    for name in study.configurations:
        if not name.strip() or not name.isprintable():
            yield f"configurations: {name!r} is no name: it is shown in figures and tables"
    if study.score not in SCORES:
        yield f"score: there is no {study.score!r}; {choose(study.score, SCORES)}"


def _resources(study: Study) -> Iterable[str]:
    resources, asked = study.resources, study.resources.allocation
    if resources.engine not in ENGINES:
        yield f"resources.engine: there is no {resources.engine!r}; {choose(resources.engine, ENGINES)}"
    if kind(study) != "task" and resources.engine == "fused":
        yield f"resources.engine: a {kind(study)} trains one member at a time: loop, or auto"
    if isinstance(resources.cohort, str) and resources.cohort != AUTO:
        yield f"resources.cohort: {resources.cohort!r} is no number of members, nor auto"
    if isinstance(resources.cohort, int) and resources.cohort < 1:
        yield f"resources.cohort: {resources.cohort} is out of range; it must be at least 1"
    if resources.gpus > 1 and kind(study) == "task":
        yield (
            f"resources.gpus: {resources.gpus:g}, but the members of a task share one device; a function or a command "
            "may have more"
        )
    if resources.gpus > 1 and not float(resources.gpus).is_integer():
        yield f"resources.gpus: {resources.gpus:g} is no share of one device and no whole number of devices"
    if study.seeds.race and study.seeds.start > study.seeds.compare:
        yield f"seeds.start: {study.seeds.start} is more than seeds.compare, {study.seeds.compare}"
    where = "resources.allocation"
    try:
        minutes(asked.time)
    except ValueError as error:
        yield f"{where}.time: {error}"
    for text in asked.sbatch:
        try:
            argument(text)
        except ValueError as error:
            yield f"{where}.sbatch: {error}"
    if asked.min_nodes > asked.nodes:
        yield f"{where}.min_nodes: {asked.min_nodes} is more than its nodes, {asked.nodes}"
    for field in ("cpus", "gpus"):
        share, there = getattr(resources, field), getattr(asked, field)
        if there is not None and share > there:
            yield f"{where}.{field}: {there} a node, but a trial needs resources.{field}, {share:g}"


def _criterion(study: Study) -> Iterable[str]:
    criterion, metrics = study.criterion, metrics_of(study)
    value, low, high = criterion.threshold, criterion.low, criterion.high
    if (low is not None and value < low) or (high is not None and value > high):
        ends = [f"at least {low:g}"] * (low is not None) + [f"at most {high:g}"] * (high is not None)
        yield f"criterion.threshold: {value:g} can never be: {criterion.metric} is {' and '.join(ends)}"
    if criterion.hold < 1:
        yield f"criterion.hold: {criterion.hold} is out of range; it must be at least 1"
    stop = study.training.stop
    if stop is not None and stop.metric not in metrics:
        yield f"training.stop.metric: there is no {stop.metric!r}; {choose(stop.metric, metrics)}"


def _hold(study: Study, training: Training) -> Iterable[str]:
    """training: with steps."""
    evaluations, hold = math.ceil(training.steps / training.evaluate_every), study.criterion.hold
    if hold > evaluations:
        yield (
            f"criterion.hold: {evaluations} evaluations can never hold for {hold}; hold fewer, or evaluate more often "
            "(training.evaluate_every)"
        )


def _training(study: Study) -> Iterable[str]:
    training = study.training
    if training.precision not in PRECISIONS:
        yield f"training.precision: there is no {training.precision!r}; {choose(training.precision, PRECISIONS)}"
    if training.microbatch and training.batch % training.microbatch:
        yield f"training.microbatch: {training.microbatch} does not divide training.batch, {training.batch}"


def _function(study: Study) -> Iterable[str]:
    function = component("task", study.task)
    if not takes(function, 1):
        yield f"task: {study.task}{inspect.signature(function)} must take one argument, the run"


def _samples(study: Study) -> int | None:
    """Of the training split; None where that is known when the data are packed."""
    made: DataSet = data_set.make(study.data)
    if (folder := made.folder()) is not None:
        count: int = describe(folder)["splits"]["train"]
        return count
    return int(made.settings.train) if isinstance(made, GeneratedImages) else None


def _check(study: Study) -> Iterable[str]:
    """What the task says of its settings; what the data set says stopped it from being made."""
    task = make_task(study)
    try:
        yield from problems_of(task)
    except UserError as error:
        yield f"task: {error}"
    except Exception as error:
        yield f"task: `check` of {study.task} fails: {in_words(error, type(task))}"


def _twins(found: Iterable[Configuration]) -> Iterable[str]:
    known: dict[tuple[str, float], str] = {}
    for one in found:
        study = one.study
        # Without its overrides: what it comes to, not how it is said.
        resolved = Configuration("", {}, study)
        data, start = repr(sorted(study.data.items())), repr(study.init_from)
        length = study.training.steps or -study.training.epochs
        key = resolved.identity(data, start, study.training.steps), length
        if key in known:
            yield f"configurations: {known[key]!r} and {one.name!r} come to the same; leave one out"
        known.setdefault(key, one.name)


def _hyperparameters_of_own_loops(study: Study, found: list[Configuration]) -> Iterable[str]:
    """A function or a command declares none: each configuration must have the same ones, and a command take them."""
    if kind(study) == "task":
        return
    searched = [path for path in study.search.space if "." not in path] if study.found else []
    names = dict.fromkeys([*study.hyperparameters, *searched, *(n for one in found for n in one.study.hyperparameters)])
    for name in names:
        if not name.isidentifier() or name in (*Study.model_fields, *NAMES):
            yield f"hyperparameters.{name}: is no plain name, or one that is taken; call it otherwise"
        for one in found:
            if name not in one.study.hyperparameters:
                yield (
                    f"configurations.{one.name}: gives no {name}, which others give; "
                    f"{choose(name, [n for n in one.study.hyperparameters if n not in study.hyperparameters])}, or say "
                    f"what holds for all in hyperparameters.{name}"
                )
        if study.found and name not in study.hyperparameters and name not in searched:
            yield f"hyperparameters.{name}: is missing: what the search asks has no value of it"
    if kind(study) == "command":
        try:
            check_command(study.command, names)
        except UserError as error:
            yield str(error)
        # Two braces stand for one.
        taken = _PLACE.findall(study.command.replace("{{", "").replace("}}", ""))
        for name in names:
            if name not in taken:
                yield f"hyperparameters.{name}: the command does not take it; write {{{name}}} where it belongs"


def _claims(study: Study) -> Iterable[str]:
    metrics = metrics_of(study)
    for place, claim in enumerate(study.claims):
        where = f"claims.{place}"
        kinds = [each for each in CLAIMS if getattr(claim, each) is not None]
        if len(kinds) != 1:
            yield f"{where}: a claim is exactly one of {', '.join(CLAIMS)}, not {' and '.join(kinds) or 'none'}"
            continue
        yield from _claim(study, where, kinds[0], claim)
        if claim.measure is not None and claim.measure not in metrics:
            yield f"{where}.measure: there is no {claim.measure!r}; {choose(claim.measure, metrics)}"
        if claim.axis not in AXES:
            yield f"{where}.axis: there is no {claim.axis!r}; {choose(claim.axis, AXES)}"
        if claim.margin is not None and (kinds[0] != "alike" or claim.margin <= 0):
            yield f"{where}.margin: is above 0, and of a claim that two are alike"


def _claim(study: Study, where: str, sort: str, claim: Claim) -> Iterable[str]:
    said: Any = getattr(claim, sort)
    names = [said] if sort == "best" else [said[0]] if sort == "below" else list(said)
    for name in names:
        if name not in study.configurations:
            yield f"{where}.{sort}: there is no configuration {name!r}; {choose(name, study.configurations)}"
            return
    if len(names) != len(set(names)):
        yield f"{where}.{sort}: names {names[0]!r} twice"
    if sort == "best" and study.compared < 2:
        yield f"{where}.best: {said!r} is compared with nothing; name another configuration, or search"
    if sort == "below" and not 0 < said[1] <= 1:
        yield f"{where}.below: {said[1]:g} is no share; it must be above 0 and at most 1"


def _better(study: Study) -> str:
    return "higher" if study.criterion.direction == "max" else "lower"
