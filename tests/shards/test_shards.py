"""Packing and reading: what is read is what was packed, or one line that says what is wrong."""

import hashlib
import io
import json
import tarfile
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import webdataset

from seedsweep.shards import command, layout
from seedsweep.shards.data_set import make, resolved
from seedsweep.shards.index import ShardError, read_index
from seedsweep.shards.pack import pack
from seedsweep.shards.read import read
from seedsweep.shards.samples import arrays_of
from seedsweep.shards.tars import write_shard

SETTINGS = resolved({"name": "pattern1", "size": 32, "train": 40, "validation": 10, "field": 8})
SAMPLE = 2 * 32 * 32 + 16


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Records of 8 samples, shards of 16."""
    monkeypatch.setattr(layout, "RECORD_BYTES", 8 * SAMPLE)
    monkeypatch.setattr(layout, "SHARD_BYTES", 16 * SAMPLE)


def packed(root, progress=lambda done, total: None, **changed):
    settings = {**SETTINGS, **changed}
    return pack("pattern1", make(settings), settings, root, progress=progress)


def test_same_settings_same_bytes(tmp_path):
    one, two = packed(tmp_path / "a"), packed(tmp_path / "b")
    files = sorted(p.name for p in one.iterdir())
    assert files == sorted(p.name for p in two.iterdir())
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)
    assert read_index(one).fingerprint == read_index(two).fingerprint
    index = json.loads((one / "index.json").read_text())
    assert [s["samples"] for s in index["splits"]["train"]["shards"]] == [16, 16, 8]


def test_other_settings_another_folder_and_content(tmp_path):
    one, two = packed(tmp_path), packed(tmp_path, seed=1)
    assert one != two
    assert read_index(one).fingerprint != read_index(two).fingerprint


def test_what_is_packed_is_not_packed_again(tmp_path):
    told = []
    folder = packed(tmp_path, lambda done, total: told.append((done, total)))
    assert told == [(16, 40), (32, 40), (40, 40), (10, 10)]
    assert packed(tmp_path, lambda done, total: told.append(None)) == folder
    assert None not in told
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize("test", [0, 5])
def test_what_is_packed_is_read(tmp_path, test):
    splits = read(packed(tmp_path, test=test), tmp_path / "cache")
    assert list(splits) == ["train", "validation", "test"][: 3 if test else 2]
    for split, arrays in splits.items():
        expected = arrays_of(make({**SETTINGS, "test": test}), split)
        assert set(arrays) == set(expected) == {"image", "mask", "label", "centre"}
        for name, array in arrays.items():
            assert array.dtype == expected[name].dtype
            np.testing.assert_array_equal(array, expected[name])


def test_the_cache_is_decoded_once_and_shared(tmp_path):
    folder = packed(tmp_path)
    with ProcessPoolExecutor(3) as pool:
        results = list(pool.map(_image_sum, [folder] * 3, [tmp_path / "cache"] * 3))
    assert len(set(results)) == 1
    entries = [p for p in (tmp_path / "cache").iterdir() if p.is_dir()]
    assert len(entries) == 1
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    for tar in folder.glob("*.tar"):
        tar.unlink()  # the cache alone answers now
    assert isinstance(read(folder, tmp_path / "cache")["train"]["image"], np.memmap)


def _image_sum(folder, cache):
    return int(read(folder, cache)["train"]["image"].astype(int).sum())


def test_a_cache_that_lost_a_file_is_made_anew(tmp_path):
    """What cleans temporary folders removes single files."""
    folder = packed(tmp_path)
    before = read(folder, tmp_path / "cache")["train"]["label"].tolist()
    next((tmp_path / "cache").glob("*/train.label.npy")).unlink()
    assert read(folder, tmp_path / "cache")["train"]["label"].tolist() == before


def test_shards_are_webdataset_shards(tmp_path):
    folder = packed(tmp_path)
    urls = sorted(str(p) for p in folder.glob("train-*.tar"))
    records = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode())
    labels = np.concatenate([record["label.npy"] for record in records])
    assert labels.tolist() == [i % 2 for i in range(40)]


def refused(folder, tmp_path, words):
    """Reading says so in one line, and leaves nothing half-decoded."""
    with pytest.raises(ShardError, match=words) as caught:
        read(folder, tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not [p for p in (tmp_path / "cache").glob("*") if p.is_dir()]


@pytest.mark.parametrize("damage", ["truncated", "altered", "missing"])
def test_a_damaged_shard_is_named(tmp_path, damage):
    folder = packed(tmp_path)
    shard = folder / "train-000001.tar"
    content = shard.read_bytes()
    shard.unlink()
    if damage == "truncated":
        shard.write_bytes(content[:-2000])
    elif damage == "altered":
        shard.write_bytes(content[:700] + bytes([content[700] ^ 1]) + content[701:])
    refused(folder, tmp_path, r"train-000001\.tar (does not match its checksum|is missing)")


def with_shard(folder, content):
    """The folder with another first shard, whose checksum is right."""
    (folder / "train-000000.tar").write_bytes(content)
    index = json.loads((folder / "index.json").read_text())
    index["splits"]["train"]["shards"][0]["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "index.json").write_text(json.dumps(index))


def record(**changed):
    """A shard of one record of 16 samples."""
    arrays = {
        "image": np.zeros((16, 1, 32, 32), np.uint8),
        "mask": np.zeros((16, 1, 32, 32), np.uint8),
        "label": np.zeros(16, np.int64),
        "centre": np.zeros((16, 2), np.float32),
        **changed,
    }
    return {f"{name}.npy": array for name, array in arrays.items() if array is not None}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"image": np.zeros((16, 1, 16, 64), np.uint8)},
            r"image\.npy are uint8 \[1, 16, 64\], its index says uint8 \[1",
        ),
        ({"label": np.zeros(16, np.int32)}, r"label\.npy are int32 \[\], its index says int64 \[\]"),
        ({"label": np.zeros(16, ">i8")}, "its index says int64"),
        ({"label": np.zeros(15, np.int64)}, "the arrays of record 00000000 have different lengths"),
        ({"label": None}, "has 0 samples, its index says 16"),
        ({"more": np.zeros(16)}, r"holds '00000000\.more\.npy', which is not in its index"),
        ({name: record()[f"{name}.npy"][:12] for name in ("image", "mask", "label", "centre")}, "has 12 samples, its"),
    ],
)
def test_what_the_index_does_not_say_is_refused(tmp_path, changed, words):
    folder = packed(tmp_path)
    write_shard(tmp_path / "other.tar", iter([("00000000", record(**changed))]))
    with_shard(folder, (tmp_path / "other.tar").read_bytes())
    refused(folder, tmp_path, words)


def test_a_shard_that_is_as_the_index_says_is_read(tmp_path):
    folder = packed(tmp_path)
    write_shard(tmp_path / "other.tar", iter([("00000000", record())]))
    with_shard(folder, (tmp_path / "other.tar").read_bytes())
    assert not read(folder, tmp_path / "cache")["train"]["image"][:16].any()


@pytest.mark.parametrize("content", [b"", b"\0" * 10240, b"no tar" * 1000])
def test_a_shard_that_is_no_tar_is_refused(tmp_path, content):
    folder = packed(tmp_path)
    with_shard(folder, content)
    refused(folder, tmp_path, "is no tar file|has 0 samples")


def test_nothing_is_unpickled(tmp_path):
    folder = packed(tmp_path)
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}] * 16), allow_pickle=True)
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for name, content in (("image", pickled.getvalue()), ("mask", b"no array"), ("label", b"")):
            member = tarfile.TarInfo(f"00000000.{name}.npy")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with_shard(folder, (tmp_path / "evil.tar").read_bytes())
    refused(folder, tmp_path, r"image\.npy are object \[\], its index says uint8")


@pytest.mark.parametrize("name", ["../evil.image.npy", "/evil.image.npy", "00000000.image.pkl", "00000000"])
def test_a_member_that_no_shard_of_ours_has_is_refused(tmp_path, name):
    folder = packed(tmp_path)
    with tarfile.open(folder / "train-000000.tar", "a") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with_shard(folder, (folder / "train-000000.tar").read_bytes())
    refused(folder, tmp_path, f"holds '{name}'")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no index.json"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": 1}', "has format 1, not 2: remove it and pack again"),
        ('{"format": 2}', "is damaged .it lacks 'arrays'"),
    ],
)
def test_a_bad_index_is_named(tmp_path, content, words):
    if content is not None:
        (tmp_path / "index.json").write_text(content)
    refused(tmp_path, tmp_path, words)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("splits", "validation"), None, "it lacks 'validation'"),
        (("splits", "train", "samples"), 41, "the shards of its train split have 40 samples, the split 41"),
        (("splits", "train", "shards"), [], "the shards of its train split have 0 samples"),
        (("splits", "train", "shards", 0, "file"), "../other.tar", "'../other.tar' is no name of a shard"),
        (("splits", "train", "shards", 0, "samples"), -16, "the shards of its train split have 8 samples"),
        (("splits", "train", "shards", 0, "sha256"), None, "it lacks 'sha256'"),
        (("arrays", "image", "dtype"), "object", "'image' has dtype object"),
        (("arrays", "image", "dtype"), "bytes of images", "data type 'bytes of images' not understood"),
        (("arrays", "../image"), {"dtype": "uint8", "shape": []}, "'../image' is no name of an array"),
    ],
)
def test_a_damaged_index_is_named(tmp_path, path, value, words):
    folder = packed(tmp_path)
    index = json.loads((folder / "index.json").read_text())
    *above, last = path
    place = index
    for key in above:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    (folder / "index.json").write_text(json.dumps(index))
    refused(folder, tmp_path, f"index.json is damaged .*{words}")


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
    folder = packed(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    refused(folder, tmp_path, r"needs 0\.0 GB in the cache .*SEEDSWEEP_CACHE")


def test_the_command_line_packs_what_a_study_would(tmp_path, capsys):
    flags = ["--size", "32", "--train", "40", "--validation", "10", "--field", "8"]
    assert command.main(["pattern1", *flags, "--to", str(tmp_path)]) == 0
    folder = packed(tmp_path)
    assert str(folder) in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    command.main(["pattern1", *flags, "--anywhere", "--to", str(tmp_path)])
    assert packed(tmp_path, anywhere=True).is_dir()
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(SystemExit):
        command.main(["pattern1", "--size", "4"])
    assert "--size: 4 is out of range" in capsys.readouterr().err
    assert command.main(["pattern1", "--size", "16", "--field", "20"]) == 2
    assert command.main(["patern1"]) == 2
    printed = capsys.readouterr().out
    assert "error: data.field: 20 is larger than data.size, 16" in printed
    assert "error: data.name: there is no 'patern1'; did you mean pattern1" in printed
