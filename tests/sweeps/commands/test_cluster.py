"""A study on a cluster, seen from the login node."""

import io
import json

import pytest
from rich.console import Console

from seedsweep.slurm.allocation import Job
from seedsweep.sweeps.commands import cluster


@pytest.fixture
def queue(kept, monkeypatch, tmp_path):
    """The run's jobs as SLURM shows them, and the file that holds what somebody was told."""
    told = tmp_path / "told.txt"
    script = tmp_path / "tell.sh"
    script.write_text(f"#!/bin/sh\ncat >> {told}\n")
    script.chmod(0o755)
    kept.paths.copies.parent.mkdir(parents=True, exist_ok=True)
    kept.paths.copies.write_text(json.dumps({"source": "", "code": "", "notify": str(script)}))
    found = [Job("7", "PENDING", "Resources", "", "1:00:00")]
    monkeypatch.setattr(cluster.allocation, "jobs", lambda name, numbers: found)
    monkeypatch.setattr(cluster.allocation, "cancel", lambda numbers: end(found))
    monkeypatch.setattr(cluster, "LOOK", 0.01)
    monkeypatch.setattr(cluster, "SETTLE", 0.05)
    return found, told


def end(found):
    found[:] = [Job("7", "CANCELLED", "Resources", "", "1:00:00")]


@pytest.mark.slow
def test_a_job_that_is_cancelled_in_the_queue_is_told_once(kept, queue):
    _, told = queue
    assert cluster.cancel(kept) == ["7"]
    said = told.read_text()
    assert said.startswith("kept: job 7 cancelled; 2 cohorts finished")
    assert cluster.notified(kept) == ""
    assert cluster.cancel(kept) == []
    assert told.read_text() == said


def test_who_waits_tells_that_the_jobs_are_gone(kept, queue):
    found, told = queue
    end(found)
    console = Console(file=io.StringIO(), width=200)
    assert cluster.wait(kept.study(), kept, console, since=2) is None
    assert console.file.getvalue().startswith("job 7 cancelled; 2 cohorts finished")
    assert told.read_text().startswith("kept: the jobs ended before the study did, job 7 cancelled; 2 cohorts finished")


def test_a_queue_without_the_runs_jobs_is_no_gap_in_the_line(kept, queue):
    found, _ = queue
    found.clear()
    console = Console(file=io.StringIO(), width=200)
    assert cluster.wait(kept.study(), kept, console, since=2) is None
    assert console.file.getvalue().startswith("2 cohorts finished")
