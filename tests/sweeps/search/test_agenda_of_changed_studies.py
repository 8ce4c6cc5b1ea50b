"""What a study that has changed still has to run: what was begun goes on, what was finished stays."""

import dataclasses

import pytest

from seedsweep.core.records.decision import Claim, Decision, SeedCounts
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.registration import Registration
from seedsweep.sweeps.search.agenda import Agenda
from tests.sweeps.search.simulated import agenda_of, contents, finished, next_of, run, seeds_of, simulate, specs_of

UNTIL_DECIDED = SeedCounts(search=2, until="decided", least=6, most=48)


def test_more_seeds_run_only_the_new_ones(study, tmp_path):
    ledger = Ledger(tmp_path)
    before = contents(run(study, ledger).ledger)
    more = study.model_copy(update={"seeds": study.seeds.model_copy(update={"compare": 9})})
    after = contents(run(more, ledger).ledger)
    new = [spec for key, (spec, _) in after.items() if key not in before]
    assert {seed for spec in new for seed in spec.seeds} == {5, 6, 7, 8}
    assert all(after[key] == value for key, value in before.items())


@pytest.mark.parametrize("stop_after", [None, 9])
def test_a_configuration_named_later_leaves_all_others_alone(study, tmp_path, stop_after):
    ledger = Ledger(tmp_path)
    run(study, ledger)
    before = contents(ledger)
    names = {"new": {"alpha": 0.125}, "apart": {"settings.gain": 3.0}, **study.configurations}
    search = study.search.model_copy(update={"explore": 9})
    grown = study.model_copy(update={"configurations": names, "search": search})
    run(grown, ledger, stop_after=stop_after)
    run(grown, ledger)
    after = contents(ledger)
    assert all(after[key] == value for key, value in before.items())
    numbers = {}
    for spec in specs_of(ledger, "compare"):
        assert numbers.setdefault(spec.configuration, spec.number) == spec.number
    assert len(set(numbers.values())) == len(numbers)
    assert [spec.name for spec in specs_of(ledger, "explore")][-2:] == ["new", ""]
    assert not agenda_of(grown, ledger).waiting


def test_an_interrupted_run_keeps_its_blocks_when_the_cohort_size_changes(study, tmp_path):
    ledger = Ledger(tmp_path)
    run(study, ledger, stop_after=4)
    agenda = run(study, ledger, most_together=1)
    for phase in ("explore", "compare"):
        seen = [(spec.configuration, seed) for spec in specs_of(ledger, phase) for seed in spec.seeds]
        assert len(seen) == len(set(seen))
    assert agenda.total[0] == len(finished(ledger))


def test_more_steps_and_other_code_are_for_what_is_not_finished_with_them(study, tmp_path):
    ledger = Ledger(tmp_path)
    agenda = agenda_of(study, ledger, code="old")
    done, begun = next_of(agenda), next_of(agenda)
    simulate(ledger, done)
    agenda.finish(done)
    newer = agenda_of(study, ledger, code="new")
    assert newer.finished == [done]
    assert next_of(newer) == dataclasses.replace(begun, code="new") == ledger.record(begun).spec()
    longer = study.model_copy(update={"training": study.training.model_copy(update={"steps": 80})})
    grown = agenda_of(longer, ledger, code="new")
    assert not grown.finished
    asked = {spec.key: spec for spec in (next_of(grown), next_of(grown))}
    for spec in (done, begun):
        values = {**spec.values, "training.steps": 80}
        assert asked[spec.key] == dataclasses.replace(spec, code="new", steps=80, values=values)


@pytest.fixture
def open_ended(study):
    return study.model_copy(update={"seeds": UNTIL_DECIDED})


@pytest.mark.slow
def test_a_study_until_decided_gives_more_seeds_where_it_is_open(open_ended, tmp_path):
    agenda = run(open_ended, Ledger(tmp_path))
    seeds = seeds_of(agenda.ledger)
    assert len(seeds) == 3
    assert {len(mine) for mine in seeds.values()} <= set(UNTIL_DECIDED.sizes)
    assert all(mine == list(range(len(mine))) for mine in seeds.values())
    assert sum(map(len, seeds.values())) < 3 * 48
    assert len(finished(agenda.ledger)) == agenda.total[0]
    assert sum(map(len, seeds.values())) + 7 * 2 == agenda.total[1]


@pytest.mark.slow
@pytest.mark.parametrize("order", range(4))
def test_it_does_not_depend_on_who_finishes_first_or_where_it_was_stopped(open_ended, tmp_path, order):
    undisturbed = contents(run(open_ended, Ledger(tmp_path / "a")).ledger)
    other = Ledger(tmp_path / "b")
    run(open_ended, other, workers=3, order=order, stop_after=6 + 3 * order)
    agenda = run(open_ended, other, workers=2)
    assert contents(other) == undisturbed
    assert not agenda.waiting


@pytest.mark.slow
def test_it_may_become_a_full_comparison(open_ended, tmp_path):
    ledger = Ledger(tmp_path)
    run(open_ended, ledger)
    run(open_ended.model_copy(update={"seeds": SeedCounts(search=2, compare=48)}), ledger)
    assert {len(mine) for mine in seeds_of(ledger).values()} == {48}


def test_what_data_that_were_made_anew_supersede_counts_for_nothing(study, tmp_path):
    ledger = Ledger(tmp_path)
    first = run(study, ledger)
    before = contents(ledger)
    agenda = Agenda(study, ledger, lambda study: "other data", lambda init: "start", 3)
    assert agenda.superseded == {configuration for configuration, _ in before}
    assert (agenda.finished, agenda.outcomes.total()) == ([], 0)
    assert agenda.waiting
    trial = agenda.next()
    assert {spec.number for spec in trial} <= set(range(7))
    assert all(spec.key not in before for spec in trial)
    # As they were, they count again.
    again = agenda_of(study, ledger)
    assert again.superseded == {spec.configuration for spec in trial}
    assert (again.outcomes, again.total) == (first.outcomes, first.total)


#: Of `alike` few seeds decide nothing; that none converges so rarely few decide.
HARD, EASY = Claim(alike=("all", "none"), margin=0.05), Claim(below=("none", 1.0))


@pytest.mark.slow
@pytest.mark.parametrize(
    "edit",
    [
        {"claims": (EASY,)},
        {"claims": ()},
        {"claims": (HARD, EASY)},
        {"decision": Decision(level=0.4)},
        {"seeds": UNTIL_DECIDED.model_copy(update={"least": 24})},
    ],
)
@pytest.mark.parametrize("claims", [(HARD,), (EASY,)])
def test_what_is_edited_after_results_stops_and_steers_nothing(open_ended, tmp_path, claims, edit):
    study = open_ended.model_copy(update={"claims": claims})
    registered = Registration.of(study)
    undisturbed = seeds_of(run(study, Ledger(tmp_path / "a"), registered=registered).ledger)
    other = Ledger(tmp_path / "b")
    run(study, other, stop_after=12, registered=registered)
    agenda = run(study.model_copy(update=edit), other, registered=registered)
    assert seeds_of(other) == undisturbed
    assert not agenda.waiting


def test_registered_seeds_are_run_though_the_study_would_stop_by_now(study, tmp_path):
    ledger = Ledger(tmp_path)
    whole = study.model_copy(update={"seeds": SeedCounts(search=2, compare=48), "claims": (EASY,)})
    registered = Registration.of(whole)
    run(whole, ledger, stop_after=10, registered=registered)
    run(whole.model_copy(update={"seeds": UNTIL_DECIDED}), ledger, registered=registered)
    assert {len(mine) for mine in seeds_of(ledger).values()} == {48}


@pytest.mark.parametrize("explore", [7, 12])
def test_what_is_named_or_explored_later_gets_all_seeds_and_changes_no_others(open_ended, tmp_path, explore):
    study = open_ended.model_copy(update={"claims": (Claim(best="all"),)})
    registered = Registration.of(study)
    ledger = Ledger(tmp_path)
    run(study, ledger, registered=registered)
    before = seeds_of(ledger)
    names = {"apart": {"settings.gain": 3.0}, **study.configurations}
    search = study.search.model_copy(update={"explore": explore})
    more = study.model_copy(update={"configurations": names, "search": search})
    agenda = run(more, ledger, registered=registered)
    after = seeds_of(ledger)
    assert {number: after.pop(number) for number in before} == before
    assert len(after) == 1 + (agenda.best() >= 7)
    assert all(mine == list(range(48)) for mine in after.values())
    assert len(finished(ledger)) == agenda.total[0]


@pytest.mark.slow
@pytest.mark.parametrize("extended_after", [3, 9, 12])
def test_a_longer_search_takes_the_registered_best_away_from_nobody(study, tmp_path, extended_after):
    registered = Registration.of(study)
    undisturbed = seeds_of(run(study, Ledger(tmp_path / "a"), registered=registered).ledger)
    ledger = Ledger(tmp_path / "b")
    run(study, ledger, stop_after=extended_after, registered=registered)
    longer = study.model_copy(update={"search": study.search.model_copy(update={"explore": 16})})
    run(longer, ledger, registered=registered)
    found = seeds_of(ledger)
    assert {number: found.get(number) for number in undisturbed} == undisturbed
