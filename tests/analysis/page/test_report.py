"""From a ledger that was made by hand to the page."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seedsweep.analysis import tables
from seedsweep.analysis.page import seed_curves
from seedsweep.analysis.page.report import write
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import CohortSpec, Ledger
from seedsweep.core.records.paths import RunPaths

#: What a user may call a configuration.
ODD = {1.0: "$x_1$ [x] <b>", 0.5: "_a{b}^2", 0.0: "100 % & \\alpha", 0.87: "[bold]:M:"}
FIGURES = {
    *("p_converge", "time_to_convergence", "learning_curves", "final_scores", "profiles", "expected_best"),
    *("named_best", "effects"),
}


def test_the_page_is_whole_and_asks_for_nothing(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, diverged=1)
    run = RunPaths(folder)
    run.importance.write_text("parameter,importance\nalpha,0.7\nsettings.width,0.3\n")
    answer = write(folder).text
    page = run.report.page.read_text()
    assert answer.split(";")[0] in page.replace("&#39;", "'")
    assert "Was it &lt;alpha&gt;?" in page  # the study's text is text
    assert "<p>The configurations differ in alpha.</p>" in page
    links = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", page)
    assert links
    assert all(link.startswith("data:image/svg+xml;base64,") for link in links)
    assert "http" not in re.sub(r"data:[^\"']*", "", page)
    assert page.count("<img") == 9 == len(re.findall(r'<img [^>]*alt="[^"]{40,}"', page))
    drawn = {path.stem for path in run.report.figures.iterdir()}
    assert drawn == {*FIGURES, "importance"}
    for name in drawn:
        assert (run.report.figures / f"{name}.png").stat().st_size > 5000
        ET.parse(run.report.figures / f"{name}.svg")
        assert (run.report.figures / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert len(pd.read_csv(run.report.figures / f"{name}.csv"))


def test_same_ledger_same_bytes(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed)
    contents = []
    for _ in range(2):
        write(folder)
        contents.append({p.name: p.read_bytes() for p in RunPaths(folder).report.folder.rglob("*") if p.is_file()})
    assert contents[0] == contents[1]


@pytest.mark.usefixtures("svg_alone")
def test_names_are_shown_as_they_are(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, names=ODD, found=False)
    write(folder)
    page = RunPaths(folder).report.page.read_text()
    assert "<td>$x_1$ [x] &lt;b&gt;</td>" in page
    assert "<summary>100 % &amp; \\alpha: 12 seeds</summary>" in page
    shares = pd.read_csv(RunPaths(folder).report.figures / "p_converge.csv")
    assert set(shares[shares.phase == "compare"].label) == set(ODD.values())


@pytest.mark.usefixtures("svg_alone")
def test_where_less_is_better_the_page_says_so(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, criterion=Criterion("loss", 0.1, 2, "min", 0.0), diverged=1)
    write(folder)
    page = RunPaths(folder).report.page.read_text()
    assert "loss on validation at or below 0.1" in page
    assert "less is better" in page
    curve = pd.read_csv(RunPaths(folder).report.figures / "expected_best.csv")
    own = curve[curve.label == "alpha 0.5"]
    assert (np.diff(own.expected) <= 1e-12).all()
    assert (own.low <= own.expected).all()
    assert (own.expected <= own.high).all()
    profile = pd.read_csv(RunPaths(folder).report.figures / "profiles.csv")
    low, high = (profile[profile.label == "alpha 0.5"].sort_values("score").share.iloc[place] for place in (0, -1))
    # No loss is below the least there can be, and all but those that count as the worst are below the largest.
    assert (low, high) == (0, pytest.approx(1))


@pytest.mark.usefixtures("svg_alone")
def test_every_seed_is_on_the_page_with_its_curve_and_failures_with_their_reason(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, diverged=1)
    spec = CohortSpec("compare", 0, "hash0", "alpha 1", {}, {"alpha": 1.0, "batch": 32}, (12, 13), 50)
    record = Ledger(RunPaths(folder).cohorts).record(spec)
    record.create(spec)
    record.fail("Traceback\nOSError: <no> device\n")
    write(folder)
    page = RunPaths(folder).report.page.read_text()
    assert page.count("<polyline") == 4 * 12
    # Seed 0 of alpha 1: .5, .5, .95, .95, .95 at steps 10 to 50 of 50; 34 px are 1.
    assert '<polyline points="32,17.0 64,17.0 96,1.7 128,1.7 160,1.7"/>' in page
    assert "hash0/compare-000012-000013: <code>OSError: &lt;no&gt; device</code>" in page
    assert "core hours" in page
    assert 'http-equiv="refresh"' not in page


@pytest.mark.usefixtures("svg_alone")
def test_while_seeds_are_missing_the_page_loads_itself_anew(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, wanted=40)
    write(folder)
    assert '<meta http-equiv="refresh"' in RunPaths(folder).report.page.read_text()


@pytest.mark.usefixtures("svg_alone")
def test_a_study_without_a_member_has_a_page(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed)
    RunPaths(folder).cohorts.rename(tmp_path / "away")
    assert "No answer yet" in write(folder).text
    assert "None yet." in RunPaths(folder).report.page.read_text()


def test_a_page_of_many_seeds_says_how_many_are_left_out(tmp_path, make_run, mixed, monkeypatch):
    monkeypatch.setattr("seedsweep.analysis.page.seed_curves.MOST_SHOWN", 20)
    shown = seed_curves.shown(tables.read(make_run(tmp_path / "run", mixed)))
    assert [len(rows) for _, rows in shown.groups] == [5] * 4
    assert shown.left_out == 4 * 7


def test_a_curve_beyond_the_picture_lies_on_its_edge(tmp_path, make_run, mixed):
    results = tables.read(make_run(tmp_path / "run", mixed))
    assert [seed_curves.height(score, results) for score in (-3, 0, 1, 1e30)] == [34, 34, 0, 0]


@pytest.mark.usefixtures("svg_alone")
def test_what_is_too_much_for_a_page_is_left_out_with_a_word(tmp_path, make_run, monkeypatch):
    rates = {round(0.05 * i, 2): i for i in range(13)}
    folder = make_run(tmp_path / "run", rates, found=False)
    for name, most in (("MOST_PAIRS", 20), ("MOST_CONFIGURATIONS", 11)):
        monkeypatch.setattr(f"seedsweep.analysis.page.report.{name}", most)
    monkeypatch.setattr("seedsweep.analysis.figures.convergence.MOST_LINES", 20)
    answer = write(folder).text
    run = RunPaths(folder)
    page = run.report.page.read_text()
    assert "The first 11 of 13 configurations" in page
    assert "The 20 of 78 pairs with the smallest p" in page
    assert "Of 13 configurations the 9 that converged most often; all are in tables/." in page
    assert "At most 10 seeds of a configuration are drawn, evenly by their score." in page
    assert re.search(r"cannot be told from alpha 0.\d+.* or \d others; between", answer)
    # The files have all.
    assert len(pd.read_csv(run.report.tables / "pairs.csv")) == 78
    curves = pd.read_csv(run.report.figures / "learning_curves.csv")
    assert curves.groupby("label").seed.nunique().tolist() == [12] * 9


@pytest.mark.usefixtures("svg_alone")
def test_members_that_look_are_shown_with_what_they_see(tmp_path, make_run, mixed, pack_squares):
    data = pack_squares(RunPaths(tmp_path / "run").data)
    folder = make_run(tmp_path / "run", mixed, windows=True, data=data)
    write(folder)
    page = RunPaths(folder).report.page.read_text()
    assert page.count('<svg class="glimpses"') == 48
    assert '<rect x="25" y="25" width="50" height="50"/>' in page
    assert (RunPaths(folder).report.figures / "glimpses.svg").exists()


@pytest.mark.parametrize("data", [{"name": "gone"}, {"name": "csv", "folder": "/nowhere"}, {}])
@pytest.mark.usefixtures("svg_alone")
def test_where_the_images_are_not_here_the_page_has_none(tmp_path, make_run, mixed, data):
    folder = make_run(tmp_path / "run", mixed, windows=True, data=data)
    write(folder)
    assert '<svg class="glimpses"' not in RunPaths(folder).report.page.read_text()


@pytest.mark.usefixtures("svg_alone")
def test_members_that_are_evaluated_at_different_steps_have_their_curves(tmp_path, make_run, mixed):
    """As those of a function or a command may be."""
    folder = make_run(tmp_path / "run", {1.0: 5, 0.0: 2}, found=False)
    run = RunPaths(folder)
    for record in Ledger(run.cohorts).records():
        spec = record.spec()
        if spec.phase == "compare":
            curves, outcomes = record.curves(), record.outcomes()
            for place, seed in enumerate(spec.seeds):
                own = replace(spec, seeds=(seed,))
                single = Ledger(run.cohorts).record(own)
                single.create(own)
                moved = [step - place % 3 for step in curves.steps]
                claim = single.claim(1)
                values = curves.values[:, place : place + 1]
                where = {"host": "here", "device": "cpu", "engine": "function", "seconds": 1.0}
                claim.commit(Curves(moved, values, curves.columns, [seed]), [outcomes[place]], where)
            for path in sorted(record.folder.iterdir()):
                path.unlink()
            record.folder.rmdir()
    write(folder)
    curves = pd.read_csv(run.report.figures / "learning_curves.csv")
    assert curves.groupby("seed").step.max().tolist() == [50 - seed % 3 for seed in range(12)]
    assert run.report.page.read_text().count("<polyline") == 24
