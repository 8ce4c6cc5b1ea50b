"""The reference of a study's fields, as the types have them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seedsweep.sweeps.study.reference import SECTIONS, text

FIELDS = Path(__file__).parents[3] / "docs" / "fields.md"


def test_it_is_as_the_types_are():
    again = "python -m seedsweep.sweeps.study.reference > docs/fields.md"
    assert FIELDS.read_text() == text(), f"docs/fields.md is not as the types are: {again}"


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
def test_each_field_has_a_sentence_of_its_own(section):
    heading = section if section == "A study" else f"`{section}`"
    own = text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    whole, *rows = own.strip().splitlines()
    assert not whole.startswith("|")
    said = [row.split(" | ")[-1].strip(" |") for row in rows if row.startswith("| `")]
    assert said
    assert "" not in said
    assert len(set(said)) == len(said)


def test_each_setting_of_each_component_has_a_sentence_of_its_own():
    tables = re.split(r"^#+ (.*)$", text(), flags=re.MULTILINE)[1:]
    found = dict[str, list[tuple[str, str]]]()
    for heading, below in zip(tables[::2], tables[1::2], strict=True):
        # A cell may hold an escaped bar.
        cells = [re.split(r"(?<!\\) ?\| ?", row.strip(" |")) for row in below.splitlines() if row.startswith("| `")]
        found[heading] = [(row[0].strip("`"), row[4] if len(row) == 5 else "") for row in cells]
    assert len([heading for heading, rows in found.items() if rows]) > 30
    blank = [(heading, name) for heading, rows in found.items() for name, said in rows if not said]
    assert blank == []
    for heading, rows in found.items():
        said = [sentence for _, sentence in rows]
        assert len(set(said)) == len(said), heading
        # Each ends as a sentence does, and says more than the name.
        for name, sentence in rows:
            assert sentence.endswith("."), (heading, name)
            assert sentence.strip(".").lower() not in (name, name.replace("_", " ")), heading


def test_each_component_says_what_it_is_without_names_of_the_code():
    parts = re.split(r"^### `(.*)`$", text(), flags=re.MULTILINE)[1:]
    said = {name: below.strip().split("\n\n")[0] for name, below in zip(parts[::2], parts[1::2], strict=True)}
    assert len(said) > 40
    for name, sentence in said.items():
        assert len(sentence.split()) > 2, name
        assert not sentence.startswith(("See ", "The same")), name
    assert re.findall(r"\b(?:core|losses|shards)\.\w+|\b[A-Z]{3,}_[A-Z]+\b|\b(?:FIELDS|KINDS)\b", text()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "| `name` | text | its file's |  | of its run's folder. |",
        "0: an epoch where `epochs` is given, else a hundredth of the steps.",
        "| `batch` | whole number | 32 | at least 1 | samples of a step. |",
        "| `width` | whole number | 64 | at least 1 |",
        "| `if` | mapping |",
        "| `backbone` | text or mapping | small | `small`, `inception_v3`, `efficientnet_lite0` |",
        "### `pattern2_rgb`",
        "Hyperparameters: `lr` (at least 0, default 0.001), `beta1` (0 to 1, default 0.9)",
    ],
)
def test_fields_have_their_type_default_and_range(line):
    assert line in text()
