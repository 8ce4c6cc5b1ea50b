"""A run removed, and nothing else."""

import io
import os
from unittest.mock import Mock, patch

import pytest
from rich.console import Console

from seedsweep.core.errors import UserError
from seedsweep.sweeps.commands import removal
from seedsweep.sweeps.commands.removal import remove
from tests.sweeps.launching import run_here


def everything_but(runs, name):
    return {path for path in runs.rglob("*") if name not in path.relative_to(runs).parts}


def test_the_folder_goes_and_what_links_of_it_lead_to_stays(runs, kept, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("mine")
    (kept.paths.folder / "link").symlink_to(outside)
    (kept.paths.folder / "link.txt").symlink_to(outside / "mine.txt")
    before = everything_but(runs, "kept")
    # Copies of the user's files are read-only.
    assert any(not os.stat(path).st_mode & 0o200 for path in kept.paths.code.rglob("*"))
    said = run_here("rm", "kept", "--yes", "--runs", runs).stdout
    assert f"removed {runs / 'kept'}: " in said
    assert not kept.paths.folder.exists()
    assert before <= everything_but(runs, "kept")
    assert {path.name for path in runs.iterdir()} == {path.name for path in before if path.parent == runs}
    assert (outside / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["..", ".", "../runs/kept", "kept/cohorts", "_data", "", "other"])
def test_nothing_but_a_run_of_the_folder_is_removed(runs, name):
    before = everything_but(runs, "-")
    done = run_here("rm", name, "--yes", "--runs", runs, check=False)
    assert done.returncode == 2
    assert f"has no run of {name!r}; there are kept" in done.stderr
    assert everything_but(runs, "-") == before


def test_a_damaged_run_is_removed(runs, kept):
    kept.paths.study.write_text("{")
    run_here("rm", "kept", "--yes", "--runs", runs)
    assert not kept.paths.folder.exists()


def test_a_link_is_left_to_the_user(runs, kept):
    (runs / "linked").symlink_to(kept.paths.folder)
    done = run_here("rm", "linked", "--yes", "--runs", runs, check=False)
    assert "is a link to" in done.stderr
    assert kept.exists


def test_a_run_that_runs_or_waits_is_refused(runs, kept, monkeypatch):
    with kept.hold():
        done = run_here("rm", "kept", "--yes", "--runs", runs, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "kept is being run by process" in done.stderr
    monkeypatch.setattr(removal.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(removal.cluster, "live_jobs", lambda run: [removal.cluster.Job("7", "PENDING", "", "", "")])
    done = run_here("rm", "kept", "--yes", "--runs", runs, check=False)
    assert "kept waits or runs as job 7: `seedsweep cancel kept` first" in done.stderr
    assert kept.exists


@pytest.mark.parametrize("agreed", [True, False])
def test_a_terminal_is_asked_and_nothing_else_is(runs, kept, agreed):
    console = Console(file=io.StringIO(), width=200)
    with pytest.raises(UserError, match="nobody can be asked here; say --yes"), patch("sys.stdin", io.StringIO()):
        remove("kept", runs, console)
    with patch("sys.stdin.isatty", lambda: True), patch.object(removal.typer, "confirm", lambda text: agreed):
        assert remove("kept", runs, console) == agreed
    assert "2 finished cohorts, " in console.file.getvalue()
    assert kept.paths.folder.exists() != agreed


def test_ctrl_c_at_the_question_is_an_interruption(runs, kept, monkeypatch):
    def interrupted(text):
        raise removal.typer.Abort

    monkeypatch.setattr("sys.stdin", Mock(isatty=lambda: True))
    monkeypatch.setattr(removal.typer, "confirm", interrupted)
    assert run_here("rm", "kept", "--runs", runs, check=False).returncode == 130
    assert kept.exists
