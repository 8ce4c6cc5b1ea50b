"""What figures show: the axis of what varies, or a row each; names as they are; nothing of what is imported changed."""

import subprocess
import sys

import pandas as pd
import pytest
from matplotlib.text import Text

from seedsweep.analysis import tables
from seedsweep.analysis.comparison import compare
from seedsweep.analysis.figures.convergence import draw
from seedsweep.core.records.decision import SeedCounts
from seedsweep.core.records.study import Dimension, Search


def drawn(folder):
    results = tables.read(folder)
    return draw(results, compare(results).configurations, pd.DataFrame())


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_a_study_of_lr_has_an_axis_of_lr_and_says_nothing_of_alpha(tmp_path, make_run):
    figures = drawn(make_run(tmp_path / "run", {0.001: 3, 0.01: 9, 0.1: 2, 0.03: 12}, path="lr"))
    (axes,) = figures["p_converge"].figure.axes
    assert (axes.get_xlabel(), axes.get_xscale()) == ("lr", "log")
    places = sorted(line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1)
    assert {0.001, 0.01, 0.1, 0.03} <= set(places)
    numbers = figures["p_converge"].numbers
    assert sorted(numbers[numbers.phase == "compare"].lr) == [0.001, 0.01, 0.03, 0.1]
    for one in figures.values():
        assert not any("alpha" in text for text in (one.caption, *texts(one.figure)))


def test_configurations_that_no_number_tells_apart_have_a_row_each(tmp_path, make_run):
    values = {
        "sgd": {"optimizer.name": "sgd", "lr": 0.1},
        "adamw": {"optimizer.name": "adamw", "lr": 0.001},
        "adam": {"optimizer.name": "adam", "lr": 0.001},
    }
    names = {name: name for name in values}
    figures = drawn(
        make_run(tmp_path / "run", {"sgd": 3, "adamw": 9, "adam": 8}, names=names, found=False, values=values.get)
    )
    (axes,) = figures["p_converge"].figure.axes
    assert axes.get_xlabel() == "P(converge)"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sgd", "adamw", "adam"]
    assert axes.yaxis_inverted()


def test_bars_are_the_intervals_of_the_table_with_all_looks_counted(tmp_path, make_run, change_study):
    folder = make_run(tmp_path / "run", {1.0: 9, 0.5: 4, 0.0: 0}, seeds=14, found=False)
    change_study(folder, seeds=SeedCounts(search=2, compare=24, looks=(6, 12, 24)))
    table = compare(tables.read(folder)).configurations
    drawn_ = drawn(folder)["p_converge"]
    own = drawn_.numbers[drawn_.numbers.phase == "compare"]
    assert own[["low", "high"]].to_numpy() == pytest.approx(table[["low", "high"]].to_numpy())
    # Of an explored one, each for itself.
    assert drawn_.numbers[drawn_.numbers.phase == "explore"].low.tolist() == pytest.approx(
        [0.158114, 0.158114, 0], abs=1e-6
    )


@pytest.mark.parametrize("task", ["made", ""])
def test_captions_say_no_more_than_is_so(tmp_path, make_run, task):
    figures = drawn(make_run(tmp_path / "run", {1.0: 9, 0.5: 4, 0.0: 0}, task=task, diverged=1))
    words = " ".join(one.caption for one in figures.values())
    assert not any(said in words for said in ("explains as much", "clumps", "Wilson", "the seed's doing"))
    assert ("on validation" in words) == bool(task)
    assert words.count("Seeds without a finite score are drawn at 0.") == 3


def test_names_are_drawn_as_they_are(tmp_path, make_run):
    names = dict(zip("uvwxyz", ["$x$", "$\\frac{a$", "a_b^c", "[x]", "_hidden", "100 %"], strict=True))
    folder = make_run(
        tmp_path / "run", {letter: 2 * place for place, letter in enumerate(names)}, names=names, found=False
    )
    for key, one in drawn(folder).items():
        one.save(tmp_path, key)
        for name in names.values():
            assert any(name in text for text in texts(one.figure)), (key, name)


def explored(folder, make_run, space, values):
    rates = {round(0.1 * i, 1): i for i in range(8)}
    return make_run(folder, rates, values=values, search=Search(explore=8, space=space))


def test_effects_are_of_the_numbers_that_were_searched(tmp_path, make_run):
    space = {
        "alpha": Dimension(low=0, high=1),
        "lr": Dimension(low=1e-4, high=1, log=True),
        "optimizer.name": Dimension(choices=("sgd", "adamw")),
        "momentum": Dimension(low=0, high=1, condition={"optimizer.name": "sgd"}),
    }

    def values(alpha):
        sgd = {"optimizer.name": "sgd", "momentum": alpha / 2} if alpha < 0.4 else {"optimizer.name": "adamw"}
        # The first one, which is named, lies outside of the space.
        return {"alpha": alpha, "lr": 10 ** (-30 * alpha % 4) / 1e4 if alpha else 0.0, **sgd}

    figures = drawn(explored(tmp_path / "run", make_run, space, values))
    effects = figures["effects"]
    assert set(effects.numbers.parameter) == {"alpha", "lr"}
    assert effects.numbers[effects.numbers.parameter == "lr"].value.min() > 0
    assert "Left out, as no number in every configuration: optimizer, momentum." in effects.caption


def test_without_a_number_in_the_search_there_are_no_effects(tmp_path, make_run):
    space = {"kind": Dimension(choices=("a", "b"))}
    assert "effects" not in drawn(explored(tmp_path / "run", make_run, space, lambda a: {"kind": str(a), "alpha": "x"}))


def test_importing_the_figures_changes_no_settings(tmp_path):
    code = (
        "import matplotlib; before = dict(matplotlib.rcParams)\n"
        "import seedsweep.analysis.page.report\n"
        "assert dict(matplotlib.rcParams) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
