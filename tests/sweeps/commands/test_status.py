"""How far a study is, on a terminal."""

import io

import numpy as np
import pytest
from rich.console import Console

from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.decision import SeedCounts
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


def looked_at(folder, seeds, finished, claims=()):
    """What is said of a study of two configurations of which so many seeds have finished; of the first all converged,
    of the second none."""
    paths = RunPaths(folder)
    paths.folder.mkdir()
    study = Study(
        name="made", configurations={"a": {}, "b": {}}, claims=claims, seeds=seeds, criterion=Criterion("f1", 0.9)
    )
    paths.study.write_text(study.to_json())
    for number, (name, count) in enumerate(zip("ab", finished, strict=True)):
        spec = CohortSpec("compare", number, f"c{number}", name, {}, {}, tuple(range(count)), 10)
        record = Ledger(paths.cohorts).record(spec)
        record.create(spec)
        scores = np.full((1, count), 0.95 if name == "a" else 0.1)
        outcomes = [judge(seed, [10], scores[:, seed], None, study.criterion) for seed in range(count)]
        record.claim(1).commit(Curves([10], scores[:, :, None], ["f1"], list(range(count))), outcomes, {"seconds": 1.0})
    console = Console(file=io.StringIO(), width=100)
    show(RunDirectory(paths), [], console)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("seeds", "finished", "said"),
    [
        (SeedCounts(compare=40, looks=(12, 24, 40)), (12, 4), "before look 1 of 3 (at 12 of 40 seeds)"),
        (SeedCounts(compare=40, looks=(12, 24, 40)), (12, 12), "look 1 of 3 (12 of 40 seeds)"),
        (SeedCounts(compare=40, looks=(12, 24, 40)), (40, 30), "look 2 of 3 (24 of 40 seeds)"),
        (SeedCounts(until="decided", least=6, most=48), (5, 6), "before look 1 of 4 (at 6 of 48 seeds)"),
        (
            SeedCounts(until="decided", least=6, most=48),
            (6, 6),
            "look 1 of 4 (6 of 48 seeds); no more follows: all is decided",
        ),
    ],
)
def test_the_look_is_said(tmp_path, seeds, finished, said):
    assert f"\n{said}\n" in looked_at(tmp_path / "made", seeds, finished)


@pytest.mark.parametrize("seeds", [SeedCounts(compare=12), SeedCounts(compare=12, looks="any")])
def test_a_study_of_one_look_says_none(tmp_path, seeds):
    assert "\nlook" not in looked_at(tmp_path / "made", seeds, (12, 12))
