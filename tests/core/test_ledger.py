import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from core import checkpoint
from core.criterion import Outcome
from core.ledger import CohortSpec, Curves, Ledger, LedgerError

SPEC = CohortSpec("compare", 2, "abc123", {"alpha": 0.5}, "named", (0, 1))
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
    record.write_curves(CURVES)
    assert not record.finished
    record.commit(CURVES, OUTCOMES, {"host": "here"})
    assert record.finished
    assert record.outcomes() == OUTCOMES
    np.testing.assert_array_equal(record.verified_curves().values, CURVES.values)
    assert record.verified_curves().column("auc").tolist() == [[1, 4], [7, 10]]
    assert [r.folder for r in Ledger(tmp_path).records()] == [record.folder]


def test_a_commit_removes_the_checkpoint_and_the_error(record):
    checkpoint.save(record.checkpoint, {"step": 1})
    record.fail("boom")
    assert record.error() == "boom"
    record.commit(CURVES, OUTCOMES, {})
    assert not record.checkpoint.exists()
    assert record.error() is None


def test_altered_curves_are_refused(record):
    record.commit(CURVES, OUTCOMES, {})
    file = record.folder / "curves.npz"
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    with pytest.raises(LedgerError, match=r"curves\.npz is not what its outcome\.json was written for"):
        record.verified_curves()


def test_a_damaged_record_is_named(record):
    (record.folder / "cohort.json").write_text("{")
    with pytest.raises(LedgerError, match=r"cohort\.json cannot be read"):
        record.spec()


def test_same_curves_same_bytes(record):
    record.write_curves(CURVES)
    first = (record.folder / "curves.npz").read_bytes()
    record.write_curves(CURVES)
    assert (record.folder / "curves.npz").read_bytes() == first


def test_checkpoints_are_whole_or_absent_and_hold_no_code(record):
    assert checkpoint.load(record.checkpoint) is None
    checkpoint.save(record.checkpoint, {"step": 3, "values": torch.arange(3.0)})
    assert checkpoint.load(record.checkpoint)["step"] == 3
    record.checkpoint.write_bytes(record.checkpoint.read_bytes()[:200])
    assert checkpoint.load(record.checkpoint) is None
    torch.save({"code": Path}, record.checkpoint)
    assert checkpoint.load(record.checkpoint) is None


def test_a_cohort_is_held_by_one_process_and_freed_by_its_death(record):
    hold = (
        "import sys, time; from pathlib import Path; from core.ledger import CohortRecord\n"
        "with CohortRecord(Path(sys.argv[1])).claim(): print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", hold, str(record.folder)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(LedgerError, match="in use by another process"), record.claim(patience=0.2):
        pass
    other.kill()
    other.wait()
    other.stdout.close()
    with record.claim(patience=10):
        pass


def test_the_ledger_needs_no_torch():
    code = "import sys; import core.ledger, core.criterion; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], env=os.environ).returncode == 0
