"""The development cluster: up, down, and everything that can befall a node."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from seedsweep.core.records.lease import start_ticks
from tests.devcluster import configuration
from tests.devcluster.configuration import DATABASE, Shape
from tests.devcluster.layout import BRIDGE, NETWORK, Layout

#: A short path: the sockets of several daemons are below it.
FOLDER = Path("/tmp/seedsweep-slurm")
#: program -> Debian's package
NEEDS = {
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-wlm",
    "slurmdbd": "slurmdbd",
    "munged": "munge",
    "mariadbd": "mariadb-server",
    "ip": "iproute2",
    "ps": "procps",
}
#: Outside the nodes, in the order in which they stop.
DAEMONS = ("slurmctld", "slurmdbd", "mariadbd", "munged")
SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
#: After this long a daemon that does not answer never will.
PATIENCE = 30.0


class DevClusterError(Exception):
    """What went wrong, in a line, and the file that says more."""


def missing() -> str | None:
    """Why this machine cannot have a development cluster, or None."""
    if not sys.platform.startswith("linux") or os.getuid() != 0:
        return "a development cluster needs Linux and root"
    packages = sorted({package for name, package in NEEDS.items() if shutil.which(name, path=SBIN) is None})
    return f"a development cluster needs: apt-get install {' '.join(packages)}" if packages else None


class DevCluster:
    """slurmctld, slurmdbd, MariaDB and munge on this machine, and a slurmd in each of some namespace "hosts".

    Every node has its own address, host name, processes, `/tmp` and `/dev/shm`; `shared` are the folders below the
    machine's `/tmp` and `/root` that the nodes see, too (all others but these two are the machine's).
    As a context manager: up at the beginning, down at the end.
    """

    def __init__(self, shape: Shape | None = None, shared: Sequence[Path] = (), folder: Path = FOLDER):
        self.layout = Layout(folder)
        stored = json.loads(self.layout.shape.read_text()) if self.is_up() else None
        self.shared = sorted({Path(p) for p in (stored["shared"] if stored else shared)})
        self.shape = Shape(**stored["shape"]) if stored else shape or Shape()
        self.nodes = self.layout.nodes(self.shape.nodes)

    def __enter__(self) -> DevCluster:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def environment(self) -> dict[str, str]:
        """What SLURM's commands need to find this cluster."""
        return {"SLURM_CONF": str(self.layout.slurm_conf)}

    def is_up(self) -> bool:
        """Whether any of it runs."""
        return any(map(self.first_process, self.layout.made_nodes())) or any(map(self.daemon, DAEMONS))

    def up(self) -> None:
        """Start everything, and wait until every node is idle. Errors: DevClusterError."""
        if reason := missing():
            raise DevClusterError(reason)
        if self.is_up():
            up = f"a development cluster is up in {self.layout.folder}"
            raise DevClusterError(f"{up}: `python -m tests.devcluster down`")
        layout = self.layout
        if layout.folder.exists():
            # The machine was switched off, or everything was killed: what is left runs nothing.
            self.down()
        layout.make()
        layout.shape.write_text(json.dumps({"shape": asdict(self.shape), "shared": [str(p) for p in self.shared]}))
        configuration.write(layout, self.shape)
        for number in range(self.shape.gpus):
            # What a pretended GPU is made of: the null device.
            _run("mknod", "-m", "666", layout.devices / f"nvidia{number}", "c", "1", "3")
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
        _run("ip", "address", "add", f"{layout.gateway}/24", "dev", BRIDGE)
        _run("ip", "link", "set", BRIDGE, "up")
        self._munge()
        self.start_accounting()
        self._start_daemon("slurmctld", "-D", "-f", layout.slurm_conf)
        for node in self.nodes:
            self.start(node)
        self.wait_idle()

    def wait_idle(self) -> None:
        """Wait until every node is there and has nothing to do. Errors: DevClusterError."""
        _wait(lambda: len(self._sinfo("idle")) == len(self.nodes), "the nodes are not idle", self.layout.logs)

    def down(self) -> None:
        """Stop everything and remove every trace: processes, network, control groups, files."""
        nodes = self.layout.made_nodes()
        for node in nodes:
            self.kill(node)
        for daemon in DAEMONS:
            self._stop(daemon)
        for node in nodes:
            _run("ip", "link", "delete", self.layout.link(node), check=False)
            _run("ip", "netns", "delete", self.layout.namespace(node), check=False)
        _run("ip", "link", "delete", BRIDGE, check=False)
        _remove_control_groups([f"slurm_{node}" for node in nodes])
        folder = str(self.layout.folder)
        if any(line.split()[1].startswith(f"{folder}/") for line in Path("/proc/mounts").read_text().splitlines()):
            raise DevClusterError(f"something is mounted below {folder}: not removed")
        shutil.rmtree(folder, ignore_errors=True)

    def start(self, node: str) -> None:
        """Boot a node; a node that runs is left alone."""
        if self.first_process(node):
            return
        layout = self.layout
        layout.node(node).mkdir(parents=True, exist_ok=True)
        if not Path("/run/netns", layout.namespace(node)).exists():
            self._plug(node)
        command = ["ip", "netns", "exec", layout.namespace(node), "unshare", "--uts", "--mount", "--pid", "--ipc"]
        command += ["--fork", "--kill-child", "bash", str(Path(__file__).parent / "node.sh"), str(layout.folder), node]
        with open(layout.log(f"node.{node}"), "ab") as log:
            outer = subprocess.Popen(
                [*command, *map(str, self.shared)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PATH": SBIN},
            )
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        _wait(lambda: children.exists() and children.read_text().split(), f"{node} does not boot", layout.logs)
        _note(layout.init_pid(node), int(children.read_text().split()[0]))

    def kill(self, node: str) -> None:
        """Pull a node's power cord: every process on it ends at once."""
        init = self.first_process(node)
        if init:
            os.kill(init, signal.SIGKILL)
            _wait(lambda: not Path(f"/proc/{init}/ns/pid").exists(), f"{node} does not die", self.layout.logs)
        self.layout.init_pid(node).unlink(missing_ok=True)

    def cut(self, node: str) -> None:
        """Pull a node's network cable: it goes on, unheard."""
        _run("ip", "link", "set", self.layout.link(node), "down")

    def heal(self, node: str) -> None:
        """Plug the network cable in again."""
        _run("ip", "link", "set", self.layout.link(node), "up")

    def start_accounting(self) -> None:
        """Start MariaDB and slurmdbd where they do not run."""
        layout = self.layout
        if not (layout.database / "mysql").exists():
            # fmt: off
            _run("mariadb-install-db", "--no-defaults", f"--datadir={layout.database}", "--user=root",
                 "--auth-root-authentication-method=socket", "--skip-test-db")
            # fmt: on
        client = ["mariadb", "--no-defaults", "-S", str(layout.database_socket), "-u", "root", "-e"]
        if not self.daemon("mariadbd"):
            # fmt: off
            self._start_daemon(
                "mariadbd", "--no-defaults", f"--datadir={layout.database}", "--user=root",
                f"--socket={layout.database_socket}", "--bind-address=127.0.0.1", f"--port={DATABASE}",
                "--skip-name-resolve", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M",
                "--innodb-lock-wait-timeout=900",
            )
            # fmt: on
            _wait(lambda: _succeeds(*client, "select 1"), "MariaDB does not answer", layout.log("mariadbd"))
            _run(
                *client,
                "create database if not exists slurm_acct_db; create user if not exists 'slurm'@'127.0.0.1' "
                "identified by 'slurm'; grant all on slurm_acct_db.* to 'slurm'@'127.0.0.1';",
            )
        if not self.daemon("slurmdbd"):
            self._start_daemon("slurmdbd", "-D")
            _wait(
                lambda: _succeeds("sacctmgr", "-n", "show", "cluster", env=self.environment),
                "slurmdbd does not answer",
                layout.log("slurmdbd"),
            )

    def stop_accounting(self) -> None:
        """Stop slurmdbd, as an overloaded or broken accounting does by itself."""
        self._stop("slurmdbd")

    def status(self) -> str:
        """The nodes and the queue, in SLURM's words."""
        return _run("sinfo", "-N", env=self.environment) + _run("squeue", "-a", env=self.environment)

    def daemon(self, name: str) -> int | None:
        """Process number of one of DAEMONS, if it runs."""
        return _alive(self.layout.pid_file(f"{name}.of"))

    def first_process(self, node: str) -> int | None:
        """Process number, on the machine, of a node's first process, if the node is up."""
        return _alive(self.layout.init_pid(node))

    def command(self, node: str, *command: str, user: str | None = None) -> list[str]:
        """`command`, made to run on a node, there as another user."""
        entered = ["nsenter", "-t", str(self.first_process(node)), "-n", "-u", "-m", "-p", "-i", "--"]
        if not user:
            return [*entered, *command]
        group = pwd.getpwnam(user).pw_gid
        return [*entered, "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--", *command]

    def processes(self, node: str) -> list[str]:
        """Command lines of everything on a node but its first process and SLURM's daemon."""
        shown = _run(*self.command(node, "ps", "-eo", "pid=,args="))
        own = ("node.sh", "slurmd -D", "sleep 3600", "ps -eo")
        return [line for line in shown.splitlines() if not any(word in line for word in own)]

    def _munge(self) -> None:
        layout = self.layout
        layout.munge_key.write_bytes(secrets.token_bytes(128))
        layout.munge_key.chmod(0o600)
        self._start_daemon(
            "munged",
            "--foreground",
            f"--key-file={layout.munge_key}",
            f"--socket={layout.munge_socket}",
            f"--pid-file={layout.runtime}/munged.own.pid",
            f"--log-file={layout.log('munged.own')}",
            f"--seed-file={layout.runtime}/munged.seed",
        )
        _wait(layout.munge_socket.exists, "munged does not answer", layout.log("munged"))

    def _plug(self, node: str) -> None:
        """Give a node its network."""
        layout = self.layout
        space, link = layout.namespace(node), layout.link(node)
        # A network namespace goes some time after its last process: the old cable may still be there.
        _run("ip", "link", "delete", link, check=False)
        _run("ip", "netns", "add", space)
        _run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
        _run("ip", "link", "set", link, "master", BRIDGE, "up")
        _run("ip", "-n", space, "link", "set", "lo", "up")
        _run("ip", "-n", space, "address", "add", f"{layout.address(node)}/24", "dev", "eth0")
        _run("ip", "-n", space, "link", "set", "eth0", "up")
        _run("ip", "-n", space, "route", "add", "default", "via", f"{NETWORK}.1")

    def _start_daemon(self, name: str, *arguments: object) -> None:
        """Start a daemon outside the nodes, in the foreground of a session of its own."""
        program = shutil.which(name, path=SBIN)
        with open(self.layout.log(name), "ab") as log:
            process = subprocess.Popen(
                [str(program), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )
        _note(self.layout.pid_file(f"{name}.of"), process.pid)

    def _stop(self, daemon: str) -> None:
        pid = self.daemon(daemon)
        if pid:
            os.kill(pid, signal.SIGTERM)
            try:
                _wait(lambda: not _running(pid), f"{daemon} does not stop", self.layout.log(daemon), 10)
            except DevClusterError:
                os.kill(pid, signal.SIGKILL)
        self.layout.pid_file(f"{daemon}.of").unlink(missing_ok=True)

    def _sinfo(self, state: str) -> list[str]:
        # Asked before the controller listens, it fails.
        return _run(
            "sinfo", "-h", "-N", "-p", "main", "-t", state, "-o", "%N", check=False, env=self.environment
        ).split()


def _note(file: Path, pid: int) -> None:
    """Write a process into a pid file, with its beginning: after a boot its number is another's."""
    file.write_text(f"{pid} {start_ticks(pid)}")


def _alive(file: Path) -> int | None:
    """The process that a pid file names, if it runs."""
    with contextlib.suppress(OSError, ValueError):
        pid, beginning = map(int, file.read_text().split())
        if _running(pid) and start_ticks(pid) == beginning:
            return pid
    return None


def _running(pid: int) -> bool:
    """Whether a process is there and not merely unburied."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return start_ticks(pid) is not None


def _run(*command: object, check: bool = True, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PATH": SBIN, **(env or {})},
    )
    if check and done.returncode:
        raise DevClusterError(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _succeeds(*command: object, env: dict[str, str] | None = None) -> bool:
    with contextlib.suppress(DevClusterError):
        _run(*command, env=env)
        return True
    return False


def _wait(condition: Callable[[], object], failed: str, log: Path, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise DevClusterError(f"{failed} after {patience:g} s: see {log}")
        time.sleep(0.05)


def _remove_control_groups(names: Sequence[str]) -> None:
    """The freezer groups that the slurmds made: they are the machine's, whatever namespace saw them being made."""
    # A group is busy until the last of its processes is gone altogether.
    with _freezer() as freezer, contextlib.suppress(DevClusterError):
        _wait(lambda: not [n for n in names if _remove_tree(freezer / n)], "control groups are busy", freezer, 5)


def _remove_tree(group: Path) -> bool:
    """Remove a control group and those below it, as far as they are empty; whether it is still there."""
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    return group.exists()


@contextlib.contextmanager
def _freezer() -> Iterator[Path]:
    """The root of the freezer's hierarchy, mounted for a moment."""
    place = Path("/run") / f"seedsweep-freezer-{os.getpid()}"
    place.mkdir()
    try:
        _run("mount", "-t", "cgroup", "-o", "freezer", "cgroup", place)
        try:
            yield place
        finally:
            _run("umount", place)
    finally:
        place.rmdir()
