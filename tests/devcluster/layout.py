"""Where the development cluster keeps everything, and what it calls it."""

from __future__ import annotations

from pathlib import Path

#: The bridge of the nodes' network, and the beginnings of their namespaces' and links' names.
BRIDGE, NAMESPACE, LINK = "seedsweep0", "seedsweep-", "seedsweep-v"
#: First three bytes of every address: 1 is the machine, 11 and up are the nodes.
NETWORK = "10.77.0"


class Layout:
    """Paths below the cluster's folder. Nothing else joins one."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.etc = folder / "etc"
        self.logs = folder / "log"
        self.runtime = folder / "run"
        self.state = folder / "state"
        self.devices = folder / "dev"
        self.database = folder / "db"
        self.shared = folder / "shared"
        self.slurm_conf = self.etc / "slurm.conf"
        self.gres_conf = self.etc / "gres.conf"
        self.cgroup_conf = self.etc / "cgroup.conf"
        self.slurmdbd_conf = self.etc / "slurmdbd.conf"
        self.hosts = self.etc / "hosts"
        self.munge_key = self.etc / "munge.key"
        self.munge_socket = self.runtime / "munge.sock"
        self.database_socket = self.runtime / "mysql.sock"
        self.shape = self.etc / "shape.json"
        self.gateway = f"{NETWORK}.1"

    def make(self) -> None:
        """Make the folders."""
        for folder in (self.etc, self.logs, self.runtime, self.state, self.devices, self.folder / "nodes"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)
        # Of all users and nodes, as a cluster's scratch file system.
        self.shared.mkdir()
        self.shared.chmod(0o1777)

    @staticmethod
    def nodes(count: int) -> list[str]:
        """n1, n2, ..."""
        return [f"n{i}" for i in range(1, count + 1)]

    def made_nodes(self) -> list[str]:
        """Nodes that were booted once."""
        return sorted(folder.name for folder in self.folder.glob("nodes/*"))

    @staticmethod
    def address(node: str) -> str:
        """IP address of a node."""
        return f"{NETWORK}.{10 + int(node[1:])}"

    @staticmethod
    def namespace(node: str) -> str:
        """Network namespace of a node."""
        return f"{NAMESPACE}{node}"

    @staticmethod
    def link(node: str) -> str:
        """The machine's end of a node's network cable."""
        return f"{LINK}{node[1:]}"

    def node(self, node: str) -> Path:
        """What a node has to itself."""
        return self.folder / "nodes" / node

    def init_pid(self, node: str) -> Path:
        """Holds the process number of the node's first process, as the machine sees it."""
        return self.node(node) / "init.pid"

    def pid_file(self, daemon: str) -> Path:
        """Of a daemon outside the nodes."""
        return self.runtime / f"{daemon}.pid"

    def log(self, daemon: str) -> Path:
        """Log of a daemon."""
        return self.logs / f"{daemon}.log"
