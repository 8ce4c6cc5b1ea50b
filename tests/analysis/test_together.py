"""Runs side by side: one family of pairs, no copy counted twice, and nothing that was judged differently."""

import json
from dataclasses import replace

import pytest

from seedsweep.analysis import tables
from seedsweep.analysis.comparison import compare
from seedsweep.analysis.errors import TableError
from seedsweep.analysis.page.report import write_together
from seedsweep.analysis.together import together
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Training

LAUNCH = {"time": "", "command": [], "commit": "", "host": "", "devices": [], "python": "", "versions": {}}


@pytest.mark.slow
def test_two_runs_side_by_side(tmp_path, make_run, mixed):
    first = make_run(tmp_path / "first", mixed, name="first")
    second = make_run(tmp_path / "second", {1.0: 3, 0.5: 12}, name="second")
    both = compare(together([tables.read(first), tables.read(second)]))
    one = compare(tables.read(first))
    assert list(both.configurations.label)[:2] == ["first: alpha 1", "first: alpha 0.5"]
    assert list(both.configurations.converged) == [9, 8, 0, 12, 3, 12]
    assert not both.unfinished
    # Alone or beside others, a configuration is what it is; the pairs are adjusted over the larger family.
    assert both.configurations.low[:4].tolist() == one.configurations.low.tolist()
    pair = both.pairs[(both.pairs["first"] == "first: alpha 1") & (both.pairs["second"] == "second: alpha 1")].iloc[0]
    assert pair.difference == pytest.approx(0.5)
    assert len(both.pairs) == 15
    for folder, data in ((first, "one"), (second, "other")):
        launches = {"launches": [{**LAUNCH, "data_fingerprints": [data]}]}
        RunPaths(folder).provenance.write_text(json.dumps(launches))
    written = write_together([first, second], tmp_path / "out")
    assert "The data of the runs are not the same: a difference may be that alone." in written.changes
    answer = written.text
    assert "first or second: which configuration is better?" in (tmp_path / "out" / "index.html").read_text()
    assert "second: " in answer


@pytest.mark.slow
def test_of_runs_that_have_not_ended_the_page_says_so_and_promises_nothing(tmp_path, make_run):
    ended = make_run(tmp_path / "ended", {1.0: 9, 0.5: 4}, found=False, name="ended")
    one, other = (
        make_run(tmp_path / name, {1.0: 7, 0.5: 5}, found=False, path=f"settings.{name}", name=name, wanted=20)
        for name in ("one", "other")
    )
    assert (
        together([tables.read(run) for run in (ended, make_run(tmp_path / "too", {1.0: 3}, name="too"))]).changes == []
    )
    for runs, words in (
        ([ended, one], "one has not ended: its seeds so far are compared"),
        ([one, ended, other], "one and other have not ended: their seeds so far are compared"),
    ):
        assert write_together(runs, tmp_path / "out").changes[0].startswith(words)
        page = (tmp_path / "out" / "index.html").read_text()
        assert words in page
        assert "takes in new results by itself" not in page


def test_copies_of_members_are_no_second_sample(tmp_path, make_run):
    first = make_run(tmp_path / "first", {1.0: 9, 0.5: 4}, found=False, name="first")
    second = make_run(tmp_path / "second", {1.0: 9, 0.5: 8}, found=False, name="second")
    both = together([tables.read(first), tables.read(second)])
    # Of alpha 0.5 the seeds have other results: another code, or another machine.
    assert both.members.label.unique().tolist() == ["first: alpha 1", "first: alpha 0.5", "second: alpha 0.5"]
    assert both.changes[0] == "Left out, because first has the same members: second: alpha 1."
    assert len(compare(both).pairs) == 3
    assert "second: alpha 1" not in set(both.evaluations.label)


def test_what_differs_between_two_runs_varies(tmp_path, make_run):
    """Each run by itself has one configuration, of which nothing varies."""
    first, second = (
        make_run(tmp_path / name, {width: 5}, path="settings.width", found=False, name=name)
        for name, width in (("narrow", 16), ("wide", 64))
    )
    both = together([tables.read(first), tables.read(second)])
    assert both.varying == ["settings.width"]
    assert both.members.groupby("label")["settings.width"].first().tolist() == [16, 64]
    assert both.axis.name == "width"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"criterion": Criterion("f1", 0.8, 2, "max", 0.0, 1.0)}, "different criteria"),
        ({"score": "best"}, "different scores"),
    ],
)
def test_what_was_judged_differently_cannot_be_compared(tmp_path, make_run, mixed, other, words):
    first = make_run(tmp_path / "first", mixed, name="first")
    second = make_run(tmp_path / "second", mixed, name="second", **other)
    with pytest.raises(TableError, match=words):
        together([tables.read(first), tables.read(second)])


def test_runs_of_different_lengths_are_told_apart(tmp_path, make_run, mixed):
    first = make_run(tmp_path / "a", mixed, name="a")
    second = make_run(tmp_path / "b", {1.0: 3, 0.5: 12}, name="b")
    assert together([tables.read(first), tables.read(second)]).changes == []
    other = tables.read(second)
    longer = replace(other, study=other.study.model_copy(update={"training": Training(steps=90)}))
    said = together([tables.read(first), longer]).changes[0]
    assert said == "Steps trained: a 50 and b 90: a difference may be that alone."


def test_of_three_runs_the_one_with_most_seeds_keeps_what_all_have(tmp_path, make_run):
    runs = [
        make_run(tmp_path / name, {1.0: 9, 0.5: rate}, found=False, seeds=seeds, name=name)
        for name, rate, seeds in (("a", 4, 11), ("b", 5, 12), ("c", 6, 11))
    ]
    every = together([tables.read(run) for run in runs])
    assert every.members.label.unique().tolist() == ["a: alpha 0.5", "b: alpha 1", "b: alpha 0.5", "c: alpha 0.5"]
    assert every.changes == [
        "Left out, because b has the same members: a: alpha 1.",
        "Left out, because b has the same members: c: alpha 1.",
    ]
    assert every.study.question == "a, b or c: which configuration is better?"
    assert len(compare(every).pairs) == 6


def test_a_name_is_one_runs(tmp_path, make_run, mixed):
    first = tables.read(make_run(tmp_path / "first", mixed, name="first"))
    with pytest.raises(TableError, match="two runs are called first"):
        together([first, first])
