import hashlib
import io
import json
import tarfile
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import webdataset

from seedsweep.shards.catalog import GENERATORS
from seedsweep.shards.pack import pack
from seedsweep.shards.read import ARRAYS, ShardError, data_fingerprint, read
from seedsweep.shards.samples import DataSettings
from seedsweep.shards.tars import write_shard

SETTINGS = DataSettings(
    "pattern1", size=32, train=40, validation=10, field=8, samples_per_record=8, records_per_shard=2
)


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("size", [24, 64])
def test_samples(name, size):
    settings = DataSettings(name, size=size, train=20, validation=20)
    samples = [GENERATORS[name](settings, "train", i) for i in range(20)]
    assert sum(s.label for s in samples) == 10
    for sample in samples:
        assert sample.image.shape == (3 if name.endswith("rgb") else 1, size, size)
        assert sample.mask.shape == (1, size, size)
        assert sample.image.dtype == np.uint8
        assert set(np.unique(sample.mask)) <= {0, 1}
        assert sample.mask.any() == bool(sample.label)
        assert (np.abs(sample.centre) <= 1).all()
        if sample.label:
            rows, columns = np.nonzero(sample.mask[0])
            seen = np.array([columns.mean(), rows.mean()]) / (size - 1) * 2 - 1
            np.testing.assert_allclose(sample.centre, seen, atol=1.5 / size)
    assert len({s.image.tobytes() for s in samples if s.label}) == 10
    other_split = GENERATORS[name](settings, "validation", 1)
    assert other_split.image.tobytes() != samples[1].image.tobytes()


def test_patterns_show_where_at_once_and_what_only_near():
    settings = DataSettings("pattern1", size=64, field=16, anywhere=True)
    normal, tumour = (
        [GENERATORS["pattern1"](settings, "train", i).image[0].astype(float) for i in range(kind, 200, 2)]
        for kind in (0, 1)
    )
    darkest = [
        min(image[r : r + 16, c : c + 16].mean() for r in range(0, 48, 4) for c in range(0, 48, 4)) for image in normal
    ]
    assert max(darkest) < 0.8 * np.mean(normal)  # the field is darker than anything around it
    # Averaged over one period, stripes and checkerboard are the same grey.
    blurred = [np.mean([image.reshape(16, 4, 16, 4).mean((1, 3)).min() for image in kind]) for kind in (normal, tumour)]
    assert abs(blurred[0] - blurred[1]) < 6


def test_pattern1_is_cut_around_the_field_and_the_offset_moves_it():
    centred = DataSettings("pattern1", size=64, field=8)
    still = [np.abs(GENERATORS["pattern1"](centred, "train", i).centre).max() for i in range(60)]
    moved = [np.abs(GENERATORS["pattern1_offset"](centred, "train", i).centre).max() for i in range(60)]
    assert max(still) < 0.001
    assert 0.1 < np.median(moved) <= 0.41


def test_pattern2_has_as_many_fields_whatever_the_label_and_the_mask_holds_the_checkerboards():
    settings = DataSettings("pattern2", size=64, field=16)
    for index in range(20):
        sample = GENERATORS["pattern2"](settings, "train", index)
        dark = sample.image[0] < 0.2 * 255
        # Half of every field is dark.
        assert dark.sum() == 4 * 16 * 16 / 2
        assert sample.mask.sum() == (2 * 16 * 16 if sample.label else 0)
        # Under a checkerboard every row and column is half dark, under stripes one of the two is all or nothing.
        if sample.label:
            assert dark[sample.mask[0] == 1].mean() == 0.5
    rgb = GENERATORS["pattern2_rgb"](settings, "train", 1).image
    assert (rgb == GENERATORS["pattern2"](settings, "train", 1).image).all()


@pytest.mark.parametrize(("balance", "tumours"), [("balanced", 50), ("skewed", 10)])
@pytest.mark.parametrize("name", GENERATORS)
def test_balance(name, balance, tumours):
    settings = DataSettings(name, size=24, balance=balance)
    assert sum(GENERATORS[name](settings, "train", i).label for i in range(100)) == tumours


def test_ellipses_have_one_size_and_varied_ones_many():
    sizes = {}
    for name in ("ellipses", "ellipses_varied"):
        settings = DataSettings(name, size=128, field=32)
        sizes[name] = [GENERATORS[name](settings, "train", i).mask.sum() for i in range(1, 40, 2)]
    assert np.ptp(sizes["ellipses"]) < 0.1 * np.mean(sizes["ellipses"])
    assert np.ptp(sizes["ellipses_varied"]) > 0.8 * np.mean(sizes["ellipses_varied"])
    assert np.mean(sizes["ellipses"]) == pytest.approx(np.pi * 16 * 8, rel=0.02)


def test_same_settings_same_bytes(tmp_path):
    one, two = pack(SETTINGS, tmp_path / "a"), pack(SETTINGS, tmp_path / "b")
    files = sorted(p.name for p in one.iterdir())
    assert files == sorted(p.name for p in two.iterdir())
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)
    assert data_fingerprint(one) == data_fingerprint(two)
    index = json.loads((one / "index.json").read_text())
    assert [s["samples"] for s in index["splits"]["train"]["shards"]] == [16, 16, 8]


def test_other_settings_another_folder(tmp_path):
    from dataclasses import replace

    assert pack(SETTINGS, tmp_path) != pack(replace(SETTINGS, seed=1), tmp_path)


def test_what_is_packed_is_read(tmp_path):
    folder = pack(SETTINGS, tmp_path)
    splits = read(folder, tmp_path / "cache")
    for split, count in (("train", 40), ("validation", 10)):
        expected = [GENERATORS["pattern1"](SETTINGS, split, i) for i in range(count)]
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(splits[split], name), [getattr(s, name) for s in expected])


def test_the_cache_is_decoded_once_and_shared(tmp_path):
    folder = pack(SETTINGS, tmp_path)
    with ProcessPoolExecutor(3) as pool:
        results = list(pool.map(_image_sum, [folder] * 3, [tmp_path / "cache"] * 3))
    assert len(set(results)) == 1
    entries = [p for p in (tmp_path / "cache").iterdir() if p.is_dir()]
    assert len(entries) == 1
    for tar in folder.glob("*.tar"):
        tar.unlink()  # the cache alone answers now
    assert isinstance(read(folder, tmp_path / "cache")["train"].image, np.memmap)


def _image_sum(folder, cache):
    return int(read(folder, cache)["train"].image.astype(int).sum())


def test_shards_are_webdataset_shards(tmp_path):
    folder = pack(SETTINGS, tmp_path)
    urls = sorted(str(p) for p in folder.glob("train-*.tar"))
    records = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode())
    labels = np.concatenate([record["label.npy"] for record in records])
    assert labels.tolist() == [i % 2 for i in range(40)]


@pytest.mark.parametrize("damage", ["truncated", "altered", "missing"])
def test_a_damaged_shard_is_named(tmp_path, damage):
    folder = pack(SETTINGS, tmp_path)
    shard = folder / "train-000001.tar"
    content = shard.read_bytes()
    shard.unlink()
    if damage == "truncated":
        shard.write_bytes(content[:-2000])
    elif damage == "altered":
        shard.write_bytes(content[:700] + bytes([content[700] ^ 1]) + content[701:])
    with pytest.raises(ShardError, match=r"train-000001\.tar (does not match its checksum|is missing)"):
        read(folder, tmp_path / "cache")
    assert not [p for p in (tmp_path / "cache").iterdir() if p.is_dir()]  # nothing half-decoded is left


def test_a_tar_member_that_climbs_out_is_refused(tmp_path):
    folder = pack(SETTINGS, tmp_path)
    shard = folder / "train-000000.tar"
    with tarfile.open(shard, "a") as tar:
        tar.addfile(tarfile.TarInfo("../evil.image.npy"))
    import hashlib

    index = json.loads((folder / "index.json").read_text())
    index["splits"]["train"]["shards"][0]["sha256"] = hashlib.sha256(shard.read_bytes()).hexdigest()
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(ShardError, match=r"holds '\.\./evil"):
        read(folder, tmp_path / "cache")


@pytest.mark.parametrize(
    ("content", "words"), [(None, "no index.json"), ("{", "is damaged"), ('{"format": 0}', "format 0")]
)
def test_a_bad_index_is_named(tmp_path, content, words):
    if content is not None:
        (tmp_path / "index.json").write_text(content)
    with pytest.raises(ShardError, match=words):
        read(tmp_path, tmp_path / "cache")


def test_a_shard_is_what_the_standard_library_writes(tmp_path):
    rng = np.random.default_rng(0)
    records = [
        (f"{key:08d}", {"image.npy": rng.integers(0, 255, (3, 1, 5, 5), np.uint8), "label.npy": np.arange(key + 1)})
        for key in range(3)
    ] + [("empty", {"centre.npy": np.zeros((0, 2), np.float32)})]
    digest = write_shard(tmp_path / "ours.tar", iter(records))
    with tarfile.open(tmp_path / "theirs.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, arrays in records:
            for extension, array in arrays.items():
                buffer = io.BytesIO()
                np.save(buffer, array)
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size, member.mode, member.mtime = buffer.tell(), 0o644, 0
                buffer.seek(0)
                tar.addfile(member, buffer)
    content = (tmp_path / "ours.tar").read_bytes()
    assert content == (tmp_path / "theirs.tar").read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()


def test_a_set_that_does_not_fit_the_cache_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    folder = pack(SETTINGS, tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(ShardError, match=r"needs 0\.0 GB in the cache .*SEEDSWEEP_CACHE") as caught:
        read(folder, tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not [p for p in (tmp_path / "cache").iterdir() if p.is_dir()]
