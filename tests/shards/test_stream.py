"""Streams: every sample once an epoch, in an order that seed and epoch decide."""

import numpy as np
import pytest

from seedsweep.shards import layout
from seedsweep.shards.data_set import make, resolved
from seedsweep.shards.index import ShardError
from seedsweep.shards.pack import pack
from seedsweep.shards.read import read
from seedsweep.shards.stream import batches

DATA = resolved({"name": "pattern1", "size": 16, "train": 150, "validation": 7, "field": 8})


def pack_small(root):
    """In shards of 16 samples."""
    sample = 2 * 16 * 16 + 16
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "RECORD_BYTES", 4 * sample)
        patch.setattr(layout, "SHARD_BYTES", 16 * sample)
        return pack("pattern1", make(DATA), DATA, root)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """10 shards to train, of 16 samples and one of 6; one to validate."""
    return pack_small(tmp_path_factory.mktemp("packed"))


def keys(some) -> list[bytes]:
    """What tells the samples of a stream apart, in their order."""
    return [image.tobytes() for batch in some for image in batch["image"]]


def stream(folder, epoch=0, seed=0, size=32, split="train", **more):
    return list(batches(folder, split, size, seed=seed, epoch=epoch, **more))


#: torch's advice, where a test has more workers than this machine has cores.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize("workers", [0, 1, 2, 3, 12])
def test_every_sample_once_in_the_same_order_whatever_the_workers(packed, workers):
    """12: more than shards."""
    wanted = sorted(image.tobytes() for image in read(packed)["train"]["image"])
    for epoch in (0, 1):
        found = keys(stream(packed, epoch, workers=workers))
        assert sorted(found) == wanted
        assert found == keys(stream(packed, epoch))


@pytest.mark.parametrize("nodes", [1, 2, 3])
@pytest.mark.parametrize("workers", [0, 2])
def test_nodes_share_the_samples(packed, nodes, workers):
    wanted = sorted(image.tobytes() for image in read(packed)["train"]["image"])
    found = [keys(stream(packed, node=(number, nodes), workers=workers)) for number in range(nodes)]
    assert sorted(key for part in found for key in part) == wanted
    assert max(map(len, found)) - min(map(len, found)) <= 2 * 16


def test_a_launchers_variables_drop_nothing(packed, monkeypatch):
    plain = keys(stream(packed))
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert keys(stream(packed)) == plain
    assert keys(stream(packed, workers=2)) == plain


def test_epochs_and_seeds_differ(packed):
    orders = [keys(stream(packed, epoch, seed)) for epoch in (0, 1) for seed in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
    assert keys(stream(packed, 1, 1)) == orders[3]


def test_batches_are_full_but_the_last_and_what_belongs_together_stays(packed):
    some = stream(packed, size=32)
    assert [len(batch["label"]) for batch in some] == [32] * 4 + [22]
    known = {image.tobytes(): row for row, image in enumerate(read(packed)["train"]["image"])}
    arrays = read(packed)["train"]
    for batch in some:
        rows = [known[image.tobytes()] for image in batch["image"]]
        for name in ("mask", "label", "centre"):
            np.testing.assert_array_equal(batch[name], arrays[name][rows])


def test_samples_of_several_shards_are_mixed(packed):
    order = {image.tobytes(): row // 16 for row, image in enumerate(read(packed)["train"]["image"])}
    first = [order[key] for key in keys(stream(packed, size=64, mixed=4)[:1])]
    assert len(set(first)) == 4
    assert first != sorted(first)


def test_a_set_smaller_than_a_batch(packed):
    (only,) = stream(packed, split="validation", size=100)
    assert len(only["label"]) == 7


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_shard_stops_the_epoch(tmp_path, workers):
    folder = pack_small(tmp_path)
    shard = next(folder.glob("train-*.tar"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises((ShardError, RuntimeError), match="does not match its checksum"):
        stream(folder, workers=workers)


def test_a_split_that_is_not_there_is_named(packed):
    with pytest.raises(ShardError, match="has no test split"):
        stream(packed, split="test")
