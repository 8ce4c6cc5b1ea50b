"""Pages, and a real Chromium that opens them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import sync_playwright
from rich.console import Console

from seedsweep.analysis.page.report import write, write_table
from seedsweep.analysis.report_2019.page import write as write_replication
from seedsweep.analysis.report_2019.rows import read_rows
from seedsweep.analysis.report_2019.table import VERDICTS
from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps.commands.runs_page import show
from seedsweep.sweeps.study.configuration import configuration
from seedsweep.sweeps.study.loading import load
from tests.analysis.report_2019.planted import plant_row

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def report(tmp_path_factory, make_run, mixed, pack_squares) -> Path:
    run = RunPaths(tmp_path_factory.mktemp("runs") / "run")
    make_run(run.folder, mixed, diverged=1, windows=True, data=pack_squares(run.data))
    write(run.folder)
    return run.report.page


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def runs(report) -> Path:
    """The page of a folder's runs."""
    return show(report.parents[2], Console(quiet=True))


@pytest.fixture(scope="session")
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
    if CHROMIUM is None:
        pytest.skip("there is no Chromium (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


def _opening(browser):
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


@pytest.fixture
def opened(browser):
    """Opens pages of a test's own."""
    yield from _opening(browser)


@pytest.fixture(scope="module")
def shown(browser, report):
    """The report, for tests that leave it as they find it."""
    for open_page in _opening(browser):
        yield open_page(report)
