"""What figures show: the axis of what varies, or a row each; names as they are; nothing of what is imported changed."""

import itertools
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from seedsweep.analysis import tables
from seedsweep.analysis.comparison import compare
from seedsweep.analysis.figures.convergence import draw
from seedsweep.analysis.figures.scales import logarithmic, of_scores
from seedsweep.analysis.figures.style import FONT, WIDTH
from seedsweep.analysis.results import Results
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.decision import SeedCounts
from seedsweep.core.records.study import Dimension, Search, Study

F1 = Criterion("f1", 0.9, 2, "max", 0.0, 1.0)


def results_of(scores):
    members = pd.DataFrame({"final": scores, "exploratory": False})
    return Results(Study(name="made", question="?", criterion=F1), members, pd.DataFrame())


def drawn(folder):
    results = tables.read(folder)
    return draw(results, compare(results).configurations, pd.DataFrame())


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("task", ["made", ""])
def test_captions_say_no_more_than_is_so(tmp_path, make_run, task):
    figures = drawn(make_run(tmp_path / "run", {1.0: 9, 0.5: 4, 0.0: 0}, task=task, diverged=1))
    words = " ".join(one.caption for one in figures.values())
    assert not any(said in words for said in ("explains as much", "clumps", "Wilson", "the seed's doing"))
    assert ("on validation" in words) == bool(task)
    assert words.count("Seeds without a finite score are drawn at 0.") == 3


@pytest.mark.slow
@pytest.mark.pictures
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_text_has_one_size_on_a_page(tmp_path, make_run):
    """All figures are equally wide, so that a page scales them alike; little text is smaller than the rest."""
    for rates in ({1.0: 9, 0.5: 4}, {round(0.1 * i, 1): i for i in range(11)}):
        for one in drawn(make_run(tmp_path / str(len(rates)), rates)).values():
            assert one.figure.get_figwidth() == WIDTH
            sizes = [text.get_fontsize() for text in one.figure.findobj(Text) if text.get_text()]
            assert set(sizes) == {FONT}
            assert all(text.get_rotation() in (0, 90) for text in one.figure.findobj(Text))


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 9, 11])
def test_curves_are_on_one_panel_and_no_two_look_alike(tmp_path, make_run, count):
    figures = drawn(make_run(tmp_path / "run", {round(0.1 * i, 1): i for i in range(count)}, found=False))
    for name in ("time_to_convergence", "profiles", "best_of_n"):
        (axes,) = figures[name].figure.axes
        assert len({(line.get_color(), str(line.get_linestyle())) for line in axes.lines}) == min(count, 9)
        assert ("Of 11 configurations the 9 that converged most often" in figures[name].caption) == (count > 9)


@pytest.mark.slow
@pytest.mark.pictures
def test_what_shows_a_configuration_says_so_in_the_picture(tmp_path, make_run):
    names = {"u": 'a "quoted" & <b>', "v": "b"}
    for name, one in drawn(make_run(tmp_path / "run", {"u": 3, "v": 9}, names=names, found=False)).items():
        one.save(tmp_path, name)
        picture = ElementTree.parse(tmp_path / f"{name}.svg")
        tied = [each for each in picture.iter() if "data-configuration" in each.attrib]
        if name in ("time_to_convergence", "profiles", "best_of_n", "named_best"):
            assert {each.get("data-configuration") for each in tied} == set(names.values())
            assert all(each[0].tag.endswith("title") and each[0].text for each in tied)


def boxes(figure, found):
    """Of texts, as they are drawn."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    every = [text for text in figure.findobj(Text) if found(text.get_text())]
    # An annotation's own extent has its line, too.
    return [Text.get_window_extent(text, canvas.get_renderer()) for text in every]


@pytest.mark.slow
def test_names_beside_curves_that_end_alike_do_not_overlap(tmp_path, make_run):
    names = {f"v{i}": f"configuration {i} with a name that takes more than a line" for i in range(9)}
    figures = drawn(make_run(tmp_path / "run", dict.fromkeys(names, 12), names=names, found=False))
    for name in ("time_to_convergence", "profiles", "best_of_n"):
        found = boxes(figures[name].figure, lambda text: text.startswith("configuration") and "\n" in text)
        assert len(found) == 9
        tops = sorted((box.y0, box.y1) for box in found)
        assert all(above[0] >= below[1] - 1 for below, above in itertools.pairwise(tops))


def test_what_piles_up_at_the_end_is_told_apart():
    scores = np.array([0.6, 0.97, 0.98, 0.99, 0.995, 0.998, 1.0, 1.0])
    # One configuration that piles up is enough.
    scale = of_scores(results_of(scores), [scores, np.full(20, 0.7)])
    assert scale.end == 1
    assert scale.inverse(scale.forward(scores)) == pytest.approx(scores)
    axes = Figure().subplots()
    scale.on(axes, "x")
    drawn_at = axes.transAxes.inverted().transform(axes.transData.transform([(score, 0) for score in scores]))[:, 0]
    assert ((drawn_at >= 0) & (drawn_at <= 1)).all()
    # On a linear axis 0.99 and 0.998 are 2 % of it apart.
    assert drawn_at[5] - drawn_at[3] > 0.15
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert {"0.9", "0.99", "1"} <= set(labels)


@pytest.mark.parametrize("scores", [[0.5, 0.7, 0.9], [0.96, 0.97, 0.98], [0.0, 0.2, 1.0], [1.0, 1.0]])
def test_other_scores_are_on_a_linear_axis_that_they_fill(scores):
    scale = of_scores(results_of(scores), [np.array(scores)])
    assert scale.word == ""
    low, high = scale.limits
    every = [*scores, F1.threshold]
    assert low < min(every) <= max(every) < high
    assert high - low < 1.1 * (max(every) - min(every))


@pytest.mark.parametrize(("low", "high"), [(1e-5, 1.0), (0.003, 0.04), (2.0, 9.0), (1e-4, 1e-2)])
def test_ticks_of_a_logarithmic_axis_are_round(low, high):
    axes = Figure().subplots()
    axes.set_xlim(low, high)
    logarithmic(axes, low, high)
    ticks = axes.get_xticks()
    assert 2 <= len(ticks) <= 6
    digits = {f"{tick:.10e}".partition("e")[0].rstrip("0").rstrip(".") for tick in ticks}
    assert digits <= {"1", "1.5", *"23456789"}


@pytest.mark.slow
@pytest.mark.pictures
def test_a_page_has_a_figure_that_is_dark_in_the_dark_and_a_paper_the_light_one(tmp_path, make_run):
    one = drawn(make_run(tmp_path / "run", {1.0: 9, 0.5: 4}))["p_converge"]
    picture = one.save(tmp_path, "p_converge")
    assert b"prefers-color-scheme: dark" in picture
    assert b"prefers-color-scheme" not in (tmp_path / "p_converge.svg").read_bytes()
    ElementTree.fromstring(picture)


@pytest.mark.slow
def test_importing_the_figures_changes_no_settings(tmp_path):
    code = (
        "import matplotlib; before = dict(matplotlib.rcParams)\n"
        "import seedsweep.analysis.page.report\n"
        "assert dict(matplotlib.rcParams) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
