"""The report's claims: each asks a study that can answer, and may come out either way there."""

import functools
from dataclasses import asdict, fields, replace

import pytest

from seedsweep.analysis.report_2019.aspects import ASPECTS, Setting, differences
from seedsweep.analysis.report_2019.designs import designs
from seedsweep.analysis.report_2019.rows import read_rows
from seedsweep.analysis.report_2019.table import judged
from seedsweep.sweeps.study.configuration import configuration
from seedsweep.sweeps.study.loading import load
from tests.analysis.report_2019.planted import plant_row

ROWS = read_rows()
study_of = functools.cache(load)


def resolved(row, scale="laptop"):
    study = study_of(row.study, scale)
    return configuration(study, row.configuration, study.configurations[row.configuration])


def setting_of(row, scale="laptop"):
    own = resolved(row, scale)
    return Setting(own.values, own.study.criterion, study_of(row.study, scale).seeds.compare)


def by_number(number):
    return next(row for row in ROWS if row.row == number)


@pytest.mark.slow
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
def test_of_each_difference_a_row_says_whether_its_claim_is_about_it(row):
    """At laptop scale: what a row is not about it names, with the reason, and nothing that does not differ."""
    apart = differences(setting_of(row), row.report, row.inferred, row.about, row.beside)
    assert {each.aspect for each in apart if not each.about} == set(row.beside)
    assert all(each.beside for each in apart if not each.about)
    assert not set(row.about) & set(row.beside)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.row)
def test_at_the_reports_scale_no_row_differs_in_what_it_is_about(row, inception):
    apart = differences(setting_of(row, "report"), row.report, row.inferred, row.about, row.beside)
    assert not [each for each in apart if each.about]
    assert all(each.beside for each in apart)


@pytest.mark.slow
@pytest.mark.parametrize("study", sorted({row.study for row in ROWS}))
@pytest.mark.parametrize("scale", ["laptop", "cluster", "report"])
def test_the_designs_are_those_of_the_studies(study, scale, inception):
    loaded = load(study, scale)
    criterion = {name: getattr(loaded.criterion, name) for name in ("metric", "threshold", "hold")}
    found = {**criterion, "steps": loaded.training.steps, "seeds": loaded.seeds.compare}
    assert asdict(designs()[study][scale]) == found
    assert not any("training.steps" in own for own in loaded.configurations.values())


@pytest.mark.parametrize("scale", ["laptop", "cluster", "report"])
def test_a_start_of_tensorflows_defaults_is_xaviers_at_every_scale(scale, inception):
    study = load("ellipses", scale)
    starts = [name for name in study.configurations if "relu start" in name]
    assert len(starts) == 5
    for name in starts:
        values = configuration(study, name, study.configurations[name]).values
        found = ASPECTS["last layer"].read(Setting(values, study.criterion, 1))
        assert found == "relu, Xavier's deviation", name


@pytest.mark.parametrize("scale", ["laptop", "cluster", "report"])
def test_pattern_2_in_3_channels_is_that_in_1_channel(scale, inception):
    """As large a part of the image as drawn in a pixel of glimpse 0."""
    reductions = []
    for name, own in (("patterns", "pattern2, downsized"), ("pretraining", "3 channels, pretrained")):
        study = load(name, scale)
        values = configuration(study, own, study.configurations[own]).values
        reductions.append(ASPECTS["reduction of glimpse 0"].read(Setting(values, study.criterion, 1)))
    assert reductions == [pytest.approx(3.42, rel=0.01)] * 2


def test_rows_are_told_apart_and_say_what_they_must():
    assert len({row.row for row in ROWS}) == len(ROWS)
    for row in ROWS:
        for field in fields(row):
            if field.name not in ("inferred", "about", "beside", "control", "not_tested"):
                assert getattr(row, field.name), (row.row, field.name)
        if row.judge.kind in ("mostly", "rarely", "alike", "close", "ahead") and row.row not in ("9b", "22a"):
            assert row.control, row.row


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["laptop", "report"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.row)
def test_either_verdict_can_be_reached_with_the_seeds_of_the_study(row, scale, tmp_path):
    free = replace(row, about=())
    for holds, verdict in ((True, "supported"), (False, "refuted")):
        plant_row(tmp_path / verdict, row, holds=holds, scale=scale)
        (found,) = judged(tmp_path / verdict, [free])
        assert found.verdict == verdict, found.why


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if row.control], ids=lambda row: row.row)
def test_nothing_is_tested_where_the_control_fails(row, tmp_path):
    plant_row(tmp_path, row, holds=True, control=False)
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
