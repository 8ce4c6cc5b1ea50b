"""Overrides: which paths there are, and what becomes of a component's settings when another takes its place."""

import pytest

from seedsweep.core.errors import UserError
from seedsweep.sweeps.study.configuration import configuration
from seedsweep.sweeps.study.loading import load
from seedsweep.sweeps.study.overrides import dotted, nested


def apply(study, overrides):
    return configuration(study, "", overrides).study


def test_nested_and_dotted_are_one():
    wanted = {"lr": 0.1, "settings.width": 3, "schedules.lr.every": 5, "task": "a.py:B", "init_from.run": "x"}
    assert dotted(wanted, "x") == wanted
    spelled = {
        "hyperparameters": {"lr": 0.1}, "settings": {"width": 3}, "schedules": {"lr": {"every": 5}}, "task": "a.py:B",
        "init_from": {"run": "x"},
    }  # fmt: skip
    assert dotted(spelled, "x") == wanted
    assert nested(wanted) == spelled
    assert dotted({"schedules": {"lr.every": 5}, "hyperparameters.lr": 0.1}, "x") == {
        "schedules.lr.every": 5, "lr": 0.1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"lr": 1, "hyperparameters": {"lr": 2}}, "a.hyperparameters.lr: is given twice"),
        ({"settings.width": 1, "settings": {"width": 2}}, "a.settings.width: is given twice"),
        ({"criterion": {"hold": 1}}, "a.criterion.hold: no configuration changes it; it may change task, settings"),
        ({"seeds.compare": 3}, "a.seeds.compare: no configuration changes it"),
        ({"score": "best"}, "a.score: no configuration changes it"),
        ({"name": "b"}, "a.name: no configuration changes it"),
        ({"search": {"explore": 3}}, "a.search.explore: no configuration changes it"),
        ({"claims": []}, "a.claims: no configuration changes it"),
        ({"model": {"width": 3}}, "a.model.width: there is no such field; known are data,"),
        ({"setings.width": 3}, "a.setings.width: there is no such field; did you mean settings"),
        ({"settings": 3}, "a.settings: expected a mapping of fields"),
        ({"task": {"name": "x"}}, "a.task.name: is a name, and has no fields"),
        ({"lr": [0.1, 0.2]}, "a.lr: is one value, not [0.1, 0.2]; several are searched: search.space.lr: {choices:"),
    ],
)
def test_what_a_configuration_does_not_change(values, words):
    with pytest.raises(UserError) as caught:
        dotted(values, "a")
    assert words in str(caught.value)


def test_an_override_changes_what_it_names_alone(study):
    before = study()
    after = apply(before, {"settings.width": 3, "dropout": 0.5})
    assert after.settings == {**before.settings, "width": 3}
    assert after.hyperparameters == {**before.hyperparameters, "dropout": 0.5}
    assert (after.data, after.optimizer, after.training) == (before.data, before.optimizer, before.training)
    assert apply(after, {"settings.width": None, "dropout": None}).settings == before.settings


def test_another_component_brings_its_own_settings(study):
    before = study(
        settings={"width": 64, "act": "tanh"},
        hyperparameters={"momentum": 0.9, "lr": 0.3, "dropout": 0.2},
        optimizer={"name": "sgd", "nesterov": True},
        schedules={"momentum": {"name": "cosine"}, "lr": {"name": "step", "every": 7, "warmup_steps": 3}},
    )
    other = apply(before, {"task": "net.py:Other"})
    assert other.settings == {"width": 64, "depth": 3}
    assert (other.hyperparameters["noise"], other.hyperparameters["momentum"]) == (0.1, 0.9)
    assert "dropout" not in other.hyperparameters
    adam = apply(before, {"optimizer.name": "adamw"})
    assert adam.optimizer == {"name": "adamw", "epsilon": 1e-8, "no_decay": []}
    assert adam.hyperparameters["lr"] == 0.3
    # What nobody said is the new one's default.
    assert adam.hyperparameters["weight_decay"] == 0.01
    assert "momentum" not in adam.hyperparameters
    assert list(adam.schedules) == ["lr"]
    cosine = apply(before, {"schedules.lr.name": "cosine"})
    assert cosine.schedules["lr"] == {"name": "cosine", "end": 0.0, "warmup_steps": 3, "warmup_start": 0.0}
    assert list(apply(before, {"schedules.lr": None}).schedules) == ["momentum"]


def test_what_was_said_stays_where_it_is_a_default(study):
    """`weight_decay: 0` is Adam's default, and holds for AdamW, whose default is another, too."""
    said = study(hyperparameters={"weight_decay": 0}, configurations={"a": {}, "b": {"optimizer": {"name": "adamw"}}})
    assert said.configurations["b"] == {"optimizer.name": "adamw", "weight_decay": 0.0}
    unsaid = study(configurations={"a": {}, "b": {"optimizer": {"name": "adamw"}}})
    assert configuration(unsaid, "b", unsaid.configurations["b"]).values["weight_decay"] == 0.01
    space = {"optimizer.name": {"choices": ["sgd", "adamw"]}}
    search = {"explore": 3, "space": space}
    with pytest.raises(UserError, match=r"search\.space\.optimizer\.name: adamw has another default for weight_decay"):
        study(hyperparameters={"weight_decay": 0}, search=search)
    assert study(hyperparameters={"weight_decay": 0.1}, search=search).found


def test_another_component_in_a_later_layer(study):
    overridden = study("task=net.py:Other", settings={"width": 3, "act": "tanh"}, hyperparameters={"dropout": 0.1})
    assert overridden.settings == {"width": 3, "depth": 3}
    assert "dropout" not in overridden.hyperparameters
    with pytest.raises(UserError, match=r"settings\.actt=3: there is no such field"):
        study("task=net.py:Other", "settings.actt=3")


def test_epochs_take_the_place_of_steps(study):
    longer = apply(study(), {"training.epochs": 3})
    assert (longer.training.epochs, longer.training.steps) == (3, 0)


def test_an_override_whose_colons_have_no_space_is_refused(study_file):
    """It would be a set of keys without values, and change nothing."""
    with pytest.raises(UserError, match="'until:decided' is a key without a value"):
        load(study_file, None, ["seeds={until:decided,least:6}"], None, "here")
