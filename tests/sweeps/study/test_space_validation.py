"""Each wrong way to write a search gives one line."""

from collections.abc import Callable
from typing import Any

import pytest

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study

OPTIMIZERS = {"choices": ["sgd", "adamw"]}
MOMENTUM = {"low": 0.5, "high": 0.99, "if": {"optimizer.name": "sgd"}}


@pytest.fixture
def searched(study: Callable[..., Study]) -> Callable[..., Study]:
    def loaded(space: dict[str, Any], *overrides: str, explore: int = 8, **search: Any) -> Study:
        return study(*overrides, search={"space": space, "explore": explore, **search})

    return loaded


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"dropuot": {"low": 0, "high": 1}}, "search.space.dropuot: there is no such field; did you mean dropout?"),
        (
            {"settings.widht": {"low": 1, "high": 9}},
            "search.space.settings.widht: there is no such field; did you mean",
        ),
        ({"model.width": {"low": 1, "high": 9}}, "search.space.model.width: there is no such field; known are data,"),
        ({"criterion.hold": {"low": 1, "high": 9}}, "search.space.criterion.hold: no configuration changes it"),
        ({"momentum": {"low": 0.5, "high": 0.9}}, "search.space.momentum: there is no such field"),
        ({"dropout": {"lo": 0, "high": 1}}, "search.space.dropout.lo: there is no such field; did you mean low"),
        ({"dropout": {"low": 0, "hgih": 1}}, "search.space.dropout.hgih: there is no such field; did you mean high?"),
        ({"dropout": {"choice": [0, 1]}}, "search.space.dropout.choice: there is no such field; write choices: [0, 1]"),
        ({"dropout": [0, 1]}, "search.space.dropout: write {choices: [0, 1]} for these values"),
        ({"dropout": 0.5}, "search.space.dropout: expected {low: ..., high: ...} or {choices: [...]}, not 0.5"),
        ({"dropout": {"choices": 0.5}}, "search.space.dropout.choices: is a list of values, not 0.5; write [0.5]"),
        (
            {"settings.act": {"choices": [["relu"]]}},
            "search.space.settings.act.choices.0: is one number, text or boolean, not",
        ),
        ({"settings.act": {"choices": ["relu", "rleu"]}}, "search.space.settings.act.choices.1: there is no 'rleu'"),
        (
            {"settings.act": {"choices": ["relu", "relu"]}},
            "search.space.settings.act.choices: two of them are the same",
        ),
        ({"settings.act": {"low": 0, "high": 1}}, "search.space.settings.act.low: input should be a valid string"),
        ({"settings.wide": {"low": 0, "high": 1}}, "search.space.settings.wide: is no number, and has no range"),
        ({"dropout": {"low": 0}}, "search.space.dropout: needs low and high, or choices"),
        ({"dropout": {}}, "search.space.dropout: needs low and high, or choices"),
        ({"dropout": {"low": 0, "high": 1, "choices": [0, 1]}}, "search.space.dropout.low: stands beside choices"),
        ({"dropout": {"choices": [0, 1], "log": True}}, "search.space.dropout.log: stands beside choices"),
        ({"dropout": {"low": 1, "high": 1}}, "search.space.dropout: low 1 is not below high 1"),
        ({"dropout": {"low": 0, "high": 1, "log": True}}, "search.space.dropout: a logarithmic range begins above 0"),
        (
            {"dropout": {"low": 0.1, "high": 1, "log": True, "step": 0.1}},
            "search.space.dropout.step: a logarithmic range",
        ),
        ({"dropout": {"low": 0, "high": 1, "step": 3}}, "search.space.dropout.step: 3 is out of range"),
        ({"dropout": {"low": 0, "high": 1, "points": 1}}, "search.space.dropout.points: input should be greater than"),
        ({"dropout": {"low": 0, "high": 2}}, "search.space.dropout.high: 2 is out of range; it must be from 0 to 1"),
        ({"settings.width": {"low": 0, "high": 9}}, "search.space.settings.width.low: 0 is out of range"),
        (
            {"settings.width": {"low": 1.5, "high": 9}},
            "search.space.settings.width.low: input should be a valid integer",
        ),
        (
            {"settings.width": {"low": 1, "high": 9, "step": 0.5}},
            "search.space.settings.width.step: 0.5 is no whole number",
        ),
        ({"dropout": {"low": 0, "high": 1}, "hyperparameters.dropout": {"low": 0, "high": 1}}, "is given twice"),
        ({"optimizer.name": {"choices": ["sgd", "adm"]}}, "search.space.optimizer.name.choices.1: there is no 'adm'"),
        (
            {"optimizer.name": OPTIMIZERS, "momentum": {"low": 0.5, "high": 0.99}},
            "search.space.momentum: there is no such field, with optimizer.name adamw; say with which it is there, by",
        ),
        (
            {"optimizer.name": OPTIMIZERS, "momentum": {**MOMENTUM, "if": {"optimizer.name": "sdg"}}},
            "search.space.momentum.if.optimizer.name: there is no 'sdg'; did you mean sgd?",
        ),
        (
            {"optimizer.name": OPTIMIZERS, "momentum": {**MOMENTUM, "if": {"optimizer.name": "adam"}}},
            "search.space.momentum.if.optimizer.name: 'adam' is none of its choices; did you mean adamw?",
        ),
        ({"momentum": MOMENTUM}, "search.space.momentum.if.optimizer.name: is 'adam' throughout and not searched"),
        (
            {"dropout": {"low": 0, "high": 1}, "lr": {"low": 0, "high": 1, "if": {"dropout": 0.5}}},
            "search.space.lr.if.dropout: is a range, which hardly ever is 0.5; a condition is on choices",
        ),
        (
            {"dropout": {"choices": [0, 1], "if": {"lr": 1}}, "lr": {"choices": [0, 1], "if": {"dropout": 1}}},
            "search.space.dropout.if: goes in a circle",
        ),
        (
            {"lr": {"low": 0, "high": 1, "if": {"drop": 1}}},
            "search.space.lr.if.drop: there is no such field; did you mean",
        ),
    ],
)
def test_a_wrong_space_is_named_with_what_would_be_right(searched, space, words):
    with pytest.raises(UserError) as caught:
        searched(space)
    assert "\n" not in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize("sampler", ["gp", "qmc"])
def test_samplers_that_would_draw_what_is_not_there_are_refused(searched, sampler):
    space = {"optimizer.name": OPTIMIZERS, "momentum": MOMENTUM}
    with pytest.raises(
        UserError, match=rf"search\.space\.momentum\.if: {sampler} knows no conditions; take tpe, random or"
    ):
        searched(space, sampler=sampler)
    assert searched({"lr": {"low": 0, "high": 1}}, sampler=sampler).found


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_conditions_are_for_the_others(searched, sampler):
    study = searched({"optimizer.name": OPTIMIZERS, "momentum": MOMENTUM}, sampler=sampler)
    assert study.search.space["momentum"].condition == {"optimizer.name": "sgd"}


def test_what_only_a_searched_component_has(searched):
    space = {
        "task": {"choices": ["net.py:Net", "net.py:Other"]},
        "settings.width": {"low": 1, "high": 64},
        "settings.depth": {"low": 1, "high": 5, "if": {"task": "net.py:Other"}},
        "noise": {"low": 0, "high": 1, "if": {"task": "net.py:Other"}},
    }
    assert list(searched(space).search.space) == list(space)
    del space["noise"]["if"]
    with pytest.raises(UserError, match=r"search\.space\.noise: there is no such field, with task net\.py:Net"):
        searched(space)


@pytest.mark.parametrize(
    "more", [{}, {"optimizer.name": OPTIMIZERS}, {"training.batch": {"choices": [8, 16]}, "optimizer.name": OPTIMIZERS}]
)
def test_a_schedule_is_searched_with_its_settings_where_the_study_has_none(searched, more):
    space = {
        "schedules.lr.name": {"choices": ["constant", "cosine"]},
        "schedules.lr.warmup_steps": {"low": 0, "high": 20},
        **more,
    }
    assert list(searched(space).search.space) == list(space)


def test_a_wrong_sampler_and_a_search_of_nothing(searched):
    with pytest.raises(UserError, match=r"search\.sampler: input should be 'tpe', 'random', .* not 'tpee'"):
        searched({"lr": {"low": 0, "high": 1}}, sampler="tpee")
    with pytest.raises(UserError, match=r"search\.space: is empty, but search\.explore asks for configurations"):
        searched({})


def test_a_range_takes_the_place_of_choices(searched):
    space = {"lr": {"choices": [0.1, 0.2]}, "dropout": {"low": 0, "high": 1, "step": 0.5}}
    changed = searched(space, "search.space.lr={low: 0.1, high: 0.3}", "search.space.dropout={choices: [0, 1]}")
    assert changed.search.space["lr"].choices == ()
    assert changed.search.space["dropout"].low is None


def test_named_configurations_that_lie_in_the_space_are_explored_too(study):
    space = {"dropout": {"low": 0, "high": 0.5}}
    named = {"a": {"dropout": 0.1}, "b": {"dropout": 0.2}, "outside": {"dropout": 0.9}, "other": {"lr": 0.5}}
    assert study(configurations=named, search={"space": space, "explore": 2}).compared == 5
    with pytest.raises(UserError, match=r"search\.explore: 1 is less than the 2 named configurations that lie in the"):
        study(configurations=named, search={"space": space, "explore": 1})
