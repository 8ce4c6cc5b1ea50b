"""From a ledger to tables: what configurations are called, which columns there are, and which score is better."""

import shutil

import numpy as np
import pandas as pd
import pytest

from seedsweep.analysis import labels, tables
from seedsweep.analysis.evaluation_columns import COLUMNS
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.record_files import LedgerError
from seedsweep.core.records.study import Dimension, RecordError, Search

LOSS = Criterion("loss", 0.1, 2, "min")


def spec(number, name, values, phase="compare", seeds=(0,)):
    return CohortSpec(phase, number, f"hash{number}", name, values, values, seeds, 50)


def test_members_and_evaluations(tmp_path, make_run, mixed):
    results = tables.read(make_run(tmp_path / "run", mixed, diverged=1))
    members = results.compared
    assert list(members.columns[:9]) == [
        *("configuration", "label", "name", "phase", "number", "origin", "exploratory", "seed", "alpha"),
    ]
    assert not members.exploratory.any()
    assert len(members) == 4 * 12
    assert members.groupby("label").outcome.value_counts()["alpha 0.5"].to_dict() == {
        "converged": 8, "never": 2, "fell_back": 1, "diverged": 1,
    }  # fmt: skip
    fell_back = members[members.outcome == "fell_back"].iloc[0]
    assert (fell_back.first_met, fell_back.lost_at) == (30, 40)
    assert len(results.evaluations) == 4 * (12 + 2) * 5
    assert sorted(members.alpha.unique()) == [0, 0.5, 0.87, 1]
    assert "batch" not in members


def test_no_measure_takes_the_place_of_another_column(tmp_path, make_run):
    """Those that may be declared are refused: the list that this goes by is all the columns there are."""
    folder = make_run(tmp_path / "run", {1.0: 3}, found=False)
    own = spec(1, "own", {"alpha": 0.5}, seeds=(7,))
    record = Ledger(RunPaths(folder).cohorts).record(own)
    record.create(own)
    values = np.full((1, 1, len(COLUMNS)), 0.5)
    record.claim(1).write_curves(Curves([10], values, list(COLUMNS), [7]))
    evaluations = tables.read(folder).evaluations
    assert [*evaluations.columns] == [*COLUMNS, "f1", "auc", *(f"measures.{name}" for name in COLUMNS)]
    last = evaluations.iloc[-1]
    assert [last[name] for name in COLUMNS] == ["hash1", "compare", "own", 7, 10]
    assert [last[f"measures.{name}"] for name in COLUMNS] == [0.5] * len(COLUMNS)


def test_an_unfinished_cohort_has_evaluations_and_no_members(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed)
    own = spec(0, "alpha 1", {"alpha": 1.0, "batch": 32}, seeds=(12, 13))
    record = Ledger(RunPaths(folder).cohorts).record(own)
    record.create(own)
    record.claim(1).write_curves(Curves([10], np.zeros((1, 2, 2)), ["f1", "auc"], [12, 13]))
    results = tables.read(folder)
    assert not results.compared.seed.isin([12, 13]).any()
    assert results.evaluations.seed.isin([12, 13]).sum() == 2


def test_a_reader_reads_anew_what_is_new(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed)
    last = (RunPaths(folder).cohorts / "hash2").rename(tmp_path / "last")
    reader = tables.Reader(folder)
    assert len(reader.read().compared) == 36
    last.rename(RunPaths(folder).cohorts / "hash2")
    pd.testing.assert_frame_equal(reader.read().evaluations, tables.read(folder).evaluations)
    assert len(reader.read().compared) == 48


def test_members_of_what_the_study_does_not_have_any_more_are_left_out_with_a_word(tmp_path, make_run, mixed):
    """As after its data were made anew: the same names and seeds, under other hashes."""
    folder = make_run(tmp_path / "run", mixed)
    before = tables.read(folder)
    cohorts = RunPaths(folder).cohorts
    ledger = Ledger(cohorts)
    for number in (0, 1, 3):
        shutil.copytree(cohorts / f"hash{number}", cohorts / f"old{number}")
        for path in (cohorts / f"old{number}").glob("*/cohort.json"):
            path.write_text(path.read_text().replace(f"hash{number}", f"old{number}"))
    ledger.supersede({"old0", "old1", "old3"})
    results = tables.read(folder)
    pd.testing.assert_frame_equal(results.members, before.members)
    pd.testing.assert_frame_equal(results.evaluations, before.evaluations)
    assert results.values == before.values
    (said,) = results.changes
    assert said.startswith(
        "Left out: 42 members (alpha 1 12, alpha 0.5 12, best found (no. 3, alpha 0.87) 12, the search 6) that were "
    )
    # An older one that cannot be read any more is asked for nothing.
    for path in (cohorts / "old0").glob("*/outcome.json"):
        path.write_text("{")
    assert len(tables.read(folder).members) == len(before.members)


def test_a_criterion_that_no_member_could_meet_is_said(tmp_path, make_run):
    """As of a function that reports less often than the criterion is to be held; others are checked beforehand."""
    folder = make_run(tmp_path / "run", {1.0: 9, 0.5: 8}, found=False, criterion=Criterion("f1", 0.9, 6, "max", 0, 1))
    assert tables.read(folder).changes == [
        "Fewer evaluations than the 6 that the criterion is to be held for, so never met: alpha 1 (5), alpha 0.5 (5)."
    ]


def test_an_outcome_that_was_changed_by_hand_is_refused(tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, tested=True, diverged=1)
    reader = tables.Reader(folder)
    assert len(reader.read().members)
    path = next(RunPaths(folder).cohorts.glob("hash2/compare-*/outcome.json"))
    path.write_text(path.read_text().replace('"never"', '"converged"'))
    for read in (reader.read, lambda: tables.read(folder)):
        with pytest.raises(LedgerError, match=r"hash2/compare-.*/outcome\.json was changed after it was written"):
            read()


def test_a_criterion_that_was_changed_by_hand_is_refused(tmp_path, make_run, mixed, change_study):
    folder = make_run(tmp_path / "run", mixed)
    change_study(folder, criterion=Criterion("f1", 0.3, 2, "max", 0.0, 1.0))
    with pytest.raises(LedgerError, match=r"outcome\.json or the study's criterion was changed"):
        tables.read(folder)


def test_a_folder_without_a_study_is_refused_in_a_line(tmp_path):
    with pytest.raises(RecordError, match="holds no study"):
        tables.read(tmp_path)


def test_the_search_names_what_it_varied(tmp_path, make_run, mixed, change_study):
    folder = make_run(tmp_path / "run", mixed)
    assert tables.read(folder).configurations[-1].label.iloc[0] == "best found (no. 3, alpha 0.87)"
    # Of a space in which nothing differs, all of it.
    change_study(folder, search=Search(explore=4, space={"batch": Dimension(choices=(16, 32))}))
    assert tables.read(folder).configurations[-1].label.iloc[0] == "best found (no. 3, batch 32)"


def test_the_search_names_what_no_named_configuration_varies(tmp_path, make_run):
    """Named ones differ in width, searched ones in the learning rate as well."""
    values = {8: {"width": 8, "lr": 0.1}, 16: {"width": 16, "lr": 0.1}, 9: {"width": 8, "lr": 0.3}}
    space = {path: Dimension(low=0, high=10) for path in ("lr", "width", "decay")}
    rates = dict.fromkeys(values, 3)
    folder = make_run(tmp_path / "run", rates, path="width", values=values.get, search=Search(explore=3, space=space))
    assert tables.read(folder).configurations[-1].label.iloc[0] == "best found (no. 2, lr 0.3, width 8)"


def test_a_label_has_at_most_four_values_and_the_searchs_number():
    values = {
        "lr": 0.01234567,
        "settings.width": 64,
        "schedules.lr.every": 20,
        "schedules.momentum.every": 7,
        "b": True,
    }
    paths = list(values)
    found = labels.label(spec(9, "", values), 7, paths)
    assert found == "best found (no. 7, lr 0.0123, width 64, lr.every 20, momentum.every 7, ...)"
    assert labels.label(spec(9, "", values, "explore"), 7, ["b"]) == "explored (no. 7, b true)"
    assert labels.label(spec(9, "plain", values), 7, paths) == "plain"
    # What a condition left out is not said.
    assert labels.label(spec(9, "", {"lr": 1.0}), 7, ["lr", "momentum"]) == "best found (no. 7, lr 1)"


def test_what_varies_differs_in_value_or_is_not_everywhere():
    first = {"a": 1, "b": [1, 2], "c": True, "d": "x", "e": None}
    assert labels.varying([first, {"a": 1.0, "b": [1, 2], "c": True, "d": "x", "e": None}]) == []
    assert labels.varying([first, {"a": 2, "b": [2, 1], "c": 1, "d": "x"}]) == ["a", "b", "c", "e"]
    assert labels.varying([]) == []


@pytest.mark.parametrize(
    ("paths", "short"),
    [
        (["settings.width", "lr"], ["width", "lr"]),
        (["optimizer.name", "data.name"], ["optimizer", "data"]),
        (["schedules.lr.name", "lr"], ["schedule", "lr"]),
        (["settings.width", "data.width"], ["settings.width", "data.width"]),
        (["name"], ["name"]),
    ],
)
def test_a_path_is_called_by_its_last_part_unless_another_has_it(paths, short):
    found = labels.short_names(paths)
    assert [found[path] for path in paths] == short


def test_what_varies_has_a_column_of_its_own_name_and_kind(tmp_path, make_run):
    kinds = {
        "a": {"seed": 1, "optimizer.name": "sgd", "momentum": 0.9, "settings.layers": [1, 2], "settings.flag": True},
        "b": {"seed": 2, "optimizer.name": "adamw", "settings.layers": [3], "settings.flag": False},
    }
    results = tables.read(make_run(tmp_path / "run", {"a": 3, "b": 1}, found=False, values=kinds.get))
    first, second = (group.iloc[0] for group in results.configurations)
    assert (first["hyperparameters.seed"], second["hyperparameters.seed"]) == (1, 2)
    assert first.seed == 0
    assert (first["settings.layers"], second["settings.layers"]) == ("[1, 2]", "[3]")
    assert (first["settings.flag"], first["optimizer.name"]) == ("true", "sgd")
    assert first.momentum == 0.9
    assert np.isnan(second.momentum)
    assert results.axis is None
    results.members.to_parquet(tmp_path / "members.parquet")


def test_measures_of_the_test_split_are_columns(tmp_path, make_run, mixed):
    members = tables.read(make_run(tmp_path / "run", mixed, tested=True)).compared
    assert members.groupby("number").test_last_f1.first().tolist() == pytest.approx([0.25, 0.35, 0.45, 0.55])
    assert (members.test_best_auc == 0.5).all()


def test_the_axis_is_the_only_number_in_which_named_configurations_differ(tmp_path, make_run):
    results = tables.read(make_run(tmp_path / "lr", {0.001: 3, 0.01: 9, 0.1: 2}, path="lr", found=False))
    assert (results.axis.path, results.axis.name, results.axis.log) == ("lr", "lr", True)
    results = tables.read(make_run(tmp_path / "width", {16: 3, 64: 9, 32: 2}, path="settings.width"))
    assert (results.axis.path, results.axis.name, results.axis.log) == ("settings.width", "width", False)
    # What the search found may differ in more.
    both = make_run(
        tmp_path / "both", {0.25: 3, 0.5: 9, 0.75: 2}, values=lambda value: {"alpha": value, "lr": float(value > 0.7)}
    )
    assert tables.read(both).axis.path == "alpha"
    for number, values in enumerate(
        (
            lambda value: {"alpha": str(value)},
            lambda value: {"alpha": value, "lr": value / 2},
            lambda value: {"alpha": value} if value else {},
            lambda value: {"alpha": value > 0.2},
        )
    ):
        folder = make_run(tmp_path / f"none {number}", {0.0: 3, 0.5: 9}, found=False, values=values)
        assert tables.read(folder).axis is None


def test_a_score_is_the_last_or_the_best(tmp_path, make_run, change_study):
    folder = make_run(tmp_path / "run", {0.0: 3, 1.0: 5}, found=False, diverged=1)
    last = tables.read(folder)
    group = last.configurations[0]
    # Seed 3 fell back from .92 to .47; seed 11 diverged after .39, which does not count.
    assert last.scores(group)[[0, 3, 11]] == pytest.approx([0.95, 0.47, 0])
    change_study(folder, score="best")
    best = tables.read(folder)
    assert best.scores(best.configurations[0])[[0, 3, 11]] == pytest.approx([0.95, 0.92, 0])
    assert (last.score_name, best.score_name) == ("final f1", "best f1")


def test_where_less_is_better_the_lowest_is_best_and_one_that_diverged_worst(tmp_path, make_run):
    results = tables.read(make_run(tmp_path / "run", {0.0: 3, 1.0: 5}, found=False, diverged=1, criterion=LOSS))
    group = results.configurations[0]
    assert results.at_threshold == "at or below 0.1"
    worst = results.members.final.max()
    assert results.scores(group)[[0, 11]] == pytest.approx([0.05, worst])
    ranked = results.ranked(group)
    assert ranked.iloc[0].outcome == "diverged"
    assert ranked.iloc[-1].final == pytest.approx(0.05)
    low, high = results.span
    assert 0 <= low < 0.05
    assert high > worst


@pytest.mark.parametrize(
    ("criterion", "span", "worst"),
    [
        (Criterion("m", 0.9, 2, "max", 0.0, 1.0), (0, 1), 0),
        (Criterion("m", 0.9, 2, "max", -1.0, 1.0), (-1, 1), -1),
        (Criterion("m", 0.9, 2, "max"), (0, 1), 0),
        (Criterion("m", 0.1, 2, "min", 0.0, 1.0), (0, 1), 1),
        (Criterion("m", 0.1, 2, "min", 0.0, 2.0), (0, 2), 2),
    ],
)
def test_the_ends_of_a_score_are_the_metrics(tmp_path, make_run, criterion, span, worst):
    folder = make_run(tmp_path / "run", {0.0: 3, 1.0: 5}, found=False, diverged=1, criterion=criterion)
    results = tables.read(folder)
    assert results.span == span
    assert results.worst == worst
    assert results.scores(results.configurations[0])[-1] == worst


def test_the_last_value_of_a_member_that_diverged_is_none(tmp_path, make_run, mixed):
    results = tables.read(make_run(tmp_path / "run", mixed, diverged=2))
    values = results.last(results.configurations[0], "auc")
    assert np.isnan(values[-2:]).all()
    assert (values[:9] == 0.95).all()
    assert np.isnan(results.last(results.configurations[0], "nothing")).all()
