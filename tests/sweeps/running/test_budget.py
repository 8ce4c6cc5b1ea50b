"""A budget that all launches of a study share: `resources.most_hours`."""

import dataclasses
import os
import signal
import time
from unittest.mock import Mock

import numpy as np
import pytest

from seedsweep.core.records import lease
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.resources import Resources
from seedsweep.sweeps.commands.run_state import used
from seedsweep.sweeps.running.budget import Budget
from tests.sweeps import toy
from tests.sweeps.launching import contents, run, run_here, run_inline

SMALL = ("search.explore=0", "seeds.compare=2", "resources.cohort=1")
#: Hours that the first cohort passes.
TINY = 1e-9
HOUR = 3600.0


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine")


def arguments(study, runs, *settings):
    return ["launch", study, "--on", "inline", "--runs", runs, *(w for s in (*SMALL, *settings) for w in ("--set", s))]


@pytest.mark.slow
def test_it_ends_a_launch_and_a_larger_one_goes_on_to_the_same_results(study, tmp_path):
    whole, *_ = run_inline(study, tmp_path / "whole", *SMALL)
    runs = tmp_path / "runs"
    # Nothing is known before the first has finished, and nothing begins afterwards.
    for _ in range(2):
        done = run_here(*arguments(study, runs, f"resources.most_hours={TINY}"), check=False)
        assert done.returncode == 1
        last = done.stdout.strip().splitlines()[-1]
        assert last.startswith("the budget ended the launch: ")
        assert (
            "of 1e-09 core hours are used, and what is left would exceed it; to resume, run the same command "
            "with --set resources.most_hours=" in last
        )
        assert len(list((runs / "toy" / "cohorts").glob("*/*/outcome.json"))) == 1
    done = run_here(*arguments(study, runs, "resources.most_hours=1"))
    assert "budget" not in done.stdout
    assert contents(runs / "toy") == contents(whole.paths.folder)


@pytest.mark.slow
def test_a_trial_ends_when_it_is_used_up_and_resumes_from_its_checkpoint(study, tmp_path):
    """A cohort takes three seconds, and the budget is one."""
    slow = ("search.explore=0", "seeds.compare=1", "settings.pause=0.12")
    run, failed, _ = run_inline(study, tmp_path / "runs", *slow, "resources.most_hours=2.8e-4")
    assert failed == []
    (record,) = run.ledger.records()
    assert not record.finished
    assert 1 <= record.spent() < 3
    steps = record.curves().steps
    _, failed, _ = run_inline(study, tmp_path / "runs", *slow, "resources.most_hours=1")
    assert failed == []
    # What it had trained it did not train again.
    assert 0 < record.run()["resumed_at"] < 24
    assert steps == [4, 8, 12, 16, 20, 24][: len(steps)] != record.curves().steps


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "2 core hours; when it is used up, the launch ends"),
        (HOUR, "2 core hours; the whole study takes about 1, which fits"),
        (
            3 * HOUR,
            "2 core hours; the whole study takes about 3, which does not fit: the launch ends when it is used up",
        ),
    ],
)
def test_a_plan_says_whether_it_is_enough(tmp_path, seconds, words):
    assert budget(Ledger(tmp_path), 2).planned(seconds) == f"budget: {words}"


STEPS = 100


def spec(number, members=4, phase="compare"):
    return CohortSpec(phase, number, f"hash{number}", "a", {}, {}, tuple(range(members)), STEPS)


def hours_ago(hours):
    """As a lease says it."""
    return time.strftime(lease.SINCE, time.localtime(time.time() - hours * HOUR))


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A ledger, and what makes cohorts in it: trained in so many hours, begun so many hours ago and at work until
    `ended`, or not yet begun. share: of the worker's time."""
    ledger, process = Ledger(tmp_path / "cohorts"), lease.this_process()

    def make(*asked, finished=None, begun=None, ended=0, origin="", share=1.0):
        records = []
        for one in asked:
            record = ledger.record(one)
            record.create(one)
            records.append(record)
            if finished is None and begun is None:
                continue
            holder = {**process, "since": hours_ago(begun or 0)}
            monkeypatch.setattr(lease, "this_process", lambda holder=holder: dict(holder))
            if finished is None:
                record.claim(1, share)
                (owner,) = record.folder.glob("owner.*")
                os.utime(owner, (time.time() - ended * HOUR,) * 2)
                continue
            origins = {"taken_from": [{"run": origin, "seeds": one.seeds}]} if origin else {}
            curves = Curves([1], np.zeros((1, len(one.seeds), 1)), ["score"], list(one.seeds))
            with monkeypatch.context() as clock:
                clock.setattr(time, "monotonic", lambda: 0.0)
                claim = record.claim(1, share)
                clock.setattr(time, "monotonic", lambda: finished * HOUR)
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
    assert f"{most:g} {unit} hours, of which {found.spent:.2g} are used" in found.planned(None)


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
    found.begin([record], [spec(0)])
    # It had waited for a place before.
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
    make(spec(0), begun=2, share=0.75), make(spec(1), begun=2, share=0.25), make(spec(2), begun=1)
    assert budget(ledger, 5).spent == pytest.approx(3, abs=0.01)
    # Each goes on alone.
    make(spec(0), spec(1), begun=1)
    assert budget(ledger, 5).spent == pytest.approx(5, abs=0.01)


def test_every_attempt_counts_and_nothing_in_between(made):
    ledger, make = made
    make(spec(0), begun=9, ended=8)
    (record,) = make(spec(0), begun=5, ended=3)
    # A launch that failed before it had the cohort.
    record.fail("ValueError: no")
    assert budget(ledger, 9).spent == pytest.approx(3, abs=0.01)
    found = budget(ledger, 9)
    found.begin([record], [spec(0)])
    make(spec(0), finished=0.5)
    found.end(str(record.folder))
    assert (found.spent, budget(ledger, 9).spent) == (pytest.approx(3.5, abs=0.01),) * 2
    # Opened again, for more steps.
    record.create(dataclasses.replace(spec(0), steps=2 * STEPS))
    make(dataclasses.replace(spec(0), steps=2 * STEPS), begun=0.25)
    assert budget(ledger, 9).spent == pytest.approx(3.25, abs=0.01)


FUNCTION = """
import os, pathlib, signal, time

def train(run):
    log, since = pathlib.Path({log!r}), time.monotonic()
    attempt = len(log.read_text().split()) if log.exists() else 0
    while time.monotonic() - since < 0.3:
        pass
    with log.open("a") as file:
        file.write(f"{{time.monotonic() - since}}\\n")
    if attempt == 0:
        run.save({{}})
        os.kill(os.getpid(), signal.SIGKILL)
    if attempt == 1:
        raise ValueError("no")
    run.report(1, error=0.1)
"""
STUDY = """
task: train.py:train
metrics: {error: min}
training: {steps: 1}
configurations: {a: {}}
criterion: {metric: error, threshold: 0.5, hold: 1}
seeds: {compare: 1}
"""


@pytest.mark.slow
def test_a_killed_and_a_failed_attempt_count_beside_the_one_that_finishes(tmp_path):
    home, log = tmp_path / "mine", tmp_path / "attempts.txt"
    home.mkdir()
    (home / "train.py").write_text(FUNCTION.format(log=str(log)))
    (home / "mine.yaml").write_text(STUDY)
    words = [home / "mine.yaml", "--on", "inline", "--runs", tmp_path / "runs"]
    since = time.time()
    assert run(*words, check=False).returncode == -signal.SIGKILL
    run_here("launch", *words)
    took = [float(line) for line in log.read_text().split()]
    assert len(took) == 3
    (record,) = Ledger(RunPaths(tmp_path / "runs" / "mine").cohorts).records()
    # When a worker began is on record to the second.
    assert sum(took) < record.spent() < time.time() - since + 2


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
    assert budget.planned(9.0) == ""
    assert not budget.used_up
