"""The report of a study that runs."""

import shutil

import pytest

from seedsweep.sweeps.running import live_report
from seedsweep.sweeps.running.live_report import LiveReport
from tests.sweeps import toy
from tests.sweeps.launching import run_inline
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    run, *_ = run_inline(toy.write(folder / "mine"), folder, "search.explore=0", "seeds.compare=3")
    return run.paths.folder


@pytest.fixture
def run(launched, tmp_path):
    """(its folder, its page, the folder of its second configuration)."""
    folder = tmp_path / "toy"
    shutil.copytree(launched, folder)
    (second,) = {path.parents[1] for path in folder.glob("cohorts/*/*/cohort.json") if '"shrunk"' in path.read_text()}
    return folder, folder / "report" / "index.html", second


@pytest.mark.slow
def test_it_is_written_after_a_pause_and_again_by_the_same_process(run, tmp_path, monkeypatch):
    folder, page, second = run
    last = second.rename(tmp_path / "last")
    watcher = LiveReport(folder)
    watcher.finished(None, failed=False)
    assert watcher.writer is None
    monkeypatch.setattr(live_report, "PAUSE_SECONDS", 0)
    watcher.finished(None, failed=False)
    writer = watcher.writer
    wait_for(page.exists)
    first = page.read_text()
    assert "plain" in first
    # What is for a paper is written at the end.
    assert not (folder / "report" / "tables").exists()
    last.rename(second)
    watcher.finished(None, failed=True)
    assert watcher.writer is writer
    wait_for(lambda: page.read_text() != first)
    watcher.close()
    assert writer.poll() is not None


@pytest.mark.slow
def test_a_page_that_cannot_be_written_does_not_end_the_next(run, monkeypatch):
    folder, page, _ = run
    away = (folder / "study.json").rename(folder / "away.json")
    monkeypatch.setattr(live_report, "PAUSE_SECONDS", 0)
    watcher = LiveReport(folder)
    watcher.finished(None, failed=False)
    away.rename(folder / "study.json")
    watcher.finished(None, failed=False)
    wait_for(page.exists)
    # One that died is started anew.
    watcher.writer.kill()
    watcher.writer.wait()
    page.unlink()
    watcher.finished(None, failed=False)
    wait_for(page.exists)
    watcher.close()
