"""The report's claims: each asks a study that can answer, and may come out either way there."""

import functools
from dataclasses import fields, replace

import pytest

from seedsweep.analysis.report_2019.aspects import ASPECTS, Setting, differences
from seedsweep.analysis.report_2019.rows import read_rows
from seedsweep.analysis.report_2019.table import judged
from seedsweep.sweeps.study.configuration import configuration
from seedsweep.sweeps.study.loading import load
from tests.analysis.report_2019.planted import plant_row

ROWS = read_rows()
study_of = functools.cache(load)


def resolved(row):
    study = study_of(row.study, "laptop")
    return configuration(study, row.configuration, study.configurations[row.configuration])


def setting_of(row):
    own = resolved(row)
    return Setting(own.values, own.study.criterion, study_of(row.study, "laptop").seeds.compare)


def by_number(number):
    return next(row for row in ROWS if row.row == number)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.row)
def test_every_row_asks_a_study_that_can_answer(row):
    study = study_of(row.study, "laptop")
    assert set(row.configurations) <= set(study.configurations)
    assert {*row.measures, *row.judge.measures} <= set(resolved(row).study.measures)
    if row.control:
        name = row.control.configuration
        measured = configuration(study, name, study.configurations[name]).study.measures
        assert set(row.control.judge.measures) <= set(measured)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.row)
def test_every_aspect_has_a_name_and_a_value_on_our_side(row):
    assert {*row.report, *row.inferred, *row.about} <= set(ASPECTS)
    # What the claim is about, the report says or it can be inferred; and the study has a value of it.
    assert set(row.about) <= {*row.report, *row.inferred}
    for name in row.about:
        assert ASPECTS[name].read(setting_of(row)) is not None, name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.row)
def test_no_row_is_untested_by_its_design(row):
    """At laptop scale no study differs from the report in what the claim is about, but where that is Inception v3 or
    slides."""
    apart = differences(setting_of(row), row.report, row.inferred, row.about)
    about = {each.aspect for each in apart if each.about}
    assert (about == set()) == (row.row not in ("5", "9b")), about


def test_rows_are_told_apart_and_say_what_they_must():
    assert len({row.row for row in ROWS}) == len(ROWS)
    for row in ROWS:
        for field in fields(row):
            if field.name not in ("inferred", "about", "control", "not_tested"):
                assert getattr(row, field.name), (row.row, field.name)
        if row.judge.kind in ("mostly", "rarely", "alike", "close") and row.row not in ("9b", "18a", "18c", "22a"):
            assert row.control, row.row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.row)
def test_either_verdict_can_be_reached_with_the_seeds_of_the_study(row, tmp_path):
    seeds = study_of(row.study, "laptop").seeds.compare
    free = replace(row, about=())
    for holds, verdict in ((True, "supported"), (False, "refuted")):
        plant_row(tmp_path / verdict, row, holds=holds, seeds=seeds)
        (found,) = judged(tmp_path / verdict, [free])
        assert found.verdict == verdict, found.why


@pytest.mark.parametrize("row", [row for row in ROWS if row.control], ids=lambda row: row.row)
def test_nothing_is_tested_where_the_control_fails(row, tmp_path):
    seeds = study_of(row.study, "laptop").seeds.compare
    plant_row(tmp_path, row, holds=True, control=False, seeds=seeds)
    (found,) = judged(tmp_path, [replace(row, about=())])
    assert found.verdict == "not tested"
    assert found.why.startswith("the control ")


@pytest.mark.parametrize("number", ["2b", "12", "15", "22a"])
def test_a_difference_in_what_a_claim_is_about_is_a_reason(number, tmp_path):
    """The planted configuration has no setting at all: it differs in everything that the report says."""
    row = by_number(number)
    plant_row(tmp_path, row, holds=True)
    (found,) = judged(tmp_path, [row])
    assert found.verdict == "not tested"
    for aspect in row.about:
        assert f"{aspect}: " in found.why
