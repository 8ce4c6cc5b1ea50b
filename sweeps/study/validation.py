"""What a study's types cannot say: names that exist, parts that fit each other. One line each: which field, what is
wrong, what would be right."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from seedsweep.core.component import choose, problems_of, takes
from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Dimension, Study, Training
from seedsweep.core.task import readable
from seedsweep.shards import data_set
from seedsweep.shards.data_set import DataSet, in_words
from seedsweep.shards.index import read_index
from seedsweep.slurm.settings import argument, minutes
from seedsweep.sweeps.search.space import conditions_of, contains, space_of
from seedsweep.sweeps.study import decision_checks
from seedsweep.sweeps.study.command_line import NAMES, check_command
from seedsweep.sweeps.study.components import component, kind, make_task, names_component
from seedsweep.sweeps.study.configuration import Configuration, configuration
from seedsweep.sweeps.study.slips import choose_measure

_PLACE = re.compile(r"\{([A-Za-z_]\w*)\}")


def problems(study: Study) -> Iterable[str]:
    """Of a resolved study."""
    yield from _resources(study)
    yield from _directions(study)
    own = list(problems_of_one(study))
    yield from own
    found: list[Configuration] = []
    for name, overrides in study.configurations.items():
        where = f"configurations.{name}"
        if not name.strip() or not name.isprintable():
            yield f"configurations: {name!r} is no name: it is shown in figures and tables"
        try:
            one = configuration(study, name, overrides)
        except UserError as error:
            # A hyperparameter stands in a configuration by its bare name.
            words = str(error).removeprefix("hyperparameters.")
            yield f"{where}.{words if words.partition(': ')[0] in overrides else error}"
            continue
        found.append(one)
        if one.study.criterion.direction != study.criterion.direction:
            yield (
                f"{where}.task: its {study.criterion.metric} is better the other way; the study's is "
                f"{study.criterion.direction}"
            )
        yield from (f"{where}.{problem}" for problem in problems_of_one(one.study) if problem not in own)
    yield from _twins(found)
    yield from _hyperparameters_of_own_loops(study, found)
    yield from _claims(study)
    yield from decision_checks.problems(study)
    yield from _space(study, found)
    if not study.compared:
        yield (
            "configurations: none is named and nothing is searched, so that nothing is compared: name two or more, or "
            f"one, {{{study.name}: {{}}}}, to see how its seeds spread"
        )


def problems_of_one(study: Study) -> Iterable[str]:
    """Of a resolved study as one configuration has it."""
    yield from _criterion(study)
    what = kind(study)
    if what == "task":
        samples = _samples(study)
        if samples is not None:
            yield from problems_with_data(study, samples)
        elif study.training.steps:
            yield from _hold(study, study.training)
        yield from _check(study)
    elif what == "function" and not takes(function := component("task", study.task), 1):
        yield f"task: {study.task}{inspect.signature(function)} must take one argument, the run"


def problems_with_data(study: Study, samples: int) -> Iterable[str]:
    """Of a resolved study of a task, as one configuration has it, whose training split has so many samples."""
    if study.training.batch > samples:
        yield f"training.batch: {study.training.batch} is larger than the training split, {samples} samples"
    yield from _hold(study, study.training.resolved(samples))


def _resources(study: Study) -> Iterable[str]:
    resources, where = study.resources, "resources.allocation"
    if kind(study) != "task" and resources.engine in ("fused", "compiled"):
        yield f"resources.engine: a {kind(study)} trains one member at a time by code of its own: loop, or auto"
    if kind(study) != "task" and resources.keep_weights:
        how = "by run.save" if kind(study) == "function" else "in its folder"
        yield f"resources.keep_weights: a {kind(study)} keeps its weights itself, {how}: remove the field"
    if resources.engine == "compiled" and resources.gpus:
        yield "resources.engine: compiled is for a CPU; on a GPU fused, or auto"
    if resources.gpus > 1 and kind(study) == "task":
        yield (
            f"resources.gpus: {resources.gpus:g}, but the members of a task share one device; a function or a command "
            "may have more"
        )
    try:
        minutes(resources.allocation.time)
    except ValueError as error:
        yield f"{where}.time: {error}"
    for text in resources.allocation.sbatch:
        try:
            argument(text)
        except ValueError as error:
            yield f"{where}.sbatch: {error}"


def _directions(study: Study) -> Iterable[str]:
    """What is called a loss or an error, and said to be better the higher it is."""
    where = f"task: `metrics` of {study.task} has {{}}" if kind(study) == "task" else "metrics.{}"
    for name, measure in study.measures.items():
        if measure.direction == "max" and name.lower().rpartition("_")[2] in ("loss", "error"):
            yield f"{where.format(name)}: max, as if more of it were better; write min, or call it otherwise"


def _criterion(study: Study) -> Iterable[str]:
    criterion, stop = study.criterion, study.training.stop
    yield from decision_checks.beyond("criterion.threshold", criterion.threshold, criterion)
    if criterion.hold < 1:
        yield f"criterion.hold: {criterion.hold} is out of range; it must be at least 1"
    if stop is not None and stop.metric not in study.measures:
        yield f"training.stop.metric: there is no {stop.metric!r}; {choose_measure(stop.metric, study.measures)}"


def _hold(study: Study, training: Training) -> Iterable[str]:
    """training: with steps."""
    holds = {"criterion.hold": study.criterion.hold}
    holds |= {f"sensitivity.hold.{n}": hold for n, hold in enumerate(study.sensitivity.hold)}
    for where, hold in holds.items():
        if hold > training.evaluations:
            yield (
                f"{where}: {training.evaluations} evaluation{'s' * (training.evaluations != 1)} can never hold for "
                f"{hold}; hold fewer, or evaluate more often (training.evaluate_every)"
            )


def _samples(study: Study) -> int | None:
    """Of the training split; None where that is known when the data are packed. Errors: UserError."""
    made: DataSet = data_set.make(study.data)
    if (folder := made.folder()) is not None:
        return read_index(folder).samples("train")
    try:
        return made.count("train")
    except Exception as error:
        raise UserError(f"data: `count` of {study.data['name']} fails: {in_words(error, type(made))}") from error


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
            yield f"configurations: {known[key]!r} and {one.name!r} have the same values; leave one out"
        known.setdefault(key, one.name)


def _hyperparameters_of_own_loops(study: Study, found: list[Configuration]) -> Iterable[str]:
    """A function or a command declares none: each configuration must have the same ones, and a command take them."""
    if kind(study) == "task":
        return
    searched = [path for path in study.search.space if "." not in path] if study.found else []
    names = dict.fromkeys([*study.hyperparameters, *searched, *(n for one in found for n in one.study.hyperparameters)])
    places = {name: f"search.space.{name}" for name in searched}
    places |= {name: f"configurations.{one.name}.{name}" for one in reversed(found) for name in one.overrides}
    places |= {name: f"hyperparameters.{name}" for name in study.hyperparameters}
    for name in names:
        if not readable(name) or name in (*Study.model_fields, *NAMES):
            others = f"a section's name, a method of every mapping (items), nor one of {', '.join(NAMES)}"
            yield f"{places[name]}: must be a Python identifier, and neither {others}"
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
                yield f"{places[name]}: the command does not take it; write {{{name}}} where it belongs"
        if "seed" not in taken:
            yield "command: does not take the seed, so all seeds would be one; write {seed} where it belongs"


def _claims(study: Study) -> Iterable[str]:
    for place, claim in enumerate(study.claims):
        for name in claim.names:
            if name not in study.configurations:
                yield f"claims.{place}: there is no configuration {name!r}; {choose(name, study.configurations)}"
        if claim.best is not None and study.compared < 2:
            yield f"claims.{place}.best: {claim.best!r} is compared with nothing; name another configuration, or search"
        if claim.measure is not None and claim.measure not in study.measures:
            right = choose_measure(claim.measure, study.measures)
            yield f"claims.{place}.measure: there is no {claim.measure!r}; {right}"


def _space(study: Study, named: Iterable[Configuration]) -> Iterable[str]:
    """A line each; what follows from the first is not looked for. study: resolved.  named: its configurations."""
    search = study.search
    if search.together > 1 and kind(study) != "task":
        yield f"search.together: a {kind(study)} trains one member a trial; leave it out"
    if search.explore and not search.space:
        yield "search.space: is empty, but search.explore asks for configurations"
    if search.space and "explore" not in search.model_fields_set:
        yield (
            "search.explore: is missing: how many configurations are tried; write search: {explore: 8, space: ...}, or "
            "0 for none"
        )
    for path in search.space:
        yield from _conditions(study, path)
    for path, dimension in search.space.items():
        for context in _contexts(study, path):
            yield from (f"search.space.{path}{problem}" for problem in _in_context(study, context, path, dimension))
    if not study.found:
        return
    space = space_of(study)
    inside = sum(contains(space, one.overrides, study) is not None for one in named)
    if search.explore < inside:
        yield (
            f"search.explore: {search.explore} is less than the {inside} named configurations that lie in the space, "
            "which are explored too"
        )


def _conditions(study: Study, path: str) -> Iterable[str]:
    space, known = study.search.space, configuration(study).values
    for other, wanted in space[path].condition.items():
        where = f"search.space.{path}.if.{other}"
        if other in space and not space[other].choices:
            yield f"{where}: is a range, which hardly ever is {wanted!r}; a condition is on choices"
        elif other in space and wanted not in space[other].choices:
            yield f"{where}: {wanted!r} is none of its choices; {choose(str(wanted), map(str, space[other].choices))}"
        elif other not in space and other not in known:
            yield f"{where}: there is no such field; {choose(other, [*space, *known])}"
        elif other not in space and known[other] != wanted:
            yield f"{where}: is {known[other]!r} throughout and not searched, so that {path} is never there"
    try:
        conditions_of(path, space)
    except UserError as error:
        yield str(error)


def _contexts(study: Study, path: str) -> Iterable[dict[str, Any]]:
    """Overrides that choose each searched component that may be there together with a path, and with it the one whose
    field the path is."""
    space = study.search.space
    own, found = conditions_of(path, space), []
    for other in space:
        there = conditions_of(other, space)
        together = path not in there and all(own.get(name, value) == value for name, value in there.items())
        if names_component(other, study) and other not in (path, *own) and together:
            found += [{**there, other: choice, **own} for choice in space[other].choices]
    chosen = f"{path.rpartition('.')[0]}.name"
    with_own = [context for context in found if chosen in context]
    if with_own:
        found = [*with_own, *({**with_own[0], **context} for context in found if chosen not in context)]
    return found or [own]


def _in_context(study: Study, context: Mapping[str, Any], path: str, dimension: Dimension) -> Iterable[str]:
    """That the path is there, and its field can have each end or choice."""
    with_it = "".join(f", with {other} {value}" for other, value in context.items() if names_component(other, study))
    try:
        known = configuration(study, overrides=context).values
    except UserError as error:
        yield f".if: {error}"
        return
    # A function's or a command's hyperparameters are those that somebody gives.
    given = kind(study) != "task" and "." not in path
    if path not in known and not given and not path.startswith(("schedules.", "init_from.", "training.stop")):
        yield f": there is no such field{with_it}; " + (
            "say with which it is there, by if: {...}" if with_it else choose(path, known)
        )
        return
    ends = {} if dimension.choices else {".low": dimension.low, ".high": dimension.high}
    for where, value in {**ends, **{f".choices.{n}": choice for n, choice in enumerate(dimension.choices)}}.items():
        try:
            tried = configuration(study, overrides={**context, path: value}).values.get(path)
        except UserError as error:
            yield f"{where}{with_it}: {str(error).removeprefix('hyperparameters.').removeprefix(f'{path}: ')}"
            return
        if ends and (isinstance(tried, bool) or not isinstance(tried, int | float)):
            yield ": is no number, and has no range; write {choices: [...]}"
            return
        if isinstance(tried, int) and dimension.step is not None and dimension.step % 1:
            yield f".step: {dimension.step:g} is no whole number, as {path} is"
            return
