"""What a study may become while its run goes on."""

import pytest

from seedsweep.core.records.study import read_study
from seedsweep.sweeps.study.growth import differences, grown

STEP, COSINE = {"lr": {"name": "step", "warmup_steps": 3}}, {"lr": {"name": "cosine"}}
SEARCH = {"space": {"dropout": {"low": 0, "high": 1}}, "explore": 4}
OWN = {
    "configurations": {"a": {"dropout": 0.1}, "b": {"dropout": 0.2}},
    "search": SEARCH,
    "schedules": STEP,
    "training": {"steps": 400, "batch": 16, "evaluate_every": 4},
}


@pytest.mark.parametrize(
    "setting",
    [
        "seeds.compare=40", "search.explore=9", "configurations.c={lr: 0.5}", "training.steps=800", "question=Why?",
        "resources.cohort=3", "resources.allocation.nodes=2", "seeds={until: decided, least: 3}", "claims=[{best: a}]",
        "files=[notes.txt]", "inputs=[table.npz]",
    ],
)  # fmt: skip
def test_what_may_grow(study, setting):
    assert differences(study(**OWN), study(setting, **OWN)) == []


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("seeds.compare=2", ["seeds.compare: 12 -> 2"]),
        ("seeds.search=2", ["seeds.search: 3 -> 2"]),
        ("search.explore=3", ["search.explore: 4 -> 3"]),
        ("search.space.dropout.high=0.5", ["search.space.dropout.high: 1.0 -> 0.5"]),
        ("training.steps=300", ["training.steps: 400 -> 300"]),
        ("training.batch=8", ["training.batch: 16 -> 8"]),
        ("criterion.threshold=0.5", ["criterion.threshold: 0.9 -> 0.5"]),
        ("configurations.b=null", ["configurations.b.dropout: 0.2 -> absent"]),
        ("configurations.b.dropout=0.3", ["configurations.b.dropout: 0.2 -> 0.3"]),
        ("configurations.b.lr=0.3", ["configurations.b.lr: absent -> 0.3"]),
        ("settings.width=3", ["settings.width: 128 -> 3"]),
        ("score=best", ["score: last -> best"]),
        ("schedules.lr=null", ["schedules.lr.every: 1000 -> absent"]),
    ],
)
def test_what_may_not_change_is_named(study, setting, expected):
    found = differences(study(**OWN), study(setting, **OWN))
    assert set(expected) <= set(found)
    assert len(found) == len(expected) or "schedules" in setting


@pytest.mark.parametrize(
    "reader",
    [
        {"schedules": COSINE},
        {"schedules": {"lr": {"name": "net.py:halved"}}},
        {"configurations": {"a": {}, "b": {"schedules": COSINE}}},
        {"search": {**SEARCH, "space": {"schedules.lr.name": {"choices": ["step", "cosine"]}}}},
    ],
)
def test_steps_may_not_grow_where_a_schedule_reads_them(study, reader):
    own = {**OWN, **reader}
    expected = ["training.steps: 400 -> 800 (a schedule reads the number of steps)"]
    assert differences(study(**own), study("training.steps=800", **own)) == expected


def test_epochs_may_grow_too(study):
    own = {**OWN, "training": {"epochs": 3}}
    assert differences(study(**own), study("training.epochs=6", **own)) == []
    assert differences(study(**own), study("training.epochs=2", **own)) == ["training.epochs: 3.0 -> 2.0"]


def test_where_members_are_evaluated_stays(study):
    """Every hundredth of the steps that the run was begun with, unless the study says otherwise."""
    own = {**OWN, "training": {"steps": 400}}
    run, longest = study(**own), study("training.steps=1600", **own)
    for steps in (800, 1600):
        longer = study(f"training.steps={steps}", **own)
        assert differences(run, longer) == []
        run = grown(run, longer)
        assert (run.training.steps, run.training.evaluate_every) == (steps, 4)
    assert grown(run, longest) == run
    assert longest.training.evaluate_every == 16


def test_where_members_are_evaluated_is_as_the_study_says(study):
    """Also where it says what it would be anyway."""
    own = {**OWN, "training": {"steps": 400}}
    run, said = study(**own), study("training.steps=800", "training.evaluate_every=8", **own)
    assert differences(run, said) == ["training.evaluate_every: 4 -> 8"]
    assert grown(run, said) == said
    assert differences(run, study("training.steps=800", "training.evaluate_every=4", **own)) == []


def test_a_run_keeps_what_its_study_no_longer_says(study, tmp_path):
    said, unsaid = ({**OWN, "training": {"steps": 400, **every}} for every in ({"evaluate_every": 7}, {}))
    (tmp_path / "study.json").write_text(study(**said).to_json())
    run = read_study(tmp_path / "study.json")
    assert differences(run, study("training.steps=800", **unsaid)) == []
    assert grown(run, study("training.steps=800", **unsaid)).training.evaluate_every == 7
    # A run's own record says all.
    assert grown(study(**unsaid), run) == run
