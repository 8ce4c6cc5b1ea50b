"""The charts' numbers are those of the tables, whatever is left out to keep the page small."""

import json

import numpy as np
import pandas as pd
import pytest

from seedsweep.analysis import sensitivity, tables
from seedsweep.analysis.answer import answer
from seedsweep.analysis.comparison import compare
from seedsweep.analysis.page import charts
from seedsweep.analysis.page.report import write, write_table
from seedsweep.analysis.statistics.proportions import clopper_pearson
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.paths import RunPaths


def charted(folder, *, vary=True):
    results = tables.read(folder)
    comparison = compare(results)
    varied = sensitivity.vary(results, comparison) if vary else None
    data = charts.data(results, comparison, answer(results, comparison), varied)
    return results, comparison, varied, json.loads(json.dumps(data, allow_nan=False))


def written(report):
    """The page of a report, and the numbers in it."""
    page = (report / "index.html").read_text()
    return page, json.loads(page.partition('id="data">')[2].partition("</script>")[0])


@pytest.mark.parametrize("criterion", [Criterion("f1", 0.9, 2, "max", 0.0, 1.0), Criterion("loss", 0.1, 2, "min", 0.0)])
def test_each_configuration_has_the_numbers_of_the_tables(tmp_path, make_run, mixed, criterion):
    folder = make_run(tmp_path / "run", mixed, diverged=1, criterion=criterion)
    results, comparison, _, data = charted(folder)
    assert data["side"] == ("above" if criterion.direction == "max" else "below")
    assert [one["label"] for one in data["configurations"]] == list(comparison.configurations.label)
    for one, row in zip(data["configurations"], comparison.configurations.itertuples(), strict=True):
        members = results.compared[results.compared.label == row.label].sort_values("seed")
        assert (one["converged"], one["members"]) == (row.converged, row.members)
        assert one["p"] == pytest.approx([row.p, row.low, row.high], rel=1e-3)
        assert one["seeds"] == list(members.seed)
        assert one["outcomes"] == list(members.outcome)
        assert one["scores"] == pytest.approx(results.scores(members), rel=1e-3)
        assert [step is None for step in one["converged_at"]] == list(members.converged_at.isna())


def test_each_curve_is_that_of_its_seed(tmp_path, make_run, mixed):
    results, _, _, data = charted(make_run(tmp_path / "run", mixed, diverged=1))
    own = results.evaluations[results.evaluations.phase == "compare"].set_index(["label", "seed"]).sort_index()
    for one in data["configurations"]:
        for seed, (steps, values) in zip(one["seeds"], one["lines"], strict=True):
            curve = own.loc[(one["label"], seed)].dropna(subset="f1").sort_values("step")
            assert data["steps"][steps] == list(curve.step)
            assert values == pytest.approx(list(curve.f1), rel=1e-3)
        steps, values = one["median"]
        medians = own.loc[one["label"]].groupby("step").f1.median()
        assert dict(zip(data["steps"][steps], values, strict=True)) == pytest.approx(medians.to_dict(), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("found", [True, False])
def test_the_grid_of_criteria_is_that_of_the_figure(tmp_path, make_run, mixed, found):
    folder = make_run(tmp_path / "run", mixed, found=found)
    results, comparison, varied, data = charted(folder)
    grid, labels = data["criteria"]["grid"], data["criteria"]["labels"]
    assert {(one["threshold"], one["hold"]) for one in grid} == set(
        varied.table[["threshold", "hold"]].itertuples(index=False, name=None)
    )
    for one in grid:
        rows = varied.table[(varied.table.threshold == one["threshold"]) & (varied.table.hold == one["hold"])]
        for label, share in zip(labels, one["shares"], strict=True):
            row = rows[rows.label == label].iloc[0]
            interval = clopper_pearson(int(row.converged), int(row.members))
            expected = [row.converged, row.members, row.converged / row.members, *interval]
            assert share == pytest.approx(expected, rel=1e-3, abs=1e-3)
        assert one["same"] == rows.holds.all()
        assert all(word in " ".join(one["said"]) for word in rows.verdict.iloc[0].split(", "))
    own = next(one for one in grid if (one["threshold"], one["hold"]) == (data["threshold"], data["hold"]))
    assert own["same"]
    assert [share[0] for share in own["shares"]] == list(comparison.configurations.converged)
    assert all(sentence in " ".join(answer(results, comparison).claims) for sentence in own["said"])


def test_what_is_too_much_is_left_out_with_a_count(tmp_path, make_run, mixed, monkeypatch):
    for name, most in (("MOST_CONFIGURATIONS", 3), ("MOST_DOTS", 30), ("MOST_LINES", 15), ("MOST_POINTS", 4)):
        monkeypatch.setattr(charts, name, most)
    _, comparison, _, data = charted(make_run(tmp_path / "run", mixed))
    # The one that never converges is the one that is left out.
    assert [one["label"] for one in data["configurations"]] == list(comparison.configurations.label[[0, 1, 3]])
    assert data["left_out"] == 1
    for one in data["configurations"]:
        assert len(one["seeds"]) == 10
        lines = [line for line in one["lines"] if line]
        assert len(lines) == 5
        assert all(len(values) == 4 for _, values in lines)
    assert all(len(steps) <= 4 for steps in data["steps"])


@pytest.mark.slow
def test_a_page_of_a_thousand_members_is_small(tmp_path, make_run):
    folder = make_run(tmp_path / "run", {1.0: 200, 0.5: 130, 0.25: 80, 0.0: 0}, seeds=250, found=False)
    write(folder)
    assert RunPaths(folder).report.page.stat().st_size < 5e6


@pytest.mark.slow
def test_others_results_and_scores_without_a_step_are_drawn(tmp_path):
    rng = np.random.default_rng(0)
    for name, steps in (("curves", (1, 2, 3)), ("finals", (1,))):
        rows = [(label, seed, step, rng.random()) for label in "ab" for seed in range(8) for step in steps]
        pd.DataFrame(rows, columns=["configuration", "seed", "step", "score"]).to_csv(tmp_path / "t.csv", index=False)
        write_table(tmp_path / "t.csv", 0.5, 1, tmp_path / name)
        _, data = written(tmp_path / name)
        drawn = [len(steps) == len(line[1]) for one in data["configurations"] for line in one["lines"] if line]
        assert drawn == [True] * 16 if len(steps) > 1 else drawn == []


@pytest.mark.slow
@pytest.mark.parametrize(("lowest", "end"), [(0.3, 1), (0.93, None)])
def test_the_axis_of_scores_is_stretched_where_that_of_the_figures_is(tmp_path, lowest, end):
    scores = [lowest, *(1 - np.geomspace(0.001, 0.04, 7))]
    rows = [(label, seed, step, score) for label in "ab" for seed, score in enumerate(scores) for step in (1, 2)]
    pd.DataFrame(rows, columns=["configuration", "seed", "step", "score"]).to_csv(tmp_path / "t.csv", index=False)
    write_table(tmp_path / "t.csv", 0.9, 1, tmp_path / "out")
    page, data = written(tmp_path / "out")
    assert data["scale"]["end"] == end
    assert ("logarithmic in the distance to 1" in page) == (end is not None)


def test_without_a_member_there_is_nothing_to_draw(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed)
    RunPaths(folder).cohorts.rename(tmp_path / "away")
    write(folder)
    page = RunPaths(folder).report.page.read_text()
    assert 'id="data"' not in page
    assert len(page) < 100_000
