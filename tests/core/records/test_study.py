"""A run directory's record of its study: what was written is read back, or refused in one line."""

import math

import pytest
from pydantic import ValidationError

from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.decision import Claim
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Dimension, Measure, RecordError, Search, Study, Training, read_study

STUDY = Study(
    name="1e3",
    question="Is it?",
    task="fashion.py:Fashion",
    configurations={"a": {"lr": 0.1}, "b": {"settings.width": 3}},
    claims=(Claim(better=("a", "b")),),
    search=Search(explore=4, space={"lr": Dimension(low=0.1, high=1, condition={"optimizer.name": "sgd"})}),
    criterion=Criterion("accuracy", 0.5, 2, low=0, high=1),
)


def test_what_is_written_is_read(tmp_path):
    path = RunPaths(tmp_path).study
    path.write_text(STUDY.to_json())
    assert read_study(path) == STUDY


def test_sizes():
    assert (STUDY.compared, STUDY.members) == (3, 4 * 3 + 3 * 12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "damaged"),
        ("[]", "of another version"),
        ('{"name": "x", "variants": {}}', "of another version"),
        (STUDY.to_json().replace('"format": 3', '"format": 1'), "of another version"),
        (STUDY.to_json().replace('"hold": 2', '"hold": "two"'), "damaged"),
        (STUDY.to_json()[:-40], "damaged"),
    ],
)
def test_what_is_not_a_record_is_one_line(tmp_path, text, words):
    path = RunPaths(tmp_path).study
    path.write_text(text)
    with pytest.raises(RecordError, match=words) as refused:
        read_study(path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_no_record_is_no_study(tmp_path):
    with pytest.raises(RecordError, match="holds no study"):
        read_study(RunPaths(tmp_path).study)


@pytest.mark.parametrize(
    ("training", "samples", "steps", "every"),
    [
        (Training(steps=1000, batch=10), 55, 1000, 10),
        (Training(steps=1000, batch=10, evaluate_every=300), 55, 1000, 300),
        (Training(epochs=3, batch=10), 55, 15, 5),
        (Training(epochs=0.5, batch=10), 100, 5, 5),
        (Training(steps=7, batch=10, evaluate_every=300), 55, 7, 7),
    ],
)
def test_epochs_are_steps_once_the_data_are_known(training, samples, steps, every):
    resolved = training.resolved(samples)
    assert (resolved.steps, resolved.evaluate_every, resolved.epochs) == (steps, every, 0)
    assert resolved.resolved(samples) == resolved


def test_the_runs_of_a_folder(tmp_path):
    for name in ("b", "a", ".old"):
        (tmp_path / name).mkdir()
        RunPaths(tmp_path / name).study.write_text(STUDY.to_json())
    (tmp_path / "other").mkdir()
    assert [run.name for run in RunPaths.all_of(tmp_path)] == ["a", "b"]


def test_a_measures_ends_are_its_own():
    measure = Measure(low=0)
    assert measure.ends == "0 to inf"
    assert [measure.is_beyond(value) for value in (-0.1, 0.0, 65.6, math.nan)] == [True, False, False, False]
    assert Measure(high=1).is_beyond(65.6)


@pytest.mark.parametrize(("together", "window"), [(1, 3), (2, 4), (3, 3), (4, 4), (5, 5)])
def test_a_window_is_of_whole_batches(together, window):
    assert Search(together=together).window == window
    assert Search(together=together, window=2 * together).window == 2 * together
    assert Search.model_validate(Search(together=together).model_dump()).window == window


@pytest.mark.parametrize(("together", "window", "fits"), [(4, 6, "4 or 8"), (4, 3, "4 or 8"), (3, 8, "6 or 9")])
def test_a_window_that_cuts_a_batch_is_refused(together, window, fits):
    words = f"window: {window} is no multiple of search.together, {together}: a window of {fits} is one of whole"
    with pytest.raises(ValidationError, match=words):
        Search(together=together, window=window)
