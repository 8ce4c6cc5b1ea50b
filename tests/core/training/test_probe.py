"""How many members are trained together, by what was measured."""

import pytest

from seedsweep.core.records.study import Training
from seedsweep.core.training import memory, probe
from seedsweep.core.training.memory import OutOfMemoryError
from seedsweep.core.training.optimisers import SGD, Adam
from seedsweep.core.training.probe import Rate, at_once

TRAINING = Training(steps=12, batch=8, evaluate_every=5)


@pytest.fixture
def probed(members):
    def made(task, most: int, timed=None, **options) -> list[Rate]:
        timing = {"timed": timed} if timed else {}
        return probe.probe(task, members(task, 0)[0], TRAINING, Adam(), most, seconds=0.01, **timing, **options)

    return made


def size(cohort, seconds: float) -> float:
    """In place of a time: as if each member more made as much more."""
    cohort.train_step()
    return float(len(cohort.members))


def measured(*rates: float) -> list[Rate]:
    return [Rate(2**k, rate, 0) for k, rate in enumerate(rates)]


def test_sizes_are_timed_up_to_the_most(together, probed):
    rates = probed(together, 5, timed=size)
    assert [rate.members for rate in rates] == [1, 2, 4, 5]
    assert all(rate.bytes > 0 for rate in rates)


def test_the_timing_is_of_steps(task, probed):
    assert all(rate.rate > 0 for rate in probed(task, 2))


def test_no_further_than_the_rate_rises(task, probed):
    known = {1: 100.0, 2: 150.0, 4: 200.0, 8: 203.0, 16: 209.0, 32: 230.0}
    # 8 alone may have been disturbed; 16 is no more than 5 % better than 4.
    rates = probed(task, 32, timed=lambda cohort, seconds: known[len(cohort.members)])
    assert [rate.members for rate in rates] == [1, 2, 4, 8, 16]


def test_no_further_than_memory_lasts(task, probed, monkeypatch):
    """A size is tried where the last step's growth, gone on with, fits."""
    monkeypatch.setattr(probe, "most_held", lambda *arguments: 99)
    taken = iter([10.0, 11.0, 12.0, 14.0, 18.0])
    monkeypatch.setattr(memory, "peak", lambda device: next(taken))
    monkeypatch.setattr(memory, "available", lambda device, share: 25.0 * share)
    # 10 without any member, and 1 each: 16 would need 26.
    assert [rate.members for rate in probed(task, 32, timed=size)] == [1, 2, 4, 8]


@pytest.mark.parametrize(("optimizer", "copies"), [(Adam(), 4), (SGD(), 3)])
def test_no_more_than_the_device_holds(task, monkeypatch, optimizer, copies):
    """Half of the memory for what members keep: weights, gradient, the optimiser's state."""
    each = copies * 4 * sum(p.numel() for p in task.model().parameters())
    monkeypatch.setattr(memory, "available", lambda device, share: share * 2 * 3.5 * each)
    assert [probe.most_held(task, optimizer, share) for share in (1.0, 0.1, 2.0)] == [3, 1, 7]


def test_no_further_than_the_device_allows(task, probed):
    def timed(cohort, seconds):
        if len(cohort.members) > 2:
            raise OutOfMemoryError("no more")
        return size(cohort, seconds)

    assert [rate.members for rate in probed(task, 8, timed=timed)] == [1, 2]


@pytest.mark.parametrize(
    ("rates", "count", "size"),
    [
        (measured(100, 120, 170, 200), 8, 8),  # still rising
        (measured(100, 120, 170, 200), 6, 6),  # between 4 and 8 it rises, too
        (measured(100, 120, 170, 200), 12, 6),  # two equal groups: none larger than 8 was timed
        (measured(100, 90, 80), 12, 1),  # convolutions on a CPU
        (measured(100, 200, 150), 3, 2),
        (measured(100), 5, 1),
    ],
)
def test_groups_as_large_as_pays(rates, count, size):
    assert at_once(rates, count) == size
