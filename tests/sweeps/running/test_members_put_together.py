"""Cohorts that are put together from members of several cohorts of other runs."""

import numpy as np
import pytest

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study
from seedsweep.core.training import checkpoint
from seedsweep.sweeps.running import environment, worker
from seedsweep.sweeps.running.taken_members import OtherRuns
from tests.sweeps import toy
from tests.sweeps.launching import contents, run_inline


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine")


def as_if_alone(monkeypatch) -> None:
    """Take the engine loop for one whose members do not depend on their company, as on this toy they do not: one that
    compiles would take minutes."""
    monkeypatch.setattr(environment, "ALONE", ("loop",))
    monkeypatch.setattr(worker, "ALONE", ("loop",))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keep", "stop"),
    [("true", ()), ("false", ("training.stop={metric: error, patience: 1}", "training.evaluate_every=2"))],
    ids=["weights", "stop"],
)
def test_where_company_changes_nothing_a_cohort_is_put_together_from_others(study, tmp_path, monkeypatch, keep, stop):
    as_if_alone(monkeypatch)
    given = ("search.explore=0", "resources.engine=loop", f"resources.keep_weights={keep}", *stop)
    run_inline(study, tmp_path / "runs", *given, "seeds.compare=5", "resources.cohort=2", name="first")
    run_inline(study, tmp_path / "runs", *given, "seeds.compare=8", "resources.cohort=3", name="second")
    third, failed, printed = run_inline(
        study, tmp_path / "runs", *given, "seeds.compare=8", "resources.cohort=8", name="third"
    )
    anew, *_ = run_inline(study, tmp_path / "elsewhere", *given, "seeds.compare=8", "resources.cohort=8", name="third")
    assert failed == []
    assert "10 members taken from first, 6 from second" in printed
    assert {record.taken_from() for record in third.ledger.records()} == {"first, second"}
    assert contents(third.paths.folder) == contents(anew.paths.folder)
    for one, other in zip(third.ledger.records(), anew.ledger.records(), strict=True):
        assert one.weights.exists() == (keep == "true")
        if one.weights.exists():
            mine, theirs = checkpoint.load(one.weights), checkpoint.load(other.weights)
            assert mine["seeds"] == theirs["seeds"]
            assert all(np.array_equal(value, theirs["tensors"][name]) for name, value in mine["tensors"].items())


def looking(folder, name, seeds, ends, criterion):
    """A finished cohort of a model that looks. ends: of each member, after how many evaluations it stopped."""
    paths = RunPaths(folder / name)
    paths.folder.mkdir(parents=True, exist_ok=True)
    paths.study.write_text(Study(name=name, task="classification", criterion=criterion).to_json())
    last = max(ends)
    steps = [10 * (number + 1) for number in range(last)]
    values, windows = np.full((last, len(seeds), 1), np.nan), np.zeros((last, len(seeds), 1, 1, 4), np.float32)
    for member, (seed, end) in enumerate(zip(seeds, ends, strict=True)):
        values[:end, member], windows[:, member] = seed + np.arange(end)[:, None], seed + 1
    curves = Curves(steps, values, ["score"], list(seeds), windows, [3])
    outcomes = [
        judge(seed, steps, curves.column("score")[:, member], None, criterion, 10 * end if end < 4 else None)
        for member, (seed, end) in enumerate(zip(seeds, ends, strict=True))
    ]
    spec = CohortSpec("compare", 0, "same", "a", {}, {}, tuple(seeds), 40)
    record = Ledger(paths.cohorts).record(spec)
    record.create(spec)
    run = {"engine": "compiled", "host": "h", "device": "cpu", "seconds": 1.0, "environments": [{"engine": "compiled"}]}
    record.claim(1).commit(curves, outcomes, run)


@pytest.mark.parametrize(
    ("ends", "evaluations"),
    [
        # Of cohorts of two: to the end; all stopped, the last at an evaluation that all have; or one whose cohort had
        # ended when another went on, of which nobody knows where it would have looked.
        ([(4, 4), (4, 4)], 4),
        ([(4, 2), (4, 4)], 4),
        ([(1, 2), (2, 1)], 2),
        ([(1, 4), (2, 4)], 4),
        ([(1, 2), (4, 4)], None),
        ([(1, 2), (3, 1)], None),
    ],
)
def test_members_that_look_are_put_together_as_far_as_is_known(tmp_path, ends, evaluations):
    criterion = Criterion("score", 3.0, 1)
    looking(tmp_path, "first", (0, 1), ends[0], criterion)
    looking(tmp_path, "second", (2, 3), ends[1], criterion)
    study = Study(name="own", task="classification", criterion=Criterion("score", 1.0, 1))
    spec = CohortSpec("compare", 0, "same", "a", {}, {}, (3, 0, 2), 40)
    found = OtherRuns(RunPaths(tmp_path / "own")).find(spec, study, {"engine": "compiled"})
    if evaluations is None:
        assert found is None
        return
    assert found.curves.steps == [10, 20, 30, 40][:evaluations]
    assert found.curves.seeds == [3, 0, 2]
    for member, (seed, end) in enumerate(zip((3, 0, 2), (ends[1][1], ends[0][0], ends[1][0]), strict=True)):
        np.testing.assert_array_equal(found.curves.values[:end, member, 0], seed + np.arange(end))
        assert np.isnan(found.curves.values[end:, member]).all()
        assert (found.curves.windows[:, member] == seed + 1).all()
    assert [outcome.seed for outcome in found.outcomes] == [3, 0, 2]
