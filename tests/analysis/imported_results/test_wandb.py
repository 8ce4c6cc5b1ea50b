"""What the pages of W&B export: a table of runs, and the wide form of a chart."""

import re

import pytest

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.columns import Columns
from seedsweep.analysis.imported_results.judged import read
from tests.analysis.imported_results.made import LAST, MEMBERS, THRESHOLD, members
from tests.analysis.imported_results.writers import chart, table_of_runs


def test_a_table_of_runs_has_final_scores(tmp_path):
    (tmp_path / "wandb_export.csv").write_text(table_of_runs())
    columns = Columns(configuration=("config.lr",), scores=("val/acc",))
    assert members(read(tmp_path / "wandb_export.csv", THRESHOLD, columns=columns)) == LAST


def test_a_run_that_did_not_finish_is_refused(tmp_path):
    (tmp_path / "wandb_export.csv").write_text(table_of_runs("crashed"))
    columns = Columns(configuration=("config.lr",), scores=("val/acc",))
    with pytest.raises(TableError, match="line 3: run 'fluent-sun-2' is crashed: its numbers are not those of the end"):
        read(tmp_path / "wandb_export.csv", THRESHOLD, columns=columns)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("lr {lr}-s{seed}", ""), ("{seed} of lr {lr} - sgd", r"(?P<seed>\d+) of (?P<configuration>.*) - sgd")],
)
def test_a_chart_has_columns_a_run(tmp_path, name, pattern):
    (tmp_path / "chart.csv").write_text(chart(name))
    assert members(read(tmp_path / "chart.csv", THRESHOLD, columns=Columns(run_name=pattern))) == MEMBERS


@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        (chart("sun-{seed}{lr}"), Columns(), "line 3, run 'sun-00.1': the run's name 'sun-00.1' does not say its"),
        (chart().replace('"0.95"', '""'), Columns(), "seed 1 of 'lr0.1' ends at step 10, others at 20"),
        (chart().replace('"0.95"', '""').replace('"0.7"', '""'), Columns(), "'lr0.1-s1 - val/acc' is empty"),
        (chart().replace('"0.95"', '"x"'), Columns(), "line 4, run 'lr0.1-s1': score is 'x', not a number"),
        (chart(), Columns(scores=("loss",)), "no column 'loss'; which is the score?"),
    ],
)  # fmt: skip
def test_a_chart_that_cannot_be_judged_is_refused_with_its_place(tmp_path, text, columns, words):
    (tmp_path / "chart.csv").write_text(text)
    with pytest.raises(TableError, match=re.escape(words)):
        read(tmp_path / "chart.csv", THRESHOLD, columns=columns)
