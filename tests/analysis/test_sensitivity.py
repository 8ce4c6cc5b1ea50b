"""How much hangs on the criterion: judged again is judged as if the study had that criterion."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seedsweep.analysis import sensitivity, tables
from seedsweep.analysis.claims import judge as judge_claims
from seedsweep.analysis.comparison import compare
from seedsweep.analysis.figures import criteria
from seedsweep.analysis.imported_results.judged import read
from seedsweep.analysis.results import Results
from seedsweep.analysis.sensitivity import grid, vary
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.decision import Claim, SeedCounts, Sensitivity
from seedsweep.core.records.study import Study

F1 = Criterion("f1", 0.9, 2, "max", 0.0, 1.0)
BETTER = Claim(better=("alpha 1", "alpha 0"))
RATES = {1.0: 10, 0.5: 5, 0.0: 1}
TRIED = Sensitivity(threshold=(0.7, 0.93, 0.96), hold=(1, 3))


def varied(folder) -> sensitivity.Criteria:
    results = tables.read(folder)
    found = vary(results, compare(results))
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize(("threshold", "hold"), [(0.7, 1), (0.93, 1), (0.93, 3), (0.9, 2), (0.96, 3)])
def test_it_is_as_if_the_study_had_that_criterion(tmp_path, make_run, direction, threshold, hold):
    """Counts of every configuration, and what becomes of the claim."""

    def turned(value: float) -> float:
        return value if direction == "max" else 1 - value

    def made(name, threshold, hold, thresholds=()):
        criterion = Criterion("f1", turned(threshold), hold, direction, 0.0, 1.0)
        grid = Sensitivity(threshold=thresholds, hold=TRIED.hold)
        options = {"criterion": criterion, "claims": (BETTER,), "sensitivity": grid, "diverged": 1, "found": False}
        return tables.read(make_run(tmp_path / name, RATES, **options))

    results = made("asked", 0.9, 2, tuple(map(turned, TRIED.threshold)))
    found = vary(results, compare(results)).table
    assert len(found) == 4 * 3 * 3
    own = found[((found.threshold - turned(threshold)).abs() < 1e-9) & (found.hold == hold)]
    other = made("other", threshold, hold)
    comparison = compare(other)
    assert own.converged.tolist() == comparison.configurations.converged.tolist()
    assert own.members.tolist() == [12, 12, 12]
    assert own.label.tolist() == ["alpha 1", "alpha 0.5", "alpha 0"]
    assert set(own.verdict) == {judge_claims(other, comparison)[0].verdict}


def test_where_the_verdict_changes_is_said(tmp_path, make_run):
    made = {"found": False, "claims": (BETTER,), "sensitivity": Sensitivity(threshold=(0.7, 0.96), hold=(2,))}
    found = varied(make_run(tmp_path / "run", RATES, **made))
    # Scores are .95 at most.
    assert found.sentence == (
        "The verdict is the same under 2 of 3 criteria, thresholds 0.7 to 0.96; it is another at thresholds of 0.96 "
        "and above."
    )
    assert found.verdicts.verdict.tolist() == ["supported", "supported", "undecided"]
    assert found.verdicts.holds.tolist() == [True, True, False]


def test_where_all_criteria_agree_they_do(tmp_path, make_run):
    made = {"found": False, "claims": (BETTER,), "sensitivity": Sensitivity(threshold=(0.8, 0.94), hold=(1, 3))}
    found = varied(make_run(tmp_path / "run", RATES, **made))
    assert (
        found.sentence
        == "The verdict is the same under 9 of 9 criteria, thresholds 0.8 to 0.94 and hold lengths 1 to 3."
    )


def steps_of(name: str, seed: int, step: int) -> float:
    """`late` is good at the last step alone, `early` at all, `bad` never; the last seeds of all are bad."""
    good = seed < 14 and (name == "early" or (name == "late" and step == 6))
    return 0.9 if good else 0.2 + seed / 100


@pytest.fixture
def others(tmp_path) -> Results:
    names, seeds, steps = ("late", "early", "bad"), range(16), range(1, 7)
    rows = [(name, seed, step, steps_of(name, seed, step)) for name in names for seed in seeds for step in steps]
    pd.DataFrame(rows, columns=["configuration", "seed", "step", "score"]).to_csv(tmp_path / "t.csv", index=False)
    return read(tmp_path / "t.csv", 0.8, 1)


def test_of_others_tables_too_and_without_claims_who_is_unbeaten_counts(others):
    declared = replace(others, study=others.study.model_copy(update={"sensitivity": Sensitivity(threshold=(0.8,))}))
    found = vary(declared, compare(declared))
    # Of a table of others, thresholds where its scores lie are tried, too.
    assert vary(others, compare(others)).table.threshold.nunique() > 1
    assert found.sentence == (
        "The same configurations are unbeaten under 1 of 2 criteria, hold lengths 1 to 2; others are at hold lengths "
        "of 2 and above."
    )
    assert found.verdicts.verdict.tolist()[0].startswith("converging: late, early;")
    assert found.verdicts.verdict.tolist()[1].startswith("converging: early;")
    counts = found.table.pivot(index="label", columns="hold", values="converged")
    assert counts.loc["late"].tolist() == [14, 0]
    assert counts.loc["early"].tolist() == [14, 14]


def test_without_claims_the_best_scores_are_the_same_by_every_threshold(tmp_path):
    """Scores do not hang on the threshold, and here no axis leaves the other its part of the level."""
    rng, rows = np.random.default_rng(0), []
    for label, middle in (("a", 0.8), ("b", 0.9)):
        rows += [(label, seed, 1, middle + 0.04 * rng.normal()) for seed in range(10)]
    pd.DataFrame(rows, columns=["configuration", "seed", "step", "score"]).to_csv(tmp_path / "t.csv", index=False)
    results = read(str(tmp_path / "t.csv"), 0.85, 1)
    verdicts = vary(results, compare(results)).verdicts
    assert len(verdicts) > 2
    assert {verdict.partition("; score: ")[2] for verdict in verdicts.verdict} == {"b"}
    # Plain thresholds, none of which nearly repeats the own one.
    assert all(float(f"{one:.3g}") == one for one in verdicts.threshold)
    assert np.diff(np.sort(verdicts.threshold.unique())).min() > 0.005


def test_what_is_not_whole_thresholds_or_holds_is_said_one_by_one(others):
    tried = others.study.model_copy(update={"sensitivity": Sensitivity(threshold=(0.5, 0.8, 0.95), hold=(1, 2, 3))})
    results = replace(others, study=tried)
    found = vary(results, compare(results))
    assert found.sentence.endswith("others are at 0.5 held for 2 and 3, 0.8 held for 2 and 3 or 0.95 with any hold.")


@pytest.mark.parametrize(
    ("criterion", "evaluations", "thresholds", "holds"),
    [
        (F1, 50, [0.8, 0.85, 0.9, 0.925, 0.95], [1, 2, 4]),
        (F1, 3, [0.8, 0.85, 0.9, 0.925, 0.95], [1, 2]),
        (F1, 1, [0.8, 0.85, 0.9, 0.925, 0.95], [1, 2]),
        (Criterion("f1", 0.07, 1, "max", 0.0, 1.0), 50, [0.02, 0.07, 0.3025, 0.535], [1, 2]),
        (Criterion("accuracy", 90.0, 3, "max", 0.0, 100.0), 50, [80, 85, 90, 92.5, 95], [1, 3, 6]),
        (Criterion("error", 0.2, 3, "min", 0.0, 1.0), 50, [0.1, 0.15, 0.2, 0.25, 0.3], [1, 3, 6]),
        (Criterion("loss", 0.2, 3, "min", 0.0), 50, [0.1, 0.15, 0.2, 0.25, 0.3], [1, 3, 6]),
        (Criterion("loss", 0.0, 3, "min", 0.0), 50, [0.0], [1, 3, 6]),
        (Criterion("score", 0.7, 1), 50, [0.7], [1, 2]),
    ],
)
def test_the_grid_where_the_study_declares_none(criterion, evaluations, thresholds, holds):
    study = Study(name="made", criterion=criterion)
    found = grid(Results(study, pd.DataFrame(), pd.DataFrame()), evaluations)
    assert found == (pytest.approx(thresholds), holds)
    assert criterion.threshold in found[0]


def test_a_declared_grid_is_taken_with_the_own_criterion():
    study = Study(name="made", criterion=F1, sensitivity=Sensitivity(threshold=(0.5, 0.97), hold=(8, 5)))
    results = Results(study, pd.DataFrame(), pd.DataFrame())
    assert grid(results, 50) == ([0.5, 0.9, 0.97], [2, 5, 8])
    assert grid(results, 6) == ([0.5, 0.9, 0.97], [2, 5])


def test_members_that_stopped_are_judged_until_then(tmp_path, make_run):
    results = tables.read(make_run(tmp_path / "run", RATES, found=False))
    stopped = results.members.assign(stopped_at=pd.array([30] * len(results.members), "Int64"))
    found = vary(replace(results, members=stopped), compare(results)).table
    # Those that converge are good from step 30 on; one that falls back is at 20 and 30.
    by_hold = found[found.threshold == 0.9].pivot(index="label", columns="hold", values="converged")
    assert by_hold.loc["alpha 1"].tolist() == [11, 1, 0]


def test_before_the_first_look_there_is_nothing_to_hold(tmp_path, make_run, change_study):
    folder = make_run(tmp_path / "run", RATES, found=False)
    change_study(folder, seeds=SeedCounts(search=2, compare=24, looks=(16, 24)), claims=(BETTER,))
    results = tables.read(folder)
    assert vary(results, compare(results)) is None


def test_one_configuration_without_a_claim_has_nothing_to_hold(tmp_path, make_run):
    results = tables.read(make_run(tmp_path / "run", {1.0: 4}, found=False))
    assert vary(results, compare(results)) is None


@pytest.mark.parametrize("most", ["MOST_EVALUATIONS", "MOST_SEEDS"])
def test_too_many_are_skipped_with_a_word(tmp_path, make_run, monkeypatch, most):
    monkeypatch.setattr(sensitivity, most, 100)
    results = tables.read(make_run(tmp_path / "run", RATES, found=False))
    found = vary(results, compare(results))
    assert found.table.empty
    assert found.sentence.startswith("Other criteria were not tried: judging 36 members of 3 configurations by 15")
    assert criteria.draw(results, found) is None


def test_the_figure_has_the_own_threshold_and_a_mark_for_each_criterion(tmp_path, make_run):
    made = {"found": False, "claims": (BETTER,), "sensitivity": TRIED}
    results = tables.read(make_run(tmp_path / "run", RATES, **made))
    found = vary(results, compare(results))
    drawn = criteria.draw(results, found)
    lines, strip = drawn.figure.axes
    assert {tuple(line.get_xdata()) for line in lines.lines if len(line.get_xdata()) == 4} == {(0.7, 0.9, 0.93, 0.96)}
    assert [tuple(line.get_xdata()) for panel in (lines, strip) for line in panel.lines if line.get_ls() == ":"] == [
        (0.9, 0.9)
    ] * 2
    marks = {line.get_marker(): len(line.get_xdata()) for line in strip.lines}
    assert marks["o"] + marks["x"] == len(found.verdicts) == 12
    assert marks["x"] == (~found.verdicts.holds).sum() > 0
    assert "the registered threshold" in drawn.caption


def test_a_claim_on_scores_does_not_hang_on_the_criterion(tmp_path, make_run):
    """Their direction needs intervals: that of the other criteria is judged as the own one is."""
    claim = Claim(better=("alpha 1", "alpha 0"), axis="score")
    results = tables.read(make_run(tmp_path / "run", {1.0: 9, 0.5: 8, 0.0: 0}, found=False, claims=(claim,)))
    found = vary(results, compare(results))
    assert len(found.verdicts) > 1
    assert found.verdicts.holds.all()
