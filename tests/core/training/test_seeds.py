"""The order of samples, and the keys of draws: from the seed alone."""

import pytest

from seedsweep.core.errors import UserError
from seedsweep.core.training.seeds import Member, batch_orders, draw_key, init_seed, measure_key


def test_an_epoch_shows_every_sample_once_and_epochs_differ():
    epochs = [batch_orders(7, 20, 5, range(4 * e, 4 * e + 4)).ravel() for e in range(2)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(20))
    assert list(epochs[0]) != list(epochs[1])
    assert batch_orders(8, 20, 5, range(1)).tolist() != batch_orders(7, 20, 5, range(1)).tolist()


def test_steps_are_the_same_however_they_are_asked_for():
    """Across the border of two epochs, of which each leaves two samples out."""
    together = batch_orders(7, 22, 5, range(2, 11))
    assert together.tolist() == [batch_orders(7, 22, 5, range(step, step + 1))[0].tolist() for step in range(2, 11)]


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(UserError, match=r"training\.batch: 8 is larger than the 5 training samples"):
        batch_orders(0, 5, 8, range(1))


def test_no_two_streams_are_one():
    """Of small numbers, as seeds, steps and batches are."""
    keys = [draw_key(seed, step) for seed in range(40) for step in range(40)]
    keys += [init_seed(seed) for seed in (*range(40), *range(1_000_000, 1_000_040))]
    keys += [measure_key(batch) for batch in range(40)]
    assert len(set(keys)) == len(keys)


def test_a_seed_is_short_for_that_of_each_part():
    assert Member(7, {}).parts == (7, 7, 7, 0)
    assert Member(7, {}, varied=("order", "sample")).parts == (0, 7, 0, 7)


def test_a_sample_is_a_bootstrap_of_the_training_split():
    """Drawn with replacement, the same in every epoch; the order is the order part's."""
    epochs = [batch_orders(3, 40, 40, range(epoch, epoch + 1), 5)[0] for epoch in range(2)]
    plain = batch_orders(3, 40, 40, range(1))[0]
    assert 10 < len(set(epochs[0])) < 40
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(batch_orders(4, 40, 40, range(1), 5)[0])
    assert sorted(epochs[0]) != sorted(batch_orders(3, 40, 40, range(1), 6)[0])
    assert dict(zip(plain, epochs[0], strict=True)).keys() == set(range(40))
