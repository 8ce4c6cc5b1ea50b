"""The pages in a real Chromium: they ask for nothing, sort, filter, and can be read by everybody."""

import itertools
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from seedsweep.analysis import tables
from seedsweep.analysis.figures.scales import ScoreScale
from seedsweep.analysis.page.report import write, write_table
from seedsweep.analysis.report_2019.page import write as write_replication
from seedsweep.analysis.report_2019.rows import read_rows
from seedsweep.analysis.report_2019.table import VERDICTS
from seedsweep.core.records.criterion import judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps.study.configuration import configuration
from seedsweep.sweeps.study.loading import load
from tests.analysis.report_2019.planted import plant_row

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian: apt install chromium)")
#: For a test of each kind of page.
both = pytest.mark.parametrize("either", ["report", "replication"], indirect=True)


@pytest.fixture(scope="module")
def report(tmp_path_factory, make_run, mixed, pack_squares) -> Path:
    run = RunPaths(tmp_path_factory.mktemp("runs") / "run")
    make_run(run.folder, mixed, diverged=1, windows=True, data=pack_squares(run.data))
    write(run.folder)
    return run.report.page


@pytest.fixture(scope="module")
def replication(tmp_path_factory) -> Path:
    """Claims with every verdict that there is."""
    runs, rows = tmp_path_factory.mktemp("replication"), {row.row: row for row in read_rows()}
    for number, holds in (("7c", False), ("18a", True)):
        row = rows[number]
        study = load(row.study, "laptop")
        values = {name: configuration(study, name, study.configurations[name]).values for name in row.configurations}
        plant_row(runs, row, holds=holds, values=values)
    said = write_replication(runs, runs / "page")
    assert all(f" {verdict}" in said for verdict in VERDICTS)
    return runs / "page" / "index.html"


@pytest.fixture(scope="module")
def piled(tmp_path_factory) -> Path:
    """A report of seeds most of which end close to 1, and some far from it."""
    folder = tmp_path_factory.mktemp("piled")
    ends = {"a": 1 - np.geomspace(0.001, 0.04, 8), "b": np.array([1, 1, 1, 0.999, 0.998, 0.95, 0.6, 0.3])}
    rows = [
        (label, seed, step, round(score * step / 3, 4))
        for label, scores in ends.items()
        for seed, score in enumerate(scores)
        for step in (1, 2, 3)
    ]
    pd.DataFrame(rows, columns=["configuration", "seed", "step", "score"]).to_csv(folder / "t.csv", index=False)
    write_table(folder / "t.csv", 0.9, 1, folder / "out")
    return folder / "out" / "index.html"


@pytest.fixture
def either(request) -> Path:
    """The page that the test's parameter names."""
    page: Path = request.getfixturevalue(request.param)
    return page


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


@pytest.fixture
def opened(browser):
    """Opens a page from disk, cut off from any network; what it asked for and complained about is kept."""
    contexts = []

    def open_page(path: Path, width: int = 1200, scheme: str = "light", *, clock: bool = False, **options):
        viewport = {"width": width, "height": 900}
        context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True, **options)
        contexts.append(context)
        if clock:
            context.clock.install()
        page = context.new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
        return page

    yield open_page
    for context in contexts:
        context.close()


def column(page, place: int, table: str = "configurations") -> list[str]:
    return page.eval_on_selector_all(
        f"#{table} tbody tr", f"rows => rows.map(row => row.cells[{place}].dataset.v ?? row.cells[{place}].textContent)"
    )


@both
def test_it_asks_for_nothing_and_complains_of_nothing(opened, either):
    page = opened(either)
    assert page.title()
    assert [url for url in page.asked if not url.startswith("data:")] == [page.url]
    assert page.complaints == []


@both
def test_every_image_is_there_and_has_text(opened, either):
    page = opened(either)
    images = page.eval_on_selector_all("img", "all => all.map(one => [one.naturalWidth, one.alt])")
    assert images
    assert all(width > 100 and len(text) > 40 for width, text in images)
    drawn = page.eval_on_selector_all("svg[role=img]", "all => all.map(one => one.getAttribute('aria-label'))")
    # A curve and glimpses for each seed, and the charts.
    assert len(drawn) == (2 * 48 + 4 if either.parent.name == "report" else 0)
    assert all(drawn)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@both
def test_axe_finds_nothing(opened, either, scheme):
    page = opened(either, scheme=scheme)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    passed = {rule["id"] for rule in found.response["passes"]}
    assert {"color-contrast", "image-alt", "document-title", "html-has-lang"} <= passed


@pytest.mark.parametrize("place", [0, 1, 2, 4, 7, 9])
def test_a_click_sorts_and_another_turns_it_round(opened, report, place):
    page = opened(report)
    page.check("#more")
    for turned in (False, True):
        page.click(f"#configurations th:nth-child({place + 1}) button")
        values = column(page, place)
        numbers = [value for value in values if value not in ("", "nan")]
        # What there is no number for is at the end.
        assert values[: len(numbers)] == numbers
        key = float if place else str
        assert [key(value) for value in numbers] == sorted(map(key, numbers), reverse=not turned)
        said = page.get_attribute(f"#configurations th:nth-child({place + 1})", "aria-sort")
        assert said == ("ascending" if turned else "descending")
    assert page.complaints == []


@pytest.mark.parametrize(("table", "word", "left"), [("configurations", "ALPHA 0", 3), ("pairs", "best found", 3)])
def test_a_filter_shows_what_has_its_words(opened, report, table, word, left):
    page = opened(report)
    every = page.locator(f"#{table} tbody tr:visible").count()
    page.fill(f"[data-filter={table}]", word)
    shown = page.locator(f"#{table} tbody tr:visible")
    assert shown.count() == left < every
    assert all(word.lower() in text.lower() for text in shown.locator("th").all_text_contents())
    page.fill(f"[data-filter={table}]", "")
    assert shown.count() == every


@both
def test_a_phone_scrolls_tables_and_not_the_page(opened, either):
    page = opened(either, width=375)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_names_as_long_as_a_phone_do_not_make_the_page_scroll(opened, tmp_path, make_run, mixed):
    names = {alpha: f"{'a_name_without_a_space_' * 3}{alpha} " + "and words, " * 8 for alpha in mixed}
    folder = make_run(tmp_path / "run", mixed, names=names, found=False)
    write(folder)
    page = opened(RunPaths(folder).report.page, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_it_prints(opened, report):
    # An A4 page's width between its margins.
    page = opened(report, width=718)
    page.emulate_media(media="print")
    for table in ("configurations", "pairs"):
        assert page.eval_on_selector(f"#{table}", "one => one.getBoundingClientRect().right") <= 718
    assert page.locator(".tools").first.is_hidden()
    # On paper there are the figures, on the screen the charts.
    assert page.locator(".chart:visible").count() == 0
    assert page.locator("img:visible").count() == page.locator("img").count()
    assert page.locator(".answer").is_visible()
    printed = page.pdf(format="A4")
    assert len(re.findall(rb"/Type /Page\b", printed)) > 3


def test_a_seed_has_its_glimpses_on_the_image(opened, report):
    """The made members look at the middle of the image with half of its width."""
    page = opened(report)
    box = page.eval_on_selector(
        "svg.glimpses rect", "one => ['x', 'y', 'width', 'height'].map(name => +one.getAttribute(name))"
    )
    assert box == [25, 25, 50, 50]
    assert page.locator("svg.glimpses").count() == 48
    assert page.eval_on_selector("svg.glimpses use", "one => one.getBBox().width") == 100


#: Charts, and how many marks of one configuration each has: an interval and a point, or lines and dots of 12 seeds.
CHARTS = {"p_converge": 2, "learning_curves": 12 + 1, "final_scores": 12 + 1, "slider": 4}


def said(page, chart: str) -> str:
    return page.text_content(f"[data-chart={chart}] output.said")


def domain(page, chart: str, axis: str) -> list[float]:
    return page.evaluate(f"document.querySelector('[data-chart={chart}]').svg.scale('{axis}').domain")


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


@pytest.mark.parametrize("by", ["click", "table", "list", "keys"])
def test_a_configuration_is_highlighted_everywhere(opened, report, by):
    page = opened(report)
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
    page.select_option("#highlight", "")
    assert page.locator(".dim, tr.picked").count() == 0


@pytest.mark.parametrize("either", ["report", "piled"], indirect=True)
def test_a_drag_zooms_and_a_button_takes_it_back(opened, either):
    page = opened(either)
    for chart, axes in (("final_scores", "x"), ("learning_curves", "xy")):
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


def test_the_key_of_the_curves_has_a_line_for_each_outcome(opened, report):
    page = opened(report)
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


def test_without_javascript_there_are_the_figures_and_every_column(opened, report):
    page = opened(report, java_script_enabled=False)
    assert page.locator("img:visible").count() == page.locator("img").count() > 8
    assert page.locator(".chart:visible").count() == 0
    page.check("#more")
    assert page.locator("#configurations thead th:visible").count() == page.locator("#configurations thead th").count()
    page.uncheck("#more")
    assert page.locator("#configurations thead th:visible").all_text_contents()[:2] == ["configuration", "P(converge)"]


def test_on_a_phone_rows_are_cards_that_name_their_numbers(opened, report):
    page = opened(report, width=390)
    for table in ("configurations", "pairs"):
        card = page.locator(f"#{table} tbody tr").first
        assert card.bounding_box()["width"] > 300
        cell = card.locator("td:visible").first
        assert page.evaluate("one => getComputedStyle(one, '::before').content", cell.element_handle()) == (
            f'"{cell.get_attribute("data-label")}"'
        )
        # No number in several lines: it, and its interval.
        assert cell.bounding_box()["height"] < 60
    for chart in CHARTS:
        assert page.locator(f"[data-chart={chart}] svg").bounding_box()["width"] <= 390


def more_seeds(folder: Path) -> None:
    """Two more seeds of each compared configuration, which converge."""
    ledger = Ledger(RunPaths(folder).cohorts)
    for record in list(ledger.records()):
        spec, curves = record.spec(), record.curves()
        if spec.phase != "compare":
            continue
        more = replace(spec, seeds=(12, 13))
        values = np.full((len(curves.steps), 2, len(curves.columns)), 0.97)
        criterion = tables.read(folder).study.criterion
        outcomes = [judge(seed, curves.steps, values[:, 0, 0], None, criterion) for seed in more.seeds]
        added = ledger.record(more)
        added.create(more)
        run = {"host": "here", "device": "cpu", "engine": "fused", "seconds": 12.0}
        added.claim(1).commit(Curves(curves.steps, values, curves.columns, [12, 13]), outcomes, run)


def test_an_open_page_takes_in_what_is_new_and_keeps_what_was_set(opened, tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, wanted=14)
    report = RunPaths(folder).report
    write(folder, tables.Reader(folder))
    page = opened(report.page, clock=True)

    def asked() -> int:
        return sum("live.js" in url for url in page.asked)

    page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = false)")
    page.click("#configurations-2")
    page.fill("#filter-configurations", "alpha 0")
    page.check("#more")
    page.check("#overlay")
    page.select_option("#highlight", "alpha 0.5")
    page.locator("#seeds summary").nth(1).click()
    page.focus("#configurations-4")
    seen = "document.querySelector('#learning_curves').getBoundingClientRect().top"
    page.evaluate("document.querySelector('#learning_curves').scrollIntoView()")
    top, order = page.evaluate(seen), column(page, 0)
    more_seeds(folder)
    write(folder, tables.Reader(folder))
    assert "12/12" in page.text_content("#configurations")
    page.evaluate("look()")
    page.wait_for_function("document.querySelector('#news').textContent")
    assert "14/14" in page.text_content("#configurations")
    assert page.get_attribute("#configurations th:nth-child(3)", "aria-sort") == "descending"
    assert column(page, 0) == order
    assert page.input_value("#filter-configurations") == "alpha 0"
    assert page.locator("#configurations tbody tr:visible").count() == 3
    assert page.is_checked("#more")
    assert page.is_checked("#overlay")
    assert page.locator("tr.picked th").all_text_contents() == ["alpha 0.5"]
    assert page.locator("[data-chart=learning_curves] path.mark:not(.dim)").count() == 14 + 1
    open_ones = page.eval_on_selector_all("details", "all => all.filter(one => one.open).map(one => one.dataset.key)")
    assert open_ones == ["alpha 0.5"]
    assert page.evaluate("document.activeElement.id") == "configurations-4"
    assert abs(page.evaluate(seen) - top) < 2
    # It asks now and then; once it has the end it asks no more.
    write(folder)
    before = asked()
    page.clock.fast_forward("01:00")
    page.wait_for_function("document.querySelector('#news').textContent === 'The study has ended.'")
    assert (at_end := asked()) > before
    for _ in range(3):
        page.clock.fast_forward("01:00")
    page.evaluate("0")
    assert asked() == at_end
    assert page.complaints == []


def test_a_page_whose_results_are_gone_takes_in_others(opened, tmp_path, make_run, mixed):
    folder = make_run(tmp_path / "run", mixed, wanted=40)
    write(folder, tables.Reader(folder))
    page = opened(RunPaths(folder).report.page)
    RunPaths(folder).cohorts.rename(tmp_path / "away")
    write(folder, tables.Reader(folder))
    page.evaluate("look()")
    page.wait_for_function("document.querySelector('#news').textContent")
    assert page.locator(".chart").count() == 0
    (tmp_path / "away").rename(RunPaths(folder).cohorts)
    write(folder, tables.Reader(folder))
    page.evaluate("look()")
    page.wait_for_selector("[data-chart=final_scores] svg")
    assert page.complaints == []
