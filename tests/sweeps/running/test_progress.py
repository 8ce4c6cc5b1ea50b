"""What a launch prints where its output is no terminal."""

import io
import re
from unittest.mock import Mock

import pytest
from rich.console import Console

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.sweeps.running import progress
from seedsweep.sweeps.running.progress import Progress
from tests.sweeps import toy
from tests.sweeps.launching import run_inline

MEMBERS = 200
SPECS = [CohortSpec("compare", 0, "hash", "mine", {}, {}, (seed,), 10) for seed in range(MEMBERS)]


@pytest.fixture
def now(monkeypatch):
    """Seconds, which pass as the test says."""
    seconds = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: seconds[0])
    return seconds


@pytest.fixture
def agenda():
    made = Mock(finished=[], total=(MEMBERS, MEMBERS), outcomes=dict.fromkeys(("converged", "fell_back", "never"), 0))
    made.outcomes["diverged"] = 0
    made.ledger.record.return_value.warning.return_value = None
    return made


def printed(agenda, tell, *, verbose: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    with Progress(console, agenda, verbose=verbose) as shown:
        tell(shown)
    return console.file.getvalue().splitlines()


def test_a_line_for_each_tenth_of_the_members(now, agenda):
    def tell(shown):
        for spec in SPECS:
            shown.started(spec)
            now[0] += 0.1
            agenda.finished.append(spec)
            shown.finished(spec, failed=False)

    lines = printed(agenda, tell)
    assert [line.split(",")[0] for line in lines] == [f"{n}/{MEMBERS} cohorts" for n in range(20, MEMBERS + 1, 20)]


def test_a_line_a_minute_where_nothing_finishes_and_none_twice(now, agenda):
    def tell(shown):
        shown.started(SPECS[0])
        for step in (1, 1, 2, 4):
            now[0] += 30
            shown.progressed(SPECS[0], step, [])
        # Nothing is new, not even the time that is left.
        for _ in range(10):
            now[0] += 90
            shown.progressed(SPECS[0], 0, [])

    lines = printed(agenda, tell)
    assert len(lines) == len(set(lines)) == 3


def test_a_line_says_how_long_it_took_so_far_and_how_long_it_will(now, agenda):
    def tell(shown):
        for spec in SPECS[:40]:
            shown.started(spec)
            now[0] += 3
            agenda.finished.append(spec)
            shown.finished(spec, failed=False)
        for spec in SPECS[40:]:
            shown.started(spec)
            agenda.finished.append(spec)
            shown.finished(spec, failed=False)

    lines = printed(agenda, tell)
    assert lines[0].endswith("60 s so far, about 9 min left")
    assert lines[1].endswith("2 min so far, about 8 min left")
    assert lines[-1].endswith("; done in 2 min")


def test_a_verbose_launch_says_of_each_cohort_what_became_of_it(now, agenda):
    outcomes = [Mock(outcome="converged"), Mock(outcome="fell_back"), Mock(outcome="converged")]
    agenda.ledger.record.return_value.outcomes.return_value = outcomes
    agenda.study = Mock(search=Mock(space={}))

    def tell(shown):
        for spec in SPECS[:3]:
            shown.started(spec)
            agenda.finished.append(spec)
            shown.finished(spec, failed=False)

    lines = printed(agenda, tell, verbose=True)
    assert [line for line in lines if line.startswith("finished: ")] == [
        f"finished: compare mine, seed {seed}: 2 converged, 1 fell back" for seed in range(3)
    ]


@pytest.mark.parametrize(("seeds", "words"), [((1,), "seed 1"), ((0, 1, 2), "seeds 0 to 2")])
def test_a_cohorts_seeds_in_words(seeds, words):
    assert progress.which(seeds) == words


def test_the_last_line_is_the_end(now, agenda):
    def tell(shown):
        shown.started(SPECS[0])
        agenda.finished.append(SPECS[0])
        shown.finished(SPECS[0], failed=False)

    (line,) = printed(agenda, tell)
    assert line.startswith(f"1/{MEMBERS} cohorts, 1/{MEMBERS} members")


def test_a_criterions_metric_that_is_not_finite_at_the_start_is_one_warning(tmp_path):
    study = toy.write(tmp_path / "mine")
    (study.parent / "toy.py").write_text(toy.MODULE.replace(".mean(1)}", '.mean(1) * float("nan")}'))
    run, failed, said = run_inline(study, tmp_path, "search.explore=0", "seeds.compare=2")
    assert failed == []
    assert len(run.ledger.records()) == 2
    assert said.count("warning: ") == 1
    assert "the criterion's error is not finite at the first evaluation, at step 4" in said
    assert all(record.warning() for record in run.ledger.records())


def test_a_value_outside_of_a_metrics_ends_is_one_warning(tmp_path):
    study = toy.write(tmp_path / "mine")
    (study.parent / "toy.py").write_text(toy.MODULE.replace(".mean(1)}", ".mean(1) - 65.6}"))
    run, failed, said = run_inline(study, tmp_path, "search.explore=0", "seeds.compare=2")
    assert failed == []
    assert said.count("warning: ") == 1
    assert re.search(r"error is -6\S+ at the first evaluation, at step 4, outside of its declared ends, 0 to inf", said)
    assert all(record.warning() for record in run.ledger.records())


def test_no_warning_without_need(tmp_path):
    _, failed, said = run_inline(toy.write(tmp_path / "mine"), tmp_path, "search.explore=0", "seeds.compare=1")
    assert failed == []
    assert "warning: " not in said
