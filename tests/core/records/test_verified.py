"""What a record says of its members is what their curves come to."""

import json
import math

import numpy as np
import pytest

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.record_files import LedgerError
from seedsweep.core.records.verified import verified

STEPS = [10, 20, 30, 40]
CRITERION = Criterion("f1", 0.9, 2, "max", 0, 1)
#: One that converges, one that falls back, one that diverged in the end, one that was stopped.
SCORES = np.array(
    [[0.5, 0.95, 0.95, 0.95], [0.95, 0.95, 0.2, 0.3], [0.9, 0.8, math.nan, math.nan], [0.95, 0.95, math.nan, math.nan]]
).T
DIVERGED, STOPPED = [None, None, 25, None], [None, None, None, 20]
#: Of a test split; a measure may be none.
TEST = {"last": {"f1": 0.5, "auc": math.nan}, "best": {"f1": 0.5, "auc": 0.5}}


@pytest.fixture
def record(tmp_path):
    spec = CohortSpec("compare", 0, "abc", "half", {}, {}, (0, 1, 2, 3), 40)
    record = Ledger(tmp_path).record(spec)
    record.create(spec)
    curves = Curves(STEPS, np.stack([SCORES, 1 - SCORES], -1), ["f1", "loss"], list(spec.seeds))
    members = enumerate(zip(SCORES.T, DIVERGED, STOPPED, [TEST, TEST, {}, TEST], strict=True))
    outcomes = [judge(seed, STEPS, own, out, CRITERION, end, test) for seed, (own, out, end, test) in members]
    record.claim(1).commit(curves, outcomes, {})
    return record


def change(record, place, **fields):
    """As by hand, in a record from before it had a hash of its own."""
    path = record.folder / "outcome.json"
    written = json.loads(path.read_text())
    written.pop("members_sha256")
    written["members"][place] |= fields
    path.write_text(json.dumps(written))


def test_what_was_committed_is_believed(record):
    outcomes, curves = verified(record, CRITERION)
    assert [outcome.outcome for outcome in outcomes] == ["converged", "fell_back", "diverged", "converged"]
    assert curves.steps == STEPS
    change(record, 0)
    assert [outcome.outcome for outcome in verified(record, CRITERION)[0]] == [outcome.outcome for outcome in outcomes]


@pytest.mark.parametrize(
    ("seed", "fields", "words"),
    [
        (1, {"outcome": "converged"}, "of seed 1 the record says outcome converged, its curve outcome fell_back"),
        (0, {"final": 0.99}, "of seed 0 the record says final 0.99, its curve final 0.95"),
        (2, {"outcome": "never"}, "of seed 2 the record says outcome never, its curve outcome diverged"),
        (3, {"converged_at": 30}, "of seed 3 the record says converged_at 30, its curve converged_at 20"),
        (0, {"seed": 7}, "its outcomes are of others than its curves"),
    ],
)
def test_what_the_curves_do_not_come_to_is_refused_in_one_line(record, seed, fields, words):
    change(record, seed, **fields)
    with pytest.raises(LedgerError, match=words) as refused:
        verified(record, CRITERION)
    assert str(record.folder) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "criterion",
    [Criterion("f1", 0.1, 2), Criterion("f1", 0.9, 4), Criterion("f1", 0.9, 2, "min"), Criterion("auc", 0.9, 2)],
)
def test_another_criterion_than_they_were_judged_by_is_refused(record, criterion):
    with pytest.raises(LedgerError, match=r"was changed|are of others"):
        verified(record, criterion)
