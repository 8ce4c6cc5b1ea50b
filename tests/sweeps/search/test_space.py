"""What is searched of a study: of which kind a parameter is, when it is there, and which configurations lie within."""

import math

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from seedsweep.core.errors import UserError
from seedsweep.sweeps.search.space import Parameter, contains, space_of
from seedsweep.sweeps.study.configuration import configuration

#: momentum is SGD's, beta1 Adam's; each has a learning rate of its own range.
BRANCHES = {
    "optimizer.name": {"choices": ["sgd", "adam"]},
    "momentum": {"low": 0.5, "high": 0.9, "points": 2, "if": {"optimizer.name": "sgd"}},
    "optimizer.nesterov": {"choices": [False, True], "if": {"optimizer.name": "sgd"}},
    "beta1": {"low": 0.8, "high": 0.99, "if": {"optimizer.name": "adam"}},
    "alpha": {"low": 0, "high": 1, "points": 2},
}


@pytest.fixture
def searched(make_study):
    """A study that searches these dimensions, and its space."""

    def made(space, **sections):
        study = make_study(search={"explore": 5, "space": space}, **sections)
        return study, space_of(study)

    return made


def distribution(space, path):
    return next(each.distribution for each in space.parameters if each.path == path)


@pytest.mark.parametrize(
    ("path", "dimension", "expected"),
    [
        ("alpha", {"low": 0, "high": 1}, FloatDistribution(0, 1)),
        ("lr", {"low": 1e-5, "high": 1, "log": True}, FloatDistribution(1e-5, 1, log=True)),
        ("alpha", {"low": 0, "high": 1, "step": 0.1}, FloatDistribution(0, 1, step=0.1)),
        ("alpha", {"low": 0.1, "high": 0.3, "step": 0.1}, FloatDistribution(0.1, 0.3, step=0.1)),
        ("alpha", {"low": 0, "high": 1, "step": 0.3}, FloatDistribution(0, 0.9, step=0.3)),
        ("layers", {"low": 1, "high": 8}, IntDistribution(1, 8)),
        ("settings.width", {"low": 8, "high": 64, "log": True}, IntDistribution(8, 64, log=True)),
        ("settings.width", {"low": 8, "high": 66, "step": 8}, IntDistribution(8, 64, step=8)),
        ("settings.gain", {"low": 1, "high": 3}, FloatDistribution(1, 3)),
        ("settings.width", {"choices": [8, 32]}, CategoricalDistribution([8, 32])),
        ("settings.wide", {"choices": [True, False]}, CategoricalDistribution([True, False])),
        ("training.batch", {"low": 8, "high": 32}, IntDistribution(8, 32)),
        ("training.clip", {"low": 0, "high": 2}, FloatDistribution(0, 2)),
        ("data.count", {"low": 8, "high": 64}, IntDistribution(8, 64)),
        ("schedules.lr.every", {"low": 5, "high": 20}, IntDistribution(5, 20)),
        ("schedules.lr.factor", {"low": 0, "high": 1}, FloatDistribution(0, 1)),
        ("optimizer.name", {"choices": ["sgd", "adam"]}, CategoricalDistribution(["sgd", "adam"])),
    ],
)
def test_the_field_behind_a_path_says_what_it_holds(searched, path, dimension, expected):
    _, space = searched({path: dimension}, schedules={"lr": {"name": "step", "every": 10}})
    assert distribution(space, path) == expected


@pytest.mark.parametrize(
    ("dimension", "given", "expected"),
    [
        ({"low": 1, "high": 8}, 3, IntDistribution(1, 8)),
        ({"low": 0, "high": 0.5}, 0, FloatDistribution(0, 0.5)),
        ({"low": 1, "high": 8}, 3.0, FloatDistribution(1, 8)),
        ({"low": 1, "high": 8, "step": 1}, 3.0, IntDistribution(1, 8)),
    ],
)
def test_of_a_command_the_value_or_the_step_says_whether_it_is_whole(searched, dimension, given, expected):
    own = {"task": "", "data": None, "command": "python train.py", "metrics": {"score": "max"}}
    _, space = searched({"x": dimension}, hyperparameters={"x": given}, **own)
    assert distribution(space, "x") == expected


def test_a_parameter_is_there_where_its_conditions_hold(searched):
    _, space = searched(BRANCHES)
    sgd = space.draw(lambda parameter: "sgd" if parameter.path == "optimizer.name" else 0)
    assert set(sgd) == {"optimizer.name", "momentum", "optimizer.nesterov", "alpha"}
    adam = space.draw(lambda parameter: "adam" if parameter.path == "optimizer.name" else 0)
    assert set(adam) == {"optimizer.name", "beta1", "alpha"}
    assert set(space.distributions(adam)) == set(adam)


def test_a_component_that_only_a_condition_chooses_is_asked_about_there(searched):
    """`every` is a field of the step schedule, which the study itself does not have."""
    space = {
        "schedules.lr.name": {"choices": ["constant", "step"]},
        "schedules.lr.every": {"low": 5, "high": 20, "if": {"schedules.lr.name": "step"}},
    }
    _, made = searched(space, schedules={"lr": {"name": "constant"}})
    assert distribution(made, "schedules.lr.every") == IntDistribution(5, 20)


def test_a_condition_on_what_a_parameter_with_conditions_says_is_asked_last(searched):
    space = {
        "momentum": {"low": 0, "high": 1, "if": {"optimizer.nesterov": True}},
        "optimizer.nesterov": {"choices": [True, False], "if": {"optimizer.name": "sgd"}},
        "optimizer.name": {"choices": ["sgd", "adam"]},
    }
    _, made = searched(space)
    assert [each.path for each in made.parameters] == ["optimizer.name", "optimizer.nesterov", "momentum"]
    assert made.draw(lambda parameter: parameter.grid[-1]) == {"optimizer.name": "adam"}


def test_a_condition_on_what_is_not_searched_holds_by_the_study(searched):
    space = {"momentum": {"low": 0, "high": 1, "if": {"optimizer.name": "sgd"}}, "alpha": {"low": 0, "high": 1}}
    for name, there in (("sgd", True), ("adam", False)):
        _, made = searched(space, optimizer={"name": name})
        assert ("momentum" in made.draw(lambda parameter: 0)) == there


def test_conditions_in_a_circle_are_refused(searched):
    space = {
        "settings.wide": {"choices": [True], "if": {"optimizer.nesterov": True}},
        "optimizer.nesterov": {"choices": [True], "if": {"settings.wide": True}},
    }
    with pytest.raises(UserError, match=r"search\.space\.settings\.wide\.if: "):
        searched(space, optimizer={"name": "sgd"})


def test_a_grid_is_multiplied_in_each_branch_by_what_is_there(searched):
    _, space = searched(BRANCHES)
    grid = space.grid()
    assert len(grid) == 2 * 2 * 2 + 3 * 2
    assert len({tuple(point.items()) for point in grid}) == len(grid)
    for point in grid:
        assert ("momentum" in point) == (point["optimizer.name"] == "sgd") == ("beta1" not in point)


@pytest.mark.parametrize(
    ("path", "dimension", "expected"),
    [
        ("alpha", {"low": 0, "high": 1}, [0, 0.5, 1]),
        ("lr", {"low": 0.01, "high": 1, "log": True}, [0.01, 0.1, 1]),
        ("layers", {"low": 1, "high": 2, "points": 5}, [1, 2]),
        ("settings.width", {"low": 1, "high": 20, "step": 8, "points": 9}, [1, 9, 17]),
        ("alpha", {"low": 0, "high": 1, "step": 0.3, "points": 9}, [0, 0.3, 0.6, 0.9]),
        ("settings.wide", {"choices": [True, False]}, [True, False]),
    ],
)
def test_the_values_that_a_grid_takes(searched, path, dimension, expected):
    _, space = searched({path: dimension})
    assert [point[path] for point in space.grid()] == pytest.approx(expected)
    assert all(each.within(point[path]) for point in space.grid() for each in space.parameters)


@pytest.mark.parametrize(
    ("overrides", "point"),
    [
        ({}, {"alpha": 0.5, "settings.width": 16}),
        ({"alpha": 1.0}, {"alpha": 1.0, "settings.width": 16}),
        ({"hyperparameters": {"alpha": 0.25}, "settings.width": 32}, {"alpha": 0.25, "settings.width": 32}),
        ({"settings.gain": 1.0}, {"alpha": 0.5, "settings.width": 16}),  # as the study has it
        ({"settings.gain": 2.0}, None),
        ({"settings.width": 128}, None),  # out of range
        ({"settings.width": 20}, None),  # between two steps
        ({"alpha": 1.0, "optimizer.name": "sgd"}, None),
    ],
)
def test_a_configuration_lies_in_the_space_if_it_differs_in_what_is_searched_alone(searched, overrides, point):
    space = {"alpha": {"low": 0, "high": 1}, "settings.width": {"low": 8, "high": 64, "step": 8}}
    study, made = searched(space)
    assert contains(made, overrides, study) == point


@pytest.mark.parametrize(
    ("overrides", "point"),
    [
        ({}, None),  # Adam's beta1 is 0.9 by default and may be 0.95 at least
        ({"beta1": 0.96}, {"optimizer.name": "adam", "beta1": 0.96}),
        ({"optimizer.name": "sgd"}, {"optimizer.name": "sgd", "momentum": 0.0}),
        ({"optimizer.name": "SGD", "momentum": 0.5}, {"optimizer.name": "sgd", "momentum": 0.5}),
        ({"optimizer.name": "adamw"}, None),
        ({"beta1": 0.96, "alpha": 0.25}, None),  # alpha is searched with SGD alone
        ({"optimizer.name": "sgd", "alpha": 0.25}, None),
    ],
)
def test_a_configuration_lies_in_a_space_with_conditions_by_what_is_there(searched, overrides, point):
    space = {
        "optimizer.name": {"choices": ["sgd", "adam"]},
        "beta1": {"low": 0.95, "high": 0.99, "if": {"optimizer.name": "adam"}},
        "momentum": {"low": 0, "high": 0.9, "if": {"optimizer.name": "sgd"}},
        "alpha": {"low": 0, "high": 1, "if": {"momentum": 0.75}},
    }
    study, made = searched(space)
    assert contains(made, overrides, study) == point


def test_a_point_comes_to_the_configuration_that_lies_there(searched):
    study, space = searched(BRANCHES)
    for overrides in ({"optimizer.name": "sgd", "momentum": 0.7}, {"alpha": 0.125}):
        point = contains(space, overrides, study)
        there, here = configuration(study, "", point), configuration(study, "a", overrides)
        assert there.study == here.study
        assert there.identity("d", "", 40) == here.identity("d", "", 40)


def test_what_is_within_is_what_the_distribution_may_give(searched):
    _, space = searched({"alpha": {"low": 0, "high": 1, "step": 0.1}, "layers": {"low": 1, "high": 8}})
    alpha, layers = space.parameters
    assert all(alpha.within(value) for value in (0, 0.3, 0.1 + 0.2, 1.0))
    assert not any(alpha.within(value) for value in (0.25, -0.1, 1.1, True, "0.3", math.nan))
    assert layers.within(3)
    assert not any(layers.within(value) for value in (0, 9, 2.5))


@pytest.mark.parametrize(
    ("distribution", "value", "expected"),
    [
        (FloatDistribution(2, 4), 2.5, [0.25]),
        (FloatDistribution(1e-4, 1, log=True), 0.01, [0.5]),
        (IntDistribution(1, 100, log=True), 100, [1.0]),
        (IntDistribution(3, 3), 3, [0.5]),
        (FloatDistribution(0, 1), None, [0.5]),
        (CategoricalDistribution(["sgd", "adam"]), "adam", [0.0, math.sqrt(0.5)]),
        (CategoricalDistribution([False, True]), None, [0.0, 0.0]),
    ],
)
def test_where_a_value_lies(distribution, value, expected):
    assert Parameter("p", distribution, ()).coordinates(value) == pytest.approx(expected)


def test_two_choices_are_as_far_apart_as_the_ends_of_a_range(searched):
    _, space = searched({"optimizer.name": {"choices": ["sgd", "adam"]}, "alpha": {"low": 0, "high": 1}})
    points = [{"optimizer.name": n, "alpha": a} for n, a in (("sgd", 0.0), ("adam", 0.0), ("sgd", 1.0))]
    places = space.coordinates(points)
    assert math.dist(places[0], places[1]) == pytest.approx(math.dist(places[0], places[2]))
