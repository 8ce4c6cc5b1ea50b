import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seedsweep.core.records.claim import FencedError
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.origins import in_words, taken_by
from seedsweep.core.records.record_files import LedgerError
from seedsweep.core.training import checkpoint

SPEC = CohortSpec("compare", 2, "abc123", "half", {"alpha": 0.5}, {"alpha": 0.5, "lr": 0.1}, (0, 1), 10)
CURVES = Curves([5, 10], np.arange(12.0).reshape(2, 2, 3), ["f1", "auc", "loss"], [0, 1])
OUTCOMES = [
    Outcome(0, "converged", 5, 5, None, None, 0.9, 0.95),
    Outcome(1, "diverged", None, None, None, 7, None, None),
]


@pytest.fixture
def record(tmp_path):
    record = Ledger(tmp_path).record(SPEC)
    record.create(SPEC)
    return record


def test_what_is_written_is_read(record, tmp_path):
    assert record.spec() == SPEC
    assert record.curves() is None
    claim = record.claim(1)
    claim.write_curves(CURVES)
    np.testing.assert_array_equal(record.curves().values, CURVES.values)
    assert not record.finished
    claim.commit(CURVES, OUTCOMES, {"host": "here"})
    assert record.finished
    assert record.outcomes() == OUTCOMES
    np.testing.assert_array_equal(record.verified_curves().values, CURVES.values)
    assert record.verified_curves().column("auc").tolist() == [[1, 4], [7, 10]]
    assert [r.folder for r in Ledger(tmp_path).records()] == [record.folder]


def test_a_commit_removes_the_checkpoint_and_the_error(record):
    claim = record.claim(1)
    checkpoint.save(claim.checkpoint, {"step": 1})
    record.fail("boom")
    assert record.error() == "boom"
    claim.commit(CURVES, OUTCOMES, {})
    assert not record.checkpoints()
    assert record.error() is None


def test_altered_curves_are_refused(record):
    record.claim(1).commit(CURVES, OUTCOMES, {})
    file = record.folder / "curves.1.npz"
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    with pytest.raises(LedgerError, match=r"curves\.1\.npz is not what its outcome\.json was written for"):
        record.verified_curves()


def test_a_damaged_record_is_named(record):
    (record.folder / "cohort.json").write_text("{")
    with pytest.raises(LedgerError, match=r"cohort\.json cannot be read"):
        record.spec()


def test_same_curves_same_bytes(record):
    claim = record.claim(1)
    claim.write_curves(CURVES)
    first = (record.folder / "curves.1.npz").read_bytes()
    claim.write_curves(CURVES)
    assert (record.folder / "curves.1.npz").read_bytes() == first


def test_checkpoints_are_whole_or_absent_and_hold_no_code(tmp_path):
    path = tmp_path / "checkpoint"
    assert checkpoint.load(path) is None
    checkpoint.save(path, {"step": 3, "values": torch.arange(3.0)})
    assert checkpoint.load(path)["step"] == 3
    path.write_bytes(path.read_bytes()[:200])
    assert checkpoint.load(path) is None
    torch.save({"code": Path}, path)
    assert checkpoint.load(path) is None


def test_the_next_owner_goes_on_from_the_last_readable_checkpoint(record):
    first = record.claim(1)
    checkpoint.save(first.checkpoint, {"step": 1})
    second = record.claim(1)
    assert checkpoint.latest(record.checkpoints())["step"] == 1
    checkpoint.save(second.checkpoint, {"step": 2})
    assert checkpoint.latest(record.checkpoints())["step"] == 2
    second.checkpoint.write_bytes(b"torn")
    assert checkpoint.latest(record.checkpoints())["step"] == 1


def test_an_owner_that_was_given_up_changes_nothing(record):
    old = record.claim(1)
    new = record.claim(1)
    for write in (lambda: old.write_curves(CURVES), lambda: old.commit(CURVES, OUTCOMES, {})):
        with pytest.raises(FencedError, match="given to another worker"):
            write()
    assert not record.finished
    new.commit(CURVES, OUTCOMES, {"host": "new"})
    before = {path.name: path.read_bytes() for path in record.folder.iterdir()}
    with pytest.raises(FencedError):
        old.write_curves(CURVES)
    assert {path.name: path.read_bytes() for path in record.folder.iterdir()} == before


def test_of_two_owners_that_commit_at_once_the_first_stays(record, monkeypatch):
    old, new = record.claim(1), record.claim(1)
    # Both have passed the check when the other commits.
    monkeypatch.setattr(old, "check", lambda: None)
    old.commit(CURVES, OUTCOMES, {"host": "old"})
    with pytest.raises(FencedError, match="finished by another worker"):
        new.commit(CURVES, OUTCOMES, {"host": "new"})
    assert record.run()["host"] == "old"
    assert len(record.verified_curves().steps) == 2


def test_a_worker_of_an_older_launch_gets_no_cohort(record):
    record.claim(2)
    with pytest.raises(FencedError, match="newer launch"):
        record.claim(1)
    record.claim(2)
    record.claim(3)


def test_the_ledger_needs_no_torch():
    code = "import sys; from seedsweep.core.records import criterion, ledger; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], env=os.environ).returncode == 0


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"members": [{"seed": 1}]}'])
def test_a_damaged_outcome_is_named_in_one_line(record, content):
    record.claim(1).commit(CURVES, OUTCOMES, {})
    (record.folder / "outcome.json").write_text(content)
    for read in (record.outcomes, record.run, record.verified_curves):
        with pytest.raises(LedgerError, match=r"outcome\.json cannot be read .* remove its folder") as refused:
            read()
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "change", [{"outcome": "converged"}, {"diverged_at": None}, {"stopped_at": 5}, {"test": {"last": {"f1": 1.0}}}]
)
def test_an_outcome_that_was_changed_by_hand_is_refused(record, change):
    record.claim(1).commit(CURVES, OUTCOMES, {})
    path = record.folder / "outcome.json"
    written = json.loads(path.read_text())
    written["members"][1] |= change
    path.write_text(json.dumps(written))
    with pytest.raises(LedgerError, match=r"outcome\.json was changed after it was written: remove "):
        record.outcomes()


def test_superseded_configurations_are_no_cohorts_of_the_study(record, tmp_path):
    ledger, other = Ledger(tmp_path), replace(SPEC, configuration="def456")
    ledger.record(other).create(other)
    ledger.supersede([])
    assert not (tmp_path / "superseded.json").exists()
    ledger.supersede({SPEC.configuration})
    assert [record.spec() for record in ledger.records()] == [other]
    assert len(ledger.records(superseded=True)) == 2
    # What comes back, as when data are as they were, counts again.
    ledger.supersede({other.configuration})
    assert [record.spec() for record in ledger.records()] == [SPEC]
    (tmp_path / "superseded.json").write_text("{")
    with pytest.raises(LedgerError, match=r"superseded\.json cannot be read .*: remove it and launch again"):
        ledger.records()


def test_damaged_curves_are_named(record):
    record.claim(1).write_curves(CURVES)
    (record.folder / "curves.1.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(LedgerError, match=r"curves\.1\.npz is damaged"):
        record.curves()


def test_a_members_own_files_begin_as_a_copy_of_the_last_owners(record):
    first = record.claim(1).files()
    (first / "folder").mkdir()
    (first / "folder" / "state").write_text("1")
    (first / "link").symlink_to("folder/state")
    (record.folder / ".files.1").mkdir()
    second = record.claim(1).files()
    assert (second / "folder" / "state").read_text() == (second / "link").read_text() == "1"
    assert (second / "link").is_symlink()
    assert list(record.folder.glob("*files.*")) == [second]


def test_who_trained_members_that_were_taken_is_on_record(record):
    taken = [{"run": "b", "seeds": [1]}, {"run": "a", "seeds": [0]}]
    record.claim(1).commit(CURVES, OUTCOMES, {"taken_from": taken})
    assert record.origins() == {0: "a", 1: "b"}
    assert record.taken_from() == "a, b"
    assert taken_by([record]) == {"a": 1, "b": 1}
    assert in_words(taken_by([record, record])) == "2 members taken from a, 2 from b"
    assert in_words({"a": 1}) == "1 member taken from a"
    assert in_words({}) == ""


def test_of_members_that_were_trained_here_nothing_is_said(record):
    record.claim(1).commit(CURVES, OUTCOMES, {})
    assert (record.origins(), record.taken_from()) == ({}, "")


def test_a_members_own_files_may_begin_as_a_copy_of_another_cohorts(record, tmp_path):
    other = Ledger(tmp_path / "other").record(SPEC)
    other.create(SPEC)
    (other.claim(1).files() / "state").write_text("theirs")
    (record.claim(1).files() / "state").write_text("half")
    assert other.has_files
    mine = record.claim(1).files(other)
    assert (mine / "state").read_text() == "theirs"
    assert list(record.folder.glob("*files.*")) == [mine]
