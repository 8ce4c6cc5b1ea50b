"""Clusters under SLURM."""
