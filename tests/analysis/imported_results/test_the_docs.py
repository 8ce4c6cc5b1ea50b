"""The commands of docs/tables.md."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedsweep.analysis.imported_results.judged import read
from seedsweep.sweeps.cli import app
from seedsweep.sweeps.commands import results
from tests.analysis.imported_results import test_event_files, test_optuna_database, test_ray_tune, test_wandb
from tests.analysis.imported_results.made import SCORES, frame

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
    (made / "wandb_runs.csv").write_text(test_wandb.table_of_runs().replace("config.lr", "lr"))
    (made / "wandb_chart.csv").write_text(test_wandb.chart())
    for (lr, seed), own in SCORES.items():
        test_event_files.of_torch(made / "logs", lr, seed, own)
    test_optuna_database.write(made / "optuna.db")
    test_ray_tune.write(made / "ray_results" / "train")
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
