import numpy as np
import pytest

from seedsweep.core.records.criterion import Criterion, judge

CRITERION = Criterion("f1", 0.9, 2)
NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "diverged_at", "outcome", "first_met", "converged_at", "lost_at"),
    [
        ([0.1, 0.9, 0.95, 1.0], None, "converged", 30, 30, None),
        ([0.9, 0.9, 0.1, 0.9, 0.9], None, "converged", 20, 50, None),
        ([0.9, 0.9, 0.9, 0.1], None, "fell_back", 20, None, 40),
        ([0.9, 0.9, 0.1, 0.9], None, "fell_back", 20, None, 30),
        ([0.9, 0.1, 0.9, 0.1], None, "never", None, None, None),
        ([0.9, 0.899999], None, "never", None, None, None),
        ([0.9, 0.9, NAN, NAN], 23, "diverged", 20, None, 30),
        ([NAN, NAN], 3, "diverged", None, None, None),
    ],
)
def test_outcome(scores, diverged_at, outcome, first_met, converged_at, lost_at):
    steps = [10 * (i + 1) for i in range(len(scores))]
    judged = judge(3, steps, np.array(scores), diverged_at, CRITERION)
    assert (judged.outcome, judged.first_met, judged.converged_at, judged.lost_at) == (
        outcome, first_met, converged_at, lost_at,
    )  # fmt: skip
    assert judged.diverged_at == diverged_at


def test_final_and_best_are_none_where_nothing_is_finite():
    judged = judge(0, [1, 2], np.array([0.4, NAN]), 2, CRITERION)
    assert (judged.final, judged.best) == (None, 0.4)
    assert judge(0, [1], np.array([NAN]), 1, CRITERION).best is None


@pytest.mark.parametrize("scores", [[0.1, 0.9, 0.95, 1.0], [0.9, 0.9, 0.1, 0.9], [0.9, 0.9, NAN, NAN], [0.2, 0.3, 0.1]])
def test_lower_is_better_is_higher_is_better_upside_down(scores):
    steps = [10 * (i + 1) for i in range(len(scores))]
    higher = judge(3, steps, np.array(scores), None, CRITERION)
    lower = judge(3, steps, -np.array(scores), None, Criterion("loss", -0.9, 2, direction="min"))
    for name in ("outcome", "first_met", "converged_at", "lost_at"):
        assert getattr(lower, name) == getattr(higher, name)
    assert lower.best == -higher.best


def test_a_member_that_was_stopped_keeps_its_outcome():
    judged = judge(0, [10, 20], np.array([0.95, 0.95]), None, CRITERION, 20, {"last": {"f1": 0.9}})
    assert (judged.outcome, judged.stopped_at, judged.test) == ("converged", 20, {"last": {"f1": 0.9}})


@pytest.mark.parametrize(("diverged_at", "last", "best"), [(None, 0.7, 0.9), (20, None, None)])
def test_the_score_of_one_that_diverged_is_none(diverged_at, last, best):
    scores = np.array([0.9, 0.7] if diverged_at is None else [0.9, np.nan])
    outcome = judge(0, [10, 20], scores, diverged_at, Criterion("f1", 0.95, 1))
    assert (outcome.score("last"), outcome.score("best")) == (last, best)
