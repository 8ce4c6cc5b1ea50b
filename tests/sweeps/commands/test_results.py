"""The answer on a terminal."""

import io

import pytest
from rich.console import Console

from seedsweep.sweeps.commands.results import show_report
from tests.sweeps import toy
from tests.sweeps.launching import run_inline


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine")


def test_the_answer_has_a_line_for_each_claim(study, tmp_path):
    claims = "claims=[{best: plain}, {alike: [plain, shrunk]}]"
    run, *_ = run_inline(study, tmp_path, "search.explore=0", "seeds.compare=2", claims)
    console = Console(file=io.StringIO(), width=80, soft_wrap=True)
    show_report(run.paths, console)
    lines = console.file.getvalue().splitlines()
    assert sum(line.startswith("That plain is the best of the named: ") for line in lines) == 1
    assert sum(line.startswith("That plain and shrunk are alike: ") for line in lines) == 1
    assert lines[-1] == f"report:  {run.paths.report.page}"
