"""Folders of trials as Ray Tune's own loggers write them."""

import re

import pytest

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.columns import Columns
from seedsweep.analysis.imported_results.judged import read
from tests.analysis.imported_results.made import MEMBERS, THRESHOLD, members
from tests.analysis.imported_results.writers import write_ray_tune

NAMED = Columns(scores=("accuracy",))


@pytest.mark.parametrize("without", ["result.json", "progress.csv"])
def test_a_folder_is_a_trial(tmp_path, without):
    write_ray_tune(tmp_path / "experiment")
    for path in (tmp_path / "experiment").rglob(without):
        path.unlink()
    assert members(read(tmp_path / "experiment", THRESHOLD, columns=NAMED)) == MEMBERS


def test_inner_parameters_have_their_path(tmp_path):
    write_ray_tune(tmp_path)
    columns = Columns(configuration=("model/width", "lr"), scores=("accuracy",))
    results = read(tmp_path, THRESHOLD, columns=columns)
    # What is the same in all is not in their names.
    assert members(results) == MEMBERS
    assert results.values["lr 0.1"] == {"model/width": 16, "lr": 0.1}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[:-9], "result.json line 2 is no JSON"),
        (lambda text: text.splitlines()[0] + "\n", "seed 0 of 'lr 0.1' ends at step 1, others at 2"),
        (lambda text: text + text.splitlines()[1], "result.json line 3: step 2 of seed 0 of 'lr 0.1' is there twice"),
        (lambda text: text.replace("accuracy", "loss"), "run 'train_00000_lr=0.1,seed=0' has no 'accuracy'"),
        (lambda text: text.replace("0.9", '"x"'), "result.json line 2: score is 'x', not a number"),
        (lambda text: "[1]\n" + text, "result.json line 1 is no JSON object"),
    ],
)
def test_damage_is_told_with_its_file_and_line(tmp_path, damage, words):
    path = write_ray_tune(tmp_path) / "train_00000_lr=0.1,seed=0" / "result.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(TableError, match=re.escape(words)):
        read(tmp_path, THRESHOLD, columns=NAMED)


def test_a_trial_without_a_result_is_not_passed_over(tmp_path):
    folder = write_ray_tune(tmp_path) / "train_00000_lr=0.1,seed=0"
    for name in ("result.json", "progress.csv"):
        (folder / name).write_text("")
    with pytest.raises(TableError, match="seed=0 has no result"):
        read(tmp_path, THRESHOLD, columns=NAMED)
