"""The commands of docs/tables.md."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedsweep.analysis.imported_results.judged import read
from seedsweep.sweeps.cli import app
from seedsweep.sweeps.commands import results
from tests.analysis.imported_results.made import SCORES, frame
from tests.analysis.imported_results.writers import chart, of_torch, table_of_runs, write_optuna, write_ray_tune

PAGE = (Path(__file__).parents[3] / "docs" / "tables.md").read_text()
LINES = re.findall(r"^(?:.* \| )?seedsweep (report .*)$", PAGE, re.M)
(EXAMPLE,) = re.findall(r"^```\n(configuration,.*?)```", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the page names."""
    made = tmp_path_factory.mktemp("elsewhere")
    (made / "scores.csv").write_text(EXAMPLE)
    last = frame().query("epoch == 20").drop(columns="epoch")
    last.assign(alpha=0.5).to_parquet(made / "finals.parquet")
    last.rename(columns={"lr": "params.lr", "seed": "params.seed", "acc": "metrics.acc"}).to_csv(made / "mlflow.csv")
    (made / "wandb_runs.csv").write_text(table_of_runs().replace("config.lr", "lr"))
    (made / "wandb_chart.csv").write_text(chart())
    for (lr, seed), own in SCORES.items():
        of_torch(made / "logs", lr, seed, own)
    write_optuna(made / "optuna.db")
    write_ray_tune(made / "ray_results" / "train")
    return made


@pytest.mark.parametrize("line", LINES)
def test_a_command_reads_what_it_is_for(folder, line, monkeypatch):
    monkeypatch.chdir(folder)
    found = []
    monkeypatch.setattr(
        results,
        "show_table",
        lambda table, columns, threshold, hold, *_, **__: found.append(read(table, threshold, hold, columns)),
    )
    text = frame().rename(columns={"acc": "loss"}).to_csv(index=False)
    done = CliRunner().invoke(app, shlex.split(line), input=text, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    members = found[0].members
    assert members.label.nunique() == 2
    assert set(members.seed) <= {0, 1}
