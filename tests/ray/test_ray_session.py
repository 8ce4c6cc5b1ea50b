"""What the workers of a launch find on their path."""

import subprocess
import sys

from tests.sweeps.launching import ROOT, environment

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
    done = subprocess.run(
        [sys.executable, "script.py", copy],
        cwd=home,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    folder, *path = done.stdout.splitlines()
    # The driver itself is where it was.
    assert folder == str(home)
    assert str(copy) in path
    assert str(home) not in path
    assert str(ROOT) not in path
