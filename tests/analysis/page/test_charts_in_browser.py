"""The charts of a page in a real Chromium: hover, highlight, zoom, the threshold, and what each of them says."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from seedsweep.analysis.figures.scales import ScoreScale
from seedsweep.analysis.page.report import write_table
from tests.analysis.page.in_browser import CHARTS, FIGURES, domain, said

pytestmark = pytest.mark.pictures


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chart", "words"), [("final_scores", "seed"), ("learning_curves", "seed"), ("p_converge", "%")]
)
def test_hover_names_what_is_under_the_pointer_and_its_numbers(opened, report, chart, words):
    page = opened(report)
    mark = page.locator(f"[data-chart={chart}] .mark").nth(30 if words == "seed" else 5)
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    # A line is met at its end.
    page.mouse.move(box["x"] + (box["width"] if chart == "learning_curves" else box["width"] / 2), box["y"] + 2)
    page.wait_for_function(f"document.querySelector('[data-chart={chart}] output.said').textContent")
    text = said(page, chart)
    assert re.match(r"(alpha|best found).*: .*\d", text)
    assert words in text
    tip = "".join(page.locator(f"[data-chart={chart}] .tip").all_text_contents())
    assert re.split("[,:]", text)[0] in tip
    assert page.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("by", ["click", "table", "list", "keys"])
def test_a_configuration_is_highlighted_everywhere(shown, by):
    page = shown
    if by == "click":
        mark = page.locator("[data-chart=p_converge] path.mark, [data-chart=p_converge] circle.mark").last
        mark.scroll_into_view_if_needed()
        box = mark.bounding_box()
        page.mouse.move(box["x"] + 1, box["y"] + 1)
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    elif by == "table":
        page.click("#configurations tbody tr:last-child .pick")
    elif by == "list":
        page.select_option("#highlight", index=4)
    else:
        page.focus("#p_converge-chart")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")
    (row,) = page.locator("tr.picked th").all_text_contents()
    assert page.input_value("#highlight") == row
    assert page.locator(".pick[aria-pressed=true]").all_text_contents() == [row]
    for chart, own in CHARTS.items():
        marks = page.locator(f"[data-chart={chart}] .mark")
        assert marks.count() - page.locator(f"[data-chart={chart}] .dim").count() == own
    for figure in FIGURES:
        shown_there = page.locator(f"h3#{figure} + figure .still [data-configuration]")
        assert shown_there.count() > 0, figure
        lit = shown_there.evaluate_all("all => all.map(one => [one.dataset.configuration, one.matches('.dim')])")
        assert all(dim == (label != row) for label, dim in lit)
    page.select_option("#highlight", "")
    assert page.locator(".dim, tr.picked").count() == 0


@pytest.mark.slow
def test_after_a_click_the_pointer_goes_on_and_the_next_click_counts(opened, report):
    page = opened(report)
    seen = []
    for row in (0, 2):
        mark = page.locator("[data-chart=final_scores] path.mark").nth(12 * row + 5)
        mark.scroll_into_view_if_needed()
        box = mark.bounding_box()
        page.mouse.move(box["x"] + 3, box["y"] + 3)
        seen.append((said(page, "final_scores"), page.evaluate("seedsweepPlots.state.picked")))
        page.mouse.down()
        page.mouse.up()
        seen.append((said(page, "final_scores"), page.input_value("#highlight")))
    (first, _), (_, one), (second, still), (_, other) = seen
    assert first != second
    assert first.startswith(one)
    assert second.startswith(other)
    assert still == one != other


def test_a_click_on_a_curve_of_a_figure_highlights_its_configuration(shown):
    page = shown
    curve = page.locator("h3#best_of_n + figure [data-configuration]").first
    label = curve.get_attribute("data-configuration")
    assert label in curve.locator("title").text_content()
    where, before = page.url, page.context.pages
    for expected in (label, ""):
        curve.locator("path").first.dispatch_event("click", {"bubbles": True, "composed": True, "cancelable": True})
        assert page.input_value("#highlight") == expected
    assert (page.url, page.context.pages) == (where, before)


@pytest.mark.slow
@pytest.mark.parametrize("either", ["report", "piled"], indirect=True)
def test_a_drag_zooms_and_a_button_takes_it_back(opened, either):
    page = opened(either)
    for chart, axes in (("final_scores", "x"), ("learning_curves", "xy"), ("p_converge", "x"), ("slider", "x")):
        before = {axis: domain(page, chart, axis) for axis in axes}
        plot = page.locator(f"#{chart}-chart")
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        page.mouse.move(box["x"] + 220, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 300, box["y"] + 110, steps=3)
        page.mouse.up()
        for axis, (low, high) in before.items():
            now = domain(page, chart, axis)
            assert low <= now[0] < now[1] <= high
            assert now[1] - now[0] < (high - low) / 2
        page.click(f"#{chart}-reset")
        assert {axis: domain(page, chart, axis) for axis in axes} == before
        page.focus(f"#{chart}-chart")
        page.keyboard.press("+")
        assert all(domain(page, chart, axis) != ends for axis, ends in before.items())
        page.keyboard.press("0")
        assert {axis: domain(page, chart, axis) for axis in axes} == before
        # There is nothing beyond all.
        page.keyboard.press("+")
        for _ in range(4):
            page.keyboard.press("-")
        assert {axis: domain(page, chart, axis) for axis in axes} == before
        assert page.is_disabled(f"#{chart}-reset")
    assert page.locator("tr.picked").count() == 0


def test_scores_that_pile_up_are_told_apart_as_in_the_figures(opened, piled):
    page = opened(piled)
    kept = page.evaluate("JSON.parse(document.getElementById('data').textContent).scale")
    scale = ScoreScale(0, 1, kept["end"], kept["least"], kept["sign"])
    assert scale.end == 1
    for chart in ("final_scores", "learning_curves"):
        texts = page.eval_on_selector_all(
            f"[data-chart={chart}] svg text",
            """all => all.map(one => [one.textContent, one.getBoundingClientRect()])
                .map(([text, { left, right, top, bottom }]) => [text, left, right, top, bottom])""",
        )
        assert sum("stretched towards 1" in text for text, *_ in texts) == 1
        numbers = [box for text, *box in texts if re.fullmatch(r"[\d.]+", text)]
        assert {"0.8", "1"} <= {text for text, *_ in texts}
        for (left, right, top, bottom), other in itertools.combinations(numbers, 2):
            assert right <= other[0] or other[1] <= left or bottom <= other[2] or other[3] <= top
    dots = page.eval_on_selector_all(
        "[data-chart=final_scores] path.mark",
        """all => all.map(one => [seedsweepPlots.shownBy.get(one).score, one.getBoundingClientRect()])
            .filter(([score]) => score !== undefined).map(([score, { left, right }]) => [score, (left + right) / 2])""",
    )
    scores, places = np.array(dots).T
    assert len(scores) == 16
    along = np.polynomial.Polynomial.fit(scale.forward(scores), places, 1)
    assert along(scale.forward(scores)) == pytest.approx(places, abs=1)
    # In the metric's own units is what is said.
    dot = page.locator("[data-chart=final_scores] path.mark").first
    dot.scroll_into_view_if_needed()
    dot.hover()
    page.wait_for_function("document.querySelector('[data-chart=final_scores] output.said').textContent")
    assert f"final score {scores[0]:g}" in said(page, "final_scores")
    assert page.complaints == []


def test_small_multiples_overlay_on_demand(opened, report):
    page = opened(report)
    assert page.evaluate("document.querySelector('[data-chart=learning_curves]').svg.scale('fx') !== undefined")
    page.check("#overlay")
    assert page.evaluate("document.querySelector('[data-chart=learning_curves]').svg.scale('fx') === undefined")
    assert page.locator("[data-chart=learning_curves] path.mark").count() == 48 + 4


def test_the_key_of_the_curves_has_a_line_for_each_outcome(shown):
    page = shown
    lines = page.locator("[data-chart=learning_curves] path.mark").evaluate_all(
        "all => [...new Set(all.map(one => getComputedStyle(one.closest('[stroke]')).stroke))]"
    )
    key = "[data-chart=learning_curves] .key span"
    told = page.locator(f"{key} b").evaluate_all(
        "all => all.map(one => [one.dataset.sign, getComputedStyle(one).color])"
    )
    assert {colour for sign, colour in told if sign in "—╌━"} == set(lines)
    words = [text.strip() for text in page.locator(key).all_text_contents()]
    assert words[:4] == ["converged", "converged and fell back", "never converged", "diverged"]
    assert [sign for sign, _ in told[:4]] == ["—", "╌", "╌", "╌"]
    assert "leave the panel" not in " ".join(words)


@pytest.mark.slow
def test_of_curves_that_leave_the_panel_there_is_a_word(opened, tmp_path):
    rows = [(label, seed, step, 2 + seed / 10) for label in "ab" for seed in range(8) for step in range(1, 21)]
    rows[3] = (*rows[3][:3], 1000.0)
    pd.DataFrame(rows, columns=["configuration", "seed", "step", "score"]).to_csv(tmp_path / "t.csv", index=False)
    write_table(tmp_path / "t.csv", 2.2, 1, tmp_path / "out")
    page = opened(tmp_path / "out" / "index.html")
    key = page.locator("[data-chart=learning_curves] .key")
    assert "some curves leave the panel" in key.text_content()
    assert "Some curves leave the panels; learning_curves.csv" in page.text_content("main")
    page.focus("#learning_curves-chart")
    page.keyboard.press("-")
    assert "some curves leave the panel" in key.text_content()
    for _ in range(20):
        page.keyboard.press("-")
    assert domain(page, "learning_curves", "y")[1] == 1000
    assert "some curves leave the panel" not in key.text_content()


@pytest.mark.slow
def test_the_threshold_moves_and_the_registered_one_stands(opened, report):
    page = opened(report)
    verdict = page.text_content(".verdict")
    assert "registered" in page.text_content("#threshold-said")
    assert "alone decides" in page.text_content("#by-criterion")
    curve = pd.read_csv(report.parent / "figures" / "criteria.csv")
    held = curve[curve.hold == 2]
    for number, threshold in enumerate(sorted(held.threshold.unique())):
        page.focus("#threshold")
        page.keyboard.press("ArrowRight" if number else "Home")
        assert page.get_attribute("#threshold", "aria-valuetext").startswith(f"{threshold:g}")
        own = held[held.threshold == threshold]
        said_so = "alone decides" if threshold == 0.9 else "The same verdict" if own.holds.all() else "Another verdict"
        assert said_so in page.text_content("#by-criterion")
        for place, row in enumerate(own.itertuples()):
            page.focus("#slider-chart")
            page.keyboard.press("Escape")
            for _ in range(place + 1):
                page.keyboard.press("ArrowRight")
            assert f"{row.label}: {row.converged} of {row.members} seeds" in said(page, "slider")
    page.click("#own-criterion")
    assert "registered" in page.text_content("#threshold-said")
    assert page.text_content(".verdict") == verdict
