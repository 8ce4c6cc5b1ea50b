"""Failed cohorts tried again, where the run ran."""

import json

import pytest

from seedsweep.sweeps.cli import running
from seedsweep.sweeps.commands import cluster
from tests.sweeps.launching import run_here


@pytest.fixture
def submitted(kept, monkeypatch):
    """A run of SLURM's with a failed cohort, seen from a login node: the commands of the jobs that are submitted."""
    record = kept.ledger.records()[0]
    (record.folder / "outcome.json").unlink()
    record.fail("Traceback\nValueError: no")
    kept.paths.copies.parent.mkdir(parents=True, exist_ok=True)
    kept.paths.copies.write_text(json.dumps({"source": "", "code": "", "notify": ""}))
    found = []

    def submit(executor, job):
        found.append(job.command)
        return "8"

    monkeypatch.setattr(running, "place", lambda on: on or "slurm")
    monkeypatch.setattr(cluster, "live_jobs", lambda run: [])
    monkeypatch.setattr(cluster.allocation, "executor", lambda *given, **more: None)
    monkeypatch.setattr(cluster.allocation, "submit", submit)
    return found


def test_on_a_login_node_it_is_submitted_with_the_code_of_the_last_launch(runs, kept, submitted):
    said = run_here("retry", "--runs", runs, "--notify", "mail -s done me@example.org").stdout
    assert "submitted job 8: 1 node of 1 CPU, 60 min at a time" in said
    ((*_, code),) = submitted
    assert (kept.paths.code / code).is_dir()
    assert code == kept.last_launch()[1]
    assert cluster.notified(kept) == "mail -s done me@example.org"
    # Nothing was trained here.
    assert kept.ledger.records()[0].error()
    assert len(kept.provenance()["launches"]) == 1


def test_a_job_that_waits_already_does_it(runs, submitted, monkeypatch):
    monkeypatch.setattr(cluster, "live_jobs", lambda run: [cluster.Job("7", "PENDING", "", "", "")])
    assert "job 7 is in the queue already, and tries them again" in run_here("retry", "--runs", runs).stdout
    assert submitted == []


def test_without_a_slurm_it_is_tried_here(runs, kept, submitted, monkeypatch):
    monkeypatch.setattr(running, "place", lambda on: on or "here")
    run_here("retry", "--runs", runs)
    assert submitted == []
    assert all(record.finished for record in kept.ledger.records())


def test_what_slurm_would_get_is_not_shown_of_another_place(runs, kept):
    study = kept.paths.study_yaml
    for place in ("here", "inline", "10.0.0.1:6379"):
        done = run_here("launch", study, "--dry-run", "--on", place, "--runs", runs, check=False)
        assert done.returncode == 2
        assert f"--dry-run shows what SLURM would get: it goes with --on slurm, not --on {place}" in done.stderr
