"""`python -m tests.devcluster ...`, from a checkout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from tests.devcluster.cluster import DevCluster, DevClusterError
from tests.devcluster.configuration import Shape

app = typer.Typer(
    help="A real SLURM of several nodes on this machine, for development (Linux, root).", no_args_is_help=True,
    pretty_exceptions_enable=False, add_completion=False,
)  # fmt: skip
Node = Annotated[str, typer.Argument(help="n1, n2, ...")]


@app.command()
def up(
    nodes: Annotated[int, typer.Option(min=1, max=200)] = 3,
    cpus: Annotated[int, typer.Option(min=1, help="CPUs that each node says it has")] = 4,
    gpus: Annotated[int, typer.Option(min=0, help="pretended GPUs of each node")] = 2,
    share: Annotated[Optional[list[Path]], typer.Option(help="A folder below /tmp or /root for the nodes.")] = None,
) -> None:
    """Start it. The nodes see this machine's files, but for /tmp and /root: of those the working directory, the Python
    environment and what --share names."""
    shared = [Path.cwd(), Path(sys.prefix), Path(sys.base_prefix), *(folder.absolute() for folder in share or [])]
    cluster = DevCluster(Shape(nodes, cpus, gpus), shared)
    cluster.up()
    typer.echo(cluster.status())
    typer.echo(f"export SLURM_CONF={cluster.layout.slurm_conf}")


@app.command()
def down() -> None:
    """Stop it and remove every trace."""
    DevCluster().down()


@app.command()
def kill(node: Node) -> None:
    """End every process of a node at once, as a power cut does."""
    _cluster(node).kill(node)


@app.command()
def start(node: Node) -> None:
    """Boot a killed node again."""
    _cluster(node).start(node)


@app.command()
def cut(node: Node) -> None:
    """Cut a node off the network; what runs on it goes on."""
    _cluster(node).cut(node)


@app.command()
def heal(node: Node) -> None:
    """Connect a node to the network again."""
    _cluster(node).heal(node)


@app.command()
def status() -> None:
    """Show the nodes and the queue."""
    typer.echo(_cluster().status())


def _cluster(node: str | None = None) -> DevCluster:
    cluster = DevCluster()
    if not cluster.is_up():
        raise DevClusterError("no development cluster is up: `python -m tests.devcluster up`")
    if node and node not in cluster.nodes:
        raise DevClusterError(f"there is no node {node!r}: known are {', '.join(cluster.nodes)}")
    return cluster


if __name__ == "__main__":
    try:
        app(prog_name="python -m tests.devcluster")
    except DevClusterError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
