"""The report of a study that runs."""

from core.ledger import CohortSpec
from sweeps import live_report
from sweeps.live_report import LiveReport
from tests.analysis.test_report import MIXED, make_run

SPEC = CohortSpec("compare", 0, "hash0", {"alpha": 1.0}, "named", (0,))


def test_it_is_written_after_a_pause_and_not_twice_at_once(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run", MIXED)
    watcher = LiveReport(folder)
    watcher.ended(SPEC, failed=False)
    assert watcher._writer is None
    monkeypatch.setattr(live_report, "PAUSE_SECONDS", 0)
    watcher.ended(SPEC, failed=False)
    writer = watcher._writer
    watcher.ended(SPEC, failed=False)
    assert watcher._writer is writer
    assert writer.wait(60) == 0
    assert "12 of 12" in (folder / "report" / "index.html").read_text()
    watcher.ended(SPEC, failed=True)
    assert watcher._writer is not writer
    watcher.close()
    assert watcher._writer.poll() is not None
