"""Results of others, and of two runs together, through the same judge."""

import re

import numpy as np
import pandas as pd
import pytest

from seedsweep.analysis import tables
from seedsweep.analysis.comparison import compare
from seedsweep.analysis.errors import TableError
from seedsweep.analysis.external import read_csv, together
from seedsweep.analysis.page.report import write_table, write_together
from seedsweep.core.records.criterion import Criterion


def evaluations_of(folder, path):
    """The comparison of a run, as somebody else would have written it down."""
    results = tables.read(folder)
    compared = results.evaluations[results.evaluations.phase == "compare"]
    table = compared.rename(columns={"f1": "score"}).assign(configuration=compared.label)
    table[["configuration", "seed", "step", "score"]].to_csv(path, index=False)
    return results


def test_a_table_is_judged_as_the_run_that_it_was_written_from(tmp_path, make_run, mixed):
    results = evaluations_of(make_run(tmp_path / "run", mixed, found=False), tmp_path / "table.csv")
    own, theirs = compare(results), compare(read_csv(tmp_path / "table.csv", 0.9, 2))
    columns = [
        *("label", "members", "converged", "fell_back", "never", "low", "median_score", "median_steps", "named_best"),
    ]
    pd.testing.assert_frame_equal(own.configurations[columns], theirs.configurations[columns])
    numbers = own.pairs.columns[2:]
    pd.testing.assert_frame_equal(own.pairs[numbers], theirs.pairs[numbers])


def test_a_page_of_scores_on_another_scale(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        (name, seed, step, score)
        for name, mean in (("plain", 40.0), ("tuned", 70.0))
        for seed in range(8)
        for step, score in zip((100, 200), rng.normal(mean, 12, 2), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["configuration", "seed", "step", "score"])
    table.loc[3, "score"] = np.nan
    table.to_csv(tmp_path / "other.csv", index=False)
    answer = write_table(tmp_path / "other.csv", 55, 1, tmp_path / "out").text
    assert re.search(r"tuned converged in [678] of 8 seeds", answer)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "other.csv, sha256" in page
    members = pd.read_csv(tmp_path / "out" / "tables" / "members.csv")
    assert members[(members.label == "plain") & (members.seed == 1)].outcome.item() == "diverged"
    profiles = pd.read_csv(tmp_path / "out" / "figures" / "profiles.csv")
    assert profiles.score.max() > table.score.max()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("configuration,seed,score\na,1,2\n", "there is no column 'step'; it needs configuration, seed, step, score"),
        ("configuration,seed,step,score\n", "has no rows"),
        ("configuration,seed,step,score\na,1,10,x\n", "line 2: score is 'x', not a number"),
        ("configuration,seed,step,score\na,1,10,1\na,1.5,10,1\n", "line 3: seed is '1.5', not a whole number"),
        ("configuration,seed,step,score\na,1,10,1\n,2,10,1\n", "line 3: no configuration"),
        ("configuration,seed,step,score\na,1,10,1\na,1,10,2\n", "step 10 of seed 1 of 'a' is there twice"),
        ("configuration,seed,step,score\na,1,10,1\na,2,20,1\n", "seed 1 of 'a' ends at step 10, others at 20"),
        ("", "is no CSV file"),
    ],
)
def test_a_table_that_cannot_be_judged_is_refused_with_its_line(tmp_path, text, words):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(TableError, match=re.escape(words)):
        read_csv(tmp_path / "table.csv", 0.5)
    with pytest.raises(TableError, match="No such file"):
        read_csv(tmp_path / "nowhere.csv", 0.5)


def test_two_runs_side_by_side(tmp_path, make_run, mixed):
    first = make_run(tmp_path / "first", mixed, name="first")
    second = make_run(tmp_path / "second", {1.0: 3, 0.5: 12}, name="second")
    both = compare(together(tables.read(first), tables.read(second)))
    one = compare(tables.read(first))
    assert list(both.configurations.label)[:2] == ["first: alpha 1", "first: alpha 0.5"]
    assert list(both.configurations.converged) == [9, 8, 0, 12, 3, 12]
    assert not both.unfinished
    # Alone or beside others, a configuration is what it is; the pairs are adjusted over the larger family.
    assert both.configurations.low[:4].tolist() == one.configurations.low.tolist()
    pair = both.pairs[(both.pairs["first"] == "first: alpha 1") & (both.pairs["second"] == "second: alpha 1")].iloc[0]
    assert pair.difference == pytest.approx(0.5)
    assert len(both.pairs) == 15
    answer = write_together(first, second, tmp_path / "out").text
    assert "first or second: which configuration is better?" in (tmp_path / "out" / "index.html").read_text()
    assert "second: " in answer


def test_what_differs_between_two_runs_varies(tmp_path, make_run):
    """Each run by itself has one configuration, of which nothing varies."""
    first, second = (
        make_run(tmp_path / name, {width: 5}, path="settings.width", found=False, name=name)
        for name, width in (("narrow", 16), ("wide", 64))
    )
    both = together(tables.read(first), tables.read(second))
    assert both.varying == ["settings.width"]
    assert both.members.groupby("label")["settings.width"].first().tolist() == [16, 64]
    assert both.axis.name == "width"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"criterion": Criterion("f1", 0.8, 2, "max", 0.0, 1.0)}, "different criteria"),
        ({"score": "best"}, "different scores"),
    ],
)
def test_what_was_judged_differently_cannot_be_compared(tmp_path, make_run, mixed, change_study, other, words):
    first, second = make_run(tmp_path / "first", mixed), make_run(tmp_path / "second", mixed)
    change_study(second, **other)
    with pytest.raises(TableError, match=words):
        together(tables.read(first), tables.read(second))
