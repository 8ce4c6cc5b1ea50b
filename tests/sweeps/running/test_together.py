"""Cohorts that share a trial: each as if alone, whatever happens to the others or to their worker. Without Ray."""

import os
from pathlib import Path

import pytest

from seedsweep.core.records.claim import Claim, FencedError
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.sweeps.running import cohort_run, trial_state
from seedsweep.sweeps.running.executor import Dispatcher
from tests.sweeps import toy
from tests.sweeps.launching import contents, run_inline

#: A schedule that some searched values make fail, and a test split.
MODULE = toy.breaking("step > 10 and self.settings.at > 0.5", "1.0 - self.settings.at / 2")
MODULE = MODULE.replace('split == "test"', "False")
SCALARS = "shrink: {low: 0.0, high: 1.0}, schedules.lr.at: {low: 0.0, high: 0.4, points: 2}"
STUDY = toy.SCHEDULED.replace("shrink: {low: 0.0, high: 1.0}, lr: {low: 0.001, high: 0.1, log: true}", SCALARS)
#: Three batches of two: two named configurations, and four that a sequence gives.
SMALL = ("search.explore=6", "search.sampler=random", "search.window=2", "seeds.compare=1", "resources.engine=loop")
TOGETHER = "search.together=2"


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine", MODULE, STUDY)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """By engine, the results of cohorts that share trials."""
    found = {}
    for engine in ("loop", "fused"):
        folder = tmp_path_factory.mktemp(engine)
        study = toy.write(folder / "mine", MODULE, STUDY)
        run, failed, _ = run_inline(study, folder, *SMALL, TOGETHER, f"resources.engine={engine}")
        assert failed == []
        found[engine] = contents(run.paths.folder)
    return found


def together(run) -> dict:
    """How many cohorts trained in the trial of each explored one, by its number."""
    records = [record for record in run.ledger.records() if record.spec().phase == "explore"]
    return {record.spec().number: record.run()["together"] for record in records}


def outcomes(run) -> dict:
    return {key: results for key, results in contents(run.paths.folder).items() if key[1].startswith("explore")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "settings"),
    [
        ("grid", ()),
        ("random", ("training.stop={metric: error, patience: 1}", "training.evaluate_every=2")),
        ("random", ("resources.keep_weights=true",)),
    ],
    ids=["plain", "stop", "weights"],
)
def test_cohorts_of_one_trial_have_the_results_that_they_have_alone(study, tmp_path, sampler, settings):
    given = (*SMALL, f"search.sampler={sampler}", *settings)
    alone, _, _ = run_inline(study, tmp_path / "alone", *given)
    shared, failed, _ = run_inline(study, tmp_path / "shared", *given, TOGETHER)
    assert failed == []
    assert contents(shared.paths.folder) == contents(alone.paths.folder)
    assert set(together(alone).values()) == {1}
    assert set(together(shared).values()) == {2}
    # The worker's time counts once.
    assert all(record.owner()["share"] == 1 / record.run()["together"] for record in shared.ledger.records())
    for one, other in zip(alone.ledger.records(), shared.ledger.records(), strict=True):
        assert one.weights.exists() == other.weights.exists() == bool("keep" in str(settings))
        if one.weights.exists():
            assert one.weights.read_bytes() == other.weights.read_bytes()
    if "stop" in str(settings):
        ends = {record.spec().number: record.verified_curves().steps[-1] for record in shared.ledger.records()}
        assert any(ends[number] != ends[number + 1] for number in (0, 2, 4))
    assert not list(shared.paths.folder.rglob("checkpoint.*.pt"))
    assert not list(shared.paths.cohorts.rglob(".*"))


@pytest.mark.slow
def test_other_programs_are_trials_of_their_own(study, tmp_path):
    space = f"search.space={{{SCALARS}, settings.width: {{choices: [2, 4]}}}}"
    shared, failed, _ = run_inline(study, tmp_path / "shared", *SMALL, "search.together=3", "search.window=3", space)
    alone, _, _ = run_inline(study, tmp_path / "alone", *SMALL, space)
    assert failed == []
    assert contents(shared.paths.folder) == contents(alone.paths.folder)
    widths = {record.spec().number: record.spec().values["settings.width"] for record in shared.ledger.records()}
    for number, count in together(shared).items():
        batch = [place for place in together(shared) if place // 3 == number // 3]
        assert count == sum(widths[place] == widths[number] for place in batch)


class Died(BaseException):
    """As by SIGKILL: nothing that follows in the worker runs."""


def dies(monkeypatch, where, name, call) -> None:
    """Have a worker die before the call of this number."""
    whole, calls = getattr(where, name), []

    def counted(*arguments):
        calls.append(name)
        if len(calls) == call:
            raise Died
        return whole(*arguments)

    monkeypatch.setattr(where, name, counted)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "name", "call"),
    [
        # With a state written for none, one or both of a trial's cohorts; after none or one was committed.
        (cohort_run, "save", 1),
        (cohort_run, "save", 9),
        (trial_state, "link", 3),
        (Claim, "commit", 1),
        (Claim, "commit", 4),
    ],
)
def test_killed_anywhere_it_ends_as_undisturbed(study, tmp_path, monkeypatch, undisturbed, where, name, call):
    """To the bit where members are one program, too: they go on in the same company."""
    given = (*SMALL, TOGETHER, "resources.engine=fused")
    with monkeypatch.context() as patch, pytest.raises(Died):
        dies(patch, where, name, call)
        run_inline(study, tmp_path / "runs", *given)
    run, failed, _ = run_inline(study, tmp_path / "runs", *given)
    assert failed == []
    assert contents(run.paths.folder) == undisturbed["fused"]


def fenced_once(monkeypatch, *, by_commit: bool) -> list[str]:
    """Have somebody else claim the last of the first trial's cohorts, while it trains or as it is committed. The
    folders of which that is true."""
    taken: list[str] = []
    save, commit = trial_state.save, Claim.commit

    def saved(paths, state):
        if not taken and not by_commit and state["step"] >= 8:
            taken.append(str(paths[-1].parent))
            CohortRecord(paths[-1].parent).claim(1)
        save(paths, state)

    def committed(self, *arguments):
        if not taken and by_commit:
            taken.append(str(self.record.folder))
            self.record.claim(1)
        commit(self, *arguments)

    monkeypatch.setattr(cohort_run, "save", saved)
    monkeypatch.setattr(Claim, "commit", committed)
    return taken


@pytest.mark.slow
@pytest.mark.parametrize("by_commit", [False, True])
def test_a_cohort_that_is_given_to_another_worker_does_not_lose_the_others(
    study, tmp_path, monkeypatch, undisturbed, by_commit
):
    taken = fenced_once(monkeypatch, by_commit=by_commit)
    run, failed, printed = run_inline(study, tmp_path / "runs", *SMALL, TOGETHER)
    assert failed == []
    assert contents(run.paths.folder) == undisturbed["loop"]
    assert "1 of 2 cohorts did not finish in one trial" in printed
    counts = {str(record.folder): record.run().get("together") for record in run.ledger.records()}
    assert counts.pop(taken[0]) == 1
    assert sorted(counts.values()) == [1, 1, 1, 2, 2, 2, 2, 2]


@pytest.mark.slow
def test_cohorts_at_different_steps_go_on_alone(study, tmp_path, monkeypatch, undisturbed):
    """Killed after one was given to another worker: the other has trained further."""
    with monkeypatch.context() as patch, pytest.raises(Died):
        taken = fenced_once(patch, by_commit=False)
        dies(patch, cohort_run, "save", 4)
        run_inline(study, tmp_path / "runs", *SMALL, TOGETHER)
    run, failed, printed = run_inline(study, tmp_path / "runs", *SMALL, TOGETHER)
    assert taken
    assert failed == []
    assert "2 of 2 cohorts did not finish in one trial: each is trained alone" in printed
    assert contents(run.paths.folder) == undisturbed["loop"]
    resumed = {record.spec().number: record.run()["resumed_at"] for record in run.ledger.records()}
    assert resumed[0] > 0
    assert resumed[1] > 0


@pytest.mark.slow
def test_a_worker_whose_every_cohort_was_given_away_writes_nothing(study, tmp_path, monkeypatch, undisturbed):
    save, lost = trial_state.save, []

    def saved(paths, state):
        save(paths, state)
        if not lost:
            lost.extend(CohortRecord(path.parent).claim(1) for path in paths)

    monkeypatch.setattr(cohort_run, "save", saved)
    run, failed, _ = run_inline(study, tmp_path / "runs", *SMALL, TOGETHER)
    assert failed == []
    assert contents(run.paths.folder) == undisturbed["loop"]
    for claim in lost:
        with pytest.raises(FencedError):
            claim.check()


@pytest.mark.slow
def test_one_that_fails_does_not_take_the_others_down_and_each_says_why(study, tmp_path, monkeypatch):
    exited, reasons = Dispatcher.worker_exited, list[str]()

    def watched(dispatcher, folders):
        reasons.extend(CohortRecord(Path(folder)).reason() for folder in folders if len(folders) > 1)
        exited(dispatcher, folders)

    monkeypatch.setattr(Dispatcher, "worker_exited", watched)
    wide = ("search.space.schedules.lr.at.high=1.0", "resources.retries=0", "search.window=6", "search.together=6")
    run, failed, printed = run_inline(study, tmp_path / "shared", *SMALL, *wide)
    breaking = {r.spec().number for r in run.ledger.records() if r.spec().values["schedules.lr.at"] > 0.5}
    lost = [record.spec() for record in run.ledger.records() if not record.finished]
    assert {spec.number for spec in lost if spec.phase == "explore"} == breaking != set()
    assert len(failed) == len(lost) < 6
    assert all("breaks" in line and "in a trial with" not in line for line in failed)
    # With the others' names, until it is tried alone.
    assert len(reasons) == 6
    assert reasons[0].startswith("in a trial with shrunk, no. 2, no. 3, no. 4, no. 5: ")
    assert all(reason.startswith("in a trial with ") and "breaks" in reason for reason in reasons)
    assert not any(record.error() for record in run.ledger.records() if record.finished)
    assert "6 of 6 cohorts did not finish in one trial: each is trained alone" in printed
    alone, *_ = run_inline(study, tmp_path / "alone", *SMALL, "search.space.schedules.lr.at.high=1.0")
    assert outcomes(run) == outcomes(alone)
    # Their members trained on from where the trial was.
    assert all(
        record.run()["resumed_at"] == 8
        for record in run.ledger.records()
        if record.spec().phase == "explore" and record.finished
    )


@pytest.mark.slow
def test_states_are_one_file_where_the_file_system_links(study, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Died):
        dies(patch, Claim, "commit", 1)
        run_inline(study, tmp_path / "runs", *SMALL, TOGETHER)
    (first, second) = (tmp_path / "runs").rglob("checkpoint.*.pt")
    assert os.path.samefile(first, second)
    monkeypatch.setattr(trial_state, "link", lambda source, path: path.hardlink_to(tmp_path / "nothing"))
    run, failed, _ = run_inline(study, tmp_path / "runs", *SMALL, TOGETHER)
    assert failed == []
    assert set(together(run).values()) == {2}


@pytest.mark.slow
def test_after_more_steps_the_test_split_is_measured_anew(tmp_path):
    """Also where each cohort goes on from the state that is kept of it."""
    study = toy.write(tmp_path / "mine", MODULE)
    small = (*SMALL, TOGETHER, "resources.keep_weights=true", "training.evaluate_every=4")
    run_inline(study, tmp_path / "grown", *small)
    grown, failed, _ = run_inline(study, tmp_path / "grown", *small, "training.steps=40")
    assert failed == []
    whole, *_ = run_inline(study, tmp_path / "whole", *small, "training.steps=40")
    # What the search called the best after fewer steps may be another one; it stays.
    assert contents(whole.paths.folder).items() <= contents(grown.paths.folder).items()
