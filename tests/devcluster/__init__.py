"""A real SLURM of several nodes on one Linux machine: each node a host of its own, in namespaces."""

from tests.devcluster.cluster import DevCluster, DevClusterError, missing

__all__ = ["DevCluster", "DevClusterError", "missing"]
