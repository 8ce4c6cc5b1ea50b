"""What is wrong with a search: paths, ranges, choices, conditions, and how many configurations it asks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from seedsweep.core.component import choose
from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Dimension, Study
from seedsweep.sweeps.search.exploration import SAMPLERS
from seedsweep.sweeps.search.space import contains, space_of
from seedsweep.sweeps.study.components import kind, names_component
from seedsweep.sweeps.study.configuration import Configuration, configuration

#: Samplers that would draw a parameter whether it is there or not.
WITHOUT_CONDITIONS = ("gp", "qmc")
#: Combinations of searched components that are looked at.
MOST_COMBINATIONS = 64


def problems_of_space(study: Study, named: Iterable[Configuration]) -> Iterable[str]:
    """A line each. study: resolved.  named: its configurations."""
    search = study.search
    if search.sampler not in SAMPLERS:
        yield f"search.sampler: there is no {search.sampler!r}; {choose(search.sampler, SAMPLERS)}"
    own: list[str] = []
    for path, dimension in search.space.items():
        own += (f"search.space.{path}{problem}" for problem in _of_dimension(dimension))
        own += _of_conditions(study, path)
    yield from own
    if own:
        return
    if not search.space:
        if search.explore:
            yield "search.space: is empty, but search.explore asks for configurations"
        return
    wrong = list(_of_values(study))
    yield from wrong
    if wrong or not search.explore:
        return
    space = space_of(study)
    inside = [one for one in named if contains(space, one.overrides, study) is not None]
    if search.explore < len(inside):
        yield (
            f"search.explore: {search.explore} is less than the {len(inside)} named configurations that lie in the "
            "space, which are explored too"
        )


def _of_dimension(dimension: Dimension) -> Iterable[str]:
    """What is wrong with it alone; the words follow its path."""
    low, high = dimension.low, dimension.high
    if dimension.choices:
        for field in ("low", "high", "step"):
            if getattr(dimension, field) is not None:
                yield f".{field}: stands beside choices; give one of the two"
        if dimension.log:
            yield ".log: is of a range, not of choices"
        if len({(type(choice), choice) for choice in dimension.choices}) < len(dimension.choices):
            yield ".choices: two of them are the same"
    elif low is None or high is None:
        yield ": needs low and high, or choices"
    else:
        if low >= high:
            yield f": low {low:g} is not below high {high:g}"
        if dimension.log and low <= 0:
            yield f": a logarithmic range begins above 0, not at {low:g}"
        if dimension.step is not None:
            if dimension.log:
                yield ".step: a logarithmic range has no steps; leave log or step out"
            if not 0 < dimension.step <= high - low:
                yield f".step: {dimension.step:g} is out of range; it must be above 0 and at most {high - low:g}"


def _of_conditions(study: Study, path: str) -> Iterable[str]:
    space = study.search.space
    condition = space[path].condition
    if condition and study.search.sampler in WITHOUT_CONDITIONS:
        yield (
            f"search.space.{path}.if: {study.search.sampler} draws a parameter whether it is there or not; take tpe, "
            "random or grid"
        )
    for other, wanted in condition.items():
        where = f"search.space.{path}.if.{other}"
        if other in space:
            if space[other].choices and wanted not in space[other].choices:
                choices = map(str, space[other].choices)
                yield f"{where}: {wanted!r} is none of its choices; {choose(str(wanted), choices)}"
            elif not space[other].choices:
                yield f"{where}: is a range, which hardly ever is {wanted!r}; a condition is on choices"
        else:
            known = configuration(study).values
            if other not in known:
                yield f"{where}: there is no such field; {choose(other, [*space, *known])}"
            elif known[other] != wanted:
                yield f"{where}: is {known[other]!r} throughout and not searched, so that {path} is never there"
    if _circle(study, path, ()):
        yield f"search.space.{path}.if: goes in a circle"


def _circle(study: Study, path: str, above: tuple[str, ...]) -> bool:
    if path in above:
        return True
    dimension = study.search.space.get(path)
    return dimension is not None and any(_circle(study, other, (*above, path)) for other in dimension.condition)


def _of_values(study: Study) -> Iterable[str]:
    """Paths that there are, and ends and choices that their fields can have, with each component that is searched."""
    space = study.search.space
    said: set[str] = set()
    for path, dimension in space.items():
        for context in _contexts(study, path):
            for problem in _in_context(study, context, path, dimension):
                if path not in said:
                    said.add(path)
                    yield f"search.space.{path}{problem}"


def _contexts(study: Study, path: str) -> Iterable[dict[str, Any]]:
    """Overrides that choose components as the search may, where a path is there."""
    space = study.search.space
    needed = _needed(study, path)
    components = [other for other in space if names_component(other) and other != path and other not in needed]
    there = [other for other in components if all(needed.get(k, v) == v for k, v in _needed(study, other).items())]
    for choices in itertools.islice(itertools.product(*(space[other].choices for other in there)), MOST_COMBINATIONS):
        yield {**dict(zip(there, choices, strict=True)), **needed}


def _needed(study: Study, path: str) -> dict[str, Any]:
    """The conditions of a path, and those of what they name."""
    found: dict[str, Any] = {}
    for other, wanted in study.search.space[path].condition.items():
        if other in study.search.space:
            found |= _needed(study, other)
            found[other] = wanted
    return found


def _in_context(study: Study, context: Mapping[str, Any], path: str, dimension: Dimension) -> Iterable[str]:
    with_it = "".join(f", with {other} {value}" for other, value in context.items() if names_component(other))
    try:
        known = configuration(study, overrides=context).values
    except UserError as error:
        yield f".if: {error}"
        return
    # A function's or a command's hyperparameters are those that somebody gives.
    given = kind(study) != "task" and "." not in path
    if path not in known and not given and not path.startswith(("schedules.", "init_from.", "training.stop")):
        yield f": there is no such field{with_it}; {_advice(path, known, with_it)}"
        return
    ends = {} if dimension.choices else {".low": dimension.low, ".high": dimension.high}
    values = {**ends, **{f".choices.{place}": choice for place, choice in enumerate(dimension.choices)}}
    for where, value in values.items():
        try:
            tried = configuration(study, overrides={**context, path: value}).values
        except UserError as error:
            text = str(error)
            own = text.removeprefix("hyperparameters.")
            yield f"{where}{with_it}: {own.removeprefix(f'{path}: ')}"
            return
        if ends and (isinstance(tried.get(path), bool) or not isinstance(tried.get(path), int | float)):
            yield ": is no number, and has no range; write {choices: [...]}"
            return
        if isinstance(tried.get(path), int) and dimension.step is not None and dimension.step % 1:
            yield f".step: {dimension.step:g} is no whole number, as {path} is"
            return


def _advice(path: str, known: Mapping[str, Any], with_it: str) -> str:
    return "say with which it is there, by if: {...}" if with_it else choose(path, known)
