"""The development cluster itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.devcluster import DevClusterError
from tests.devcluster.cluster import DAEMONS
from tests.devcluster.layout import BRIDGE, LINK, NAMESPACE

ROOT = Path(__file__).parents[2]


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def traces(cluster) -> dict[str, list]:
    """What a cluster makes on the machine, by kind."""
    folder = str(cluster.layout.folder)
    processes = [line for line in output("ps", "-eo", "stat=,args=").splitlines() if line[0] != "Z"]
    freezer = next(line for line in Path("/proc/cgroups").read_text().splitlines() if line.startswith("freezer"))
    return {
        "processes": [line for line in processes if folder in line or ("slurm" in line and "pytest" not in line)],
        "links": [line for line in output("ip", "link").splitlines() if BRIDGE in line or LINK in line],
        "namespaces": [line for line in output("ip", "netns").splitlines() if NAMESPACE in line],
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if "seedsweep" in line],
        # One is the root of them all.
        "control groups": list(range(int(freezer.split()[2]) - 1)),
        "files": [str(path) for path in Path("/tmp").glob(f"{cluster.layout.folder.name}*")],
    }


def test_down_leaves_nothing_and_up_comes_again(cluster):
    environment = cluster.environment
    subprocess.run(["srun", "-N", "3", "true"], env={**environment, "PATH": "/usr/bin:/bin"}, check=True)
    busy = traces(cluster)
    assert all(busy.values())
    cluster.down()
    try:
        # The kernel takes removed control groups apart in its own time.
        deadline = time.monotonic() + 20
        while (left := traces(cluster)) != {kind: [] for kind in left}:
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
    finally:
        cluster.up()
    assert cluster.status().count("idle") == 9


def test_it_comes_up_over_what_a_power_cut_left(cluster):
    for process in filter(None, [*map(cluster.first_process, cluster.nodes), *map(cluster.daemon, DAEMONS)]):
        os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while cluster.is_up():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # The number of a daemon that is no more is another process's by now, which is none of our business.
    other = subprocess.Popen(["sleep", "60"])
    cluster.layout.pid_file("munged.of").write_text(f"{other.pid} 1")
    cluster.up()
    assert cluster.status().count("idle") == 9
    assert other.poll() is None
    other.kill()
    other.wait()


def test_each_node_is_a_host_of_its_own(cluster):
    shown, own = {}, Path(f"/tmp/a-nodes-own-{os.getpid()}")
    for node in cluster.nodes:
        script = f"hostname; hostname -i; touch {own}; ls /tmp /dev/shm; ps -e | wc -l"
        shown[node] = output(*cluster.command(node, "sh", "-c", script)).splitlines()
    assert [lines[0] for lines in shown.values()] == cluster.nodes
    assert len({lines[1] for lines in shown.values()}) == 3
    assert not own.exists()
    assert all(int(lines[-1]) < 15 for lines in shown.values())


def test_a_killed_node_boots_again(cluster):
    cluster.kill("n3")
    assert cluster.first_process("n3") is None
    cluster.start("n3")
    cluster.wait_idle()
    assert output(*cluster.command("n3", "hostname")).strip() == "n3"


def test_a_second_one_is_refused(cluster):
    with pytest.raises(DevClusterError, match=r"is up in .*: `python -m tests\.devcluster down`"):
        cluster.up()


def test_an_unknown_node_is_one_line(cluster):
    command = [sys.executable, "-m", "tests.devcluster", "kill", "n9"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "there is no node 'n9': known are n1, n2, n3" in done.stderr
