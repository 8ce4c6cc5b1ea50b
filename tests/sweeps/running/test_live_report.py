"""The report of a study that runs."""

import time

from tests.analysis.test_report import MIXED, make_run

from seedsweep.core.records.ledger import CohortSpec
from seedsweep.sweeps.running import live_report
from seedsweep.sweeps.running.live_report import LiveReport

SPEC = CohortSpec("compare", 0, "hash0", {"alpha": 1.0}, "named", (0,))


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_it_is_written_after_a_pause_and_again_by_the_same_process(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run", MIXED)
    page = folder / "report" / "index.html"
    last = (folder / "cohorts" / "hash2").rename(tmp_path / "last")
    watcher = LiveReport(folder)
    watcher.ended(SPEC, failed=False)
    assert watcher._writer is None
    monkeypatch.setattr(live_report, "PAUSE_SECONDS", 0)
    watcher.ended(SPEC, failed=False)
    writer = watcher._writer
    wait_for(page.exists)
    assert "alpha 0.5:" in page.read_text()
    assert "alpha 0:" not in page.read_text()
    # What is for a paper is written at the end.
    assert not (folder / "report" / "tables").exists()
    last.rename(folder / "cohorts" / "hash2")
    watcher.ended(SPEC, failed=True)
    assert watcher._writer is writer
    wait_for(lambda: "alpha 0:" in page.read_text())
    watcher.close()
    assert writer.poll() is not None


def test_a_page_that_cannot_be_written_does_not_end_the_next(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run", MIXED)
    (study := folder / "study.yaml").rename(folder / "away.yaml")
    monkeypatch.setattr(live_report, "PAUSE_SECONDS", 0)
    watcher = LiveReport(folder)
    watcher.ended(SPEC, failed=False)
    (folder / "away.yaml").rename(study)
    watcher.ended(SPEC, failed=False)
    wait_for((folder / "report" / "index.html").exists)
    # One that died is started anew.
    watcher._writer.kill()
    watcher._writer.wait()
    (folder / "report" / "index.html").unlink()
    watcher.ended(SPEC, failed=False)
    wait_for((folder / "report" / "index.html").exists)
    watcher.close()
