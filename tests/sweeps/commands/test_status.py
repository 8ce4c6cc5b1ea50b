"""How far a study is, on a terminal."""

import io

import pytest
from rich.console import Console

from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.ledger import CohortSpec, Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Dimension, Search, Study
from seedsweep.sweeps.commands.status import show
from seedsweep.sweeps.running.run_directory import RunDirectory

NAME = "learning_rate_of_the_backbone"


@pytest.fixture
def run(tmp_path):
    paths = RunPaths(tmp_path / "made")
    paths.folder.mkdir()
    search = Search(explore=1000, space={NAME: Dimension(low=0, high=1)})
    study = Study(
        name="made", configurations={"a name as long as names are": {}}, search=search, criterion=Criterion("f1", 0.9)
    )
    paths.study.write_text(study.to_json())
    for phase, number, name in (("explore", 999, ""), ("compare", 0, "a name as long as names are")):
        values = {NAME: 0.427}
        spec = CohortSpec(phase, number, phase, name, values, values, tuple(range(100)), 100000)
        Ledger(paths.cohorts).record(spec).create(spec)
    return RunDirectory(paths)


def test_the_table_fits_80_columns_and_a_wider_terminal_shows_whole_names(run):
    shown = {}
    for width in (80, 200):
        console = Console(file=io.StringIO(), width=width)
        show(run, [], console)
        shown[width] = console.file.getvalue()
    rows = [line for line in shown[80].splitlines() if line.startswith(("explore", "compare"))]
    assert [row.split()[:2] for row in rows] == [["explore", "999"], ["compare", "0"]]
    assert all(row.split()[-5:] == ["0/1", "0", "0", "0", "0"] for row in rows)
    assert "diverged step" in shown[80]
    assert f"{NAME} 0.427 " in shown[200]
    assert "a name as long as names are " in shown[200]
