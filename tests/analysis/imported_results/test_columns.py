"""Columns that a user names, of files and of the standard input."""

import io
import re
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seedsweep.analysis.comparison import compare
from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.columns import Columns
from seedsweep.analysis.imported_results.judged import read
from seedsweep.sweeps.cli import app
from tests.analysis.imported_results.made import LAST, MEMBERS, THRESHOLD, frame, members

NAMED = Columns(configuration=("lr",), step="epoch", scores=("acc",))


@pytest.mark.parametrize("write", ["to_csv", "to_parquet"])
def test_columns_are_what_a_user_says_they_are(tmp_path, write):
    getattr(frame(), write)(tmp_path / "table", index=False)
    results = read(tmp_path / "table", THRESHOLD, columns=NAMED)
    assert members(results) == MEMBERS
    assert results.axis.name == "lr"
    assert results.metric == "acc"


def test_numbers_of_a_parquet_file_keep_the_digits_they_were_given(tmp_path):
    frame().astype({"acc": "float32", "lr": "float32"}).to_parquet(tmp_path / "t.parquet")
    assert members(read(tmp_path / "t.parquet", THRESHOLD, columns=NAMED)) == MEMBERS


def test_final_scores_need_no_step(tmp_path):
    last = frame().query("epoch == 20").drop(columns="epoch")
    last.to_csv(tmp_path / "t.csv", index=False)
    results = read(tmp_path / "t.csv", THRESHOLD, columns=Columns(configuration=("lr",), scores=("acc",)))
    assert members(results) == LAST


def test_the_standard_input_is_a_file(monkeypatch):
    text = io.BytesIO(frame().to_csv(index=False).encode())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=text))
    assert members(read("-", THRESHOLD, columns=NAMED)) == MEMBERS


def test_several_columns_are_one_configuration(tmp_path):
    text = "lr,opt,seed,score\n0.1,adam,0,1\n0.10,adam,1,2\n1e-1,sgd,0,3\n0.10001,sgd,0,3\n0.1,,0,4\n"
    (tmp_path / "t.csv").write_text(text)
    results = read(tmp_path / "t.csv", 2, columns=Columns(configuration=("lr", "opt")))
    found = results.members.groupby("label", sort=False).seed.apply(list).to_dict()
    assert found == {
        "lr 0.1, opt adam": [0, 1],
        "lr 0.1, opt sgd": [0],
        "lr 0.10001, opt sgd": [0],
        "lr 0.1, opt none": [0],
    }
    assert results.varying == ["lr", "opt"]


def test_less_is_better_where_the_user_says_so(tmp_path):
    table = pd.DataFrame(
        [(name, seed, seed / 10 + 0.35 * place) for place, name in enumerate("abc") for seed in range(8)],
        columns=["configuration", "seed", "score"],
    )
    table.to_csv(tmp_path / "more.csv", index=False)
    table.assign(score=-table.score).to_csv(tmp_path / "less.csv", index=False)
    more = compare(read(tmp_path / "more.csv", 0.6))
    less = compare(read(tmp_path / "less.csv", -0.6, columns=Columns(direction="min")))
    assert less.configurations.converged.tolist() == more.configurations.converged.tolist()
    assert less.configurations.named_best.tolist() == more.configurations.named_best.tolist()
    np.testing.assert_allclose(less.configurations.median_score, -more.configurations.median_score)
    pd.testing.assert_frame_equal(less.pairs[["adjusted", "better"]], more.pairs[["adjusted", "better"]])


def test_other_measures_are_shown_beside_the_score(tmp_path):
    frame().assign(loss=lambda table: 1 - table.acc).to_csv(tmp_path / "t.csv", index=False)
    columns = Columns(configuration=("lr",), step="epoch", scores=("acc", "loss"))
    beside = compare(read(tmp_path / "t.csv", THRESHOLD, columns=columns)).secondary
    assert beside[["measure", "label", "members"]].to_numpy().tolist() == [
        ["loss", "lr 0.1", 2],
        ["loss", "lr 0.01", 1],
    ]
    assert beside["median"].tolist() == pytest.approx([0.075, 0.7])


def test_names_of_runs_say_their_configuration_and_seed(tmp_path):
    text = "run,score\nppo-big-s1,1\nppo-big-s2,2\nsac/seed_1,3\n"
    (tmp_path / "t.csv").write_text(text)
    found = read(tmp_path / "t.csv", 2).members
    assert found[["label", "seed"]].to_numpy().tolist() == [["ppo-big", 1], ["ppo-big", 2], ["sac", 1]]
    columns = Columns(configuration=("algorithm",), run_name=r"(?P<algorithm>\w+)\D*(?P<seed>\d+)")
    found = read(tmp_path / "t.csv", 2, columns=columns).members
    assert found[["label", "seed"]].to_numpy().tolist() == [["ppo", 1], ["ppo", 2], ["sac", 1]]


@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        (
            "run,score\nppo-s1,1\nsunny-frost-3,2\n",
            Columns(),
            "run's name 'sunny-frost-3' does not say its",
        ),
        ("run,score\nppo-s1,1\n", Columns(run_name=r"(?P<seed>\d+)"), "'ppo-s1' does not fit --run-name"),
        ("run,score\nppo-s1,1\n", Columns(run_name=r"("), "--run-name is no regular expression"),
        ("run,score\nppo-s1,1\n", Columns(run_name=r".*"), "--run-name has no named group"),
        ("a,seed,score\nx,1,1\n", Columns(run_name=r"(?P<seed>.*)"), "no column of runs' names for --run-name"),
        ("a,b,seed,score\nx,y,1,1\n,,1,1\n", Columns(configuration=("a", "b")), "line 3: no a nor b"),
        ("a,b,seed,score\nx,y,1,1\n", Columns(configuration=("a", "c")), "no column 'c'; which is the configuration?"),
        ("configuration,seed,label\nx,1,1\n", Columns(scores=("label",)), "a score cannot be called 'label' here"),
        ("configuration,seed,score\nx,1,1\n", Columns(scores=("score", "score")), "name each once"),
    ],
)
def test_what_the_columns_do_not_say_is_told_in_a_line(tmp_path, text, columns, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TableError, match=re.escape(words)) as refused:
        read(tmp_path / "t.csv", 0.5, columns=columns)
    assert "\n" not in str(refused.value)


def test_the_command_line_takes_columns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame().assign(loss=1).to_csv("my table.csv", index=False)
    words = "report --configuration lr --step-column epoch --score-column acc,loss --direction max --threshold 0.9"
    done = CliRunner().invoke(app, [*words.split(), "--tables", "my table.csv"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    page = tmp_path / "my table-report" / "index.html"
    assert f"report:  {page}\n" in done.output
    page = page.read_text()
    assert "Which configuration of my table.csv is better" in page
    with pytest.raises(TableError, match="--direction is 'up'; say max"):
        CliRunner().invoke(app, ["report", "--tables", "t", "--direction", "up"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere", "nowhere: No such file or directory"),
        ("postgresql://host/db", "of addresses only sqlite:///FILE is read"),
        (".", "neither results of Ray Tune (result.json, progress.csv) nor event files of TensorBoard (*tfevents*)"),
    ],
)
def test_what_is_no_table_is_told_in_a_line(tmp_path, monkeypatch, path, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TableError, match=re.escape(words)):
        read(path, 0.5)


def test_a_damaged_parquet_file_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    frame().to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TableError, match="is a damaged parquet file"):
        read(path, 0.5)
