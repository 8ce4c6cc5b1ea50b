"""Members that start from another run's member."""

import io

import pandas as pd
import pytest
import torch
from rich.console import Console

from seedsweep.analysis import tables
from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import InitFrom
from seedsweep.core.training import checkpoint
from seedsweep.sweeps.commands.status import show
from seedsweep.sweeps.running.start_weights import read_start, take
from tests.sweeps import toy
from tests.sweeps.launching import run_inline

SMALL = ("search.explore=0", "seeds.compare=3", "criterion.threshold=10")


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run `first` of two configurations with three members each, all of which converge; and its study's file."""
    folder = tmp_path_factory.mktemp("start")
    study = toy.write(folder / "mine")
    run, failed, _ = run_inline(study, folder, *SMALL, "resources.keep_weights=true", name="first")
    assert failed == []
    return run, study


def weights_of(run, name, seed):
    for record in run.ledger.records():
        if record.spec().name == name and seed in record.spec().seeds:
            stored = checkpoint.load(record.weights)
            return {key: values[stored["seeds"].index(seed)] for key, values in stored["tensors"].items()}
    raise AssertionError((name, seed))


def best(run):
    """Name and seed of the member with the lowest error: less is better."""
    found = [(record.spec().name, outcome) for record in run.ledger.records() for outcome in record.outcomes()]
    members = [(outcome.final, name, outcome.seed) for name, outcome in found]
    return min(members)[1:]


def test_the_named_member_or_the_best_that_converged_is_taken(first):
    run, _ = first
    second = RunPaths(run.paths.runs / "second")
    for init, wanted in (
        (InitFrom(run="first"), best(run)),
        (InitFrom(run="first", configuration="shrunk", seed=2), ("shrunk", 2)),
    ):
        weights = read_start(take(init, second))
        expected = weights_of(run, *wanted)
        assert set(weights) == set(expected)
        assert all(torch.equal(weights[name], expected[name]) for name in weights)


def test_a_launch_begins_where_the_other_ended(first):
    run, study = first
    init = "init_from={run: first, configuration: plain, seed: 0}"
    again, failed, _ = run_inline(study, run.paths.runs, *SMALL, init, name="second")
    assert failed == []
    anew, *_ = run_inline(study, run.paths.runs, *SMALL, name="third")

    def first_errors(of):
        return [record.verified_curves().column("error")[0].max() for record in of.ledger.records()]

    assert max(first_errors(again)) < min(first_errors(anew))
    # The weights are part of what a configuration is.
    assert {r.spec().configuration for r in again.ledger.records()}.isdisjoint(
        r.spec().configuration for r in anew.ledger.records()
    )


def test_members_that_began_with_weights_that_were_made_anew_count_no_more(tmp_path):
    study, keep = toy.write(tmp_path / "mine"), "resources.keep_weights=true"
    init = "init_from={run: first, configuration: plain, seed: 0}"
    run_inline(study, tmp_path, *SMALL, keep, name="first")
    run_inline(study, tmp_path, *SMALL, init, name="second")
    run_inline(study, tmp_path, *SMALL, keep, "lr=0.03", name="first", fresh=True)
    run, failed, printed = run_inline(study, tmp_path, *SMALL, init, name="second")
    assert failed == []
    assert "2/2 cohorts, 6/6 members" in printed
    results = tables.read(run.paths.folder)
    assert results.members.groupby("label").seed.apply(list).to_dict() == {"plain": [0, 1, 2], "shrunk": [0, 1, 2]}
    assert sorted(results.members.number.unique()) == [0, 1]
    assert [said for said in results.changes if said.startswith("Left out: 6 members (plain 3, shrunk 3)")]
    assert len(run.ledger.records(superseded=True)) == 2 * len(run.ledger.records()) == 4
    console = Console(file=io.StringIO(), width=200)
    show(run, [], console)
    assert "2 cohorts finished; members: " in console.file.getvalue()
    assert "left out: 2 cohorts" in console.file.getvalue()
    # Launched once more, nothing is left to do, and what counts is the same.
    *_, printed = run_inline(study, tmp_path, *SMALL, init, name="second")
    assert "2 cohorts, 6 members of 24 steps; 2 cohorts were finished before" in printed
    pd.testing.assert_frame_equal(tables.read(run.paths.folder).members, results.members)


@pytest.mark.parametrize(
    ("init", "words"),
    [
        ({"run": "zeroth"}, "there is no run 'zeroth'"),
        ({"run": "first", "seed": 7}, "first has no seed 7"),
        ({"run": "first", "configuration": "else"}, "no converged member of else in its comparison"),
    ],
)
def test_what_is_not_there_is_said(first, init, words):
    run, _ = first
    with pytest.raises(UserError, match=words):
        take(InitFrom(**init), RunPaths(run.paths.runs / "second"))


def test_weights_that_were_not_kept_are_said(tmp_path):
    study = toy.write(tmp_path / "mine")
    run, *_ = run_inline(study, tmp_path, *SMALL, name="first")
    with pytest.raises(UserError, match="keeps no weights"):
        take(InitFrom(run="first"), RunPaths(run.paths.runs / "second"))


def test_another_models_weights_are_one_line_of_the_record(first):
    run, study = first
    settings = (*SMALL, "settings.width=6", "init_from={run: first}", "resources.retries=0")
    _, failed, _ = run_inline(study, run.paths.runs, *settings, name="fourth")
    assert failed
    assert "these weights are another model's" in failed[0]
