"""From tables to the comparison, the claims and the answer."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seedsweep.analysis import export, sentences, tables
from seedsweep.analysis.answer import answer
from seedsweep.analysis.claims import judge
from seedsweep.analysis.comparison import best_first, compare
from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.decision import Claim, SeedCounts
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Measure, Search

MIXED = {1.0: 9, 0.5: 8, 0.0: 0, 0.87: 12}
LOSS = Criterion("loss", 0.1, 2, "min", 0.0)


def said(folder):
    results = tables.read(folder)
    return answer(results, compare(results))


SAME = {1.0: 6, 0.5: 7, 0.0: 5, 0.2: 6}
ONE_BETTER = {1.0: 0, 0.5: 12, 0.0: 1, 0.2: 0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rates", "words"),
    [
        (
            MIXED,
            r"^alpha matters for convergence \(p < 0.001\). alpha 1, alpha 0.5 and the best found "
            r"converge more often than alpha 0. Among alpha 1, alpha 0.5 and the best found no difference was shown. "
            r"Differences of up to 78 points between two of these are compatible with these seeds. Most often: "
            r"best found \(no. 3, alpha 0.87\) converged in 12 of 12 seeds "
            r"\(95 % interval of the share: 74 to 100 %\). "
            r"alpha matters for final f1 ",
        ),
        (
            SAME,
            r"^Convergence: no difference was shown \(p = 1\). Differences of up to 69 points are compatible with 12 "
            r"seeds each. Most often: .* Scores: no difference was shown \(p = 1\). Chances of \d+ to \d+ % "
            r"that a seed of one beats one of another are compatible with 12 seeds each",
        ),
        (
            dict.fromkeys(MIXED, 0),
            r"^No seed of any configuration met the criterion, \w+ at least 0\.\d+: who converges more often cannot be "
            r"said. Scores: no difference",
        ),
        (
            dict.fromkeys(MIXED, 12),
            r"^Every seed of every configuration met the criterion \(12 seeds each\). Differences of up to "
            r"39 points are ",
        ),
        (ONE_BETTER, r"^alpha matters .* alpha 0.5 converges more often than alpha 1, alpha 0 and the best found"),
    ],
)
def test_the_answer(tmp_path, make_run, rates, words):
    text = said(make_run(tmp_path / "run", rates)).text
    assert re.search(words, text), text
    assert re.search(r"would name alpha 0.5 the best in \d+ % of tries \(chance: 33 %\)", text)


def test_no_answer_asserts_that_it_was_the_seed(tmp_path, make_run):
    for number, rates in enumerate((MIXED, SAME, ONE_BETTER)):
        found = said(make_run(tmp_path / str(number), rates))
        everything = " ".join([found.verdict, found.text, *found.facts, *found.notes])
        assert "it is the seed" not in everything.lower()
        assert "it was the seed" not in everything.lower()


def test_before_the_declared_look_there_are_counts_and_no_verdict(tmp_path, make_run):
    folder = make_run(tmp_path / "run", ONE_BETTER, wanted=40)
    found, comparison = said(folder), compare(tables.read(folder))
    assert found.verdict == "none yet."
    assert "tested at 40 seeds of each configuration; there are 12 seeds each so far" in found.text
    assert "alpha 0.5 12 of 12" in found.text
    assert comparison.unfinished
    assert not comparison.pairs.differs.any()
    assert comparison.pairs.low.isna().all()
    (tmp_path / "empty").mkdir()
    RunPaths(tmp_path / "empty").study.write_text(RunPaths(folder).study.read_text())
    assert "No answer yet" in said(tmp_path / "empty").text


def test_a_declared_look_is_answered_at_a_lower_level(tmp_path, make_run, change_study):
    folder = make_run(tmp_path / "run", ONE_BETTER)
    once = compare(tables.read(folder))
    change_study(folder, seeds=SeedCounts(search=2, compare=40, looks=(6, 12, 40)))
    found = said(folder)
    assert "Look 2 of 3, at 12 seeds: each tests at 2.0 %, so that all keep 5 %" in found.text
    assert "alpha 0.5 converges more often than every other" in found.verdict
    comparison = compare(tables.read(folder))
    assert comparison.unfinished
    decided = comparison.pairs[comparison.pairs.differs != 0]
    assert len(decided)
    # Wider than those of a single look.
    assert (decided.low - once.pairs.loc[decided.index].low).max() < 0.05


def test_a_named_configuration_without_a_member_is_missing(tmp_path, make_run, change_study):
    folder = make_run(tmp_path / "run", {1.0: 9, 0.0: 2}, found=False)
    assert not compare(tables.read(folder)).unfinished
    change_study(folder, configurations={"alpha 1": {}, "alpha 0": {}, "alpha 2": {}})
    assert compare(tables.read(folder)).unfinished
    assert "so far there are 12 of alpha 1, 12 of alpha 0 and none of alpha 2. Converged" in said(folder).text


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
    facts = said(make_run(tmp_path / "run", SAME)).facts
    honest = r"58 %, was picked from 4, .* in the other half it reaches (39|4\d) %"
    assert re.search(honest, facts[0]), facts
    assert re.search(r"\d+ % is between configurations and \d+ % between seeds of one\.", facts[-1])


@pytest.mark.parametrize(("correlation", "told"), [(0.41, True), (0.2, False), (-0.41, False)])
def test_pairs_of_seeds_are_advised_where_equal_seeds_score_alike(tmp_path, make_run, correlation, told):
    """Where they score unlike each other, pairs would tell less."""
    results = tables.read(make_run(tmp_path / "run", SAME))
    facts = answer(results, replace(compare(results), correlation=correlation)).facts
    assert any("seeds.paired: true" in fact for fact in facts) == told


def test_a_study_that_is_decided_misses_no_seeds(tmp_path, make_run, change_study):
    folder = make_run(tmp_path / "run", {1.0: 12, 0.0: 0}, found=False)
    for least, unfinished in ((6, False), (24, True)):
        change_study(folder, seeds=SeedCounts(search=2, until="decided", least=least, most=48))
        found = said(folder)
        assert compare(tables.read(folder)).unfinished is unfinished
        assert ("No verdict yet" in found.text) is unfinished
        assert ("it ended, as all is decided" in found.text) is not unfinished


@pytest.mark.parametrize(
    ("rates", "short", "claim"),
    [
        (MIXED, "some configurations differ in convergence; some configurations differ in final f1", "undecided"),
        (
            ONE_BETTER,
            "alpha 0.5 converges more often than every other; alpha 0.5 is better by final f1 than every other",
            "supported",
        ),
        (
            {1.0: 12, 0.5: 2, 0.0: 1, 0.2: 0},
            "alpha 1 converges more often than every other; alpha 1 is better by final f1 than every other",
            "refuted",
        ),
        (SAME, "no difference in convergence was shown; no difference in final f1 was shown", "undecided"),
    ],
)
def test_the_verdict(tmp_path, make_run, rates, short, claim):
    found = said(make_run(tmp_path / "run", rates)).verdict
    assert found == f"{short}. That alpha 0.5 is the best of the named: {claim}."


@pytest.mark.parametrize(
    ("converged", "short"),
    [
        (0, "alpha 1 converges more often than alpha 0; alpha 1 is better by final f1 than alpha 0."),
        (7, "alpha 1 converges more often than alpha 0; the two differ in final f1."),
    ],
)
def test_the_verdict_on_two_names_the_other(tmp_path, make_run, converged, short):
    assert said(make_run(tmp_path / "run", {1.0: 12, 0.0: converged}, found=False)).verdict == short


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (Claim(better=("alpha 0.5", "alpha 0")), "That alpha 0.5 is better than alpha 0: supported."),
        (Claim(better=("alpha 0", "alpha 0.5")), "That alpha 0 is better than alpha 0.5: refuted."),
        (Claim(better=("alpha 1", "alpha 0.5")), "That alpha 1 is better than alpha 0.5: undecided."),
        (Claim(alike=("alpha 1", "alpha 0.5"), margin=0.25), "alike within 25 points: undecided."),
        (Claim(alike=("alpha 1", "alpha 0.5"), margin=0.6), "alike within 60 points: supported."),
        (
            Claim(alike=("alpha 0", "alpha 0.5"), margin=0.1),
            "alpha 0 and alpha 0.5 are alike within 10 points: refuted.",
        ),
        (Claim(below=("alpha 0", 0.35)), "That alpha 0 converges in less than 35 % of seeds: supported"),
        (Claim(below=("alpha 1", 0.3)), "That alpha 1 converges in less than 30 % of seeds: refuted"),
        (Claim(below=("alpha 0", 0.1)), "less than 10 % of seeds: undecided (0 to 31 %, an interval at 97.5 %)"),
        (Claim(better=("alpha 2", "alpha 0")), "alpha 0: undecided (no member of alpha 2 has finished)."),
        (Claim(better=("alpha 1", "alpha 0"), axis="score"), "alpha 0 by score: undecided."),
        (Claim(best="alpha 0.5", margin=0.7), "That alpha 0.5 is the best of the named: refuted."),
        (Claim(best="alpha 0", axis="score"), "That alpha 0 is the best of the named by score: undecided."),
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
        rates = {1.0: 12, 0.5: 6, 0.0: 0}
        results = tables.read(make_run(tmp_path / direction, rates, found=False, claims=(claim,), measures=known))
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
    assert answer(more, one).text.replace("f1", "loss") == answer(less, other).text


def test_one_seed_that_converged_is_not_before_38_of_40(tmp_path, make_run):
    table = compare(tables.read(make_run(tmp_path / "run", {0.0: 9, 1.0: 12}, found=False))).configurations
    few = table.assign(members=[12, 1], p=[0.75, 1.0], low=[0.43, 0.025])
    assert best_first(few).label.tolist() == ["alpha 0", "alpha 1"]


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
    assert r"50 \% \& a\_b\$ & 9/12 & 0.75 [0.43, 0.95] & " in text
    assert r"alpha 0 & 0/12 & 0.00 [0.00, 0.26]" in text
    assert r"Converged: val\_f1 at or above 0.9, held for the last 2 evaluations of 50 steps. In brackets 95 \%" in text
    assert r"median final val\_f1" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    pairs = (tmp_path / "tables" / "pairs.tex").read_text().splitlines()
    assert sum(" against " in line and " & " in line for line in pairs) == 6


def test_tested_after_every_seed_there_is_no_verdict_before_all_configurations_are_there(
    tmp_path, make_run, change_study
):
    folder = make_run(tmp_path / "run", {1.0: 12, 0.0: 0}, found=False)
    change_study(folder, seeds=SeedCounts(search=2, compare=40, looks="any"))
    assert "alpha 1 converges more often" in said(folder).verdict
    # The interval of a share, too, is one that holds after every seed: wider than that of a fixed number.
    row = compare(tables.read(folder)).configurations.iloc[0]
    assert row.low < clopper_pearson(12, 12)[0]
    change_study(folder, configurations={"alpha 1": {}, "alpha 0": {}, "alpha 2": {}})
    found = said(folder)
    assert found.verdict == "none yet."
    assert "alpha 1 12 of 12" in found.text


def test_the_interval_beside_a_verdict_on_a_share_agrees_with_it(tmp_path, make_run):
    """Whichever share is claimed, and with whichever other claims: what is shown is what decided."""
    for place, share in enumerate((0.1, 0.3, 0.5, 0.9)):
        claims = (Claim(below=("alpha 0.5", share)), Claim(below=("alpha 0", share)), Claim(best="alpha 1"))
        results = tables.read(make_run(tmp_path / f"run {place}", MIXED, claims=claims))
        for judged in judge(results, compare(results))[:2]:
            low, high, confidence = judged.bounds
            expected = "supported" if high < share else "refuted" if low >= share else "undecided"
            assert judged.verdict == expected
            # Two claims have a quarter of 5 % together, and each bound has the whole part of its claim.
            assert confidence == pytest.approx(1 - 2 * 0.05 / 4 / 2)


@pytest.mark.parametrize(
    ("claims", "first"),
    [
        ((), "convergence"),
        ((Claim(best="alpha 1"),), "convergence"),
        ((Claim(best="alpha 1", axis="score"),), "final f1"),
    ],
)
def test_the_axis_of_the_claims_has_the_first_paragraph(tmp_path, make_run, claims, first):
    """Each axis has one, and together they are the whole text."""
    found = said(make_run(tmp_path / "run", MIXED, claims=claims))
    assert f"matters for {first} " in found.paragraphs[0]
    assert sum("matters for" in paragraph for paragraph in found.paragraphs) == 2
    assert found.text == " ".join(found.paragraphs)
    assert found.verdict.startswith(f"some configurations differ in {first};")
    assert [paragraph for paragraph in found.paragraphs if "Most often" in paragraph] == [
        paragraph for paragraph in found.paragraphs if "convergence" in paragraph
    ]


@pytest.mark.parametrize("paired", [False, True])
def test_how_many_seeds_would_decide_a_claim_is_said_of_independent_seeds_alone(
    tmp_path, make_run, change_study, paired
):
    folder = make_run(tmp_path / "run", {1.0: 9, 0.0: 5}, found=False, claims=(Claim(better=("alpha 1", "alpha 0")),))
    change_study(folder, seeds=SeedCounts(search=2, compare=12, paired=paired))
    (claim,) = said(folder).claims
    assert claim.startswith("That alpha 1 is better than alpha 0: undecided.")
    assert ("seeds each and one look would decide it" in claim) == (not paired)


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        *[("%.3g", -0.0, "0"), ("%.0f", -0.3, "0"), ("%+.2f", -0.001, "+0.00"), ("%.3g", -1e-4, "-0.0001")],
        *[("%.3g", np.nan, "none"), ("%.3g", -np.inf, "-∞")],
    ],
)
def test_a_number_that_is_0_has_no_sign_of_its_own(form, value, text):
    assert sentences.number(form, value) == text


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a"], "a"),
        (["a", "b", "c"], "a, b and c"),
        (["lr 0.1, alpha 0", "b", "c"], "lr 0.1, alpha 0; b; and c"),
    ],
)
def test_names_in_a_row_are_told_apart_whatever_is_in_them(names, said):
    assert sentences.join(names) == said
