"""Configurations that are asked together: who shares a trial depends on the study and the values told alone."""

import pytest

from seedsweep.core.records.ledger import Ledger
from tests.sweeps.search.simulated import agenda_of, contents, finished, run, specs_of

TOGETHER = 3
#: Of numbers alone, and with what makes another program: a setting, an optimiser, a number that is no tensor.
SPACES = {
    "numbers": {"alpha": {"low": 0, "high": 1}, "lr": {"low": 1e-3, "high": 0.1, "log": True}},
    "programs": {
        "alpha": {"low": 0, "high": 1, "points": 4},
        "settings.width": {"choices": [8, 16]},
        "layers": {"low": 1, "high": 2},
        "optimizer.name": {"choices": ["sgd", "adam"]},
    },
}
PROGRAM = ("settings.width", "layers", "optimizer.name")


@pytest.fixture(params=SPACES)
def space(request):
    return SPACES[request.param]


@pytest.fixture(params=["tpe", "random", "grid"])
def sampler(request):
    return request.param


@pytest.fixture
def made(make_study, space, sampler):
    def study(**search):
        named = {"all": {"alpha": 1.0}, "none": {"alpha": 0.0}}
        return make_study(configurations=named, search={"explore": 11, "sampler": sampler, "space": space, **search})

    return study


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "order", "stops"), [(1, None, ()), (4, 0, ()), (4, 1, ()), (2, 2, range(9))])
@pytest.mark.parametrize("window", [TOGETHER, 2 * TOGETHER])
def test_neither_workers_nor_deaths_change_who_shares_a_trial(made, tmp_path, window, workers, order, stops):
    study = made(together=TOGETHER, window=window)
    expected: list = []
    undisturbed = contents(run(study, Ledger(tmp_path / "a"), workers=2, trials=expected).ledger)
    ledger, trials = Ledger(tmp_path / "b"), list[tuple]()
    for stop_after in stops:
        run(study, ledger, workers, order, stop_after=stop_after, trials=trials)
    run(study, ledger, workers, order, trials=trials)
    assert contents(ledger) == undisturbed
    # Of a trial that was killed in the middle the rest goes on.
    assert all(any(set(trial) <= set(whole) for whole in expected) for trial in trials)
    if not stops:
        assert sorted(trials) == sorted(expected)


@pytest.mark.slow
def test_a_trial_is_of_one_batch_and_one_program(made, space, tmp_path):
    trials: list = []
    ledger = run(made(together=TOGETHER), Ledger(tmp_path), trials=trials).ledger
    of_key = {spec.key: spec for spec in specs_of(ledger, "explore")}
    shared = [[of_key[key] for key in trial] for trial in trials if len(trial) > 1]
    assert shared
    for trial in shared:
        assert len({spec.number // TOGETHER for spec in trial}) == 1
        assert len({spec.seeds for spec in trial}) == 1
        assert len({tuple(spec.values[name] for name in PROGRAM) for spec in trial}) == 1
    if "layers" not in space:
        batches = [spec.number // TOGETHER for spec in of_key.values()]
        assert sorted(map(len, shared)) == sorted(batches.count(batch) for batch in set(batches))


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "grid"], indirect=True)
def test_what_does_not_learn_asks_the_same_together_or_not(made, tmp_path):
    one, three = (contents(run(made(together=n), Ledger(tmp_path / str(n)), order=0).ledger) for n in (1, TOGETHER))
    assert three == one


@pytest.mark.slow
def test_a_batch_that_was_cut_short_goes_on_where_more_is_explored(made, tmp_path):
    whole = contents(run(made(together=TOGETHER), Ledger(tmp_path / "a")).ledger)
    ledger = Ledger(tmp_path / "b")
    run(made(together=TOGETHER, explore=7), ledger)
    run(made(together=TOGETHER), ledger)
    explored = {key: found for key, found in contents(ledger).items() if found[0].phase == "explore"}
    assert explored == {key: found for key, found in whole.items() if found[0].phase == "explore"}


def test_cohorts_of_some_of_the_seeds_share_trials_too(make_study, tmp_path):
    search = {"explore": 4, "space": SPACES["numbers"], "together": 2}
    study, trials = make_study(configurations={"all": {"alpha": 1.0}}, search=search), list[tuple]()
    run(study, Ledger(tmp_path), most_together=1, trials=trials)
    assert [len(trial) for trial in trials if len(trial) > 1] == [2] * 4


@pytest.mark.slow
def test_what_failed_in_company_is_tried_alone_and_only_what_fails_alone_is_given_up(made, tmp_path):
    study = made(together=TOGETHER)
    trials: list = []
    first = agenda_of(study, Ledger(tmp_path / "try")).next()
    bad = first[-1].key
    agenda = run(study, Ledger(tmp_path / "run"), failing={bad}, trials=trials)
    assert [spec.key for spec in agenda.failed] == [bad]
    assert trials.count((bad,)) == study.resources.retries + 1
    assert all((spec.key,) in trials for spec in first)
    assert len(finished(agenda.ledger)) == agenda.total[0] - 1


def test_a_trial_that_is_lost_with_its_node_goes_on_together(made, tmp_path):
    agenda = agenda_of(made(together=TOGETHER), Ledger(tmp_path))
    trial = agenda.next()
    for _ in range(4):
        assert not any(agenda.fail(spec, lost=True, shared=True) for spec in trial)
        assert agenda.next() == trial
