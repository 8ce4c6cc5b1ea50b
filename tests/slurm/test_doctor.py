"""What is said of this machine before a study runs on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedsweep.slurm import detect
from seedsweep.slurm.doctor import examine


@pytest.fixture(autouse=True)
def looked_at_anew():
    detect.can_submit.cache_clear()
    yield
    detect.can_submit.cache_clear()


def commands(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """SLURM's commands on the path, first."""
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_a_slurm_that_is_installed_for_no_cluster_is_none(tmp_path, monkeypatch):
    words = "sinfo: fatal: Could not establish a configuration source"
    commands(tmp_path, monkeypatch, sbatch="exit 1", sinfo=f"echo '{words}' >&2; exit 1")
    found = examine(tmp_path)
    assert not detect.can_submit()
    (slurm,) = [each for each in found if each.what == "SLURM"]
    assert slurm.well is None
    assert "no cluster is configured" in slurm.text
    assert "studies run on this machine" in slurm.text
    assert not [each for each in found if each.well is False]


def test_a_controller_that_does_not_answer_is_bad(tmp_path, monkeypatch):
    words = "slurm_load_partitions: Unable to contact slurm controller"
    commands(tmp_path, monkeypatch, sbatch="exit 1", sinfo=f"echo '{words}' >&2; exit 1")
    (slurm,) = [each for each in examine(tmp_path) if each.what == "SLURM"]
    assert slurm.well is False
    assert "Unable to contact slurm controller: ask your administrators" in slurm.text


def test_a_command_is_named_once(tmp_path, monkeypatch):
    words = "sinfo: fatal: Unable to process configuration file"
    commands(tmp_path, monkeypatch, sbatch="exit 1", sinfo=f"echo '{words}' >&2; exit 1")
    (slurm,) = [each for each in examine(tmp_path) if each.what == "SLURM"]
    assert slurm.text.startswith(f"{words}: ask")


@pytest.mark.parametrize(
    ("script", "well", "words"),
    [("echo g++ 99", True, "g++ 99: steps can be compiled"), (None, None, "install g++, or name another in CXX")],
)
def test_whether_steps_can_be_compiled(tmp_path, monkeypatch, script, well, words):
    monkeypatch.setenv("CXX", "own-compiler")
    if script:
        commands(tmp_path, monkeypatch, **{"own-compiler": script})
    (found,) = [each for each in examine(tmp_path) if each.what == "C++ compiler"]
    assert found.well is well
    assert words in found.text


def test_a_cluster(cluster, tmp_path, monkeypatch):
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    found = {each.what: each for each in examine(tmp_path)}
    for what in ("SLURM", "partition main*", "ports", "/tmp", "runs folder"):
        assert found[what].well, found[what]
    assert "do all nodes see it?" in found["file system"].text
