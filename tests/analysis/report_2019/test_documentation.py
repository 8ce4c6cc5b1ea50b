"""docs/report_2019.md names what there is: files, what is in them, studies, settings, measures and rows."""

import functools
import re
from dataclasses import fields
from pathlib import Path

import pytest

from seedsweep.analysis.report_2019.rows import read_rows
from seedsweep.core.component import short_names
from seedsweep.shards.data_set import HOME, DataSet, data_set_class
from seedsweep.sweeps.study.components import task_class
from seedsweep.sweeps.study.configuration import named
from seedsweep.sweeps.study.loading import STUDIES, load

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "report_2019.md"
TEXT = PAGE.read_text()
LINKS = sorted(set(re.findall(r"\[([^\[\]]+)\]\(([^)]+)\)", TEXT)))
SECTIONS = ("settings", "data", "training", "schedules", "init_from")
SETTINGS = sorted(set(re.findall(rf"`((?:{'|'.join(SECTIONS)})\.[a-z_.]+)(?:: [^`]+)?`", TEXT)))
ROWS = [row.row for row in read_rows()]


@functools.cache
def configurations():
    """Of every study at its smallest scale."""
    return [each for path in sorted(STUDIES.glob("*.yaml")) for each in named(load(str(path)))]


@functools.cache
def known_settings():
    """Dotted paths that a study may set: those that some configuration has, and those of every data set and task."""
    found = {path for each in configurations() for path in each.values}
    found |= {f"training.{name}" for name in type(configurations()[0].study.training).model_fields}
    for name in short_names(HOME, DataSet):
        found |= {f"data.{field.name}" for field in fields(data_set_class(name).Settings)}
    for kind in {task_class(each.study) for each in configurations()}:
        found |= {f"settings.{field.name}" for field in fields(kind.Settings)}
    return found


@pytest.mark.parametrize(("words", "target"), LINKS, ids=[f"{words} in {target}" for words, target in LINKS])
def test_what_a_link_names_is_there(words, target):
    path = (PAGE.parent / target).resolve()
    assert path.exists(), target
    if match := re.fullmatch(r"`(\w+)`", words):
        assert re.search(rf"^(class|def) {match[1]}\b|^    def {match[1]}\b", path.read_text(), re.MULTILINE), words


@pytest.mark.slow
@pytest.mark.parametrize("path", SETTINGS)
def test_every_setting_exists(path):
    assert path in known_settings()


def test_every_measure_exists():
    measured = {name for each in configurations() for name in each.study.measures}
    named_here = {
        name
        for words in re.findall(r"measures? ((?:`\w+`(?:, | and | to )?)+)", TEXT)
        for name in re.findall(r"`(\w+)`", words)
    }
    assert len(named_here) >= 8
    assert named_here <= measured


def test_its_tables_of_sentences_have_two_columns():
    sentences = TEXT[TEXT.index("| the report | here |") :]
    assert {line.count("|") for line in sentences.splitlines() if line.startswith("|")} == {3}


def test_it_names_every_row_and_no_other():
    mentioned = set()
    for words in re.findall(r"[Rr]ows? ((?:\d+[a-d]?(?:, | and | to )?)+)", TEXT):
        for first, last in re.findall(r"(\d+[a-d]?)(?: to (\d+[a-d]?))?", words):
            assert first in ROWS, first
            assert not last or last in ROWS, last
            mentioned |= set(ROWS[ROWS.index(first) : ROWS.index(last or first) + 1])
    assert mentioned == set(ROWS)


def test_every_study_of_a_row_is_named():
    linked = {Path(target).stem for _, target in LINKS if target.startswith("../sweeps/studies/")}
    assert {row.study for row in read_rows()} <= linked
