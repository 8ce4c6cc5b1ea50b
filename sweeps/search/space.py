"""The search space of a study: dotted path -> what is searched of it, as Optuna's distributions.

A parameter with conditions (`if`) is there only where other parameters have given values; elsewhere a point does not
name it, and the study's own value holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from seedsweep.core.errors import UserError
from seedsweep.core.records.section import Scalar
from seedsweep.core.records.study import Dimension, Study
from seedsweep.sweeps.study.components import kind
from seedsweep.sweeps.study.configuration import configuration
from seedsweep.sweeps.study.overrides import dotted

#: Values of the active parameters, by path.
Point = dict[str, Scalar]


@dataclass(frozen=True)
class Parameter:
    """One searched path. grid: the values that the grid sampler takes.  condition: path -> value that it must have."""

    path: str
    distribution: BaseDistribution
    grid: tuple[Scalar, ...]
    condition: Mapping[str, Scalar] = field(default_factory=dict)

    def coordinates(self, value: Scalar | None) -> list[float]:
        """Where a value lies, each coordinate from 0 to 1: one of a range, in logarithms where it is searched so, and
        of choices one each, two of which are as far apart as the ends of a range. None: of a point without it."""
        space = self.distribution
        if isinstance(space, CategoricalDistribution):
            return [math.sqrt(0.5) * (value is not None and value == choice) for choice in space.choices]
        assert isinstance(space, FloatDistribution | IntDistribution)
        if value is None or space.low == space.high:
            return [0.5]
        low, high, at = space.low, space.high, float(value)
        return [math.log(at / low) / math.log(high / low) if space.log else (at - low) / (high - low)]

    def within(self, value: Any) -> bool:
        """Whether the search could ask this value."""
        space = self.distribution
        if isinstance(space, CategoricalDistribution):
            return value in space.choices
        assert isinstance(space, FloatDistribution | IntDistribution)
        if isinstance(value, bool) or not isinstance(value, int | float) or not space.low <= value <= space.high:
            return False
        step = space.step
        return step is None or math.isclose((value - space.low) / step, round((value - space.low) / step), abs_tol=1e-8)


class Space:
    """All searched parameters, each after those that its conditions name.

    fixed: values of what conditions name and nothing searches.  Errors: UserError for conditions that go in a circle.
    """

    def __init__(self, parameters: Iterable[Parameter], fixed: Mapping[str, Any] | None = None):
        self.parameters = _ordered(list(parameters))
        self._fixed = dict(fixed or {})

    @property
    def conditional(self) -> bool:
        """Whether any parameter has conditions."""
        return any(parameter.condition for parameter in self.parameters)

    def active(self, parameter: Parameter, point: Mapping[str, Any]) -> bool:
        """Whether a parameter is there, given the values before it."""
        known = {**self._fixed, **point}
        return all(path in known and known[path] == value for path, value in parameter.condition.items())

    def draw(self, value_of: Callable[[Parameter], Scalar]) -> Point:
        """A point, with the value of each active parameter asked for one after another."""
        point: Point = {}
        for parameter in self.parameters:
            if self.active(parameter, point):
                point[parameter.path] = value_of(parameter)
        return point

    def coordinates(self, points: Sequence[Mapping[str, Scalar]]) -> np.ndarray:
        """Where points lie, [points, coordinates], see `Parameter.coordinates`."""
        return np.array([[c for p in self.parameters for c in p.coordinates(point.get(p.path))] for point in points])

    def distributions(self, point: Mapping[str, Any]) -> dict[str, BaseDistribution]:
        """Of the parameters that a point names."""
        return {each.path: each.distribution for each in self.parameters if each.path in point}

    def grid(self) -> list[Point]:
        """Every point of the grid: the product of the values, in each branch of its own parameters alone."""
        points: list[Point] = [{}]
        for each in self.parameters:
            points = [
                {**point, **values}
                for point in points
                for values in ([{each.path: value} for value in each.grid] if self.active(each, point) else [{}])
            ]
        return points


def space_of(study: Study) -> Space:
    """The space of a study whose sections are resolved. Errors: UserError."""
    dimensions = study.search.space
    own = configuration(study).values
    parameters = []
    for path, dimension in dimensions.items():
        distribution, grid = _searched(dimension, study, path)
        parameters.append(Parameter(path, distribution, grid, dimension.condition))
    named = {path for dimension in dimensions.values() for path in dimension.condition}
    return Space(parameters, {path: own[path] for path in sorted(named) if path not in dimensions and path in own})


def conditions_of(path: str, dimensions: Mapping[str, Dimension]) -> Point:
    """The conditions of a path, of what they name, and so on. Errors: UserError for a circle."""
    found: Point = {}
    todo = dict(dimensions[path].condition)
    while todo:
        other, value = todo.popitem()
        if other == path:
            raise UserError(f"search.space.{path}.if: goes in a circle")
        if other not in found:
            found[other] = value
            todo |= dimensions[other].condition if other in dimensions else {}
    return found


def contains(space: Space, overrides: Mapping[str, Any], study: Study) -> Point | None:
    """The point at which a configuration lies: the value of every active parameter, the study's own where it says
    nothing of it. None where it lies outside: it differs from the study in what is not searched, or out of range."""
    own, values = configuration(study).values, configuration(study, "", overrides).values
    point: Point = {}
    for parameter in space.parameters:
        if space.active(parameter, point):
            value = values.get(parameter.path)
            if value is None or not parameter.within(value):
                return None
            point[parameter.path] = value
    different = (path for path in dotted(overrides, "") if values.get(path) != own.get(path))
    return point if all(path in point for path in different) else None


def grid_points(low: float, high: float, points: int, *, log: bool, step: float | None, integer: bool) -> list[float]:
    """Evenly spaced values of a range, both ends included, on its steps, without repeats."""
    spaced = np.geomspace(low, high, points) if log else np.linspace(low, high, points)
    if step:
        spaced = np.minimum(low + np.round((spaced - low) / step) * step, high)
    return list(dict.fromkeys(round(v) if integer else float(v) for v in spaced))


def _searched(dimension: Dimension, study: Study, path: str) -> tuple[BaseDistribution, tuple[Scalar, ...]]:
    """The distribution of a parameter, and the values that a grid takes of it."""
    if dimension.low is None or dimension.high is None:
        return CategoricalDistribution(dimension.choices), dimension.choices
    low, high, log, step = dimension.low, dimension.high, dimension.log, dimension.step
    integer = _is_whole(dimension, study, path)
    if step:
        # The highest value in steps. In decimals: ten steps of 0.1 are 1.
        first, end, each = (Decimal(str(value)) for value in (low, high, step))
        high = float(first + (end - first) // each * each)
    points = tuple(grid_points(low, high, dimension.points, log=log, step=step, integer=integer))
    if integer:
        return IntDistribution(int(low), int(high), log=log, step=round(step or 1)), points
    return FloatDistribution(low, high, log=log, step=step), points


def _is_whole(dimension: Dimension, study: Study, path: str) -> bool:
    """Whether what stands at a path is a whole number."""
    if kind(study) == "task":
        # A component that only a condition, or the search, chooses is asked about there.
        there = {**conditions_of(path, study.search.space), path: dimension.low}
        chosen = f"{path.rpartition('.')[0]}.name"
        if chosen in study.search.space and chosen not in there:
            there[chosen] = study.search.space[chosen].choices[0]
        return isinstance(configuration(study, "", there).values[path], int)
    # A function's or a command's has no declaration: its value, or whole steps, say it.
    ends = (dimension.low, dimension.high, dimension.step or 1.0)
    given = study.hyperparameters.get(path)
    integer = isinstance(given, int) and not isinstance(given, bool)
    return all(end is not None and float(end).is_integer() for end in ends) and (integer or dimension.step is not None)


def _ordered(parameters: list[Parameter]) -> list[Parameter]:
    """Each after those that its conditions name, else as given. Errors: UserError for a circle."""
    ordered: list[Parameter] = []
    while parameters:
        waiting = {each.path for each in parameters}
        place = next((i for i, each in enumerate(parameters) if not waiting & set(each.condition)), None)
        if place is None:
            raise UserError(f"search.space.{parameters[0].path}.if: goes in a circle")
        ordered.append(parameters.pop(place))
    return ordered
