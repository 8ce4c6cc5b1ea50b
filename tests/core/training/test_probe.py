"""How many members are trained together, by what was measured."""

import pytest

from seedsweep.core.training import memory, probe
from seedsweep.core.training.cohort import Cohort, TrainingSettings
from seedsweep.core.training.memory import OutOfMemoryError
from seedsweep.core.training.probe import Rate, at_once
from seedsweep.core.training.schedules import Hyperparameters

timed = probe._timed
TRAINING = TrainingSettings(steps=12, batch=8, evaluate_every=5)


def probed(task, most: int) -> list[Rate]:
    return probe.probe(task, Hyperparameters(), TRAINING, most, seconds=0.01)


def measured(*rates: float) -> list[Rate]:
    return [Rate(2**k, rate, 0) for k, rate in enumerate(rates)]


def test_sizes_are_timed_up_to_the_most(any_task, monkeypatch):
    monkeypatch.setattr(probe, "_timed", lambda cohort, seconds: timed(cohort, seconds) and float(len(cohort.members)))
    rates = probed(any_task, 5)
    assert [rate.members for rate in rates] == [1, 2, 4, 5]
    assert all(rate.bytes > 0 for rate in rates)


def test_the_timing_is_of_steps(task):
    assert all(rate.rate > 0 for rate in probed(task, 2))


def test_no_further_than_the_rate_rises(task, monkeypatch):
    known = {1: 100.0, 2: 150.0, 4: 200.0, 8: 203.0, 16: 209.0, 32: 230.0}
    monkeypatch.setattr(probe, "_timed", lambda cohort, seconds: known[len(cohort.members)])
    # 8 alone may have been disturbed; 16 is no more than 5 % better than 4.
    assert [rate.members for rate in probed(task, 32)] == [1, 2, 4, 8, 16]


def test_no_further_than_memory_lasts(task, monkeypatch):
    """A size is tried where the last step's growth, gone on with, fits."""
    monkeypatch.setattr(probe, "_timed", lambda cohort, seconds: float(len(cohort.members)))
    monkeypatch.setattr(probe, "most_held", lambda *arguments: 99)
    taken = iter([10.0, 11.0, 12.0, 14.0, 18.0])
    monkeypatch.setattr(memory, "peak", lambda device: next(taken))
    monkeypatch.setattr(memory, "available", lambda device, share: 25.0 * share)
    # 10 without any member, and 1 each: 16 would need 26.
    assert [rate.members for rate in probed(task, 32)] == [1, 2, 4, 8]


def test_no_more_than_the_device_holds(any_task, monkeypatch):
    """Half of the memory for what members keep: four times their weights, and their buffers once."""
    model = any_task.build(0)
    each = 16 * sum(p.numel() for p in model.parameters()) + 4 * sum(b.numel() for b in model.buffers())
    monkeypatch.setattr(memory, "available", lambda device, share: share * 2 * 3.5 * each)
    assert [probe.most_held(any_task, share) for share in (1.0, 0.1, 2.0)] == [3, 1, 7]


def test_no_further_than_the_device_allows(task, monkeypatch):
    forward = Cohort._forward

    def refusing(self, group, *rest):
        if group.stop - group.start > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 12 bytes")
        return forward(self, group, *rest)

    monkeypatch.setattr(Cohort, "_forward", refusing)
    monkeypatch.setattr(probe, "_timed", lambda cohort, seconds: timed(cohort, seconds) and float(len(cohort.members)))
    assert [rate.members for rate in probed(task, 8)] == [1, 2]

    def refusing_all(*arguments):
        raise MemoryError

    monkeypatch.setattr(Cohort, "_forward", refusing_all)
    with pytest.raises(OutOfMemoryError, match=r"one member alone .* a smaller training\.batch"):
        probed(task, 8)


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
