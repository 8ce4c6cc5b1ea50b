"""A budget that all launches of a study share: `resources.most_hours`."""

from unittest.mock import Mock

import pytest

from seedsweep.core.records.resources import Resources
from seedsweep.sweeps.running.budget import Budget
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


@pytest.mark.parametrize(
    ("resources", "most", "running", "fits"),
    [
        # An hour each has been used by two cohorts.
        ({"cpus": 1}, 3, 0, True),
        ({"cpus": 1}, 3, 1, False),
        ({"cpus": 1}, 2.9, 0, False),
        ({"cpus": 2}, 5.9, 0, False),
        ({"cpus": 2}, 6, 0, True),
        # GPU hours, whatever the cores.
        ({"cpus": 4, "gpus": 0.5}, 1.5, 0, True),
        ({"cpus": 4, "gpus": 0.5}, 1.4, 0, False),
    ],
)
def test_a_cohort_more_fits_in_by_what_they_took_so_far(resources, most, running, fits):
    hour, copied = (
        Mock(finished=True, run=lambda s=s: {"seconds": s}, taken_from=lambda o=o: o)
        for s, o in ((3600.0, ""), (0.0, "other"))
    )
    # What runs, and what was copied from another run, say nothing of how long training takes.
    ledger = Mock(records=lambda superseded: [hour, hour, copied, Mock(finished=False)])
    budget = Budget(Mock(resources=Resources(**resources, most_hours=most)), ledger)
    assert budget.allows(running) is fits
    unit = "GPU" if "gpus" in resources else "core"
    assert f"{most:g} {unit} hours, of which {budget.spent:.2g} are used" in budget.planned()


def test_what_finishes_meanwhile_counts():
    budget = Budget(Mock(resources=Resources(most_hours=2.5)), Mock(records=lambda superseded: []))
    # Before any has finished none is known to take any time.
    assert budget.allows(100)
    budget.add(Mock(run=lambda: {"seconds": 3600.0}, taken_from=lambda: ""))
    assert (budget.spent, budget.allows(0), budget.allows(1)) == (1, True, False)


def test_without_one_nothing_is_said_of_it():
    budget = Budget(Mock(resources=Resources()), Mock())
    assert budget.allows(1000)
    assert budget.planned() == ""
