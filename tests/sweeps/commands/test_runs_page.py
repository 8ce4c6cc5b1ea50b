"""A page of all runs of a folder."""

import io
import re

import pytest
from rich.console import Console

from seedsweep.sweeps.commands.results import show_report
from seedsweep.sweeps.commands.runs_page import show
from tests.sweeps import toy
from tests.sweeps.launching import run_inline


@pytest.mark.slow
def test_each_run_is_a_row_that_links_its_report(tmp_path):
    small = ("search.explore=0", "seeds.compare=2", "question=Is 1 < 2?")
    study = toy.write(tmp_path / "mine")
    first, *_ = run_inline(study, tmp_path / "runs", *small, name="first")
    run_inline(study, tmp_path / "runs", *small, name="second")
    quiet = Console(quiet=True)
    verdict = show_report(first.paths, quiet)
    runs = first.paths.runs
    (runs / "compare-a-b").mkdir()
    (runs / "compare-a-b" / "index.html").touch()
    (runs / "lost" / "cohorts").mkdir(parents=True)
    console = Console(file=io.StringIO(), width=200)
    page = show(runs, console)
    assert page == runs / "index.html"
    assert console.file.getvalue() == f"runs:    {page}\n"
    text = page.read_text()
    assert text.count("<td>Is 1 &lt; 2?</td>") == 2
    assert verdict in text
    links = re.findall(r'href="([^"]+)"', text)
    assert links == ["first/report/index.html", "compare-a-b/index.html"]
    assert "no report yet" in text
    assert "unreadable" in text


def test_a_folder_without_runs_says_what_makes_one(tmp_path):
    page = show(tmp_path / "none", Console(quiet=True))
    assert "seedsweep launch STUDY" in page.read_text()
