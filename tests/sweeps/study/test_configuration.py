"""What a configuration is made of, and what decides its identity."""

import pytest

from seedsweep.core.records.study import Study
from seedsweep.core.training.optimisers import SGD
from seedsweep.core.training.schedules import Step
from seedsweep.sweeps.study.configuration import (
    configuration,
    kind,
    make_optimizer,
    make_task,
    members,
    named,
    reads_total,
    schedules_of,
)


def identity(study: Study, overrides=None, data="data", start="", steps=400) -> str:
    return configuration(study, "", overrides or {}).identity(data, start, steps)


def test_values_are_all_that_it_was_resolved_to(study):
    values = configuration(study(schedules={"lr": {"name": "step", "every": 9}}), "a", {"settings.width": 3}).values
    assert values["task"] == "net.py:Net"
    assert (values["lr"], values["settings.width"], values["data.count"]) == (0.001, 3, 64)
    assert (values["schedules.lr.name"], values["schedules.lr.every"]) == ("step", 9)
    assert (values["training.batch"], values["training.steps"], values["optimizer.name"]) == (16, 400, "adam")


def test_the_components_are_made_as_it_says(study):
    one = named(
        study(configurations={"a": {"settings": {"width": 3}, "optimizer": {"name": "sgd", "nesterov": True}, "lr": 1}},
              schedules={"lr": {"name": "step", "every": 9}, "dropout": {"name": "net.py:halved"}})
    )[0]  # fmt: skip
    assert kind(one.study) == "task"
    assert make_task(one.study).settings.width == 3
    assert isinstance(make_optimizer(one.study), SGD)
    assert make_optimizer(one.study).settings.nesterov
    schedules = schedules_of(one.study)
    assert isinstance(schedules["lr"], Step)
    assert schedules["dropout"].factor(3, 10) == 0.5
    first, second = members(one, [5, 6])
    assert (first.seed, second.seed) == (5, 6)
    assert (first.hyperparameters["lr"], first.hyperparameters["layers"]) == (1.0, 2)
    assert first.value("lr", 9, 400) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "overrides",
    [
        {"settings.width": 3}, {"dropout": 0.5}, {"training.batch": 8}, {"optimizer.name": "sgd"}, {"layers": 3},
        {"optimizer.no_decay": ["*.bias"]}, {"schedules.lr.name": "step"}, {"task": "net.py:Other"},
        {"training.clip": 1.0}, {"training.evaluate_every": 3}, {"training.steps": 100},
        {"training.stop.metric": "loss", "training.stop.patience": 3}, {"schedules.lr.name": "net.py:halved"},
    ],
)  # fmt: skip
def test_what_changes_a_result_changes_the_identity(study, overrides):
    assert identity(study(), overrides) != identity(study())


def test_what_changes_no_result_does_not(study):
    own = identity(study())
    free = ["seeds.compare=9", "question=Why not?", "score=best", "resources.cohort=3", "criterion.threshold=0.5"]
    assert identity(study(*free)) == own
    assert identity(study(), {"settings.width": 128}) == own
    assert identity(study(), {"schedules.lr.name": "constant"}) == own
    assert identity(study(hyperparameters={"lr": 0.001}, settings={"act": "relu"})) == own
    # The content of data and of start weights, not where they lie.
    assert identity(study(), {"data.count": 99}) == own
    assert identity(study(), data="other") != own
    assert identity(study(), start="weights") != own


def test_a_number_is_one_value_however_it_is_written(study):
    assert identity(study(), {"dropout": 1}) == identity(study(), {"dropout": 1.0})


def test_steps_count_where_a_schedule_reads_them_or_an_override_says_so(study):
    plain, cosine = study(), study(schedules={"lr": {"name": "cosine"}})
    assert not reads_total(plain)
    assert identity(plain, steps=400) == identity(plain, steps=800)
    assert reads_total(cosine)
    assert identity(cosine, steps=400) != identity(cosine, steps=800)
    overridden = {"training.steps": 300}
    assert identity(plain, overridden, steps=300) != identity(plain, steps=300)
    assert reads_total(study(schedules={"lr": {"name": "net.py:halved"}}))


def test_an_identity_stays_what_it_is(study):
    """Raise the format's number where this must change: earlier ledgers are not read any more."""
    overrides = {"settings.width": 3, "lr": 0.5, "schedules.lr.name": "step"}
    assert identity(study(), overrides) == "44f5d1c03bad23ba"
