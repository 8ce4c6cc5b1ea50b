"""The report's claims: what decides them, and the table."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seedsweep.analysis.report_2019.claims import (
    MOST_SEEDS,
    Shares,
    final_values,
    judge,
    judged,
    percentile,
    read_rows,
    seeds_to_decide,
)
from seedsweep.analysis.report_2019.page import write
from seedsweep.analysis.statistics.proportions import newcombe
from seedsweep.analysis.statistics.scores import median_interval, superiority
from seedsweep.analysis.tables import read
from seedsweep.sweeps.study.configuration import configuration, make_task
from seedsweep.sweeps.study.loading import load


def test_newcombes_published_example():
    """Newcombe 1998, table II, example (a), method 10: 56/70 less 48/80."""
    assert newcombe((56, 70), (48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    low, high = newcombe((48, 80), (56, 70))
    assert (low, high) == pytest.approx((-0.3339, -0.0524), abs=5e-5)


@pytest.mark.parametrize("n", [6, 12, 24, 41])
def test_the_medians_interval_is_that_of_the_quantile_test(n):
    values = np.random.default_rng(n).normal(size=n)
    interval = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    assert median_interval(values) == pytest.approx((interval.low, interval.high))


def test_too_few_values_give_the_extremes():
    assert median_interval(np.array([3.0, 1.0, 2.0])) == (1.0, 3.0)
    assert np.isnan(median_interval(np.array([]))).all()


def test_superiority_is_the_scaled_u_statistic():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.5, 1, 20).round(1), rng.normal(0, 1, 15).round(1)
    p, low, high = superiority(first, second)
    assert p == pytest.approx(stats.mannwhitneyu(first, second).statistic / (20 * 15))
    assert low < p < high
    # A member that diverged is below all.
    assert superiority(np.array([np.nan, 1.0]), np.array([-5.0]))[0] == 0.5


@pytest.mark.parametrize(
    ("kind", "shares", "verdict"),
    [
        ("mostly", Shares((20, 24)), "supported"),
        ("mostly", Shares((3, 24)), "refuted"),
        ("mostly", Shares((14, 24)), "undecided"),
        ("rarely", Shares((3, 24)), "supported"),
        ("rarely", Shares((20, 24)), "refuted"),
        ("better", Shares((22, 24), ((5, 24), (2, 24))), "supported"),
        ("better", Shares((22, 24), ((5, 24), (20, 24))), "undecided"),
        ("better", Shares((5, 24), ((20, 24),)), "refuted"),
        # Both always: a gain of 25 points is ruled out.
        ("better", Shares((24, 24), ((24, 24),)), "refuted"),
        ("alike", Shares((24, 24), ((24, 24),)), "supported"),
        ("alike", Shares((12, 24), ((12, 24),)), "undecided"),
        ("alike", Shares((24, 24), ((4, 24),)), "refuted"),
    ],
)
def test_what_decides(kind, shares, verdict):
    assert judge(kind, shares) == verdict


@pytest.mark.parametrize(("kind", "shares"), [("rarely", Shares((8, 24))), ("alike", Shares((12, 24), ((12, 24),)))])
def test_the_seeds_that_would_decide_do(kind, shares):
    assert judge(kind, shares) == "undecided"
    seeds = seeds_to_decide(kind, shares)
    assert 24 < seeds <= MOST_SEEDS
    assert judge(kind, shares.grown(seeds)) != "undecided"
    assert seeds_to_decide("mostly", Shares((12, 24))) is None


def test_percentiles_count_ties_by_half_and_diverged_members_below():
    values = np.array([np.nan, 0.2, 0.5, 0.5, 0.9])
    assert percentile(values, 0.5) == pytest.approx(60)
    assert percentile(values, -1) == pytest.approx(20)


@pytest.mark.parametrize("row", read_rows(), ids=lambda row: str(row["row"]))
def test_every_row_asks_a_study_that_can_answer(row):
    study = load(row["study"], "laptop")
    ((kind, about),) = row["judge"].items()
    others = about if isinstance(about, list) else []
    assert {row["configuration"], *others} <= set(study.configurations)
    assert kind in ("better", "alike", "higher", "mostly", "rarely")
    own = configuration(study, row["configuration"], study.configurations[row["configuration"]]).study
    asked = {row["metric"], *([about["metric"]] if isinstance(about, dict) else [])}
    assert asked <= set(make_task(own, None).metrics)


def test_the_table_of_some_runs(tmp_path, make_run):
    """Rows 12 and 14 have a run; the others say that they have none."""
    runs = tmp_path / "runs"
    make_run(runs / "alpha_seed_study", {1.0: 9, 0.7: 9, 0.5: 8, 0.3: 4, 0.0: 0}, found=False)
    by_row = {str(row["row"]): row for row in judged(runs)}
    assert by_row["12"]["verdict"] == "undecided"
    assert by_row["12"]["converged"] == 8
    assert by_row["14"]["verdict"] == "undecided"
    assert by_row["13"]["verdict"] == "not run"
    said = write(runs, tmp_path / "out")
    assert f"{len(read_rows()) - 2} not run" in said
    table = pd.read_csv(tmp_path / "out" / "replication.csv")
    assert len(table) == len(read_rows())
    page = (tmp_path / "out" / "index.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "laptop scale" in page
    assert (tmp_path / "out" / "replication.md").read_text().count("\n| ") == len(read_rows()) + 2
    first = (tmp_path / "out" / "replication.svg").read_bytes()
    write(runs, tmp_path / "out")
    assert (tmp_path / "out" / "replication.svg").read_bytes() == first


def test_final_values_are_of_the_last_evaluation(tmp_path, make_run, mixed):
    results = read(make_run(tmp_path / "run", mixed))
    values = final_values(results, "alpha 1", "f1")
    assert (values[:9] == 0.95).all()
    assert len(values) == 12
