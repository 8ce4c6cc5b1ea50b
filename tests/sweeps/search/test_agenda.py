"""The agenda against simulated cohorts: nothing twice, nothing lost, the same after any interruption."""

import numpy as np
import pytest

from seedsweep.core.records.ledger import Ledger
from seedsweep.sweeps.search.agenda import FIRST_SEARCH_SEED
from seedsweep.sweeps.study.configuration import configuration
from tests.sweeps.search.simulated import (
    agenda_of,
    commit,
    contents,
    finished,
    next_of,
    run,
    seeds_of,
    simulate,
    specs_of,
)

ALPHA = {"alpha": {"low": 0, "high": 1}}
#: Whatever a space may have.
MIXED = {
    "optimizer.name": {"choices": ["sgd", "adam"]},
    "momentum": {"low": 0.0, "high": 0.9, "points": 2, "if": {"optimizer.name": "sgd"}},
    "optimizer.nesterov": {"choices": [False, True], "if": {"optimizer.name": "sgd"}},
    "layers": {"low": 1, "high": 3, "if": {"optimizer.name": "adam"}},
    "settings.width": {"low": 8, "high": 24, "step": 8, "points": 2},
}
NAMED = {"all": {"alpha": 1.0}, "none": {"alpha": 0.0}}


@pytest.fixture(params=["tpe", "random", "grid"])
def mixed(request, make_study):
    """Named ones within and outside of a space with conditions."""
    named = {"plain": {}, "heavy": {"optimizer.name": "sgd", "momentum": 0.9}, "loud": {"settings.gain": 2.0}}
    search = {"explore": 9, "sampler": request.param, "space": MIXED}
    return make_study(configurations=named, search=search)


def test_the_whole_study(study, tmp_path):
    agenda = run(study, Ledger(tmp_path))
    explored, compared = specs_of(agenda.ledger, "explore"), specs_of(agenda.ledger, "compare")
    assert [spec.number for spec in explored] == list(range(7))
    assert all(spec.seeds == (FIRST_SEARCH_SEED, FIRST_SEARCH_SEED + 1) for spec in explored)
    assert [spec.values["alpha"] for spec in explored[:2]] == [1.0, 0.0]
    assert [spec.name for spec in explored] == ["all", "none", *[""] * 5]
    values = [trial.value for trial in agenda.exploration.trials()]
    assert agenda.best() == max(range(2, 7), key=values.__getitem__)  # of those that the search added
    assert {spec.number for spec in compared} == {0, 1, agenda.best()}
    assert set(map(tuple, seeds_of(agenda.ledger).values())) == {(0, 1, 2, 3, 4)}
    sizes = len(explored) + len(compared), sum(len(spec.seeds) for spec in [*explored, *compared])
    assert sizes == agenda.total == (7 + 3 * 2, 7 * 2 + 3 * 5)


@pytest.mark.slow
def test_a_cohort_is_what_its_configuration_comes_to(mixed, tmp_path):
    ledger = run(mixed, Ledger(tmp_path)).ledger
    for phase in ("explore", "compare"):
        for spec in specs_of(ledger, phase):
            own = configuration(mixed, spec.name, spec.overrides)
            assert spec.values == own.values
            assert spec.configuration == own.identity("data", "", 40)
            assert agenda_of(mixed, ledger).studied(spec) == own.study
            assert spec.steps == 40
            assert ("momentum" in spec.values) == (spec.values["optimizer.name"] == "sgd")


def test_named_ones_outside_of_the_space_are_compared_alone(mixed, tmp_path):
    agenda = run(mixed, Ledger(tmp_path))
    explored, compared = specs_of(agenda.ledger, "explore"), specs_of(agenda.ledger, "compare")
    assert [spec.name for spec in explored if spec.name] == ["plain", "heavy"] == [spec.name for spec in explored[:2]]
    assert {spec.name for spec in compared} == {"plain", "heavy", "loud", ""}
    assert len({spec.number for spec in compared}) == 4
    found = next(spec for spec in compared if not spec.name)
    same = next(spec for spec in explored if spec.configuration == found.configuration)
    assert same.number == agenda.best()
    assert found.overrides == same.overrides


@pytest.mark.slow
@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("workers", [1, 3])
def test_neither_the_workers_nor_who_finishes_first_change_the_ledger(study, tmp_path, order, workers):
    one = contents(run(study, Ledger(tmp_path / "a")).ledger)
    other = contents(run(study, Ledger(tmp_path / "b"), workers, order).ledger)
    assert other == one


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", range(0, 12, 2))
def test_stopped_anywhere_it_goes_on_to_the_same_ledger(study, tmp_path, stop_after):
    undisturbed = contents(run(study, Ledger(tmp_path / "a")).ledger)
    ledger = Ledger(tmp_path / "b")
    run(study, ledger, order=1, stop_after=stop_after)
    agenda = run(study, ledger)
    assert contents(ledger) == undisturbed
    assert not agenda.waiting


@pytest.mark.slow
def test_killed_after_every_cohort_it_asks_the_same(mixed, tmp_path):
    undisturbed = contents(run(mixed, Ledger(tmp_path / "a")).ledger)
    ledger = Ledger(tmp_path / "b")
    while agenda_of(mixed, ledger).waiting:
        run(mixed, ledger, workers=3, order=2, stop_after=1)
    assert contents(ledger) == undisturbed


def test_a_look_at_what_waits_changes_nothing(study, tmp_path):
    ledger = Ledger(tmp_path)
    agenda = agenda_of(study, ledger)
    while agenda.waiting:
        before = contents(ledger)
        assert agenda.waiting
        assert contents(ledger) == before
        simulate(ledger, spec := next_of(agenda))
        agenda.finish(spec)
    assert not agenda.next()
    assert not agenda_of(study, ledger).waiting


def test_a_failed_cohort_is_tried_again_by_the_next_launch_and_the_search_goes_on_without_it(study, tmp_path):
    ledger = Ledger(tmp_path)
    first = next_of(agenda_of(study, ledger))
    agenda = run(study, ledger, failing={first.key})
    assert [spec.key for spec in agenda.failed] == [first.key]
    assert len(finished(ledger)) == agenda.total[0] - 1
    again = run(study, ledger)
    assert not again.failed
    assert first.key in finished(ledger)


def test_what_was_given_up_is_taken_up_again_on_request(study, tmp_path):
    agenda = agenda_of(study, Ledger(tmp_path))
    spec = next_of(agenda)
    while not agenda.fail(spec):
        assert next_of(agenda) == spec
    assert agenda.failed == [spec]
    assert next_of(agenda) != spec
    agenda.retry()
    assert not agenda.failed
    assert next_of(agenda) == spec
    assert agenda.fail(spec) is (study.resources.retries == 0)


def test_a_cohort_that_is_lost_with_its_node_is_not_given_up(study, tmp_path):
    agenda = agenda_of(study, Ledger(tmp_path))
    spec = next_of(agenda)
    for _ in range(study.resources.retries + 5):
        assert not agenda.fail(spec, lost=True)
        assert next_of(agenda) == spec


def test_without_a_search_the_named_ones_are_compared_on_the_same_seeds(make_study, tmp_path):
    study = make_study(configurations={"a": {}, "b": {"settings.wide": True}, "c": {"optimizer.name": "sgd"}})
    agenda = run(study, Ledger(tmp_path))
    specs = specs_of(agenda.ledger, "compare")
    assert contents(agenda.ledger).keys() == {spec.key for spec in specs}
    assert {(spec.number, spec.name) for spec in specs} == set(enumerate("abc"))
    assert set(map(tuple, seeds_of(agenda.ledger).values())) == {(0, 1, 2, 3, 4)}
    assert agenda.total == (len(specs), 3 * study.seeds.compare)
    assert not agenda_of(study, agenda.ledger).waiting


#: Seven configurations of three, one of them named and one more equal to what is named outside of the space.
FEW = {"layers": {"low": 1, "high": 3}}


@pytest.fixture
def few(make_study):
    return make_study(configurations={"two": {"layers": 2}}, search={"explore": 7, "space": FEW, "window": 2})


@pytest.mark.parametrize("failing", [False, True])
def test_configurations_that_are_equal_share_their_cohorts(few, tmp_path, failing):
    ledger = Ledger(tmp_path)
    if failing:
        lost = {next_of(agenda_of(few, Ledger(tmp_path / "try"))).key}
        assert run(few, ledger, failing=lost).failed
    agenda = run(few, ledger)
    explored = specs_of(ledger, "explore")
    assert len({spec.configuration for spec in explored}) == len(explored) <= 3
    assert all(trial.value is not None for trial in agenda.exploration.trials())
    assert agenda.exploration.asked == 7
    assert [spec.name for spec in explored if spec.values["layers"] == 2] == ["two"]
    assert agenda.total[0] == len(finished(ledger))
    assert not agenda_of(few, ledger).waiting


def test_what_the_search_adds_is_none_of_the_named_ones(few, tmp_path):
    agenda = run(few, Ledger(tmp_path))
    compared = specs_of(agenda.ledger, "compare")
    assert {spec.values["layers"] for spec in compared if not spec.name} <= {1, 3}
    assert len({spec.configuration for spec in compared}) == 2


def test_a_grid_ends_with_its_points(make_study, tmp_path):
    study = make_study(configurations=NAMED, search={"explore": 50, "sampler": "grid", "space": ALPHA})
    agenda = run(study, Ledger(tmp_path))
    assert [spec.values["alpha"] for spec in specs_of(agenda.ledger, "explore")] == [1.0, 0.0, 0.5]
    assert agenda.total[0] == len(finished(agenda.ledger))


def test_where_less_is_better_the_search_finds_less(make_study, tmp_path):
    """No member converges: the score alone decides."""
    criterion = {"metric": "error", "threshold": 1e-9}
    study = make_study(configurations=NAMED, search={"explore": 30, "space": ALPHA}, criterion=criterion)
    assert study.criterion.direction == "min"
    ledger, agenda = Ledger(tmp_path), agenda_of(study, Ledger(tmp_path))
    while spec := next_of(agenda):
        error = 100 * (1 + abs(spec.values["alpha"] - 0.25))
        commit(ledger, spec, [(error, error)] * len(spec.seeds))
        agenda.finish(spec)
    asked = [trial.params["alpha"] for trial in agenda.exploration.trials()]
    assert asked[agenda.best()] == min(asked[2:], key=lambda alpha: abs(alpha - 0.25))
    assert np.mean(np.abs(np.array(asked[-10:]) - 0.25)) < np.mean(np.abs(np.array(asked[2:7]) - 0.25))


def test_the_best_evaluation_counts_where_the_study_says_so(study, tmp_path):
    values = {}
    for score in ("last", "best"):
        chosen = study.model_copy(update={"score": score})
        ledger = Ledger(tmp_path / score)
        agenda = agenda_of(chosen, ledger)
        spec = next_of(agenda)
        commit(ledger, spec, [(0.1, 0.3)] * 2)
        agenda.finish(spec)
        values[score] = agenda.exploration.value(0)
    assert values == {"last": pytest.approx(0.1 / 3), "best": pytest.approx(0.3 / 3)}


def test_steps_follow_what_a_configuration_says_of_them(make_study, tmp_path):
    named = {"short": {"training.steps": 10}, "epochs": {"training.epochs": 3}, "plain": {}}
    study = make_study(configurations=named, training={"steps": 40, "batch": 8})
    agenda = agenda_of(study, Ledger(tmp_path), samples=lambda study: study.data["count"])
    steps = {}
    while spec := next_of(agenda):
        steps[spec.name] = spec.steps
    assert steps == {"short": 10, "epochs": 3 * 64 // 8, "plain": 40}
