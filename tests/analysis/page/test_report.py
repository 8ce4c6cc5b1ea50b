"""From a ledger that was made by hand to the tables, the answer and the page."""

import re
import xml.etree.ElementTree as ET
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import yaml

from seedsweep.analysis import export, tables
from seedsweep.analysis.answer import _validation_variance, compare
from seedsweep.analysis.page import seed_curves as seeds
from seedsweep.analysis.page.report import write
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.ledger import CohortSpec, Curves, Ledger
from seedsweep.shards.pack import pack

CRITERION = {"metric": "f1", "threshold": 0.9, "hold": 2}


def make_run(folder, rates, seeds=12, wanted=None, found=True, diverged=0, data=None):
    """A ledger in which the first `rates[alpha]` seeds of each alpha converge, the next falls back, the rest never.

    data: settings of a data set to pack; members look at the middle of its first validation image in the end.
    """
    study = {
        "name": "made",
        "question": "Was it <alpha>?",
        "claimed_best": {"alpha": 0.5},
        "scale": "laptop",
        "training": {"steps": 50},
        "seeds": {"compare": wanted or seeds},
        "criterion": CRITERION,
    }
    if data:
        study["data"] = asdict(data)
        pack(data, folder.parent / "_data", lambda n, of: None)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    steps = [10, 20, 30, 40, 50]
    for number, (alpha, rate) in enumerate(rates.items()):
        origin = "search" if found and number == len(rates) - 1 else "named"
        for phase, first, count in (("explore", 1_000_000, 2), ("compare", 0, seeds)):
            spec = CohortSpec(
                phase, number, f"hash{number}", {"alpha": alpha, "lr": 0.1}, origin, tuple(range(first, first + count))
            )
            scores = np.full((5, count), 0.5) - np.arange(count) / 100
            scores[2:, :rate] = 0.95
            scores[1:3, rate : rate + 1] = 0.92
            out = [None] * count
            if diverged and phase == "compare":
                scores[3:, -diverged:] = np.nan
                out[-diverged:] = [33] * diverged
            curves = Curves(steps, np.stack([scores, scores], -1), ["f1", "auc"], list(spec.seeds))
            if data:
                looks = np.full((5, count, 1, 2, 4), 0.5, np.float32)
                looks[-1, ..., :2] = 0
                curves = replace(curves, looks=looks, watched=[0])
            outcomes = [
                judge(seed, steps, scores[:, i], out[i], Criterion(**CRITERION)) for i, seed in enumerate(spec.seeds)
            ]
            record = Ledger(folder).record(spec)
            record.create(spec)
            run = {"host": "here", "device": "cpu", "engine": "fused", "seconds": 12.0}
            record.claim(1).commit(curves, outcomes, run)
    return folder


MIXED = {1.0: 9, 0.5: 8, 0.0: 0, 0.87: 12}


def test_tables(tmp_path):
    results = tables.read(make_run(tmp_path / "run", MIXED, diverged=1))
    members = results.compared
    assert len(members) == 4 * 12
    assert members.groupby("label").outcome.value_counts()["alpha 0.5"].to_dict() == {
        "converged": 8, "never": 2, "fell_back": 1, "diverged": 1,
    }  # fmt: skip
    fell_back = members[members.outcome == "fell_back"].iloc[0]
    assert (fell_back.first_met, fell_back.lost_at) == (30, 40)
    assert len(results.evaluations) == 4 * (12 + 2) * 5
    written = export.write(results, compare(results), tmp_path / "tables")
    assert {path.suffix for path in written} == {".parquet", ".csv", ".tex"}
    for name in ("members", "evaluations"):
        parquet = pd.read_parquet(tmp_path / "tables" / f"{name}.parquet")
        assert len(parquet) == len(pd.read_csv(tmp_path / "tables" / f"{name}.csv")) == len(getattr(results, name))


def test_an_unfinished_cohort_has_evaluations_and_no_members(tmp_path):
    folder = make_run(tmp_path / "run", MIXED)
    spec = CohortSpec("compare", 0, "hash0", {"alpha": 1.0, "lr": 0.1}, "named", (12, 13))
    record = Ledger(folder).record(spec)
    record.create(spec)
    record.claim(1).write_curves(Curves([10], np.zeros((1, 2, 2)), ["f1", "auc"], [12, 13]))
    results = tables.read(folder)
    assert not results.compared.seed.isin([12, 13]).any()
    assert results.evaluations.seed.isin([12, 13]).sum() == 2


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        (
            MIXED,
            r"^Both: best found \(no. 3, alpha 0.87\) converged in 12 of 12 seeds \(95 % interval 76 to 100 %\) "
            r"and is better than alpha 0, but cannot be told from alpha 1 or alpha 0.5; between those it is the seed",
        ),
        ({1.0: 6, 0.5: 7, 0.0: 5, 0.2: 6}, r"^It was the seed as far as 12 seeds each can tell: no two"),
        (
            {1.0: 0, 0.5: 12, 0.0: 1, 0.2: 0},
            r"^It was the configuration: alpha 0.5 converged in 12 of 12 .* every other",
        ),
    ],
)
def test_the_answer(tmp_path, rates, words):
    comparison = compare(tables.read(make_run(tmp_path / "run", rates)))
    assert re.search(words, comparison.answer), comparison.answer
    assert re.search(r"would name alpha 0.5 the best in \d+ % of tries \(pure luck: 33 %\)", comparison.answer)


def test_the_answer_says_when_seeds_are_missing_or_none_is_there(tmp_path):
    comparison = compare(tables.read(make_run(tmp_path / "run", MIXED, wanted=40)))
    assert comparison.answer.startswith("So far, with seeds still missing: ")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "study.yaml").write_text((tmp_path / "run" / "study.yaml").read_text())
    assert "No answer yet" in write(tmp_path / "empty")


def test_named_best_leaves_out_what_the_search_found(tmp_path):
    table = compare(tables.read(make_run(tmp_path / "run", MIXED))).configurations.set_index("label")
    assert np.isnan(table.named_best["best found (no. 3, alpha 0.87)"])
    assert table.named_best.sum() == pytest.approx(1)


def test_the_page_is_whole_and_asks_for_nothing(tmp_path):
    folder = make_run(tmp_path / "run", MIXED, diverged=1)
    (folder / "importance.csv").write_text("parameter,importance\nalpha,0.7\nlr,0.3\n")
    answer = write(folder)
    page = (folder / "report" / "index.html").read_text()
    assert answer.split(";")[0] in page.replace("&#39;", "'")
    assert "Was it &lt;alpha&gt;?" in page  # the study's text is text
    links = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", page)
    assert links
    assert all(link.startswith("data:image/svg+xml;base64,") for link in links)
    assert "http" not in re.sub(r"data:[^\"']*", "", page)
    assert page.count("<img") == 8 == len(re.findall(r'<img [^>]*alt="[^"]{40,}"', page))
    drawn = {path.stem for path in (folder / "report" / "figures").iterdir()}
    assert drawn == {
        *("p_converge", "time_to_convergence", "learning_curves", "final_scores", "profiles", "expected_best"),
        *("named_best", "importance"),
    }
    for name in drawn:
        assert (folder / "report" / "figures" / f"{name}.png").stat().st_size > 5000
        ET.parse(folder / "report" / "figures" / f"{name}.svg")
        assert (folder / "report" / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert len(pd.read_csv(folder / "report" / "figures" / f"{name}.csv"))


def test_same_ledger_same_bytes(tmp_path):
    folder = make_run(tmp_path / "run", MIXED)
    contents = []
    for _ in range(2):
        write(folder)
        contents.append({p.name: p.read_bytes() for p in (folder / "report").rglob("*") if p.is_file()})
    assert contents[0] == contents[1]


def test_the_facts(tmp_path):
    facts = compare(tables.read(make_run(tmp_path / "run", MIXED))).facts
    # 12 of 12 against 9 of 12
    assert re.search(r"tell best found .* from alpha 1 in 80 % of studies, 2[5-9] seeds of each", facts[0]), facts
    assert re.search(r"With 12 seeds each, a difference of at least 4\d points", facts[1])
    assert re.search(r"\d+ % is between configurations and \d+ % between seeds of one\.", facts[3])


def test_the_part_of_the_validation_sets_size_is_said_where_it_is_known(tmp_path):
    folder = make_run(tmp_path / "run", MIXED)
    study = yaml.safe_load((folder / "study.yaml").read_text())
    (folder / "study.yaml").write_text(yaml.safe_dump({**study, "data": {"validation": 100}}))
    results = tables.read(folder)
    # F1 of .5 with accuracy .5: of 100 images 25 are true positives and 50 wrong, so that J = 1/3.
    results.evaluations["accuracy"], results.evaluations["f1"] = 0.5, 0.5
    share = 1 / 3
    expected = (2 / (1 + share) ** 2) ** 2 * share * (1 - share) / 75
    assert _validation_variance(results) == pytest.approx(expected)
    assert "can come from the validation set's size" in compare(results).facts[3]


def test_latex_says_what_the_tables_say_and_escapes(tmp_path):
    results = tables.read(make_run(tmp_path / "run", MIXED))
    comparison = compare(results)
    comparison.configurations["label"] = comparison.configurations.label.replace({"alpha 1": "50 % & a_b\\c"})
    export.write(results, comparison, tmp_path / "tables", ["latex"])
    text = (tmp_path / "tables" / "configurations.tex").read_text()
    assert r"50 \% \& a\_b\textbackslash{}c & 9/12 & 0.75 [0.47, 0.91] & " in text
    assert r"alpha 0 & 0/12 & 0.00 [0.00, 0.24]" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert (tmp_path / "tables" / "pairs.tex").read_text().count(" against ") == 6


def test_a_race_that_is_decided_misses_no_seeds(tmp_path):
    folder = make_run(tmp_path / "run", {1.0: 4, 0.0: 0}, seeds=4, found=False)
    study = yaml.safe_load((folder / "study.yaml").read_text())
    for start, said in ((4, False), (12, True)):
        raced = {**study, "seeds": {"compare": 40, "race": True, "start": start}}
        (folder / "study.yaml").write_text(yaml.safe_dump(raced))
        comparison = compare(tables.read(folder))
        assert comparison.answer.startswith("So far") is said
        assert f"Seeds were raced: {start} each" in comparison.facts[0]
        assert "8 members in place of 80" in comparison.facts[0]


def test_every_seed_is_on_the_page_with_its_curve_and_failures_with_their_reason(tmp_path):
    folder = make_run(tmp_path / "run", MIXED, diverged=1)
    spec = CohortSpec("compare", 0, "hash0", {"alpha": 1.0, "lr": 0.1}, "named", (12, 13))
    record = Ledger(folder).record(spec)
    record.create(spec)
    record.fail("Traceback\nOSError: <no> device\n")
    write(folder)
    page = (folder / "report" / "index.html").read_text()
    assert page.count("<polyline") == 4 * 12
    # Seed 0 of alpha 1: .5, .5, .95, .95, .95 at steps 10 to 50 of 50; 34 px are 1.
    assert '<polyline points="32,17.0 64,17.0 96,1.7 128,1.7 160,1.7"/>' in page
    assert "hash0/compare-000012-000013: <code>OSError: &lt;no&gt; device</code>" in page
    assert "core hours" in page
    assert 'http-equiv="refresh"' not in page


def test_while_seeds_are_missing_the_page_loads_itself_anew(tmp_path):
    folder = make_run(tmp_path / "run", MIXED, wanted=40)
    write(folder)
    assert '<meta http-equiv="refresh"' in (folder / "report" / "index.html").read_text()


def test_a_page_of_many_seeds_says_how_many_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("seedsweep.analysis.page.seed_curves.MOST_SHOWN", 20)
    shown = seeds.shown(tables.read(make_run(tmp_path / "run", MIXED)))
    assert [len(rows) for _, rows in shown.groups] == [5] * 4
    assert shown.left_out == 4 * 7


@pytest.mark.parametrize(
    ("rates", "short", "claim"),
    [
        (MIXED, "the configuration matters, but the best cannot be told from the next", "undecided"),
        ({1.0: 0, 0.5: 12, 0.0: 1, 0.2: 0}, "alpha 0.5 is better than every other", "supported"),
        ({1.0: 12, 0.5: 2, 0.0: 1, 0.2: 0}, "alpha 1 is better than every other", "refuted"),
        ({1.0: 6, 0.5: 7, 0.0: 5, 0.2: 6}, "no difference between configurations is told from the seed", "undecided"),
    ],
)
def test_the_verdict(tmp_path, rates, short, claim):
    found = compare(tables.read(make_run(tmp_path / "run", rates))).verdict
    assert found == f"{short}. That alpha 0.5 is the best of the named: {claim}."


def test_what_is_too_much_for_a_page_is_left_out_with_a_word(tmp_path, monkeypatch):
    rates = {round(0.05 * i, 2): i for i in range(13)}
    folder = make_run(tmp_path / "run", rates, seeds=12, found=False)
    for name, most in (("MOST_PAIRS", 20), ("MOST_CONFIGURATIONS", 11)):
        monkeypatch.setattr(f"seedsweep.analysis.page.report.{name}", most)
    monkeypatch.setattr("seedsweep.analysis.figures.convergence.MOST_LINES", 20)
    answer = write(folder)
    page = (folder / "report" / "index.html").read_text()
    assert "The first 11 of 13 configurations" in page
    assert "The 20 of 78 pairs with the smallest p" in page
    assert "Of 13 configurations the 9 that converged most often; all are in tables/." in page
    assert "At most 10 seeds of a configuration are drawn, evenly by their final score." in page
    assert re.search(r"cannot be told from alpha 0.\d+.* or \d others; between", answer)
    # The files have all.
    assert len(pd.read_csv(folder / "report" / "tables" / "pairs.csv")) == 78
    curves = pd.read_csv(folder / "report" / "figures" / "learning_curves.csv")
    assert curves.groupby("label").seed.nunique().tolist() == [12] * 9


def test_a_reader_reads_anew_what_is_new(tmp_path):
    folder = make_run(tmp_path / "run", MIXED)
    last = (folder / "cohorts" / "hash2").rename(tmp_path / "last")
    reader = tables.Reader(folder)
    assert len(reader.read().compared) == 36
    last.rename(folder / "cohorts" / "hash2")
    pd.testing.assert_frame_equal(reader.read().evaluations, tables.read(folder).evaluations)
    assert len(reader.read().compared) == 48
