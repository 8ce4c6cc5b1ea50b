"""From a ledger that was made by hand to the page."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seedsweep.analysis import export, methods, strata, tables
from seedsweep.analysis.comparison import MEASURED_PAIRS, compare
from seedsweep.analysis.page import seed_curves
from seedsweep.analysis.page.report import write, write_table
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.decision import RULES, Claim, Decision, SeedCounts
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.registration import read_registration
from seedsweep.core.records.study import Measure

ROOT = Path(__file__).parents[3]
#: What a user may call a configuration.
ODD = {1.0: "$x_1$ [x] <b>", 0.5: "_a{b}^2", 0.0: "100 % & \\alpha", 0.87: "[bold]:M:"}
FIGURES = {
    *("p_converge", "time_to_convergence", "learning_curves", "final_scores", "profiles", "best_of_n"),
    *("named_best", "effects", "criteria"),
}


@pytest.mark.slow
@pytest.mark.pictures
def test_the_page_is_whole_and_asks_for_nothing(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, diverged=1)
    run = RunPaths(folder)
    run.importance.write_text("parameter,importance\nalpha,0.7\nsettings.width,0.3\n")
    answer = write(folder)
    page = run.report.page.read_text()
    assert answer.paragraphs
    box = unescape(page.partition('<div class="answer">')[2].partition("</div>")[0])
    assert all(f"<p>{sentence}</p>" in box for sentence in (*answer.paragraphs, *answer.claims))
    assert "seeds each and one look would decide it" in box
    assert "`" not in page_of(folder)
    assert "Was it &lt;alpha&gt;?" in page  # the study's text is text
    assert "<p>The configurations differ in alpha.</p>" in page
    own = without_scripts(page)
    links = set(re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", own))
    pictures = {link for link in links if link.startswith("data:image/svg+xml;base64,")}
    anchors = {link[1:] for link in links if link.startswith("#")}
    files = links - pictures - {f"#{anchor}" for anchor in anchors}
    assert len(pictures) == 10
    assert {"comparison", "figures", "p_converge", "criterion", "all-pairs", "seeds", "provenance"} <= anchors
    assert all(own.count(f'id="{anchor}"') == 1 for anchor in anchors)
    assert {f"tables/{name}.csv" for name in ("configurations", "pairs", "members", "evaluations")} <= files
    assert {f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "svg", "pdf", "csv")} <= files
    assert all((run.report.folder / file).exists() for file in files)
    assert "http" not in re.sub(r"data:[^\"']*", "", own)
    assert own.count("<img") == 10 == len(re.findall(r'<img [^>]*alt="[^"]{40,}"', own))
    drawn = {path.stem for path in run.report.figures.iterdir()}
    assert drawn == {*FIGURES, "importance"}
    for name in drawn:
        assert (run.report.figures / f"{name}.png").stat().st_size > 5000
        ET.parse(run.report.figures / f"{name}.svg")
        assert (run.report.figures / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert len(pd.read_csv(run.report.figures / f"{name}.csv"))


@pytest.mark.slow
@pytest.mark.pictures
def test_same_ledger_same_bytes(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed)
    contents = []
    for _ in range(2):
        write(folder)
        contents.append({p.name: p.read_bytes() for p in RunPaths(folder).report.folder.rglob("*") if p.is_file()})
    assert contents[0] == contents[1]


def test_names_are_shown_as_they_are(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, names=ODD, found=False)
    write(folder)
    page = RunPaths(folder).report.page.read_text()
    assert '<th scope="row" role="rowheader">$x_1$ [x] &lt;b&gt;</th>' in page
    assert "<summary>100 % &amp; \\alpha: 12 seeds</summary>" in page
    shares = pd.read_csv(RunPaths(folder).report.figures / "p_converge.csv")
    assert set(shares[shares.phase == "compare"].label) == set(ODD.values())


@pytest.mark.slow
def test_where_less_is_better_the_page_says_so(tmp_path, make_run, mixed):
    criterion = Criterion("loss", 0.1, 2, "min", 0.0)
    folder = make_run(tmp_path / "run", mixed, criterion=criterion, diverged=1, task="made")
    write(folder)
    page = RunPaths(folder).report.page.read_text()
    assert "loss on validation at or below 0.1" in page
    assert "Less loss is better." in page
    curve = pd.read_csv(RunPaths(folder).report.figures / "best_of_n.csv")
    own = curve[curve.label == "alpha 0.5"]
    assert (np.diff(own.score) <= 1e-12).all()
    bounded = own[own.low.notna()]
    assert len(bounded) == 2
    assert (bounded.low <= bounded.score).all()
    assert (own.score <= own.high).all()
    profile = pd.read_csv(RunPaths(folder).report.figures / "profiles.csv")
    low, high = (profile[profile.label == "alpha 0.5"].sort_values("score").share.iloc[place] for place in (0, -1))
    # No loss is below the least there can be, and all but those that count as the worst are below the largest.
    assert (low, high) == (0, pytest.approx(1))


@pytest.mark.slow
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
    assert "56 members finished, 1.6 minutes of one worker's training: 1.6 core minutes." in page_of(folder)
    assert 'http-equiv="refresh"' not in page


@pytest.mark.slow
@pytest.mark.parametrize("reader", [False, True])
def test_while_seeds_are_missing_the_page_takes_in_what_is_new(tmp_path, make_run, mixed, change_study, reader):
    folder = make_run(tmp_path / "run", mixed, wanted=40)
    report = RunPaths(folder).report
    write(folder, tables.Reader(folder) if reader else None)
    page, fresh = report.page.read_text(), read_live(report)
    assert 'data-live="live.js"' in page
    # Without JavaScript it loads itself anew.
    assert '<noscript><meta http-equiv="refresh" content="60"></noscript>' in page
    assert f'data-stamp="{fresh["stamp"]}"' in page
    assert fresh["content"] in page
    assert not fresh["ended"]
    # What is for a paper comes with the last report.
    assert ('href="tables/' in page) == (not reader)
    change_study(folder, seeds=SeedCounts(search=2, compare=12))
    write(folder)
    ended = read_live(report)
    assert ended["ended"]
    assert ended["stamp"] != fresh["stamp"]
    assert "data-live" not in without_scripts(report.page.read_text())


@pytest.mark.slow
def test_what_ran_to_its_end_unseen_has_one_page_alone(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed)
    write(folder)
    assert not (RunPaths(folder).report.folder / "live.js").exists()


def test_a_study_without_a_member_has_a_page(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed)
    RunPaths(folder).cohorts.rename(tmp_path / "away")
    assert "No answer yet" in write(folder).text
    assert "Verdict: none yet." in RunPaths(folder).report.page.read_text()


def test_a_page_of_many_seeds_says_how_many_are_left_out(tmp_path, make_run, mixed, monkeypatch):
    monkeypatch.setattr("seedsweep.analysis.page.seed_curves.MOST_SHOWN", 20)
    shown = seed_curves.shown(tables.read(make_run(tmp_path / "run", mixed)))
    assert [len(rows) for _, rows in shown.groups] == [5] * 4
    assert shown.left_out == 4 * 7


def test_a_curve_beyond_the_picture_lies_on_its_edge(tmp_path, make_run, mixed):
    results = tables.read(make_run(tmp_path / "run", mixed))
    assert [seed_curves.height(score, results) for score in (-3, 0, 1, 1e30)] == [34, 34, 0, 0]


@pytest.mark.slow
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
    assert re.search(r"alpha 0.\d+ and \d others", answer)
    # The files have all.
    assert len(pd.read_csv(run.report.tables / "pairs.csv")) == 78
    curves = pd.read_csv(run.report.figures / "learning_curves.csv")
    assert curves.groupby("label").seed.nunique().tolist() == [12] * 9


@pytest.mark.slow
def test_members_that_look_are_shown_with_what_they_see(tmp_path, make_run, mixed, pack_squares):
    data = pack_squares(RunPaths(tmp_path / "run").data)
    folder = make_run(tmp_path / "run", mixed, windows=True, data=data)
    write(folder)
    page = RunPaths(folder).report.page.read_text()
    assert page.count('<svg class="glimpses"') == 48
    assert '<rect x="25" y="25" width="50" height="50"/>' in page
    assert (RunPaths(folder).report.figures / "glimpses.svg").exists()


@pytest.mark.slow
@pytest.mark.parametrize("data", [{"name": "gone"}, {"name": "csv", "folder": "/nowhere"}, {}])
def test_where_the_images_are_not_here_the_page_has_none(tmp_path, make_run, mixed, data):
    folder = make_run(tmp_path / "run", mixed, windows=True, data=data)
    write(folder)
    assert '<svg class="glimpses"' not in RunPaths(folder).report.page.read_text()


def test_members_that_are_evaluated_at_different_steps_have_their_curves(tmp_path, make_run, mixed):
    """As those of a function or a command may be."""
    folder = make_run(tmp_path / "run", {1.0: 5, 0.0: 2}, found=False)
    run = RunPaths(folder)
    for record in Ledger(run.cohorts).records():
        spec = record.spec()
        if spec.phase == "compare":
            curves, criterion = record.curves(), tables.read(folder).study.criterion
            for place, seed in enumerate(spec.seeds):
                own = replace(spec, seeds=(seed,))
                single = Ledger(run.cohorts).record(own)
                single.create(own)
                moved = [step - place % 3 for step in curves.steps]
                claim = single.claim(1)
                values = curves.values[:, place : place + 1]
                where = {"host": "here", "device": "cpu", "engine": "function", "seconds": 1.0}
                outcome = judge(seed, moved, values[:, 0, 0], None, criterion)
                claim.commit(Curves(moved, values, curves.columns, [seed]), [outcome], where)
            for path in sorted(record.folder.iterdir()):
                path.unlink()
            record.folder.rmdir()
    write(folder)
    curves = pd.read_csv(run.report.figures / "learning_curves.csv")
    assert curves.groupby("seed").step.max().tolist() == [50 - seed % 3 for seed in range(12)]
    assert run.report.page.read_text().count("<polyline") == 24


def without_scripts(page):
    """What it says and links to, without what draws it."""
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def read_live(report):
    """What an open page would be told."""
    script = (report.folder / "live.js").read_text()
    told = re.fullmatch(r"seedsweepLive\((.*)\);\n", script, re.DOTALL)
    return json.loads(told[1])


def page_of(folder):
    """Its text as one reads it, in one line."""
    page = without_scripts(RunPaths(folder).report.page.read_text())
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


#: What no page may say: more than the seeds show, or what is not known of others' results.
FALSE = ("differences are real", "explains as much", "clumps", "fixed before", "as in the report", "it was the seed")


def test_a_page_says_since_when_its_design_is_fixed(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, task="made")
    write(folder)
    when = read_registration(RunPaths(folder)).when
    page = page_of(folder)
    assert "f1 on validation at or above 0.9, held for the last 2 evaluations of 50 steps." in page
    assert f"Registered before the first of 56 members finished ({when})." in page
    assert "Tested once, at 12 seeds of each configuration, at 5 % in all." in page
    assert not any(said in page for said in (*FALSE, "differs from what was registered", "version"))


def test_what_the_study_says_otherwise_and_other_rules_are_said(tmp_path, make_run, mixed):
    results = tables.read(make_run(tmp_path / "run", mixed))
    later = results.study.model_copy(update={"decision": Decision(level=0.2), "claims": (Claim(best="alpha 1"),)})
    older = results.registered.model_copy(update={"analysis": RULES - 1})
    said = methods.registration(replace(results, study=later, registered=older))
    assert said[1] == (
        "The study now differs from what was registered in its claims and decision; what was registered decides."
    )
    assert f"version {RULES - 1} of the rules" in said[2]
    assert f"follows version {RULES}" in said[2]
    more = results.study.model_copy(update={"seeds": results.study.seeds.model_copy(update={"compare": 40})})
    assert methods.registration(replace(results, study=more))[1:] == [
        "The study now asks for more seeds than were registered; the registered ones decide."
    ]


def test_of_what_was_not_registered_nothing_is_said_to_be(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed)
    RunPaths(folder).registered.unlink()
    write(folder)
    assert "Registered before" not in page_of(folder)


def test_of_others_results_nothing_is_said_that_is_not_known(tmp_path):
    rows = [(n, s, step, base + s / 100) for n, base in (("a", 0.5), ("b", 0.8)) for s in range(8) for step in (1, 2)]
    pd.DataFrame(rows, columns=["configuration", "seed", "step", "score"]).to_csv(tmp_path / "t.csv", index=False)
    write_table(tmp_path / "t.csv", 0.7, 1, tmp_path / "out")
    page = unescape((tmp_path / "out" / "index.html").read_text())
    assert not any(said in page for said in (*FALSE, "on validation", "Registered", "comparison seed"))
    assert "that holds if these seeds were chosen before their results were seen" in page
    assert "no finite" not in page


@pytest.mark.slow
@pytest.mark.parametrize(("converged", "looks", "level"), [(4, (6, 12, 24), 5), (9, (4, 8, 24), 5), (12, (6, 12), 10)])
def test_looks_and_the_level_that_is_spent(tmp_path, make_run, change_study, converged, looks, level):
    """Between looks a page has counts, and no verdict and no pair that differs before the first."""
    folder = make_run(tmp_path / "run", {1.0: converged, 0.5: 2, 0.0: 0}, seeds=converged, found=False)
    seeds = SeedCounts(search=2, compare=looks[-1], looks=looks)
    change_study(folder, seeds=seeds, claims=(), decision=Decision(level=level / 100))
    write(folder)
    page, html = page_of(folder), RunPaths(folder).report.page.read_text()
    taken = sum(size <= converged for size in looks)
    (look,) = re.findall(
        r"Look (\d) of (\d) \(.*?\), each at ([\d.]+) %: (nothing|[\d.]+) of the (\d+) % is spent", page
    )
    assert (int(look[0]), int(look[1]), int(look[4])) == (taken, len(looks), level)
    each, spent = float(look[2]), 0.0 if look[3] == "nothing" else float(look[3])
    assert level / len(looks) < each < level
    assert spent == (pytest.approx(level, abs=0.051) if taken == len(looks) else pytest.approx(each * taken, rel=0.4))
    assert f"{converged}/{converged}" in html
    assert ('class="real"' in html) == ("alpha 1 against alpha 0" in page) == ("Pairs" in page) == (taken > 0)
    assert ("Counts are of all seeds that have finished" in page) == (converged not in looks)
    assert ("No verdict yet" in page) == (taken == 0)


def test_what_is_bold_differs(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, found=False)
    write(folder)
    pairs = compare(tables.read(folder)).pairs
    html = RunPaths(folder).report.page.read_text()
    # The difference and its p; of scores the probability, the shift and their p.
    assert html.count('class="real"') == 2 * (pairs.differs != 0).sum() + 3 * (pairs.score_differs != 0).sum() > 0


@pytest.mark.slow
@pytest.mark.parametrize("diverged", [0, 1, 3])
def test_what_seeds_without_a_score_count_as(tmp_path, make_run, diverged):
    folder = make_run(tmp_path / "run", {1.0: 9, 0.0: 3}, diverged=diverged, found=False)
    write(folder)
    page = page_of(folder)
    assert ("no finite final f1" in page) == (diverged > 0)
    assert ("drawn at 0." in page) == (diverged > 0)
    if diverged:
        said = "in tests they are below every number, in medians and means they count as 0, the end of the metric."
        assert f"{2 * diverged} seeds have no finite final f1: {said}" in page


@pytest.mark.slow
def test_secondary_measures_have_a_table_of_their_own(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, secondary=("auc", "test_last_f1"), tested=True)
    write(folder)
    run, page = RunPaths(folder), page_of(folder)
    assert "Secondary: nothing is decided by these" in page
    assert len(pd.read_csv(run.report.tables / "secondary.csv")) == 2 * 4
    assert run.report.page.read_text().count("<span>test_last_f1</span>") == 4
    export.write(tables.read(folder), compare(tables.read(folder)), tmp_path / "out", ["latex"])
    assert "nothing is decided by these" in (tmp_path / "out" / "secondary.tex").read_text()


def test_the_tables_of_a_paper_say_what_they_are(tmp_path, make_run, mixed):
    results = tables.read(make_run(tmp_path / "run", mixed, diverged=1))
    export.write(results, compare(results), tmp_path / "out", ["latex"])
    texts = {name: (tmp_path / "out" / f"{name}.tex").read_text() for name in ("configurations", "pairs")}
    assert not any(said in text for said in (*FALSE, "Wilson", "Newcombe", "nan") for text in texts.values())
    assert "alpha 0 & 0/12 & 0.00 [0.00, 0.26] & 4 &" in texts["configurations"]
    assert "The intervals of an axis hold together for all its pairs" in texts["pairs"]
    assert "4 seeds have no finite final f1" in texts["configurations"]


def test_how_much_hangs_on_the_criterion_is_on_the_page(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed)
    write(folder)
    page = page_of(folder)
    assert re.search(
        r"The verdict is the same under \d+ of 15 criteria, thresholds 0.8 to 0.95 and hold lengths 1 to 4", page
    )
    table = pd.read_csv(RunPaths(folder).report.figures / "criteria.csv")
    assert len(table) == 15 * 4


def test_where_something_was_added_after_results_the_page_says_what_was_registered(tmp_path, make_run, mixed):
    results = tables.read(make_run(tmp_path / "run", mixed))
    late = results.members.assign(exploratory=(results.members.number == 1) & (results.members.phase == "compare"))
    (said,) = methods.registration(replace(results, members=late))
    assert said.endswith(": 3 configurations and the best that the search finds, 12 seeds of each.")


def test_every_table_of_the_page_is_a_file_that_a_link_leads_to(tmp_path, make_run):
    """Of two data sets, with a claim on another measure."""
    values = {1: (0.5, "a"), 2: (0.5, "b"), 3: (1.0, "a"), 4: (1.0, "b")}
    claim = Claim(better=("number 1", "number 3"), axis="score", measure="auc")
    folder = make_run(
        tmp_path / "run",
        dict.fromkeys(values, 6),
        path="number",
        found=False,
        values=lambda number: {"alpha": values[number][0], "data.train": values[number][1]},
        claims=(claim,),
        measures={"auc": Measure()},
    )
    write(folder)
    page = RunPaths(folder).report.page.read_text()
    links = set(re.findall(r'href="(tables/[^"]*|figures/)"', page))
    assert {"tables/measured_pairs.csv", "tables/data_sets.parquet", "tables/pairs.csv", "tables/", "figures/"} <= links
    assert all((RunPaths(folder).report.folder / link).exists() for link in links)
    assert "<code>tables" not in page
    pairs = pd.read_csv(RunPaths(folder).report.tables / "measured_pairs.csv")
    assert pairs.measure.tolist() == ["auc"] * 6
    assert (pairs.better_low <= pairs.better).all()
    assert len(pd.read_csv(RunPaths(folder).report.tables / "data_sets.csv")) == 2


def test_every_column_of_the_files_is_documented(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, secondary=("auc",), measures={"auc": Measure()})
    write(folder)
    text = (ROOT / "docs" / "report.md").read_text()
    documented = set(re.findall(r"`(\w+)`", text[text.index("## The columns") :]))
    found = {
        column
        for name in ("configurations", "pairs", "secondary")
        for column in pd.read_csv(RunPaths(folder).report.tables / f"{name}.csv")
    }
    found |= {*strata.COLUMNS, *MEASURED_PAIRS}
    plain = {re.sub(r"_(low|high)$", "", column) for column in found - {"alpha", "batch", "rank_low", "rank_high"}}
    assert plain - {"diverged"} <= documented
