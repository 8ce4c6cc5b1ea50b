"""What was registered before results decides; what was added after them is shown, and changes no decision."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from seedsweep.analysis import export, methods, tables
from seedsweep.analysis.answer import answer
from seedsweep.analysis.comparison import compare
from seedsweep.analysis.page.report import write
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.decision import Claim
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.registration import Registration, register
from seedsweep.core.records.study import Training

#: Of a page its words.
TWO = {1.0: 12, 0.0: 2}
CLAIM = Claim(better=("alpha 1", "alpha 0"))
LATE = Claim(better=("alpha 0.3", "alpha 0"))


@pytest.fixture
def grown(tmp_path, make_run):
    """Makes the registered run, and one with more besides: the results of both, and the second's folder."""

    def make(rates, more, *, before, after):
        first, second = (
            make_run(tmp_path / "first", rates, **(before or {})),
            make_run(tmp_path / "second", more, **after),
        )
        empty = RunPaths(tmp_path / "empty")
        empty.folder.mkdir()
        register(empty, tables.read(first).study)
        shutil.copy(empty.registered, RunPaths(second).registered)
        return tables.read(first), tables.read(second), second

    return make


def assert_decides_the_same(before, after):
    one, other = compare(before), compare(after)
    columns = list(one.configurations)
    pd.testing.assert_frame_equal(other.decided[columns], one.configurations, check_dtype=False)
    pd.testing.assert_frame_equal(other.pairs[~other.pairs.exploratory], one.pairs)
    assert (other.variance, other.unfinished) == (one.variance, one.unfinished)
    assert answer(after, other).text == answer(before, one).text
    return other


@pytest.mark.slow
@pytest.mark.parametrize("criterion", [Criterion("f1", 0.9, 2, "max", 0.0, 1.0), Criterion("loss", 0.1, 2, "min")])
def test_a_configuration_and_a_claim_that_are_added_later_decide_nothing(grown, criterion):
    settings = {"found": False, "criterion": criterion}
    before, after, folder = grown(
        TWO, {**TWO, 0.3: 9}, before={**settings, "claims": (CLAIM,)}, after={**settings, "claims": (CLAIM, LATE)}
    )
    found = assert_decides_the_same(before, after)
    late = found.configurations.iloc[-1]
    assert (late.label, late.converged, late.exploratory) == ("alpha 0.3 (exploratory)", 9, True)
    pairs = found.pairs[found.pairs.exploratory]
    assert list(pairs["first"] + " - " + pairs["second"]) == [
        "alpha 1 - alpha 0.3 (exploratory)",
        "alpha 0 - alpha 0.3 (exploratory)",
    ]
    assert pairs[["adjusted", "score_adjusted"]].isna().all(axis=None)
    assert pairs[["difference", "low", "high", "better"]].notna().all(axis=None)
    said = answer(after, found)
    assert said.claims == [
        "That alpha 1 is better than alpha 0: supported.",
        "That alpha 0.3 is better than alpha 0: exploratory (added after results).",
    ]
    assert said.exploratory[0].startswith(
        "alpha 0.3 (exploratory) converged in 9 of 12 seeds (95 % interval of the share: 43 to 95 %)"
    )
    write(folder)
    page = RunPaths(folder).report.page.read_text()
    assert ">alpha 0.3 (exploratory)</th>" in page
    assert "Registered before the first of" in page
    export.write(after, found, folder / "export", ["latex"])
    assert (folder / "export" / "pairs.tex").read_text().count("& -- \\\\") == 2
    members = pd.read_csv(RunPaths(folder).report.tables / "members.csv")
    assert set(members[members.exploratory].label) == {"alpha 0.3"}


def test_seeds_that_are_added_later_decide_nothing(grown):
    before, after, _ = grown(TWO, {1.0: 12, 0.0: 2}, before={"found": False}, after={"found": False, "seeds": 18})
    found = assert_decides_the_same(before, after)
    late = found.configurations[found.configurations.exploratory]
    assert list(late.label) == ["alpha 1, all 18 seeds (exploratory)", "alpha 0, all 18 seeds (exploratory)"]
    assert list(late.members) == [18, 18]
    assert found.pairs.exploratory.tolist() == [False, True]


def test_what_a_search_finds_that_was_extended_later_decides_nothing(grown):
    rates = {**TWO, 0.3: 7}
    before, after, _ = grown(rates, {**rates, 0.9: 12}, before={"found": True}, after={"found": 2})
    found = assert_decides_the_same(before, after)
    assert found.decided.label.iloc[-1] == "best found (no. 2, alpha 0.3)"
    assert found.configurations.label.iloc[-1] == "best found (no. 3, alpha 0.9) (exploratory)"


def test_a_registered_claim_stays_though_the_study_drops_it(grown):
    settings = {"found": False}
    _, after, _ = grown(TWO, TWO, before={**settings, "claims": (CLAIM,)}, after={**settings, "claims": ()})
    assert answer(after, compare(after)).claims == ["That alpha 1 is better than alpha 0: supported."]


def test_only_missing_seeds_that_decide_leave_the_answer_open(grown):
    settings = {"found": False, "wanted": 20}
    for registered, unfinished in ((20, True), (12, False)):
        _, after, folder = grown(TWO, TWO, before={"found": False, "wanted": registered}, after=settings)
        assert compare(after).unfinished is unfinished
        shutil.rmtree(folder.parent)


def test_a_lost_registration_is_said_and_nothing_counts_as_registered(tmp_path, make_run):
    folder = make_run(tmp_path / "run", TWO, found=False, claims=(CLAIM,))
    assert tables.read(folder).changes == []
    RunPaths(folder).registered.unlink()
    results = tables.read(folder)
    (said,) = results.changes
    assert said.startswith("What this run registered is lost (registered.json is missing): nothing here counts as")
    assert (results.exploratory, results.claims) == ([], ())
    lines = write(folder).lines
    assert said in lines
    assert "That alpha 1 is better than alpha 0: exploratory (what was registered is lost)." in lines
    page = RunPaths(folder).report.page.read_text()
    assert said in page
    assert "fixed before the study ran" not in page


def test_without_a_result_nothing_is_lost(tmp_path, make_run):
    folder = make_run(tmp_path / "run", TWO, found=False)
    shutil.rmtree(RunPaths(folder).cohorts)
    RunPaths(folder).registered.unlink()
    assert write(folder).changes == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("length", "registered", "then"),
    [
        ({"steps": 50}, {"steps": 40}, "alpha 1 12 of 12, alpha 0 2 of 12"),
        ({"steps": 50}, {"steps": 30}, "alpha 1 0 of 12, alpha 0 1 of 12"),
        ({"epochs": 5}, {"epochs": 4}, "alpha 1 12 of 12, alpha 0 2 of 12"),
    ],
)
def test_where_steps_grew_it_is_said_how_many_had_converged(tmp_path, make_run, length, registered, then):
    folder = make_run(tmp_path / "run", TWO, found=False, training=Training(**length))
    design = Registration.of(tables.read(folder).study.model_copy(update={"training": Training(**registered)}))
    design = design.model_copy(update={"sha256": design.content})
    RunPaths(folder).registered.write_text(design.model_dump_json())
    results = tables.read(folder)
    (unit, now), (before,) = *length.items(), registered.values()
    assert results.changes == [
        f"{before} {unit} were registered, and {now} are trained since. Converged at {before} {unit}: {then} seeds. "
        f"The answer is of {now} {unit}."
    ]
    assert {"converged", "never"} <= set(results.members.registered_outcome)
    assert results.changes[0] in write(folder).lines
    assert results.changes[0] in RunPaths(folder).report.page.read_text()


def test_a_configuration_with_a_length_of_its_own_has_that(tmp_path, make_run):
    folder = make_run(tmp_path / "run", {30: 5, 50: 12}, path="training.steps", found=False)
    assert "registered_outcome" not in tables.read(folder).members
    assert tables.read(folder).changes == []


def test_accepted_code_is_in_the_members_and_is_said(tmp_path, make_run):
    folder = make_run(tmp_path / "run", TWO, found=False, codes={1.0: "one", 0.0: "two"})
    change = {"old": "one", "new": "two", "files": ["net.py"], "members": 14}
    RunPaths(folder).provenance.write_text(json.dumps({"launches": [], "accepted_code": [change]}))
    results = tables.read(folder)
    assert dict(zip(results.members.label, results.members.code, strict=True)) == {"alpha 1": "one", "alpha 0": "two"}
    (said,) = results.changes
    assert "accepted (net.py): of other code than the registered members are alpha 1 0 of 12, alpha 0 12 of 12" in said
    assert said in write(folder).lines


def test_members_of_one_code_need_no_column(tmp_path, make_run):
    results = tables.read(make_run(tmp_path / "run", TWO, found=False, codes=dict.fromkeys(TWO, "one")))
    assert "code" not in results.members
    assert results.changes == []


@pytest.mark.parametrize(
    ("from_others", "first", "taken"),
    [
        ([], "Registered before the first of 28 members finished", None),
        (["one"] * 12, "Registered before the first of its own 16 members finished", "12 members taken from one"),
        (["two"] + ["one"] * 26, "Registered before its own member finished", "26 members taken from one, 1 from two"),
        (["one"] * 28, "Registered", "28 members taken from one"),
    ],
)
def test_members_of_other_runs_are_counted_apart(tmp_path, make_run, from_others, first, taken):
    results = tables.read(make_run(tmp_path / "run", TWO, found=False))
    if from_others:
        column = from_others + [""] * (28 - len(from_others))
        results = replace(results, members=results.members.assign(taken_from=column))
    said = methods.registration(results)
    assert said[0] == f"{first} ({results.registered.when})."
    assert said[1:] == ([f"{taken}: what became of these may have been known before."] if taken else [])
