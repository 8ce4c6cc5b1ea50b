"""The pages in a real Chromium: they ask for nothing, sort, filter, and can be read by everybody."""

import re
import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from seedsweep.analysis.page.report import write
from seedsweep.core.records.paths import RunPaths

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian: apt install chromium)")
REPLICATION = Path(__file__).parents[3] / "docs" / "replication" / "index.html"


@pytest.fixture(scope="module")
def report(tmp_path_factory, make_run, mixed, pack_squares) -> Path:
    run = RunPaths(tmp_path_factory.mktemp("runs") / "run")
    make_run(run.folder, mixed, diverged=1, windows=True, data=pack_squares(run.data))
    write(run.folder)
    return run.report.page


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

    def open_page(path: Path, width: int = 1200, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
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


@pytest.mark.parametrize("name", ["report", "replication"])
def test_it_asks_for_nothing_and_complains_of_nothing(opened, report, name):
    page = opened(report if name == "report" else REPLICATION)
    assert page.title()
    assert [url for url in page.asked if not url.startswith("data:")] == [page.url]
    assert page.complaints == []


@pytest.mark.parametrize("name", ["report", "replication"])
def test_every_image_is_there_and_has_text(opened, report, name):
    page = opened(report if name == "report" else REPLICATION)
    images = page.eval_on_selector_all("img", "all => all.map(one => [one.naturalWidth, one.alt])")
    assert images
    assert all(width > 100 and len(text) > 40 for width, text in images)
    drawn = page.eval_on_selector_all("svg[role=img]", "all => all.map(one => one.getAttribute('aria-label'))")
    assert len(drawn) == (2 * 48 if name == "report" else 0)
    assert all(drawn)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "replication"])
def test_axe_finds_nothing(opened, report, name, scheme):
    page = opened(report if name == "report" else REPLICATION, scheme=scheme)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    passed = {rule["id"] for rule in found.response["passes"]}
    assert {"color-contrast", "image-alt", "document-title", "html-has-lang"} <= passed


@pytest.mark.parametrize("place", [0, 1, 2, 5, 8, 9])
def test_a_click_sorts_and_another_turns_it_round(opened, report, place):
    page = opened(report)
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
    assert all(word.lower() in text.lower() for text in shown.locator("td:first-child").all_text_contents())
    page.fill(f"[data-filter={table}]", "")
    assert shown.count() == every


@pytest.mark.parametrize("name", ["report", "replication"])
def test_a_phone_scrolls_tables_and_not_the_page(opened, report, name):
    page = opened(report if name == "report" else REPLICATION, width=375)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_it_prints(opened, report):
    # An A4 page's width between its margins.
    page = opened(report, width=718)
    page.emulate_media(media="print")
    for table in ("configurations", "pairs"):
        assert page.eval_on_selector(f"#{table}", "one => one.getBoundingClientRect().right") <= 718
    assert page.locator(".tools").first.is_hidden()
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
