"""A budget that all launches of a study share: `resources.most_hours`."""

import time
from unittest.mock import Mock, patch

import numpy as np
import pytest

from seedsweep.core.records import lease
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import CohortSpec, Ledger
from seedsweep.core.records.resources import Resources
from seedsweep.sweeps.commands.run_state import used
from seedsweep.sweeps.running.budget import Budget
from seedsweep.sweeps.running.time_spent import seconds_spent
from tests.sweeps import toy
from tests.sweeps.launching import contents, run_here, run_inline

SMALL = ("search.explore=0", "seeds.compare=2", "resources.cohort=1")
#: Hours that the first cohort passes.
TINY = 1e-9


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine")


def arguments(study, runs, *settings):
    return ["launch", study, "--on", "inline", "--runs", runs, *(w for s in (*SMALL, *settings) for w in ("--set", s))]


@pytest.mark.usefixtures("svg_alone")
def test_it_ends_a_launch_and_a_larger_one_goes_on_to_the_same_results(study, tmp_path):
    whole, *_ = run_inline(study, tmp_path / "whole", *SMALL)
    runs = tmp_path / "runs"
    # Nothing is known before the first has finished, and nothing begins afterwards.
    for _ in range(2):
        done = run_here(*arguments(study, runs, f"resources.most_hours={TINY}"), check=False)
        assert done.returncode == 1
        last = done.stdout.strip().splitlines()[-1]
        assert last.startswith("the budget has ended it: ")
        assert (
            "of 1e-09 core hours are used, and another cohort would pass it; with --set resources.most_hours=" in last
        )
        assert len(list((runs / "toy" / "cohorts").glob("*/*/outcome.json"))) == 1
    done = run_here(*arguments(study, runs, "resources.most_hours=1"))
    assert "budget" not in done.stdout
    assert contents(runs / "toy") == contents(whole.paths.folder)


HOUR, STEPS = 3600.0, 100


def spec(number, members=4, phase="compare"):
    return CohortSpec(phase, number, f"hash{number}", "a", {}, {}, tuple(range(members)), STEPS)


def hours_ago(hours):
    """As a lease says it."""
    return time.strftime(lease.SINCE, time.localtime(time.time() - hours * HOUR))


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A ledger, and what makes cohorts in it: trained in so many hours, begun so many hours ago, or not yet begun."""
    ledger, process = Ledger(tmp_path / "cohorts"), lease.this_process()

    def make(*asked, finished=None, begun=None, origin="", pid=0):
        records = []
        for one in asked:
            record = ledger.record(one)
            record.create(one)
            records.append(record)
            if finished is None and begun is None:
                continue
            holder = {**process, "pid": pid, "since": hours_ago(begun or 0)}
            monkeypatch.setattr(lease, "this_process", lambda holder=holder: dict(holder))
            claim = record.claim(1)
            if finished is not None:
                origins = {"taken_from": [{"run": origin, "seeds": one.seeds}]} if origin else {}
                curves = Curves([1], np.zeros((1, len(one.seeds), 1)), ["score"], list(one.seeds))
                claim.commit(curves, [], {"seconds": finished * HOUR, **origins})
        return records

    return ledger, make


def budget(ledger, most, **resources):
    return Budget(Mock(resources=Resources(**resources, most_hours=most)), ledger)


def agenda(*coming):
    return Mock(upcoming=lambda: list(coming))


@pytest.mark.parametrize(
    ("resources", "most", "coming", "fits"),
    [
        # Two hours were used by two cohorts of four members.
        ({"cpus": 1}, 3, [4], True),
        ({"cpus": 1}, 2.9, [4], False),
        ({"cpus": 1}, 2.6, [2], True),
        # All that a trial has is asked for.
        ({"cpus": 1}, 3.9, [4, 4], False),
        ({"cpus": 1}, 4, [4, 4], True),
        ({"cpus": 2}, 5.9, [4], False),
        ({"cpus": 2}, 6, [4], True),
        # GPU hours, whatever the cores.
        ({"cpus": 4, "gpus": 0.5}, 1.5, [4], True),
        ({"cpus": 4, "gpus": 0.5}, 1.4, [4], False),
    ],
)
def test_a_trial_fits_in_by_what_members_took_so_far(made, resources, most, coming, fits):
    ledger, make = made
    make(spec(0), spec(1), finished=1)
    # What was copied from another run says nothing of how long training takes.
    make(spec(2, 40), finished=0, origin="other")
    found = budget(ledger, most, **resources)
    assert found.allows(agenda(*(spec(9 + place, members) for place, members in enumerate(coming)))) is fits
    unit = "GPU" if "gpus" in resources else "core"
    assert f"{most:g} {unit} hours, of which {found.spent:.2g} are used" in found.planned()


def test_what_runs_counts_as_long_as_it_will_take_or_has_taken(made, monkeypatch):
    ledger, make = made
    make(spec(0), finished=1)
    found, coming = budget(ledger, 3.5), agenda(spec(9))
    assert found.allows(coming)
    found.begin(make(spec(1)), [spec(1)])
    assert found.allows(coming)
    now = time.monotonic()
    for passed, fits in ((0, True), (0.9, True), (1.4, True), (1.6, False)):
        monkeypatch.setattr(time, "monotonic", lambda passed=passed: now + passed * HOUR)
        found.progressed(str(ledger.record(spec(1)).folder), 50)
        assert found.allows(coming) is fits
    assert found.spent == 1


def test_before_anything_is_known_one_trial_begins_alone(made, monkeypatch):
    """Eight places and a budget of four cohorts: not eight of them."""
    ledger, make = made
    found, coming = budget(ledger, 40), agenda(spec(9))
    assert found.allows(coming)
    (record,) = make(spec(0))
    found.begin([record], [spec(0)])
    folder, now = str(record.folder), time.monotonic()
    found.progressed(folder, 0)
    assert not found.allows(coming)
    # A tenth is done after an hour: all takes ten hours, and four of them fit in.
    monkeypatch.setattr(time, "monotonic", lambda: now + HOUR)
    found.progressed(folder, STEPS // 10)
    for number in (1, 2, 3):
        assert found.allows(coming)
        found.begin(make(spec(number)), [spec(number)])
    assert not found.allows(coming)


def test_an_attempt_that_failed_counts_in_its_launch_and_in_the_next(made):
    ledger, make = made
    found = budget(ledger, 5)
    (record,) = make(spec(0))
    # It waits an hour for a place.
    now = time.time()
    with patch.object(time, "time", lambda: now - 3 * HOUR):
        found.begin([record], [spec(0)])
    make(spec(0), begun=2)
    found.end(str(record.folder))
    assert found.spent == pytest.approx(2, abs=0.01)
    record.fail("ValueError: no")
    assert budget(ledger, 5).spent == pytest.approx(2, abs=0.01)


def test_a_trial_that_ray_took_with_it_is_none_that_runs(made):
    ledger, make = made
    found = budget(ledger, 5)
    found.begin(make(spec(0)), [spec(0)])
    assert not found.allows(agenda(spec(0)))
    found.end_all()
    assert found.allows(agenda(spec(0)))


def test_of_cohorts_that_shared_a_trial_its_time_counts_once(made):
    ledger, make = made
    for record in make(spec(0), spec(1), begun=2, pid=7) + make(spec(2), begun=1, pid=8):
        record.fail("ValueError: no")
    assert seconds_spent(ledger.records()) / HOUR == pytest.approx(3, abs=0.01)


def test_what_the_study_has_no_more_was_spent_all_the_same(made):
    ledger, make = made
    make(spec(0), spec(1), finished=1)
    ledger.supersede(["hash0"])
    assert len(ledger.records()) == 1
    assert budget(ledger, 5).spent == 2
    # `status` says the same.
    assert used(Mock(resources=Resources()), ledger.records(superseded=True), ledger.folder).core_hours == 2


def test_without_one_nothing_is_said_of_it():
    budget = Budget(Mock(resources=Resources()), Mock())
    assert budget.allows(Mock())
    assert budget.planned() == ""
