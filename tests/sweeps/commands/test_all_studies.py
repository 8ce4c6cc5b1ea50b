"""All studies, one after another."""

import io
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

from seedsweep.sweeps.commands import all_studies
from seedsweep.sweeps.commands.all_studies import in_order, launch_all
from seedsweep.sweeps.study.loading import STUDIES
from tests.sweeps import toy
from tests.sweeps.launching import run_here

SHORT = toy.STUDY.replace("explore: 4", "explore: 0").replace("compare: 4", "compare: 1")


@pytest.fixture
def studies(tmp_path, monkeypatch):
    """`a` starts from the weights of `b`; `c` is no study."""
    folder = toy.write(tmp_path / "studies").parent
    (folder / "toy.yaml").unlink()
    (folder / "a.yaml").write_text(f"{SHORT}init_from: {{run: b, configuration: plain, seed: 0}}\n")
    (folder / "b.yaml").write_text(f"{SHORT}".replace("cohort: 3", "cohort: 3, keep_weights: true"))
    (folder / "c.yaml").write_text("question: Why?\nmodell: {}\n")
    monkeypatch.setattr(all_studies, "STUDIES", folder)
    return folder


def test_a_study_that_starts_from_anothers_weights_comes_after_it(studies):
    first, last, problems = in_order("inline", None, [])
    assert [path.stem for path in (*first, *last)] == ["b", "a"]
    assert len(problems) == 1
    assert "c.yaml: " in problems[0]


@pytest.mark.parametrize(("scale", "name"), [("laptop", []), ("big", ["--name", "b-big"])])
def test_another_scale_has_runs_of_its_own(studies, tmp_path, monkeypatch, scale, name):
    path, asked = studies / "b.yaml", []
    path.write_text(f"{path.read_text()}scales: {{laptop: {{}}, big: {{}}}}\n")
    monkeypatch.setattr(all_studies, "subprocess", Mock(run=lambda command, check: asked.append(command) or Mock()))
    launch_all("inline", scale, [], tmp_path / "runs", ["--scale", scale], Console(file=io.StringIO()))
    (command,) = asked
    assert command[2:] == [str(path), *name, "--runs", str(tmp_path / "runs"), "--scale", scale]


@pytest.mark.slow
def test_all_run_and_what_fails_does_not_stop_the_others(studies, tmp_path, monkeypatch):
    printed = []

    def run(command, check):
        """In this process, which spares it the imports."""
        python, program, *arguments = command
        assert (python, Path(program).is_file()) == (sys.executable, True)
        done = run_here("launch", *arguments, check=check)
        printed.append(done.stdout)
        return done

    monkeypatch.setattr(all_studies, "subprocess", Mock(run=run))
    console = Console(file=io.StringIO(), width=200)
    assert not launch_all("inline", None, [], tmp_path / "runs", ["--on=inline"], console)
    said = console.file.getvalue()
    assert "study 1 of 2: b" in said
    assert "done:   a:" in said
    assert "failed: " in said
    assert "1 of 3 studies failed; the same command goes on with them" in said
    for name in "ab":
        assert (tmp_path / "runs" / name / "report" / "index.html").exists()
    assert list((tmp_path / "runs" / "a" / "starts").glob("*.pt"))
    assert all("converged" in each for each in printed)


def test_what_is_submitted_and_left_is_not_waited_for(studies, tmp_path, monkeypatch):
    launched = []

    def run(command, check):
        launched.append(Path(command[2]).stem)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(all_studies, "subprocess", Mock(run=run))
    console = Console(file=io.StringIO(), width=200)
    launch_all("slurm", None, [], tmp_path / "runs", [], console, leaves=True)
    assert launched == ["b"]
    assert "later:  a, when the run that it starts from has ended" in console.file.getvalue()


def test_each_study_is_read_once(studies, tmp_path, monkeypatch):
    read = []
    load = all_studies.load
    monkeypatch.setattr(all_studies, "load", lambda path, *more, **how: read.append(path) or load(path, *more, **how))
    monkeypatch.setattr(all_studies, "subprocess", Mock())
    launch_all("inline", None, [], tmp_path / "runs", [], Console(file=io.StringIO()))
    assert sorted(Path(path).stem for path in read) == ["a", "b", "c"]


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["laptop", "cluster"])
def test_ours_are_in_order(scale):
    """The one that starts from another's weights is the last."""
    first, last, problems = in_order("here", scale, [])
    assert len(first) + len(last) + len(problems) == len(list(STUDIES.glob("*.yaml")))
    assert [path.stem for path in last] == ["transfer"]
    assert all("efficientnet" in problem for problem in problems)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["launch"], "Give its name or file, or --all"),
        (["launch", "alpha_seed_study", "--all"], "--all runs every study under its own name"),
        (["report", "--to", "x"], "--to goes with --replication"),
        (["report", "x", "--replication"], "name one of them"),
    ],
)
def test_a_users_mistake_is_one_line(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_here(*arguments, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
