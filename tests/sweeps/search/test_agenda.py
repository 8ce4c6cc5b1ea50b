"""The agenda against simulated cohorts: nothing twice, nothing lost, the same after any interruption."""

import random

import numpy as np
import pytest

from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.ledger import Curves, Ledger
from seedsweep.sweeps.search.agenda import Agenda
from seedsweep.sweeps.study.schema import FIRST_SEARCH_SEED, Dimension, differences, load


def simulate(ledger, spec) -> None:
    """Commit an outcome that depends on the cohort alone."""
    alpha = spec.hyperparameters["alpha"]
    outcomes = []
    for seed in spec.seeds:
        score = random.Random(f"{alpha} {seed}").random() * (0.5 + alpha / 2)
        met = 10 if score > 0.4 else None
        outcomes.append(Outcome(seed, "converged" if met else "never", met, met, None, None, score, score))
    curves = Curves([10], np.array([[[o.final] for o in outcomes]]), ["f1"], list(spec.seeds))
    ledger.record(spec).claim(1).commit(curves, outcomes, {})


def run(study, ledger, workers=2, order=None, stop_after=None, failing=()) -> Agenda:
    """Drive an agenda with so many workers, that finish in the order of `order`; stop dead after so many cohorts."""
    agenda = Agenda(study, ledger, {study.data: "data"})
    rng = random.Random(order)
    running, done = [], 0
    while True:
        while len(running) < workers and (spec := agenda.next()):
            running.append(spec)
        if not running:
            assert agenda.done
            return agenda
        spec = running.pop(rng.randrange(len(running)) if order is not None else 0)
        if done == stop_after:
            return agenda
        if spec.key in failing:
            agenda.fail(spec)
            continue
        simulate(ledger, spec)
        agenda.finish(spec)
        done += 1


def contents(ledger) -> dict:
    return {record.spec().key: (record.spec(), record.outcomes()) for record in ledger.records()}


@pytest.fixture
def study(study_file):
    return load(str(study_file), "laptop", ["search.explore=7", "seeds.compare=5"])


def test_the_whole_study(study, tmp_path):
    agenda = run(study, Ledger(tmp_path))
    specs = [spec for spec, _ in contents(agenda.ledger).values()]
    explored = sorted((s for s in specs if s.phase == "explore"), key=lambda s: s.number)
    assert [s.number for s in explored] == list(range(7))
    assert all(s.seeds == (FIRST_SEARCH_SEED, FIRST_SEARCH_SEED + 1) for s in explored)
    assert [s.hyperparameters["alpha"] for s in explored[:2]] == [1.0, 0.0]
    compared = [s for s in specs if s.phase == "compare"]
    assert {s.number for s in compared} == {0, 1, agenda.best()}
    for number in {s.number for s in compared}:
        assert sorted(seed for s in compared if s.number == number for seed in s.seeds) == [0, 1, 2, 3, 4]
    assert (len(specs), sum(len(s.seeds) for s in specs)) == agenda.total == (7 + 3 * 2, 7 * 2 + 3 * 5)


def test_the_best_found_is_the_best_of_those_that_the_search_added(study, tmp_path):
    agenda = run(study, Ledger(tmp_path))
    values = {n: t.value for n, t in enumerate(agenda.exploration.trials())}
    assert agenda.best() == max(range(2, 7), key=values.__getitem__)


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("workers", [1, 3])
def test_neither_the_workers_nor_who_finishes_first_change_the_ledger(study, tmp_path, order, workers):
    one = contents(run(study, Ledger(tmp_path / "a")).ledger)
    other = contents(run(study, Ledger(tmp_path / "b"), workers, order).ledger)
    assert other == one


@pytest.mark.parametrize("stop_after", range(0, 12, 2))
def test_stopped_anywhere_it_goes_on_to_the_same_ledger(study, tmp_path, stop_after):
    undisturbed = contents(run(study, Ledger(tmp_path / "a")).ledger)
    ledger = Ledger(tmp_path / "b")
    run(study, ledger, order=1, stop_after=stop_after)
    agenda = run(study, ledger)
    assert contents(ledger) == undisturbed
    assert not agenda.anything_left()


def test_more_seeds_run_only_the_new_ones(study, tmp_path):
    ledger = Ledger(tmp_path)
    before = contents(run(study, ledger).ledger)
    more = study.model_copy(update={"seeds": study.seeds.model_copy(update={"compare": 9})})
    after = contents(run(more, ledger).ledger)
    new = [spec for key, (spec, _) in after.items() if key not in before]
    assert {seed for spec in new for seed in spec.seeds} == {5, 6, 7, 8}
    assert all(after[key] == value for key, value in before.items())


def test_a_failed_cohort_is_tried_again_by_the_next_launch_and_the_search_goes_on_without_it(study, tmp_path):
    ledger = Ledger(tmp_path)
    first = Agenda(study, ledger, {study.data: "data"}).next()
    agenda = run(study, ledger, failing={first.key})
    assert [spec.key for spec in agenda.failed] == [first.key]
    assert len(contents_finished(ledger)) == agenda.total[0] - 1
    again = run(study, ledger)
    assert not again.failed
    assert first.key in contents_finished(ledger)


def test_what_was_given_up_is_taken_up_again_on_request(study, tmp_path):
    agenda = Agenda(study, Ledger(tmp_path), {study.data: "data"})
    spec = agenda.next()
    while not agenda.fail(spec):
        assert agenda.next() == spec
    assert agenda.failed == [spec]
    assert agenda.next() != spec
    agenda.retry()
    assert not agenda.failed
    assert agenda.next() == spec
    assert agenda.fail(spec) is (study.resources.retries == 0)


def test_a_cohort_that_is_lost_with_its_node_is_not_given_up(study, tmp_path):
    agenda = Agenda(study, Ledger(tmp_path), {study.data: "data"})
    spec = agenda.next()
    for _ in range(study.resources.retries + 5):
        assert not agenda.fail(spec, lost=True)
        assert agenda.next() == spec


def test_variants_are_compared_on_the_same_seeds_and_nothing_is_searched(study_file, tmp_path):
    study_file.write_text(study_file.read_text().replace("{alpha: 0.5}", "{variant: a}"))
    overrides = ["search.explore=0", "search.first=[]", "variants={a: {}, b: {model: {glimpses: 0}}}"]
    study = load(str(study_file), "laptop", overrides)
    agenda = run(study, Ledger(tmp_path))
    specs = [spec for spec, _ in contents(agenda.ledger).values()]
    assert {(spec.phase, spec.origin) for spec in specs} == {("compare", "named")}
    for number, name in enumerate("ab"):
        mine = [spec for spec in specs if spec.variant == name]
        assert {spec.number for spec in mine} == {number}
        assert sorted(seed for spec in mine for seed in spec.seeds) == list(range(study.seeds.compare))
    assert agenda.total == (len(specs), 2 * study.seeds.compare)
    assert not Agenda(study, agenda.ledger, {study.data: "data"}).anything_left()


def contents_finished(ledger) -> set:
    return {record.spec().key for record in ledger.records() if record.finished}


def test_configurations_that_are_equal_share_their_cohorts(study_file, tmp_path):
    study = load(str(study_file), "laptop", ["search.explore=9"])
    search = study.search.model_copy(update={"space": {"lr_decay_steps": Dimension(low=15, high=17)}})
    study = study.model_copy(update={"search": search})
    agenda = run(study, Ledger(tmp_path))  # seven of three
    specs = [spec for spec, _ in contents(agenda.ledger).values()]
    assert len({spec.key for spec in specs if spec.phase == "explore"}) < 9
    assert all(trial.value is not None for trial in agenda.exploration.trials())
    assert not Agenda(study, agenda.ledger, {study.data: "data"}).anything_left()


def test_an_interrupted_run_keeps_its_blocks_when_the_cohort_size_changes(study, tmp_path):
    ledger = Ledger(tmp_path)
    run(study, ledger, stop_after=4)
    smaller = study.model_copy(update={"resources": study.resources.model_copy(update={"cohort": 1})})
    run(smaller, ledger)
    for phase in ("explore", "compare"):
        seen = [(s.configuration, seed) for s, _ in contents(ledger).values() if s.phase == phase for seed in s.seeds]
        assert len(seen) == len(set(seen))


RACE = ["search.explore=7", "seeds.compare=24", "seeds.race=true", "seeds.start=4"]


@pytest.fixture
def race(study_file):
    return load(str(study_file), "laptop", RACE)


def test_a_race_gives_more_seeds_where_it_is_open(race, tmp_path):
    agenda = run(race, Ledger(tmp_path))
    seeds = seeds_of(agenda.ledger)
    assert len(seeds) == 3
    # In rounds of 4, 8, 16, 24, each the first so many.
    assert {len(mine) for mine in seeds.values()} <= {4, 8, 16, 24}
    assert all(mine == list(range(len(mine))) for mine in seeds.values())
    assert sum(map(len, seeds.values())) < 3 * 24
    assert len(contents_finished(agenda.ledger)) == agenda.total[0]
    assert sum(map(len, seeds.values())) + 7 * 2 == agenda.total[1]


@pytest.mark.parametrize("order", range(4))
def test_a_race_does_not_depend_on_who_finishes_first_or_where_it_was_stopped(race, tmp_path, order):
    undisturbed = contents(run(race, Ledger(tmp_path / "a")).ledger)
    other = Ledger(tmp_path / "b")
    run(race, other, workers=3, order=order, stop_after=6 + 3 * order)
    agenda = run(race, other, workers=2)
    assert contents(other) == undisturbed
    assert not agenda.anything_left()


def test_a_race_may_become_a_full_comparison(race, study_file, tmp_path):
    ledger = Ledger(tmp_path)
    run(race, ledger)
    full = load(str(study_file), "laptop", ["search.explore=7", "seeds.compare=24"])
    assert differences(race, full) == []
    run(full, ledger)
    assert {len(mine) for mine in seeds_of(ledger).values()} == {24}


def seeds_of(ledger) -> dict:
    """Comparison seeds of each configuration."""
    found = {}
    for record in ledger.records():
        spec = record.spec()
        if spec.phase == "compare":
            found[spec.number] = sorted(found.get(spec.number, []) + list(spec.seeds))
    return found
