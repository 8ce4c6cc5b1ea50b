"""What a launch removes of those that were killed before it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seedsweep.core.errors import UserError
from seedsweep.sweeps.running import ray_session as session
from seedsweep.sweeps.running.ray_watch import watched


@pytest.fixture
def dead() -> int:
    """Number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def holder(file: Path) -> subprocess.Popen:
    """A process that has a file open, as Ray's agents have their logs."""
    code = "import sys, time; file = open(sys.argv[1], 'w'); print('open', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"open\n"
    return process


def test_a_dead_launchs_folder_goes_with_the_processes_that_use_it(dead):
    stale = Path(f"/tmp/{session.SCRATCH}{dead}-test")
    stale.mkdir()
    with holder(stale / "log") as agent:
        session.sweep_up()
        assert agent.wait(10) == -9
    assert not list(Path("/tmp").glob(f"*{stale.name.removeprefix(session.SCRATCH)}"))


def test_a_living_launchs_folder_stays():
    living = Path(f"/tmp/{session.SCRATCH}{os.getppid()}-test")
    living.mkdir()
    try:
        session.sweep_up()
        assert living.exists()
    finally:
        living.rmdir()


def test_two_launches_that_sweep_at_once_do_not_take_each_other_for_leftovers(dead):
    """The other is in the middle of removing the folder: it has it open."""
    stale = Path(f"/tmp/{session.SCRATCH}{dead}-test")
    stale.mkdir()
    others = stale.with_name(f"{session.SCRATCH}{os.getppid()}-of-{dead}-test")
    stale.rename(others)
    with holder(others / "log") as other:
        session.sweep_up()
        assert other.poll() is None
        other.kill()
    for file in others.iterdir():
        file.unlink()
    others.rmdir()


def test_ray_is_watched_in_the_main_thread_alone():
    def outside() -> str:
        with pytest.raises(UserError) as refused, watched(lambda: True):
            pass
        return str(refused.value)

    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(outside).result()
    assert said.startswith("a launch on Ray runs in a program's main thread")
    assert "on='inline'" in said
