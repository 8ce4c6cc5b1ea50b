"""Members that start from another run's member."""

import io
import json

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
from seedsweep.sweeps.running.start_weights import read_starts, take
from seedsweep.sweeps.study.loading import load
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


def ranked(run, *names):
    """Name and seed of the members of some configurations, the lowest error first: less is better."""
    found = [(record.spec().name, outcome) for record in run.ledger.records() for outcome in record.outcomes()]
    members = [(outcome.final, outcome.seed, name) for name, outcome in found if name in names]
    return [(name, seed) for _, seed, name in sorted(members)]


@pytest.mark.parametrize(
    ("init", "wanted"),
    [
        ({}, lambda run: ranked(run, "plain", "shrunk")[:1] * 8),
        ({"configuration": "shrunk", "seed": 2}, lambda run: [("shrunk", 2)] * 8),
        # Seed 3 from the first again.
        ({"configuration": "plain", "seed": "each"}, lambda run: (3 * ranked(run, "plain"))[:8]),
        ({"seed": "each"}, lambda run: (2 * ranked(run, "plain", "shrunk"))[:8]),
    ],
)
def test_the_named_member_the_best_or_each_that_converged_is_taken(first, init, wanted):
    run, _ = first
    second = RunPaths(run.paths.runs / "second")
    listed = take(InitFrom(run="first", **init), second)
    starts = read_starts(second, listed, range(8))
    for seed, (weights, source) in enumerate(zip(starts, wanted(run), strict=True)):
        expected = weights_of(run, *source)
        assert set(weights) == set(expected)
        assert all(torch.equal(weights[name], expected[name]) for name in weights)
        # Alone it starts from the same.
        (alone,) = read_starts(second, listed, [seed])
        assert all(torch.equal(weights[name], alone[name]) for name in weights)


def test_the_identity_is_of_all_weights_that_can_be_started_from(first):
    run, _ = first
    best, other = ranked(run, "plain", "shrunk")[:2]

    def identity(into="second", **init):
        return take(InitFrom(run="first", **init), RunPaths(run.paths.runs / into)).stem

    each, of_plain = identity(seed="each"), identity(seed="each", configuration="plain")
    named = [identity(configuration=name, seed=seed) for name, seed in (best, other)]
    assert len({each, of_plain, *named}) == 4
    # By whichever words they are asked for, and wherever they are put.
    assert identity() == named[0]
    assert identity("third", seed="each") == each


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["fused", "loop"])
def test_each_seed_starts_from_its_own_source_whatever_the_cohort(first, engine):
    """In cohorts of one member and of all, trained together or one after another."""
    run, study = first
    # Members that were taken from the other run would be equal whatever they start from.
    anew = ("resources.reuse=false", f"resources.engine={engine}", "resources.keep_weights=true")
    own = ("search.explore=0", "seeds.compare=4", "criterion.threshold=10", *anew)
    init = "init_from={run: first, configuration: plain, seed: each}"
    ways = {"whole": "resources.cohort=4", "single": "resources.cohort=1"}
    learnt = []
    for way, cohort in ways.items():
        again, failed, _ = run_inline(study, run.paths.runs, *own, init, cohort, name=f"{engine}-{way}")
        assert failed == []
        learnt.append([weights_of(again, "plain", seed) for seed in range(4)])
    *_, printed = run_inline(study, run.paths.runs, *own, init, cohort, name=again.paths.name)
    assert "8 cohorts were finished before" in printed
    for whole, single in zip(*learnt, strict=True):
        for name, value in whole.items():
            torch.testing.assert_close(value, single[name], rtol=1e-4, atol=1e-6)
    # Seeds 0 and 3 start from one source, and differ in the order of their samples.
    listed = json.loads(next(again.paths.starts.glob("*.json")).read_text())["members"]
    assert [(each["configuration"], each["seed"]) for each in listed] == ranked(run, "plain")


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


@pytest.mark.slow
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
    (said,) = [said for said in results.changes if said.startswith("Left out: 6 members (")]
    assert "plain 3" in said
    assert "shrunk 3" in said
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
        ({"run": "first", "configuration": "else", "seed": "each"}, "no converged member of else in its comparison"),
    ],
)
def test_what_is_not_there_is_said(first, init, words):
    run, _ = first
    with pytest.raises(UserError, match=words):
        take(InitFrom(**init), RunPaths(run.paths.runs / "second"))


def test_another_word_than_each_is_one_line(tmp_path):
    study = toy.write(tmp_path / "mine")
    with pytest.raises(UserError, match=r"init_from\.seed: is the seed of a member, or each, not 'every'"):
        load(str(study), overrides=["init_from={run: first, seed: every}"])


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
