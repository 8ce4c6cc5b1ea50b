"""The report's claims: what decides them, and the table."""

import numpy as np
import pandas as pd
import pytest

from seedsweep.analysis.decisions import Group
from seedsweep.analysis.report_2019.claims import (
    final_values,
    judge,
    judged,
    percentile,
    read_rows,
)
from seedsweep.analysis.report_2019.page import write
from seedsweep.analysis.tables import read
from seedsweep.core.records.decision import SCORE
from seedsweep.sweeps.study.configuration import configuration, make_task
from seedsweep.sweeps.study.loading import load


def group(converged, seeds=24):
    return Group(np.arange(seeds) < converged, {SCORE: np.where(np.arange(seeds) < converged, 0.9, 0.1)})


@pytest.mark.parametrize(
    ("kind", "converged", "verdict"),
    [
        ("mostly", [20], "supported"),
        ("mostly", [3], "refuted"),
        ("mostly", [14], "undecided"),
        ("rarely", [3], "supported"),
        ("rarely", [20], "refuted"),
        ("better", [22, 5, 2], "supported"),
        ("better", [22, 5, 20], "undecided"),
        ("better", [5, 20], "refuted"),
        # Both always: that one is better is not refuted by that.
        ("better", [24, 24], "undecided"),
        ("higher", [22, 5], "supported"),
        ("higher", [5, 22], "refuted"),
        ("alike", [24, 24], "supported"),
        ("alike", [12, 12], "undecided"),
        ("alike", [24, 4], "refuted"),
    ],
)
def test_what_decides(kind, converged, verdict):
    names = [str(number) for number in range(len(converged))]
    assert judge(kind, names, [group(count) for count in converged])[0] == verdict


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
