"""The answer on a terminal."""

import io
import sys

import pytest
from rich.console import Console

from seedsweep.analysis.tables import read
from seedsweep.core.errors import UserError
from seedsweep.sweeps.commands.results import show_replication, show_report
from tests.sweeps import toy
from tests.sweeps.launching import run_inline


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine")


@pytest.mark.slow
def test_the_answer_has_a_line_for_each_claim(study, tmp_path):
    claims = "claims=[{best: plain}, {alike: [plain, shrunk], margin: 0.2}]"
    run, *_ = run_inline(study, tmp_path, "search.explore=0", "seeds.compare=2", claims)
    console = Console(file=io.StringIO(), width=80, soft_wrap=True)
    show_report(run.paths, console)
    lines = console.file.getvalue().splitlines()
    assert sum(line.startswith("That plain is the best of the named: ") for line in lines) == 1
    assert sum(line.startswith("That plain and shrunk are alike within 20 points: ") for line in lines) == 1
    assert lines[-1] == f"report:  {run.paths.report.page}"


@pytest.mark.slow
@pytest.mark.parametrize("terminal", [True, False])
def test_lines_are_wrapped_on_a_terminal_alone(study, tmp_path, terminal):
    run, *_ = run_inline(study, tmp_path, "search.explore=0", "seeds.compare=2")
    console = Console(file=io.StringIO(), width=60, soft_wrap=True, force_terminal=terminal, color_system=None)
    verdict = show_report(run.paths, console)
    # Beside what moves on a terminal while the report is written.
    said = console.file.getvalue().rpartition("\x1b[2K")[2].rpartition("\x1b[?25h")[2]
    lines = said.strip().split("\n\n")[0].splitlines()
    assert any(len(line) > 60 for line in lines) is not terminal
    # The verdict in a few words, for `--notify`.
    assert "plain is the best of the named" in verdict
    assert "\n" not in verdict


def test_a_replication_of_nothing_says_what_to_run(tmp_path):
    with pytest.raises(UserError, match=r"has no runs: .* `seedsweep launch --all`"):
        show_replication(tmp_path / "none", tmp_path / "to", Console(quiet=True))
    assert not (tmp_path / "to").exists()


@pytest.mark.slow
def test_what_had_converged_before_steps_grew_is_said_as_it_was(study, tmp_path):
    small = ("search.explore=0", "seeds.compare=3")
    run, *_ = run_inline(study, tmp_path, *small)
    before = read(run.paths.folder).members
    run, *_ = run_inline(study, tmp_path, *small, "training.steps=48")
    results = read(run.paths.folder)
    assert list(results.members.registered_outcome) == list(before.outcome)
    console = Console(file=io.StringIO(), width=80, soft_wrap=True)
    show_report(run.paths, console)
    assert "24 steps were registered, and 48 are trained since. Converged at 24 steps: " in console.file.getvalue()


def test_without_the_folder_of_the_replication_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "seedsweep.analysis.report_2019", None)
    monkeypatch.delitem(sys.modules, "seedsweep.analysis.report_2019.page", raising=False)
    with pytest.raises(UserError, match="the replication of the report of 2019 is not installed"):
        show_replication(tmp_path, tmp_path / "to", Console(quiet=True))
