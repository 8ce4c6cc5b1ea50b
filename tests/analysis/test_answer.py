"""From tables to the comparison, the claims and the answer."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seedsweep.analysis import export, tables
from seedsweep.analysis.answer import answer
from seedsweep.analysis.claims import judge
from seedsweep.analysis.comparison import compare
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Claim, Measure, Search, SeedCounts

MIXED = {1.0: 9, 0.5: 8, 0.0: 0, 0.87: 12}
LOSS = Criterion("loss", 0.1, 2, "min", 0.0)


def said(folder):
    results = tables.read(folder)
    return answer(results, compare(results))


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        (
            MIXED,
            r"^Both: best found \(no. 3, alpha 0.87\) converged in 12 of 12 seeds \(95 % interval 76 to 100 %\) "
            r"and is better than alpha 0, but cannot be told from alpha 1 or alpha 0.5; between those it is the seed",
        ),
        ({1.0: 6, 0.5: 7, 0.0: 5, 0.2: 6}, r"^With 12 seeds each no difference between configurations was found"),
        (
            {1.0: 0, 0.5: 0, 0.0: 0, 0.2: 0},
            r"^No seed of any configuration met the criterion, \w+ at least 0\.\d+: which",
        ),
        (
            {1.0: 12, 0.5: 12, 0.0: 12, 0.2: 12},
            r"^Every seed of every configuration met the criterion \(12 seeds each\)",
        ),
        (
            {1.0: 0, 0.5: 12, 0.0: 1, 0.2: 0},
            r"^It was the configuration: alpha 0.5 converged in 12 of 12 .* every other",
        ),
    ],
)
def test_the_answer(tmp_path, make_run, rates, words):
    text = said(make_run(tmp_path / "run", rates)).text
    assert re.search(words, text), text
    assert re.search(r"would name alpha 0.5 the best in \d+ % of tries \(pure luck: 33 %\)", text)


def test_the_answer_says_when_seeds_are_missing_or_none_is_there(tmp_path, make_run):
    folder = make_run(tmp_path / "run", MIXED, wanted=40)
    assert said(folder).text.startswith("So far, with seeds still missing: ")
    (tmp_path / "empty").mkdir()
    RunPaths(tmp_path / "empty").study.write_text(RunPaths(folder).study.read_text())
    assert "No answer yet" in said(tmp_path / "empty").text


def test_a_named_configuration_without_a_member_is_missing(tmp_path, make_run, change_study):
    folder = make_run(tmp_path / "run", {1.0: 9, 0.0: 2}, found=False)
    assert not compare(tables.read(folder)).unfinished
    change_study(folder, configurations={"alpha 1": {}, "alpha 0": {}, "alpha 2": {}})
    assert compare(tables.read(folder)).unfinished


def test_what_the_search_is_to_add_is_missing_until_it_is_there(tmp_path, make_run, change_study):
    folder = make_run(tmp_path / "run", {1.0: 9, 0.0: 2, 0.3: 4}, seeds=12)
    study = tables.read(folder).study
    assert not compare(tables.read(folder)).unfinished
    named = make_run(tmp_path / "named", {1.0: 9, 0.0: 2}, found=False)
    change_study(named, search=study.search)
    assert compare(tables.read(named)).unfinished
    # Where all that is explored is named, it adds nothing.
    change_study(named, search=Search(explore=2, space=study.search.space))
    assert not compare(tables.read(named)).unfinished


def test_named_best_leaves_out_what_the_search_found(tmp_path, make_run):
    table = compare(tables.read(make_run(tmp_path / "run", MIXED))).configurations.set_index("label")
    assert np.isnan(table.named_best["best found (no. 3, alpha 0.87)"])
    assert table.named_best.sum() == pytest.approx(1)


def test_the_facts(tmp_path, make_run):
    facts = said(make_run(tmp_path / "run", MIXED)).facts
    # 12 of 12 against 9 of 12
    assert re.search(r"tell best found .* from alpha 1 in 80 % of studies, 2[5-9] seeds of each", facts[0]), facts
    assert re.search(r"With 12 seeds each, a difference of at least 4\d points", facts[1])
    assert re.search(r"\d+ % is between configurations and \d+ % between seeds of one\.", facts[2])


def test_a_race_that_is_decided_misses_no_seeds(tmp_path, make_run, change_study):
    folder = make_run(tmp_path / "run", {1.0: 4, 0.0: 0}, seeds=4, found=False)
    for start, unfinished in ((4, False), (12, True)):
        change_study(folder, seeds=SeedCounts(compare=40, race=True, start=start))
        found = said(folder)
        assert found.text.startswith("So far") is unfinished
        assert f"Seeds were raced: {start} each" in found.facts[0]
        assert "8 members in place of 80" in found.facts[0]


@pytest.mark.parametrize(
    ("rates", "short", "claim"),
    [
        (MIXED, "the configuration matters, but the best cannot be told from the next", "undecided"),
        ({1.0: 0, 0.5: 12, 0.0: 1, 0.2: 0}, "alpha 0.5 is better than every other", "supported"),
        ({1.0: 12, 0.5: 2, 0.0: 1, 0.2: 0}, "alpha 1 is better than every other", "refuted"),
        ({1.0: 6, 0.5: 7, 0.0: 5, 0.2: 6}, "no difference between configurations is told from the seed", "undecided"),
    ],
)
def test_the_verdict(tmp_path, make_run, rates, short, claim):
    found = said(make_run(tmp_path / "run", rates)).verdict
    assert found == f"{short}. That alpha 0.5 is the best of the named: {claim}."


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (Claim(better=("alpha 0.5", "alpha 0")), "That alpha 0.5 is better than alpha 0: supported."),
        (Claim(better=("alpha 0", "alpha 0.5")), "That alpha 0 is better than alpha 0.5: refuted."),
        (Claim(better=("alpha 1", "alpha 0.5")), "That alpha 1 is better than alpha 0.5: undecided."),
        (Claim(alike=("alpha 1", "alpha 0.5")), "That alpha 1 and alpha 0.5 are alike: undecided."),
        (Claim(alike=("alpha 1", "alpha 0.5"), margin=0.5), "That alpha 1 and alpha 0.5 are alike: supported."),
        (Claim(alike=("alpha 0", "alpha 0.5"), margin=0.1), "That alpha 0 and alpha 0.5 are alike: refuted."),
        (Claim(below=("alpha 0", 0.3)), "That alpha 0 converges in less than 30 % of seeds: supported."),
        (Claim(below=("alpha 1", 0.3)), "That alpha 1 converges in less than 30 % of seeds: refuted."),
        (Claim(below=("alpha 0", 0.1)), "That alpha 0 converges in less than 10 % of seeds: undecided."),
        (Claim(better=("alpha 2", "alpha 0")), "alpha 0: undecided (no member of alpha 2 has finished)."),
        (Claim(better=("alpha 1", "alpha 0"), axis="score"), "alpha 0 by score: supported."),
        (Claim(best="alpha 0", axis="score"), "That alpha 0 is the best of the named by score: refuted."),
        (Claim(better=("alpha 1", "alpha 0"), axis="score", measure="auc"), "undecided (the record does not say"),
    ],
)
def test_claims_are_judged(tmp_path, make_run, claim, words):
    found = said(make_run(tmp_path / "run", MIXED, claims=(claim,))).verdict
    assert words in found, found


def test_a_claim_on_another_measure_has_its_direction_from_the_record(tmp_path, make_run):
    claim = Claim(better=("alpha 1", "alpha 0"), axis="score", measure="auc")
    for direction, verdict in (("max", "supported"), ("min", "refuted")):
        known = {"auc": Measure(direction=direction)}
        results = tables.read(make_run(tmp_path / direction, MIXED, claims=(claim,), measures=known))
        assert [one.verdict for one in judge(results, compare(results))] == [verdict]


def test_a_claim_on_a_measure_that_is_never_measured_says_so(tmp_path, make_run):
    claim = Claim(better=("alpha 1", "alpha 0"), axis="score", measure="auc")
    results = tables.read(make_run(tmp_path / "run", MIXED, claims=(claim,), measures={"auc": Measure()}))
    for evaluations in (results.evaluations.assign(auc=np.nan), results.evaluations.drop(columns="auc")):
        without = replace(results, evaluations=evaluations)
        (line,) = answer(without, compare(without)).claims
        assert line.endswith("undecided (nothing measures auc).")


def test_where_less_is_better_the_comparison_is_that_of_the_turned_scores(tmp_path, make_run):
    """A loss of 1 less the F1, between the same ends: the same in every number but the score itself."""
    more = tables.read(make_run(tmp_path / "more", MIXED, diverged=1))
    turned = replace(LOSS, high=1.0)
    less = tables.read(make_run(tmp_path / "less", MIXED, diverged=1, criterion=turned))
    one, other = compare(more), compare(less)
    same = ["label", "converged", "p", "diverged", "named_best", "named_best_low", "named_best_high", "median_steps"]
    pd.testing.assert_frame_equal(one.configurations[same], other.configurations[same])
    pd.testing.assert_frame_equal(one.pairs, other.pairs)
    for name in ("median_score", "iqm"):
        assert one.configurations[name].tolist() == pytest.approx((1 - other.configurations[name]).tolist())
    assert answer(more, one).text == answer(less, other).text


def test_between_equal_shares_the_better_score_decides(tmp_path, make_run):
    results = tables.read(make_run(tmp_path / "run", {0.0: 6, 1.0: 6}, found=False, criterion=LOSS))
    results.members.loc[results.members.label == "alpha 0", "final"] += 1
    assert compare(results).power.best == "alpha 1"


def test_the_notes_name_what_varies_and_the_test_split(tmp_path, make_run):
    notes = said(make_run(tmp_path / "run", MIXED, tested=True)).notes
    assert notes[0] == "The configurations differ in alpha."
    assert re.search(
        r"Median f1 on the test split, measured once at the end, .* alpha 1 0.25 \(0.25 to 0.25\)", notes[1]
    )
    notes = said(make_run(tmp_path / "data", {223: 1, 600: 7}, path="data.train", found=False)).notes
    assert notes[1] == "Their data differ (train): scores may be of different validation splits."


def test_a_test_split_that_was_measured_again_for_more_steps_is_said_to_be(tmp_path, make_run):
    folder = make_run(tmp_path / "run", MIXED, tested=True)
    # As the ledger keeps what had finished with fewer steps.
    outcome = next(RunPaths(folder).cohorts.glob("*/compare-*/outcome.json"))
    (outcome.parent / "outcome.25.json").write_bytes(outcome.read_bytes())
    assert (
        "on the test split, measured at the end, and anew when steps were added, of the last" in said(folder).notes[1]
    )


def test_tables_as_files(tmp_path, make_run):
    results = tables.read(make_run(tmp_path / "run", MIXED, diverged=1, tested=True))
    written = export.write(results, compare(results), tmp_path / "tables")
    assert {path.suffix for path in written} == {".parquet", ".csv", ".tex"}
    for name in ("members", "evaluations"):
        parquet = pd.read_parquet(tmp_path / "tables" / f"{name}.parquet")
        assert len(parquet) == len(pd.read_csv(tmp_path / "tables" / f"{name}.csv")) == len(getattr(results, name))
    assert "test_last_f1" in pd.read_csv(tmp_path / "tables" / "configurations.csv")


def test_latex_says_what_the_tables_say_and_escapes(tmp_path, make_run):
    named = {1.0: "50 % & a_b$"}
    criterion = Criterion("val_f1", 0.9, 2, "max", 0.0, 1.0)
    results = tables.read(make_run(tmp_path / "run", MIXED, names=named, criterion=criterion))
    export.write(results, compare(results), tmp_path / "tables", ["latex"])
    text = (tmp_path / "tables" / "configurations.tex").read_text()
    assert r"50 \% \& a\_b\$ & 9/12 & 0.75 [0.47, 0.91] & " in text
    assert r"alpha 0 & 0/12 & 0.00 [0.00, 0.24]" in text
    assert r"Converged: val\_f1 at or above 0.9 for the last 2 evaluations of 50 steps. In brackets 95 \%" in text
    assert r"median final val\_f1" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert (tmp_path / "tables" / "pairs.tex").read_text().count(" against ") == 6
