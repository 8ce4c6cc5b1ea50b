"""The first of Ray's agents starts late, as on a busy node or from a slow file system."""

import os
import subprocess
import sys

import pytest

from tests.sweeps.launching import environment

#: Seconds. A raylet waits 15 for an agent.
LATE = 25
#: Python runs this at each start.
SITE = f"""
import pathlib, sys, time

first = pathlib.Path(__file__).with_name("first")
if any(word.endswith("/dashboard/agent.py") for word in sys.orig_argv) and first.exists():
    first.unlink()
    time.sleep({LATE})
"""
#: A launch's own Ray is started again.
LOCAL = """
import sys
from pathlib import Path
from seedsweep.sweeps.running.ray_session import living_hosts, local_ray

with local_ray(Path(sys.argv[1])):
    print(len(living_hosts()))
"""
#: A node of an allocation waits.
HEAD = """
import os, sys, tempfile, time
from pathlib import Path
from seedsweep.slurm import node, ray_node

token = Path(sys.argv[1]) / "token"
node.write_token(token)
os.environ.update(ray_node.SETTINGS, RAY_AUTH_TOKEN_PATH=str(token), RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0")
port = node.free_port()
with tempfile.TemporaryDirectory(dir="/tmp") as scratch:
    head = ray_node.start_head("127.0.0.1", port, Path(scratch))
    # It is not lost while the agent is late.
    until = time.monotonic() + 20
    while time.monotonic() < until and head.is_alive():
        time.sleep(0.2)
    import ray
    ray.init(address=f"127.0.0.1:{port}", log_to_driver=False)
    print(len(ray.nodes()))
    ray.shutdown()
    ray_node.end_descendants()
"""


@pytest.mark.parametrize("program", [LOCAL, HEAD], ids=["of a launch", "of an allocation"])
def test_ray_starts_nevertheless(program, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SITE)
    (tmp_path / "first").touch()
    here = environment()
    here["PYTHONPATH"] = os.pathsep.join([str(tmp_path), here["PYTHONPATH"]])
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, env=here, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "1\n"
    assert not (tmp_path / "first").exists()
