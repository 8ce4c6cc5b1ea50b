"""What decides a run is fixed before its first result."""

from dataclasses import replace

import numpy as np
import pytest

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.decision import Claim, SeedCounts
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.provenance import read_provenance
from seedsweep.core.records.registration import Registration, read_registration, register
from seedsweep.core.records.study import Dimension, RecordError, Search, Study, Training

CRITERION = Criterion("f1", 0.9, 1)
STUDY = Study(name="made", configurations={"a": {"lr": 1.0}, "b": {}}, criterion=CRITERION, seeds=SeedCounts(compare=3))
SPEC = CohortSpec("compare", 0, "hash", "a", {}, {}, (0, 1), 10)


@pytest.fixture
def run(tmp_path):
    paths = RunPaths(tmp_path / "made")
    paths.folder.mkdir()
    return paths


def finish(run, spec=SPEC):
    record = Ledger(run.cohorts).record(spec)
    record.create(spec)
    curves = Curves([10], np.ones((1, 2, 1)), ["f1"], [0, 1])
    outcomes = [judge(seed, [10], curves.values[:, seed, 0], None, CRITERION) for seed in spec.seeds]
    record.claim(1).commit(curves, outcomes, {})
    return record


def test_what_is_added_before_a_result_is_registered_and_after_it_is_not(run):
    register(run, STUDY)
    Ledger(run.cohorts).record(SPEC).create(SPEC)
    more = STUDY.model_copy(update={"configurations": {**STUDY.configurations, "c": {}}, "claims": (Claim(best="a"),)})
    register(run, more)
    before = read_registration(run)
    assert before.configurations == more.configurations
    assert (before.claims, before.seeds.compare, before.explore) == (more.claims, 3, 0)
    finish(run)
    register(run, STUDY)
    assert read_registration(run) == before


def test_more_steps_open_cohorts_again_and_not_what_is_registered(run):
    register(run, STUDY)
    before = read_registration(run)
    record = finish(run)
    record.create(replace(SPEC, steps=20))
    assert not record.finished
    assert run.has_finished(with_fewer_steps=True)
    register(run, STUDY.model_copy(update={"claims": (Claim(best="a"),)}))
    assert read_registration(run) == before


def test_the_best_of_so_many_explored_ones_is_registered(run):
    searched = Search(explore=5, space={"lr": Dimension(low=0, high=1)})
    register(run, STUDY.model_copy(update={"search": searched}))
    design = read_registration(run)
    found = CohortSpec("compare", 7, "other", "", {"lr": 0.5}, {}, (0,), 10)
    assert design.covers(found, 4, 0)
    assert not design.covers(found, 5, 0)
    assert design.covers(SPEC, 9, 2)
    assert not design.covers(SPEC, 0, 3)


def test_a_damaged_registration_is_one_line_that_names_the_file(run):
    run.registered.write_text("{")
    with pytest.raises(RecordError, match=r"registered\.json is damaged") as refused:
        read_registration(run)
    assert "\n" not in str(refused.value)


def test_a_registration_that_was_edited_is_refused(run):
    register(run, STUDY)
    content = run.registered.read_text()
    run.registered.write_text(content.replace('"level": 0.05', '"level": 0.2'))
    assert run.registered.read_text() != content
    with pytest.raises(RecordError, match=r"registered\.json was edited"):
        read_registration(run)


@pytest.mark.parametrize(
    ("registered", "now", "overrides", "steps"),
    [
        (Training(steps=10), Training(steps=10), {}, 40),
        (Training(steps=10), Training(steps=40), {}, 10),
        (Training(steps=10), Training(steps=40), {"training.steps": 40}, 40),
        (Training(epochs=2), Training(epochs=8), {}, 10),
        (Training(), Training(), {}, 40),
    ],
)
def test_how_long_members_were_to_train_is_registered(registered, now, overrides, steps):
    design = Registration.of(STUDY.model_copy(update={"training": registered}))
    spec = replace(SPEC, steps=40, overrides=overrides)
    assert design.steps_of(spec, STUDY.model_copy(update={"training": now})) == steps


def test_a_damaged_provenance_is_one_line_that_names_the_file(run):
    assert read_provenance(run) == {"launches": [], "accepted_code": []}
    run.provenance.write_text('{"launches": [')
    with pytest.raises(RecordError, match=r"provenance\.json is damaged"):
        read_provenance(run)
