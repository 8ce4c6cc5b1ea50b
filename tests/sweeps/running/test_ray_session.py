"""What a launch removes of those that were killed before it, and what its workers find on their path."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seedsweep.sweeps.running import ray_session as session


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


WORKER = """
import os, sys
from pathlib import Path
from seedsweep.sweeps.running.ray_session import local_ray

with local_ray(Path(sys.argv[1])):
    import ray

    @ray.remote
    def places():
        return list(sys.path)

    print(Path.cwd(), *ray.get(places.remote()), sep="\\n")
"""


def test_a_worker_finds_the_copy_first_and_nothing_of_the_drivers(tmp_path):
    home, copy = tmp_path / "home", tmp_path / "copy"
    home.mkdir()
    copy.mkdir()
    (home / "script.py").write_text(WORKER)
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "script.py", copy],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    folder, *path = done.stdout.splitlines()
    # The driver itself is where it was.
    assert folder == str(home)
    assert str(copy) in path
    assert str(home) not in path
    assert str(root) not in path
