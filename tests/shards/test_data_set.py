"""A user's own data set: from their file to arrays, and a line for whatever is wrong with it."""

import gzip
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from seedsweep.core.errors import UserError
from seedsweep.core.user_modules import use_folder
from seedsweep.shards import command, layout
from seedsweep.shards.data_set import make, resolved
from seedsweep.shards.index import read_index
from seedsweep.shards.layout import Array
from seedsweep.shards.pack import folder_of, pack
from seedsweep.shards.read import read
from seedsweep.shards.samples import arrays_of

HEAD = """
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
import numpy as np
from seedsweep.core.component import Range
from seedsweep.shards.data_set import DataSet
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes `own.py` with a class Own, whose body is given, and makes the data set."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def written(body: str, **settings):
        (tmp_path / "own.py").write_text(
            HEAD + "\nclass Own(DataSet):\n" + textwrap.indent(textwrap.dedent(body), "    ")
        )
        use_folder(tmp_path)
        return make({"name": "own.py:Own", **settings})

    yield written
    use_folder(Path.cwd())


def packed(data_set, root, **settings):
    return pack("own.py:Own", data_set, settings, root, "code")


SEQUENCES = """
    @dataclass(frozen=True)
    class Settings:
        length: Annotated[int, Range(1, 100)] = 5
        root: Path = Path("/there")

    def samples(self, split):
        for number in range({"train": 11, "validation": 4, "test": 3}[split]):
            rng = np.random.default_rng([number, len(split)])
            yield {
                "tokens": rng.integers(0, 9, self.settings.length),
                "weights": rng.random((2, 3), np.float32),
                "target": rng.random(),
                "mask": rng.random(4) > 0.5,
            }
"""


def test_samples_one_by_one_are_read_as_arrays(write, tmp_path, monkeypatch):
    """No images, bytes or classes are asked of anyone."""
    data_set = write(SEQUENCES, length=7)
    whole = read_index(packed(data_set, tmp_path / "whole")).fingerprint
    # Several records and shards.
    monkeypatch.setattr(layout, "RECORD_BYTES", 300)
    monkeypatch.setattr(layout, "SHARD_BYTES", 600)
    folder = packed(data_set, tmp_path / "parts")
    assert read_index(folder).fingerprint != whole
    assert len(list(folder.glob("train-*.tar"))) == 2
    for split, some in read(folder).items():
        expected = list(data_set.samples(split))
        assert {name: array.dtype for name, array in some.items()} == {
            "tokens": np.int64, "weights": np.float32, "target": np.float64, "mask": np.bool_,
        }  # fmt: skip
        for name, array in some.items():
            np.testing.assert_array_equal(array, [sample[name] for sample in expected])
    known = read_index(folder)
    assert (known.name, known.classes) == ("own.py:Own", 0)
    assert {split: known.samples(split) for split in known.splits} == {"train": 11, "validation": 4, "test": 3}
    assert known.layout["weights"] == Array(np.dtype(np.float32), (2, 3))


def test_arrays_give_the_bytes_that_samples_give(write, tmp_path):
    one = write(
        """
        def samples(self, split):
            if split == "test":
                return None
            return {"x": np.arange(60, dtype=">f4").reshape(20, 3), "y": list(range(20))}
        """
    )
    whole = packed(one, tmp_path / "a")
    two = write(
        """
        def samples(self, split):
            if split != "test":
                yield from ({"x": np.arange(3 * n, 3 * n + 3, dtype="f4"), "y": n} for n in range(20))
        """
    )
    single = packed(two, tmp_path / "b")
    files = sorted(path.name for path in whole.iterdir())
    assert (
        files
        == sorted(path.name for path in single.iterdir())
        == ["index.json", "train-000000.tar", "validation-000000.tar"]
    )
    assert all((whole / name).read_bytes() == (single / name).read_bytes() for name in files)
    # The content counts, not where it came from.
    assert read_index(whole).fingerprint == read_index(single).fingerprint
    np.testing.assert_array_equal(arrays_of(one, "train")["x"], read(whole)["train"]["x"])
    assert arrays_of(one, "test") is None
    assert arrays_of(two, "test") is None


@pytest.mark.parametrize("one_by_one", [True, False])
def test_values_that_are_not_finite_are_said_once_with_the_first_sample(write, tmp_path, monkeypatch, one_by_one):
    monkeypatch.setattr(layout, "RECORD_BYTES", 100)
    given = "({'x': x, 'n': n} for x, n in zip(x, n))" if one_by_one else "{'x': x, 'n': n}"
    body = f"""
        def samples(self, split):
            x, n = np.zeros((40, 3), np.float32), np.arange(40)
            if split == "validation":
                x[17, 1], x[30, 2] = np.nan, np.inf
            return None if split == "test" else {given}
    """
    said = []
    pack("own.py:Own", write(body), {}, tmp_path / "data", say=said.append)
    words = "'x' of sample 17 is not finite, and others after it may be"
    assert said == [f"warning: own.py:Own, validation: {words}"]


def test_settings_and_code_decide_the_folder(write, tmp_path):
    write(SEQUENCES)
    values = resolved({"name": "own.py:Own", "length": 7})
    assert values == {"name": "own.py:Own", "length": 7, "root": "/there"}
    folder = folder_of("own.py:Own", values, tmp_path, "code")
    assert folder.name.startswith("Own-")
    assert folder != folder_of("own.py:Own", values, tmp_path, "other code")
    assert folder != folder_of("own.py:Own", {**values, "length": 8}, tmp_path, "code")
    assert folder == pack("own.py:Own", make(values), values, tmp_path, "code")


def test_the_command_line_packs_a_users_set(write, tmp_path, monkeypatch, capsys):
    write(SEQUENCES)
    monkeypatch.chdir(tmp_path)
    assert command.main(["own.py:Own", "--length", "7", "--to", "to"]) == 0
    (folder,) = (tmp_path / "to").iterdir()
    assert folder.name in capsys.readouterr().out
    assert read(folder)["train"]["tokens"].shape == (11, 7)


def test_a_name_has_one_spelling():
    assert resolved({"name": "Pattern2RGB", "size": 16})["name"] == "pattern2_rgb"
    assert (
        resolved({"name": "seedsweep.shards.sets.ellipses:Ellipses"})["name"]
        == "seedsweep.shards.sets.ellipses:Ellipses"
    )


def of(train: str, validation: str = "good(5)") -> str:
    """A class that returns these expressions."""
    return f"""
        def samples(self, split):
            def good(count):
                return {{"x": np.zeros((count, 2), np.float32), "y": np.zeros(count, np.int64)}}
            def one(x, **more):
                return {{"x": np.asarray(x), "y": 0, **more}}
            return {{"train": lambda: {train}, "validation": lambda: {validation}, "test": lambda: None}}[split]()
        """


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (of("None"), "own.py:Own.samples('train') gives an object of type NoneType; yield a dict"),
        (of("good(5)", "None"), "own.py:Own.samples('validation') gives an object of type NoneType; yield a dict"),
        (of("good(0)"), "own.py:Own.samples('train') is empty: every array has 0 samples"),
        (of("[]"), "own.py:Own.samples('train') is empty: it yields no sample"),
        (of("good(5)", "iter([])"), "own.py:Own.samples('validation') is empty"),
        (of("np.zeros(3)"), "own.py:Own.samples('train') gives an object of type ndarray; yield a dict"),
        (of("7"), "own.py:Own.samples('train') gives an object of type int; yield a dict"),
        (of("{}"), "own.py:Own.samples('train'): an empty dict; yield a dict"),
        (of("[one(1), (1, 2)]"), "own.py:Own.samples('train'), sample 1: an object of type tuple is no dict; yield"),
        (
            of("[one([1, 2]), one([1, 2]), one([1, 2, 3])]"),
            "own.py:Own.samples('train'), sample 2: 'x' is int64 [3], in own.py:Own.samples('train'), sample 0 "
            "int64 [2]; every sample has the same dtype and shape",
        ),
        (of("[one([1]), one([1.5])]"), "own.py:Own.samples('train'), sample 1: 'x' is float64 [1], in"),
        (of("[one(1), one(1, z=2)]"), "own.py:Own.samples('train'), sample 1: its arrays are 'x', 'y', 'z', those of"),
        (of("good(5)", "[one([1, 2])]"), "own.py:Own.samples('validation'), sample 0: 'x' is int64 [2], in own.py:Own"),
        (of("good(5)", "{'x': good(5)['x']}"), "own.py:Own.samples('validation'): its arrays are 'x', those of own.py"),
        (of("{'x': np.zeros(3), 'y': np.zeros(4)}"), "own.py:Own.samples('train'): there are 3 of 'x', 4 of 'y'; "),
        (of("{'x': np.zeros(3), 'y': 4}"), "own.py:Own.samples('train'): 'y' is a single value; samples come first"),
        (of("{'x': [[1, 2], [3]]}"), "own.py:Own.samples('train'): 'x' has parts of different shapes"),
        (of("[one(np.array([None]))]"), "own.py:Own.samples('train'), sample 0: 'x' has dtype object; it must hold"),
        (of("{'x': ['a', 'bc']}"), "own.py:Own.samples('train'): 'x' has dtype <U2; it must hold"),
        (of("{'x': np.zeros(3, np.longdouble)}"), "own.py:Own.samples('train'): 'x' has dtype float128; it must hold"),
        (of("{'x': np.zeros((3, 0))}"), "own.py:Own.samples('train'): 'x' has shape [0]: it holds no values"),
        (of("{'a.b': np.zeros(3)}"), "own.py:Own.samples('train'): an array is named 'a.b'; use letters"),
        (of("open('/nowhere')"), "own.py:Own.samples('train') fails: FileNotFoundError: [Errno 2] No such file"),
        (of("(one(1 / (2 - n)) for n in range(5))"), "own.py:Own.samples('train') fails: ZeroDivisionError: division"),
        ("classes = 'ten'\n" + textwrap.dedent(of("good(5)")), "own.py:Own.classes is 'ten'; it must be a number"),
        (
            "def samples(self, split):\n    return {'x': {'train': [1], 'validation': [2]}[split]}",
            "own.py:Own.samples('test') fails: KeyError: 'test' (own.py line 11); where there is no "
            "test split, return None",
        ),
    ],
)  # fmt: skip
def test_samples_that_are_no_data_set(write, tmp_path, body, words):
    data_set = write(body)
    with pytest.raises(UserError) as caught:
        packed(data_set, tmp_path / "to")
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
    # Nothing half-packed is left.
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize(
    ("body", "settings", "words"),
    [
        ("pass", {}, "data.name: own.py:Own has no method `samples(self, split)`"),
        (SEQUENCES, {"length": 0}, "data.length: 0 is out of range; it must be from 1 to 100"),
        (SEQUENCES, {"lenght": 4}, "data.lenght: there is no such field; did you mean length?"),
        (
            "class Settings:\n    a = 1\ndef samples(self, split): ...",
            {},
            "data.name: own.py:Own has Settings that are no",
        ),
        (
            "@dataclass\nclass Settings:\n    name: str = ''\ndef samples(self, split): ...",
            {},
            "data.name: own.py:Own has a setting `name`, which is the data set's own",
        ),
        ("def samples(self, split): ...\ndef check(self):\n    yield 'data.a: no'", {}, "data.a: no"),
        (
            "def samples(self, split): ...\ndef check(self):\n    return 1 / 0",
            {},
            "data: own.py:Own, or its check, fails: ZeroDivisionError: division by zero (own.py line 12)",
        ),
        ("1 / 0", {}, "data.name: own.py cannot be imported: ZeroDivisionError: division by zero (own.py line"),
    ],
)
def test_a_class_that_is_no_data_set(write, body, settings, words):
    with pytest.raises(UserError) as caught:
        write(body, **settings)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "data.name: '' is no name; known are camelyon16,"),
        (None, "data.name: None is no name"),
        ("patern1", "data.name: there is no 'patern1'; did you mean pattern1"),
        ("json:dumps", "data.name: json:dumps is no data set; write it as `class ...(seedsweep.DataSet)`"),
        ("absent.py:Own", "data.name: there is no file "),
    ],
)
def test_a_name_of_no_data_set(name, words):
    with pytest.raises(UserError) as caught:
        make({"name": name})
    assert str(caught.value).startswith(words)


FASHION = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_real_images_from_a_users_file(write, tmp_path):
    data_set = write(
        """
        classes = 10

        @dataclass(frozen=True)
        class Settings:
            root: Path = Path("/usr/share/datasets/fashion-mnist")

        def samples(self, split):
            import gzip
            part = "t10k" if split == "test" else "train"
            def read(kind, offset):
                with gzip.open(self.settings.root / f"{part}-{kind}-ubyte.gz") as file:
                    return np.frombuffer(file.read(), np.uint8, offset=offset)
            images = read("images-idx3", 16).reshape(-1, 1, 28, 28)
            labels = read("labels-idx1", 8).astype(np.int64)
            some = {"train": slice(50000), "validation": slice(50000, None), "test": slice(None)}[split]
            return {"image": np.float32(images[some]) / 255, "label": labels[some]}
        """
    )
    folder = packed(data_set, tmp_path / "to")
    splits = read(folder)
    assert {name: len(part["label"]) for name, part in splits.items()} == {
        "train": 50000,
        "validation": 10000,
        "test": 10000,
    }
    assert read_index(folder).classes == 10
    with gzip.open(FASHION / "t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16)
    np.testing.assert_array_equal(splits["test"]["image"].reshape(-1), np.float32(pixels) / 255)
