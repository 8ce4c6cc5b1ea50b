"""The pages in a real Chromium: they ask for nothing, sort, filter, take in what is new; everybody can read them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from seedsweep.analysis import tables
from seedsweep.analysis.page.report import write
from seedsweep.core.records.criterion import judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from tests.analysis.page.in_browser import CHARTS, column

pytestmark = pytest.mark.pictures
#: For a test of each kind of page.
both = pytest.mark.parametrize("either", ["report", "replication"], indirect=True)


@pytest.mark.slow
@both
def test_it_asks_for_nothing_and_complains_of_nothing(opened, either):
    page = opened(either)
    assert page.title()
    assert [url for url in page.asked if not url.startswith("data:")] == [page.url]
    assert page.complaints == []


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 390)])
@pytest.mark.parametrize("either", ["report", "replication", "runs"], indirect=True)
def test_axe_finds_nothing(opened, either, scheme, width):
    page = opened(either, width, scheme)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    passed = {rule["id"] for rule in found.response["passes"]}
    assert {"color-contrast", "document-title", "html-has-lang"} <= passed


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 1, 2, 4, 7, 9])
def test_a_click_sorts_and_another_turns_it_round(shown, place):
    page = shown
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


@pytest.mark.slow
@pytest.mark.parametrize(("table", "word", "left"), [("configurations", "ALPHA 0", 3), ("pairs", "best found", 3)])
def test_a_filter_shows_what_has_its_words(shown, table, word, left):
    page = shown
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


@pytest.mark.slow
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


def test_a_seed_has_its_glimpses_on_the_image(shown):
    """The made members look at the middle of the image with half of its width."""
    page = shown
    box = page.eval_on_selector(
        "svg.glimpses rect", "one => ['x', 'y', 'width', 'height'].map(name => +one.getAttribute(name))"
    )
    assert box == [25, 25, 50, 50]
    assert page.locator("svg.glimpses").count() == 48
    assert page.eval_on_selector("svg.glimpses use", "one => one.getBBox().width") == 100


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


@pytest.mark.slow
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


@pytest.mark.slow
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
