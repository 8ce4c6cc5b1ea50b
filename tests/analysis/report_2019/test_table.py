"""The replication table: which run a row takes, what it stands on, and the files."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seedsweep.analysis.decisions import Group
from seedsweep.analysis.report_2019.figure import MARKS
from seedsweep.analysis.report_2019.judging import anywhere, compared, share, somewhere
from seedsweep.analysis.report_2019.page import error_note, summary, write
from seedsweep.analysis.report_2019.rows import read_rows
from seedsweep.analysis.report_2019.table import judged, percentile
from seedsweep.core.records.decision import SCORE
from tests.analysis.report_2019.planted import Members, plant

ROWS = {row.row: row for row in read_rows()}
#: Rows on one study, judged by their rule alone.
FREE = {number: replace(row, about=(), control=None) for number, row in ROWS.items()}
ALPHAS = ("alpha 1", "alpha 0.7", "alpha 0.5", "alpha 0.3", "alpha 0")


def side(mark):
    """The verdict that a mark's place says."""
    return "supported" if mark.low > 0 else "refuted" if mark.high < 0 else "undecided"


def group(converged, seeds=24):
    return Group(np.arange(seeds) < converged, {SCORE: np.where(np.arange(seeds) < converged, 0.9, 0.1)})


@pytest.mark.parametrize(
    ("kind", "converged", "verdict"),
    [
        ("better", [22, 5, 2], "supported"),
        ("better", [22, 5, 20], "undecided"),
        ("better", [5, 20], "refuted"),
        # Both always, or never: that one is better could not have come out.
        ("better", [24, 24], "not tested"),
        ("better", [0, 0], "not tested"),
        ("better", [24, 23], "undecided"),
        ("higher", [22, 5], "supported"),
        ("higher", [5, 22], "refuted"),
        ("alike", [24, 24], "supported"),
        ("alike", [12, 12], "undecided"),
        ("alike", [24, 4], "refuted"),
    ],
)
def test_what_decides_a_comparison(kind, converged, verdict):
    names = [str(number) for number in range(len(converged))]
    found = compared(kind, names, [group(count) for count in converged], "f1")
    assert found.verdict == verdict
    assert side(found.mark) == (verdict if verdict != "not tested" else "undecided")


@pytest.mark.parametrize(
    ("kind", "seeds", "verdict"),
    [
        ("mostly", 20, "supported"),
        ("mostly", 3, "refuted"),
        ("mostly", 14, "undecided"),
        ("rarely", 3, "supported"),
        ("rarely", 20, "refuted"),
        ("sometimes", 8, "supported"),
        ("sometimes", 3, "undecided"),
        ("sometimes", 0, "undecided"),
    ],
)
def test_what_decides_a_share(kind, seeds, verdict):
    found = share(kind, "it holds", np.arange(24) < seeds)
    assert found.verdict == verdict
    assert found.mark.low <= found.mark.estimate <= found.mark.high
    assert side(found.mark) == verdict


@pytest.mark.parametrize(
    ("seeds", "higher", "verdict"),
    [
        (24, 0.3, "supported"),
        # Equal is not ahead, and a difference of next to nothing is not one.
        (24, 0.0, "refuted"),
        (24, 0.03, "refuted"),
        (24, -0.3, "refuted"),
        (3, 0.0, "undecided"),
    ],
)
def test_ahead_is_refuted_by_what_is_equal(seeds, higher, verdict):
    spread = np.linspace(-0.01, 0.01, seeds) if seeds > 3 else np.linspace(-0.3, 0.3, seeds)
    groups = [Group(np.ones(seeds, bool), {SCORE: 0.5 + shift + spread}) for shift in (higher, 0.0)]
    found = compared("ahead", ["a", "b"], groups, "auc")
    assert (found.verdict, side(found.mark)) == (verdict, verdict)


@pytest.mark.parametrize(
    ("converged", "verdict"),
    [
        ([0, 0, 24], "supported"),
        ([24, 24, 24], "supported"),
        ([0, 2, 1], "refuted"),
        ([0, 14, 0], "undecided"),
        # By itself significant, and not where four rates are asked.
        ([18], "supported"),
        ([18, 0, 0, 0], "undecided"),
    ],
)
def test_anywhere_asks_each_at_its_part_of_the_level(converged, verdict):
    found = anywhere([str(number) for number in range(len(converged))], list(map(group, converged)))
    assert (found.verdict, side(found.mark)) == (verdict, verdict)


@pytest.mark.parametrize(
    ("pairs", "verdict"),
    [
        ([(24, 24), (24, 2)], "supported"),
        ([(24, 24), (2, 24)], "refuted"),
        # One rate at which it is so is what the claim says.
        ([(24, 2), (2, 24)], "supported"),
        ([(24, 24), (14, 7)], "undecided"),
        ([(24, 24), (0, 0), (3, 1)], "not tested"),
        # Few points apart, and at no end.
        ([(24, 24), (14, 11)], "undecided"),
        ([(24, 24), (12, 12)], "undecided"),
    ],
)
def test_somewhere_needs_a_pair_that_is_told_apart(pairs, verdict):
    cases = [(f"a{number}", f"b{number}") for number in range(len(pairs))]
    found = somewhere(cases, [tuple(map(group, pair)) for pair in pairs])
    assert found.verdict == verdict
    assert verdict == "not tested" or side(found.mark) == verdict


def test_percentiles_count_ties_by_half_and_diverged_members_below():
    values = np.array([np.nan, 0.2, 0.5, 0.5, 0.9])
    assert percentile(values, 0.5) == pytest.approx(60)
    assert percentile(values, -1) == pytest.approx(20)


def alphas(**more):
    return {name: Members(converged=1.0 if name == "alpha 0.5" else 0.0, **more) for name in ALPHAS}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("metric", "accuracy", "criterion accuracy 0.9, held 3 times, and not f1 0.9"),
        ("threshold", 0.8, "criterion f1 0.8, held 3 times, and not f1 0.9"),
        ("hold", 1, "criterion f1 0.9, held 1 times, and not f1 0.9, held 3 times"),
        ("steps", 100, "100 steps, and not 500"),
        ("seeds", 5, "5 seeds, and not 12"),
        ("seeds", 40, "40 seeds, and not 12"),
    ],
)
def test_a_run_that_is_not_as_the_study_is_decides_nothing(field, value, said, tmp_path):
    plant(tmp_path, "alpha_seed_study", alphas(), otherwise={field: value})
    (found,) = judged(tmp_path, [FREE["12"]])
    assert found.verdict == "not run"
    assert found.why.startswith("not run as the study is: ")
    assert said in found.why


def test_a_run_that_lost_what_it_registered_decides_nothing(tmp_path):
    (plant(tmp_path, "alpha_seed_study", alphas()) / "registered.json").unlink()
    (found,) = judged(tmp_path, [FREE["12"]])
    assert (found.verdict, found.why) == ("not run", "not run as the study is: what it registered is missing")


def test_a_name_makes_no_run_of_the_reports_scale(tmp_path):
    plant(tmp_path, "alpha_seed_study-report", alphas())
    (found,) = judged(tmp_path, [FREE["12"]])
    assert found.verdict == "not run"
    assert "alpha_seed_study-report: not run as the study is: scale 'laptop', and not 'report'" in found.why
    # It does not stand in the way of another either.
    plant(tmp_path, "alpha_seed_study", alphas())
    (found,) = judged(tmp_path, [FREE["12"]])
    assert (found.verdict, found.run) == ("supported", "alpha_seed_study")


def test_a_run_at_the_reports_scale_takes_the_place_of_another(tmp_path):
    plant(tmp_path, "alpha_seed_study", alphas())
    (small,) = judged(tmp_path, [FREE["12"]])
    assert (small.run, small.scale, small.verdict) == ("alpha_seed_study", "laptop", "supported")
    # While seeds of it are missing, the other one stays.
    large = {name: Members() for name in ALPHAS}
    plant(tmp_path, "alpha_seed_study-report", large, scale="report", there=5)
    assert judged(tmp_path, [FREE["12"]])[0].scale == "laptop"
    plant(tmp_path / "whole", "alpha_seed_study-report", large, scale="report")
    (found,) = judged(tmp_path / "whole", [FREE["12"]])
    assert (found.run, found.scale, found.verdict) == ("alpha_seed_study-report", "report", "not tested")


@pytest.mark.parametrize(("there", "missing"), [(None, "alpha 0.3 has 0 of 12"), (5, "alpha 0.5 has 5 of 12")])
def test_a_row_is_not_run_until_all_of_it_is_there(there, missing, tmp_path):
    few = alphas() if there else {"alpha 0.5": Members(), "alpha 1": Members(), "alpha 0.7": Members()}
    plant(tmp_path, "alpha_seed_study", few, there=there)
    (found,) = judged(tmp_path, [FREE["12"]])
    assert found.verdict == "not run"
    assert missing in found.why


def test_rows_on_the_same_members_say_so(tmp_path):
    """By what the configuration is, whatever each study calls it; and where its members came from."""
    same = {"alpha": 0.5, "task": "recurrent_attention"}
    plant(tmp_path, "alpha_seed_study", alphas(), values={"alpha 0.5": same})
    models = {name: Members() for name in ROWS["17"].configurations}
    origins = {"recurrent attention": "alpha_seed_study"}
    plant(tmp_path, "model_comparison", models, values={"recurrent attention": same}, origins=origins)
    rows = [FREE["12"], FREE["14"], FREE["15"], FREE["17"]]
    found = {each.row.row: each for each in judged(tmp_path, rows)}
    assert found["12"].shared == ("14", "17")
    # Row 17 is judged against EDRAM, on which row 15 stands.
    assert found["17"].shared == ("12", "14", "15")
    assert (found["12"].copied, found["17"].copied) == ("", "16 members taken from alpha_seed_study")
    write(tmp_path, tmp_path / "out")
    said = "16 members taken from alpha_seed_study: what became of these may have been known before."
    for name in ("index.html", "replication.md"):
        assert said in (tmp_path / "out" / name).read_text()


def test_a_row_stands_on_the_members_of_its_control_too(tmp_path):
    """Row 14 is of alpha 0.5, and alpha 1 is its control."""
    plant(tmp_path, "alpha_seed_study", alphas())
    other = replace(FREE["14"], row="other", configuration="alpha 1")
    for row, shared in ((FREE["14"], ()), (ROWS["14"], ("other",))):
        assert judged(tmp_path, [row, other])[0].shared == shared


def test_a_stated_reason_leaves_a_row_untested(tmp_path):
    plant(tmp_path, "alpha_seed_study", alphas())
    (found,) = judged(tmp_path, [replace(FREE["12"], not_tested="only slides could tell")])
    assert (found.verdict, found.why) == ("not tested", "only slides could tell")


def test_a_member_that_was_stopped_is_measured_where_it_stopped(tmp_path):
    stopped = {name: Members(measures={"train_accuracy": 0.75, "f1": 0.95}, stopped=0.95) for name in ALPHAS}
    plant(tmp_path, "alpha_seed_study", stopped)
    (found,) = judged(tmp_path, [FREE["12"]])
    assert found.converged == 12
    assert {number.measure: number.median for number in found.numbers} == {"f1": 0.95, "train_accuracy": 0.75}


def test_the_reports_number_among_our_seeds(tmp_path):
    names = ROWS["9a"].configurations
    f1 = np.linspace(0, 0.96, 24)
    plant(tmp_path, "training_size", {name: Members(measures={"f1": f1, "recall": 0.5}) for name in names})
    (found,) = judged(tmp_path, [FREE["9a"]])
    numbers = {number.measure: number for number in found.numbers}
    assert numbers["f1"].percentile == pytest.approx(100 * 16 / 24, abs=3)
    assert numbers["recall"].percentile == 100
    # Measured by nobody here.
    assert np.isnan(numbers["precision"].median)


def test_the_files(tmp_path):
    plant(tmp_path, "alpha_seed_study", alphas())
    said = write(tmp_path, tmp_path / "out")
    every = judged(tmp_path)
    assert said == summary(every)
    assert f"{len(every) - 2} not run" in said
    table = pd.read_csv(tmp_path / "out" / "replication.csv")
    assert set(table.row.astype(str)) == set(ROWS)
    for name in ("index.html", "replication.md"):
        text = (tmp_path / "out" / name).read_text()
        assert "http://" not in text.replace("http://www.w3.org", "")
        assert error_note(every) in text
        assert ROWS["12"].beside["data"] in text
        for row in ROWS.values():
            assert row.study in text
            assert row.claim.replace("'", "&#39;" if name.endswith("html") else "'") in text
    first = (tmp_path / "out" / "replication.svg").read_bytes()
    write(tmp_path, tmp_path / "out")
    assert (tmp_path / "out" / "replication.svg").read_bytes() == first


def test_how_many_false_verdicts_the_level_allows(tmp_path):
    plant(tmp_path, "alpha_seed_study", alphas())
    assert "2 tested claims up to 0.1 false" in error_note(judged(tmp_path, [FREE["12"], FREE["14"], FREE["15"]]))


#: What is left of red, green and blue in linear light without the red, or the green, cones (Vienot et al. 1999).
BLIND = {
    "protanopia": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deuteranopia": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
    "none": np.eye(3),
}


@pytest.mark.parametrize(("sight", "apart"), [("none", 35), ("protanopia", 15), ("deuteranopia", 15)])
def test_the_colours_of_two_verdicts_differ_to_whoever_sees_two_of_three(sight, apart):
    seen = [_lab(colour, np.array(BLIND[sight])) for colour, _ in MARKS.values()]
    distances = [np.linalg.norm(a - b) for number, a in enumerate(seen) for b in seen[number + 1 :]]
    assert min(distances) > apart
    assert len({marker for _, marker in MARKS.values()}) == len(MARKS)


def _lab(colour, matrix):
    """CIE L*a*b* of an sRGB colour."""
    encoded = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(encoded > 0.04045, ((encoded + 0.055) / 1.055) ** 2.4, encoded / 12.92)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ (matrix @ linear) / (to_xyz @ np.ones(3))
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
