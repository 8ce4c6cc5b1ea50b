"""Studies' YAML: plain values as they look, each key once, and what is written is read again."""

from pathlib import Path

import pytest

from seedsweep.core.errors import UserError
from seedsweep.sweeps.study import yaml_reader


def problem(tmp_path: Path, text: str) -> str:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        yaml_reader.read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("08:00:00", "08:00:00"),
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("12", 12),
        ("010", 10),
        ("true", True),
        ("yes", "yes"),
        ("on", "on"),
        ("2020-01-01", "2020-01-01"),
        ("~", None),
        ("", None),
        ("[1, a, 2.0]", [1, "a", 2.0]),
        (".nan", ".nan"),
    ],
)
def test_plain_values(text, value):
    found = yaml_reader.value(text)
    assert found == value
    assert type(found) is type(value)


def test_a_key_is_the_text_that_stands_there():
    assert yaml_reader.value("{1e3: a, 0.5: b, yes: c, 010: d, null: e}") == {
        "1e3": "a", "0.5": "b", "yes": "c", "010": "d", "null": "e",
    }  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        {"name": "1e3"},
        {"name": "yes", "other": "010", "day": "2020-01-01", "nothing": "null", "none": "~", "empty": ""},
        {"1e3": {"0x10": "0x10", "1_000": "1_000", "12:30": "12:30", "no": "off"}},
        {"numbers": [1, 1.0, 1e-30, 1e22, -0.5, True, False]},
        {"text": "a: b # c", "lines": "one\ntwo\n", "quote": 'it\'s "so"', "<<": "<<", "=": "=", "é": "…"},
        {"path": {"schedules.lr.every": {"low": 1}}, "list": [["a"], {}, []]},
    ],
)
def test_what_is_written_is_read_again(values):
    again = yaml_reader.value(yaml_reader.dump(values))
    assert again == values
    assert repr(again) == repr(values)


def test_a_key_that_stands_twice_is_named_with_both_lines(tmp_path):
    text = "question: a\ntraining: {steps: 24}\nseeds: {compare: 3}\ntraining: {evaluate_every: 3}\n"
    assert "line 4, column 1: " in problem(tmp_path, text)
    assert "the key 'training' stands twice, first in line 2" in problem(tmp_path, text)
    assert "the key 'a' stands twice" in problem(tmp_path, "x: {a: 1, a: 1}\n")
    assert "the key '1' stands twice" in problem(tmp_path, "x: {1: 1, '1': 1}\n")


def test_a_merge_may_say_a_key_again(tmp_path):
    text = "a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: [*b, *a], y: 5}\n"
    assert yaml_reader.value(text) == {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}, "c": {"x": 3, "y": 5}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [*a]\n", "line 1, column 4: malformed YAML: found unconstructable recursive node"),
        ("a: &a {b: {c: *a}}\n", "found unconstructable recursive node"),
        ("question: x\ntraining: {steps: 3\nseeds: 4\n", "line 3, column"),
        ("- a list\n", "a study is a mapping of fields, not list"),
        ("", "a study is a mapping of fields, not NoneType"),
        ("question: !!python/object/apply:os.system ['true']\n", "malformed YAML: could not determine a constructor"),
        ("? [a]\n: b\n", "a key is one plain text"),
        ("a: 1\n---\nb: 2\n", "malformed YAML: but found another document"),
        ("a: \x01\n", "malformed YAML"),
    ],
)
def test_what_is_malformed_is_one_line(tmp_path, text, words):
    assert words in problem(tmp_path, text)


def test_what_is_no_text_is_said(tmp_path):
    (tmp_path / "s.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is no text in UTF-8"):
        yaml_reader.read(tmp_path / "s.yaml")
    with pytest.raises(UserError, match="directory"):
        yaml_reader.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("{until:decided,least:6}", "until:decided", "until: decided"),
        ("{compare: 4, least:6}", "least:6", "least: 6"),
        ("{a: {alpha:1}}", "alpha:1", "alpha: 1"),
        ("{schedules.lr.name:cosine}", "schedules.lr.name:cosine", "schedules.lr.name: cosine"),
    ],
)
def test_a_colon_without_a_space_behind_it_is_said(tmp_path, text, key, meant):
    """YAML reads a key that has no value; nothing of it may be ignored, in a file or behind --set."""
    for given in (lambda: yaml_reader.value(text), lambda: problem_of(tmp_path, f"seeds: {text}\n")):
        with pytest.raises(UserError) as caught:
            given()
        assert f"{key!r} is a key without a value; a colon needs a space behind it: {meant}" in str(caught.value)
        assert "\n" not in str(caught.value)


def problem_of(folder, text):
    (folder / "s.yaml").write_text(text)
    return yaml_reader.read(folder / "s.yaml")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"a:b": , c: }', {"a:b": None, "c": None}),
        ("{a:b: 1}", {"a:b": 1}),
        ("{a:[1], b:{c: 2}}", {"a": [1], "b": {"c": 2}}),
        ("a:b: \n", {"a:b": None}),
    ],
)
def test_names_may_have_colons(text, values):
    assert yaml_reader.value(text) == values
